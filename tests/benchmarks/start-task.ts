// What the children of start.ts share: reading the task, filling inputs, and the report. Nothing else is imported, so
// that a child loads only what a user's program would.

import { readFileSync } from "node:fs";
import type { ChildReport, ChildTask } from "./start.js";

const ARRAYS = { f32: Float32Array, u8: Uint8Array, i8: Int8Array, i32: Int32Array, i64: BigInt64Array } as const;

export type InputArray = InstanceType<(typeof ARRAYS)[keyof typeof ARRAYS]>;

export interface ChildInput {
  readonly name: string;
  readonly dtype: keyof typeof ARRAYS;
  readonly shape: readonly number[];
  readonly data: InputArray;
}

export function readTask(): { readonly file: string; readonly inputs: readonly ChildInput[] } {
  const task = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as ChildTask;
  const inputs = task.inputs.map(({ name, dtype, shape, value }) => {
    if (!(dtype in ARRAYS)) throw new Error(`input "${name}" has dtype ${dtype}`);
    const type = dtype as keyof typeof ARRAYS;
    const size = shape.reduce((a, b) => a * b, 1);
    const data = type === "i64" ? new BigInt64Array(size).fill(BigInt(value)) : new ARRAYS[type](size).fill(value);
    return { name, dtype: type, shape, data };
  });
  return { file: task.file, inputs };
}

export function finish(outputs: number): void {
  const status = process.platform === "linux" ? readFileSync("/proc/self/status", "utf8") : "";
  const peak = /VmHWM:\s+(\d+) kB/.exec(status)?.[1];
  const report: ChildReport = { outputs, peakKiB: peak === undefined ? null : Number(peak) };
  process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
}
