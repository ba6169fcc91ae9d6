// Starts programs in alternation and times each from its start to the first byte that it prints. A process of its own, which
// loads nothing else. In, on stdin: ClockTask. Out, on stdout: Clocked for each command.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import type { StartReport } from "./start-files.js";

export interface ClockTask {
  readonly commands: readonly (readonly string[])[];
  /** By command: where it writes its output when it runs for the first time. */
  readonly shown: readonly string[];
  readonly rounds: number;
}

export interface Clocked {
  /** Milliseconds. */
  readonly samples: number[];
  /** Greatest resident sizes, bytes; none where the system does not tell. */
  readonly peaks: number[];
}

const LIMIT_MS = 60_000;

function once([program = "", ...args]: readonly string[]): Promise<{
  readonly ms: number;
  readonly report: StartReport;
}> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    let ms: number | null = null;
    let out = "";
    let err = "";
    const child = spawn(program, args, { timeout: LIMIT_MS });
    child.stdout.on("data", (chunk: Buffer) => {
      ms ??= performance.now() - start;
      out += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      err += chunk.toString();
    });
    child.on("error", reject);
    child.on("close", (code) => {
      if (code !== 0 || ms === null)
        reject(new Error(`${program} ended with ${code ?? "a signal"}: ${err.slice(0, 500)}`));
      else resolve({ ms, report: JSON.parse(out) as StartReport });
    });
  });
}

const { commands, shown, rounds } = JSON.parse(readFileSync(0, "utf8")) as ClockTask;
const results: Clocked[] = commands.map(() => ({ samples: [], peaks: [] }));
// Not timed: it fills the disk cache.
for (const [i, command] of commands.entries()) await once([...command, shown[i] ?? ""]);
for (let round = 0; round < rounds; round++)
  for (let i = 0; i < commands.length; i++) {
    const at = (i + round) % commands.length;
    const [command, result] = [commands[at], results[at]];
    if (command === undefined || result === undefined) continue;
    const { ms, report } = await once(command);
    result.samples.push(ms);
    if (report.peakKiB !== null) result.peaks.push(report.peakKiB * 1024);
  }
process.stdout.write(JSON.stringify(results));
