// From the start of a process to its first result: fresh Node processes in alternation, one with a runtime and a
// bundle, one per peer with the ONNX file. Each says what its memory peaked at. Nothing is warm but the disk cache.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { median } from "./measure.js";
import type { Row } from "./row.js";

export interface Start {
  readonly name: string;
  /** Median milliseconds. */
  readonly ms: number;
  readonly samples: readonly number[];
  /** Median of the greatest resident sizes, bytes; null where the system does not tell. */
  readonly peakBytes: number | null;
}

/** What a child prints when it has its first result. */
export interface ChildReport {
  readonly outputs: number;
  readonly peakKiB: number | null;
}

/** What a child is told: its model's file, and the inputs that it fills with one value. */
export interface ChildTask {
  readonly file: string;
  readonly inputs: readonly {
    readonly name: string;
    readonly dtype: string;
    readonly shape: readonly number[];
    readonly value: number;
  }[];
}

const CHILDREN = {
  psionic: "start-psionic.js",
  "psionic-native": "start-native.js",
  "onnxruntime-web": "start-web.js",
  "onnxruntime-node": "start-node.js",
} as const;

export type StartName = keyof typeof CHILDREN;

const PAIRS = 9;
const LIMIT_MS = 60_000;

export interface StartOptions {
  /** Ours first. */
  readonly names: readonly StartName[];
  readonly bundle: Uint8Array;
  readonly model: Uint8Array;
  readonly pairs?: number;
}

export async function measureStart(row: Row, options: StartOptions): Promise<Start[]> {
  const { names, bundle, model, pairs = PAIRS } = options;
  const folder = mkdtempSync(join(tmpdir(), "psionic-start-"));
  try {
    const results = names.map((name) => ({ name, samples: [] as number[], peaks: [] as number[] }));
    const tasks = new Map<StartName, string>();
    for (const name of names) {
      const isOurs = name === names[0];
      const file = join(folder, isOurs ? "model.psn" : "model.onnx");
      writeFileSync(file, isOurs ? bundle : model);
      const inputs = Object.entries(row.inputs()).map(([input, { dtype, shape, data }]) => ({
        name: input,
        dtype,
        shape,
        value: Number(data[0] ?? 0),
      }));
      const path = join(folder, `${name}.json`);
      writeFileSync(path, JSON.stringify({ file, inputs } satisfies ChildTask));
      tasks.set(name, path);
    }
    for (let round = -1; round < pairs; round++) {
      for (let i = 0; i < results.length; i++) {
        const result = results[(i + round + 1) % results.length];
        if (result === undefined) continue;
        const { ms, report } = await once(CHILDREN[result.name], tasks.get(result.name) ?? "");
        // The first round fills the disk cache.
        if (round < 0) continue;
        result.samples.push(ms);
        if (report.peakKiB !== null) result.peaks.push(report.peakKiB * 1024);
      }
    }
    return results.map(({ name, samples, peaks }) => ({
      name,
      ms: median(samples),
      samples,
      peakBytes: peaks.length === 0 ? null : median(peaks),
    }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Spawns one child; the clock stops at the first byte that it prints. */
function once(script: string, task: string): Promise<{ readonly ms: number; readonly report: ChildReport }> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    let ms: number | null = null;
    let out = "";
    let err = "";
    const args = [...process.execArgv, fileURLToPath(new URL(script, import.meta.url)), task];
    const child = spawn(process.execPath, args, {
      timeout: LIMIT_MS,
    });
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
        reject(new Error(`${script} ended with ${code ?? "a signal"}: ${err.slice(0, 500)}`));
      else resolve({ ms, report: JSON.parse(out) as ChildReport });
    });
  });
}
