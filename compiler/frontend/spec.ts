// What a trace is told of its inputs: dtype and shape, such as f32("batch", 64). Names stand for sizes that are known
// when the model runs; each has a range, from dim("seq", 1, 512) or from the options of trace.

import type { Dim } from "../ir/dim.js";
import type { DType } from "../ir/dtype.js";

/** A named size with its inclusive range. */
export interface DimSpec {
  readonly name: string;
  readonly lo: number;
  readonly hi: number;
}

/** A size of an input: a number, a name, a name with its range, or an expression of dimensions. */
export type SizeSpec = number | string | DimSpec | Dim;

export interface TensorSpec {
  readonly dtype: DType;
  readonly sizes: readonly SizeSpec[];
}

/** A size that is known only when the model runs, from lo to hi, both included. */
export function dim(name: string, lo: number, hi: number): DimSpec {
  return { name, lo, hi };
}

export function isDimSpec(size: SizeSpec): size is DimSpec {
  return typeof size === "object" && "name" in size;
}

type SpecMaker = (...sizes: readonly SizeSpec[]) => TensorSpec;

const spec =
  (dtype: DType): SpecMaker =>
  (...sizes) => ({ dtype, sizes });

export const f64 = spec("f64");
export const f32 = spec("f32");
export const f16 = spec("f16");
export const bf16 = spec("bf16");
export const i64 = spec("i64");
export const i32 = spec("i32");
export const i16 = spec("i16");
export const i8 = spec("i8");
export const u64 = spec("u64");
export const u32 = spec("u32");
export const u16 = spec("u16");
export const u8 = spec("u8");
export const bool = spec("bool");
