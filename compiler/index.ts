// The package's public face.

export { Refused, type Refusal, type RefusalCode, formatRefusal } from "./ir/errors.js";
export type { Dim } from "./ir/dim.js";
export type { DType } from "./ir/dtype.js";
export type { Graph } from "./ir/graph.js";
export * from "./frontend/index.js";
