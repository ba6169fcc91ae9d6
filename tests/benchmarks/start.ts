// From the start of a process to its first result: fresh processes in alternation, one with a bundle, one per peer with the
// ONNX file. Each says what its memory peaked at, and shows what it computed. Nothing is warm but the disk cache.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { median } from "./measure.js";
import type { Row } from "./row.js";
import type { Clocked, ClockTask } from "./start-clock.js";
import { type StartFiles, type StartModel, writeStartFiles } from "./start-files.js";

export interface StartProgram {
  /** "psionic", or the name of the peer's engine. */
  readonly name: string;
  /** The command, which takes one more argument: the file where the output goes that it shows. */
  command(files: StartFiles): readonly [string, ...string[]];
}

export interface Start {
  readonly name: string;
  /** Median milliseconds. */
  readonly ms: number;
  readonly samples: readonly number[];
  /** Median of the greatest resident sizes, bytes; null where the system does not tell. */
  readonly peakBytes: number | null;
  /** The model's first output, as it lies in memory. */
  readonly output: Uint8Array<ArrayBuffer>;
}

/** `programs`: ours first. */
export async function measureStart(
  row: Row,
  programs: readonly StartProgram[],
  model: StartModel,
  rounds: number,
): Promise<Start[]> {
  const folder = mkdtempSync(join(tmpdir(), "psionic-start-"));
  try {
    const files = writeStartFiles(folder, row, model);
    const commands = programs.map((p) => p.command(files));
    const shown = programs.map(({ name }) => join(folder, `output of ${name}`));
    const clock = await clocked({ commands, shown, rounds });
    return programs.map(({ name }, i) => {
      const { samples = [], peaks = [] } = clock[i] ?? {};
      return {
        name,
        ms: median(samples),
        samples,
        peakBytes: peaks.length === 0 ? null : median(peaks),
        output: new Uint8Array(readFileSync(shown[i] ?? "")),
      };
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Another process runs and times them, a small one: a large one takes tens of milliseconds to start any other. */
function clocked(task: ClockTask): Promise<readonly Clocked[]> {
  return new Promise((resolve, reject) => {
    const script = fileURLToPath(new URL("start-clock.js", import.meta.url));
    const child = spawn(process.execPath, [script], { stdio: ["pipe", "pipe", "inherit"] });
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString();
    });
    child.on("error", reject);
    child.on("close", (code) => {
      if (code !== 0) reject(new Error("a program of a start row failed"));
      else resolve(JSON.parse(out) as Clocked[]);
    });
    child.stdin.end(JSON.stringify(task));
  });
}
