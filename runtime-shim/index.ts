// The runtime: what ships with a bundle. Loads it, proves that it is what its digest says, and runs it. Imports nothing
// outside this folder.

export type { ArrayOf, DType, TypedArray } from "./dtype.js";
export {
  InputError,
  type InputErrorCode,
  LoadError,
  type LoadErrorCode,
  RunError,
  type RunErrorCode,
} from "./errors.js";
export type { Tier } from "./format.js";
export { type LoadOptions, load } from "./load.js";
export {
  type AnyModel,
  type EntryInfo,
  type EntryTypes,
  Model,
  type ModelTypes,
  type ReadMemory,
  type RunOptions,
  type State,
  type SymbolInfo,
} from "./model.js";
export type { PortInfo } from "./port.js";
export type { BundleSource } from "./source.js";
export { type Feed, TensorView } from "./tensor.js";
export type { ThreadCount, Threads, Variant } from "./variant.js";
