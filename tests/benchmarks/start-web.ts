// A user's program with onnxruntime-web: open the ONNX file, run it once.

import { readFileSync } from "node:fs";
import { env, InferenceSession, Tensor } from "onnxruntime-web";
import { finish, readTask } from "./start-task.js";

const TYPES = { f32: "float32", u8: "uint8", i8: "int8", i32: "int32", i64: "int64" } as const;
const ERRORS_ONLY = 3;

env.wasm.numThreads = 1;
const { file, inputs, output } = readTask();
const session = await InferenceSession.create(new Uint8Array(readFileSync(file)), {
  executionProviders: ["wasm"],
  intraOpNumThreads: 1,
  logSeverityLevel: ERRORS_ONLY,
});
const feeds = Object.fromEntries(
  inputs.map(({ name, dtype, shape, data }) => [name, new Tensor(TYPES[dtype], data, shape)]),
);
const outputs = await session.run(feeds);
const shown = outputs[output]?.data;
if (!ArrayBuffer.isView(shown)) throw new Error(`no output "${output}" of numbers`);
finish(Object.keys(outputs).length, shown);
