// The package's public face.

export type { CLibrary, CLibraryOptions } from "../targets/llvm/c-library.js";
export * from "./frontend/index.js";
export { importOnnx, type OnnxImport, type OnnxOptions } from "./import/onnx/import.js";
export type { Dim } from "./ir/dim.js";
export type { DType } from "./ir/dtype.js";
export { Bug, formatRefusal, type Refusal, type RefusalCode, Refused } from "./ir/errors.js";
export type { Graph } from "./ir/graph.js";
export { type Compiled, type CompileOptions, compile } from "./pipeline.js";
export { formatTuning, parseTuning, type TuningEntry, type TuningLock } from "./schedule/tuning.js";
