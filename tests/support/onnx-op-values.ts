// Constant operands for cases of single operators.

import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";

export const i64 = (...values: number[]): { readonly fixed: Tensor } => ({
  fixed: tensorFrom("i64", [values.length], values),
});
export const i64s = (v: number): { readonly fixed: Tensor } => ({ fixed: tensorFrom("i64", [], [v]) });
export const f32 = (...values: number[]): { readonly fixed: Tensor } => ({
  fixed: tensorFrom("f32", [values.length], values),
});
export const scalar = (v: number): { readonly fixed: Tensor } => ({ fixed: tensorFrom("f32", [], [v]) });
export const i32 = (...values: number[]): Tensor => tensorFrom("i32", [values.length], values);
export const float = (f: number): { readonly float: number } => ({ float: f });
