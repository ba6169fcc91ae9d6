// How element types live in registers: which register kind computes a dtype, and how narrow integers keep their range.

import { DTYPES, type DType } from "../../compiler/ir/dtype.js";
import type { Expr, ExprPool, Reg, RegKind } from "./expr.js";
import { roundToNarrow } from "./narrow.js";

/** The register kind that computes a dtype. bool computes as a mask, a string as its number. */
export function registerOf(dtype: DType): RegKind {
  const { kind, bits } = DTYPES[dtype];
  if (kind === "bool") return "mask32";
  if (kind === "float") return bits === 64 ? "f64" : "f32";
  if (kind === "complex") throw new RangeError(`${dtype} has no register`);
  return bits === 64 ? "i64" : "i32";
}

export function regOf(dtype: DType, lanes = 1): Reg {
  return { kind: registerOf(dtype), lanes };
}

export function isUnsigned(dtype: DType): boolean {
  return DTYPES[dtype].kind === "uint";
}

/**
 * A value of `dtype` in a register after arithmetic: integers narrower than 32 bits wrap, narrow floats round, and with
 * `saturate` clamp.
 */
export function settle(pool: ExprPool, dtype: DType, e: Expr, saturate = false): Expr {
  const { kind, bits } = DTYPES[dtype];
  if (kind === "float") return bits >= 32 ? e : roundToNarrow(pool, dtype, e, saturate);
  if (bits >= 32 || kind === "bool") return e;
  const count = pool.i32(32 - bits);
  if (kind === "uint") return pool.same("and", e, pool.constant(e.type, (1 << bits) - 1));
  return pool.same("shrS", pool.same("shl", e, count), count);
}

/** A constant of `dtype` as its register holds it. */
export function constantIn(pool: ExprPool, dtype: DType, value: number | bigint, lanes = 1): Expr {
  const type = regOf(dtype, lanes);
  if (type.kind === "mask32") return pool.constant(type, Number(value) === 0 ? 0 : 1);
  if (type.kind === "i64")
    return pool.constant(type, BigInt.asIntN(64, typeof value === "bigint" ? value : BigInt(Math.trunc(value))));
  if (type.kind === "i32") return pool.constant(type, Number(value) | 0);
  return pool.constant(type, Number(value));
}
