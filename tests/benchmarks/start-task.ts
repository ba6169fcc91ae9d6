// What the programs of start rows share: reading the task and its inputs, and the report. Nothing else is imported, so that a
// process loads only what a user's program would.

import { readFileSync, writeFileSync } from "node:fs";
import type { StartReport, StartTask } from "./start-files.js";

const ARRAYS = { f32: Float32Array, u8: Uint8Array, i8: Int8Array, i32: Int32Array, i64: BigInt64Array } as const;

export type InputArray = InstanceType<(typeof ARRAYS)[keyof typeof ARRAYS]>;

export interface GivenInput {
  readonly name: string;
  readonly dtype: keyof typeof ARRAYS;
  readonly shape: readonly number[];
  readonly data: InputArray;
}

export interface GivenTask {
  /** The bundle or the ONNX file. */
  readonly file: string;
  readonly inputs: readonly GivenInput[];
  /** The output that it shows. */
  readonly output: string;
}

export function readTask(): GivenTask {
  const [, , file = "", task = ""] = process.argv;
  const { inputs, output } = JSON.parse(readFileSync(task, "utf8")) as StartTask;
  return {
    file,
    output,
    inputs: inputs.map(({ name, dtype, shape, file: path }) => {
      if (!(dtype in ARRAYS)) throw new Error(`input "${name}" has dtype ${dtype}`);
      const type = dtype as keyof typeof ARRAYS;
      const bytes = new Uint8Array(readFileSync(path));
      return { name, dtype: type, shape, data: new ARRAYS[type](bytes.buffer) };
    }),
  };
}

/** Prints the report, at which the clock stops; then writes an output where somebody wants to see it. */
export function finish(outputs: number, output: ArrayBufferView): void {
  const status = process.platform === "linux" ? readFileSync("/proc/self/status", "utf8") : "";
  const peak = /VmHWM:\s+(\d+) kB/.exec(status)?.[1];
  const report: StartReport = { outputs, peakKiB: peak === undefined ? null : Number(peak) };
  const [, , , , shown] = process.argv;
  process.stdout.write(`${JSON.stringify(report)}\n`, () => {
    if (shown !== undefined) writeFileSync(shown, new Uint8Array(output.buffer, output.byteOffset, output.byteLength));
    process.exit(0);
  });
}
