// The files of a start row, in a folder of its own: the model on both sides, the inputs as they lie in memory, and the task
// that tells of them, as JSON for programs in JavaScript and as lines of words for programs in C.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Plan } from "../../compiler/plan/plan.js";
import type { CLibrary } from "../../targets/llvm/c-library.js";
import type { Row } from "./row.js";

export interface StartFiles {
  readonly folder: string;
  readonly bundle: string;
  readonly model: string;
  /** For programs in JavaScript. */
  readonly json: string;
  /** For programs in C. */
  readonly text: string;
}

/** What a program is told in JSON. */
export interface StartTask {
  readonly inputs: readonly {
    readonly name: string;
    readonly dtype: string;
    readonly shape: readonly number[];
    readonly file: string;
  }[];
  /** The output that it shows. */
  readonly output: string;
}

/** What a program prints when it has its first result. */
export interface StartReport {
  readonly outputs: number;
  readonly peakKiB: number | null;
}

export interface StartModel {
  readonly bundle: Uint8Array;
  readonly model: Uint8Array;
  readonly plan: Plan;
  readonly library?: CLibrary | undefined;
}

export function writeStartFiles(folder: string, row: Row, { bundle, model, plan, library }: StartModel): StartFiles {
  const path = (name: string): string => join(folder, name);
  const outputs = plan.entries.flatMap((e) => e.outputs.map((o) => o.name));
  const inputs = Object.entries(row.inputs()).map(([name, { dtype, shape, data }], i) => {
    const file = path(`input${i}`);
    writeFileSync(file, data);
    return { name, dtype, shape, file };
  });
  const words = [
    ...inputs.map((i) => ["input", i.dtype, i.file, i.name, i.shape.length, ...i.shape]),
    ...outputs.map((name) => ["output", name]),
  ];
  writeFileSync(path("model.psn"), bundle);
  writeFileSync(path("model.onnx"), model);
  writeFileSync(path("task.json"), JSON.stringify({ inputs, output: outputs[0] ?? "" } satisfies StartTask));
  writeFileSync(path("task.txt"), words.map((line) => `${line.join(" ")}\n`).join(""));
  if (library !== undefined) {
    writeFileSync(path("libmodel.so"), library.library);
    writeFileSync(path("model.h"), library.header);
  }
  return {
    folder,
    bundle: path("model.psn"),
    model: path("model.onnx"),
    json: path("task.json"),
    text: path("task.txt"),
  };
}
