// The TypeScript frontend: what a program imports to trace a function. See docs/tensor-api.md.

export { where } from "./arithmetic.js";
export * from "./constructors.js";
export { cond, forLoop, scan, whileLoop } from "./control.js";
export { type Kernel, type KernelOptions, kernel } from "./kernel.js";
export type { Operand, Scalar } from "./promote.js";
export * from "./spec.js";
export { Tensor } from "./tensor.js";
export { state, type Traced, type TraceOptions, trace } from "./trace.js";
export type { Tree } from "./tree.js";
