// A page with onnxruntime-web: open the ONNX file, run it once.

import { env, InferenceSession, Tensor } from "onnxruntime-web/wasm";
import { report } from "./start-page.js";

const TYPES = { f32: "float32", u8: "uint8", i8: "int8", i32: "int32", i64: "int64" } as const;
const ERRORS_ONLY = 3;

await report(async (inputs, output) => {
  env.wasm.numThreads = 1;
  env.wasm.wasmPaths = { wasm: "/onnxruntime/ort-wasm-simd-threaded.wasm" };
  const session = await InferenceSession.create("/model.onnx", {
    executionProviders: ["wasm"],
    logSeverityLevel: ERRORS_ONLY,
  });
  const feeds = inputs.map(({ name, dtype, shape, data }) => [name, new Tensor(TYPES[dtype], data, shape)] as const);
  return (await session.run(Object.fromEntries(feeds)))[output]?.data;
});
