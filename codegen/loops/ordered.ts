// Elements as signed or unsigned integers of 32 bits that are in the order of max or min, where one integer instruction a
// step replaces the eight that a float's takes on x64, since it propagates NaN and tells zeros apart.
//
// A float's bits with all but the sign inverted under zero are in order as signed integers: -NaN, -infinity, ..., -0, 0, ...,
// infinity, NaN. Both kinds of NaN have to win: for max all are moved down until those at the low end come out at the high
// one, for min up. Nothing is lost, so that results have the bits of an element.

import type { DType } from "../../compiler/ir/dtype.js";
import type { Expr, ExprPool, Reg } from "./expr.js";
import { accumulator, combine, initialOf } from "./reduction.js";

/** NaN of one sign: bit patterns beyond its infinity. */
const NANS = 0x7fffff;

export interface Ordered {
  readonly type: Reg;
  /** What is before every element. */
  readonly initial: Expr;
  encode(element: Expr): Expr;
  decode(key: Expr): Expr;
  /** The greater or the lesser of two. */
  combine(a: Expr, b: Expr): Expr;
}

/** How elements of a dtype whose registers have 32 bits are compared. */
export function orderedAs(pool: ExprPool, kind: "max" | "min", dtype: DType): Ordered {
  const type: Reg = { kind: "i32", lanes: 1 };
  if (accumulator(dtype).kind !== "f32")
    return {
      type,
      initial: pool.constant(type, initialOf(kind, dtype)),
      encode: (e) => e,
      decode: (e) => e,
      combine: (a, b) => combine(pool, kind, dtype, a, b),
    };
  const flipped = (bits: Expr): Expr =>
    pool.same("xor", bits, pool.same("shrU", pool.same("shrS", bits, pool.i32(31)), pool.i32(1)));
  const moved = pool.constant(type, kind === "max" ? -NANS : NANS);
  const back = pool.constant(type, kind === "max" ? NANS : -NANS);
  return {
    type,
    initial: pool.constant(type, initialOf(kind, "i32")),
    encode: (e) => pool.same("add", flipped(pool.op("bits", type, e)), moved),
    decode: (key) => pool.op("bits", { kind: "f32", lanes: 1 }, flipped(pool.same("add", key, back))),
    combine: (a, b) => combine(pool, kind, "i32", a, b),
  };
}
