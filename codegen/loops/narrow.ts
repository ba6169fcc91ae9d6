// Floats narrower than 32 bits in registers: they compute as f32 and are rounded to nearest even after every op, so that
// a chain gives the same values fused or not. Conversions are integer arithmetic on the bits, any number of lanes.

import type { DType } from "../../compiler/ir/dtype.js";
import type { Expr, ExprPool, Reg } from "./expr.js";

const i32 = (e: Expr): Reg => ({ kind: "i32", lanes: e.type.lanes });
const f32 = (e: Expr): Reg => ({ kind: "f32", lanes: e.type.lanes });

/** Bits of an f16 or bf16 (in an i32) to its f32 value. */
export function decodeNarrow(pool: ExprPool, dtype: DType, bits: Expr): Expr {
  const int = i32(bits);
  const shift = (op: "shl" | "shrU", e: Expr, n: number): Expr => pool.same(op, e, pool.i32(n));
  if (dtype === "bf16") return pool.op("bits", f32(bits), shift("shl", bits, 16));
  if (dtype !== "f16") throw new RangeError(`${dtype} has no register form`);
  const c = (v: number): Expr => pool.constant(int, v);
  const sign = shift("shl", pool.same("and", bits, c(0x8000)), 16);
  const magnitude = shift("shl", pool.same("and", bits, c(0x7fff)), 13);
  // Multiplying by 2^112 rebiases the exponent and makes subnormals normal in one step.
  const scaled = pool.same("mul", pool.op("bits", f32(bits), magnitude), pool.constant(f32(bits), 2 ** 112));
  const special = pool.compare("le", c(0x0f800000), magnitude);
  const top = pool.op("bits", f32(bits), pool.same("or", magnitude, c(0x7f800000)));
  const value = pool.select(special, top, scaled);
  return pool.op("bits", f32(bits), pool.same("or", pool.op("bits", int, value), sign));
}

/** An f32 value rounded to f16 or bf16, as bits in an i32. */
export function encodeNarrow(pool: ExprPool, dtype: DType, value: Expr): Expr {
  const int = i32(value);
  const c = (v: number): Expr => pool.constant(int, v | 0);
  const bits = pool.op("bits", int, value);
  const shrU = (e: Expr, n: number): Expr => pool.same("shrU", e, pool.i32(n));
  const and = (e: Expr, v: number): Expr => pool.same("and", e, c(v));
  const nan = pool.compare("ne", value, value);
  if (dtype === "bf16") {
    const odd = and(shrU(bits, 16), 1);
    const rounded = shrU(pool.same("add", pool.same("add", bits, c(0x7fff)), odd), 16);
    return pool.select(nan, c(0x7fc0), and(rounded, 0xffff));
  }
  if (dtype !== "f16") throw new RangeError(`${dtype} has no register form`);
  const sign = and(shrU(bits, 16), 0x8000);
  const magnitude = and(bits, 0x7fffffff);
  // Normal results: rebias and round by adding half an ulp less one plus the last kept bit.
  const odd = and(shrU(magnitude, 13), 1);
  const normal = shrU(pool.same("add", pool.same("add", magnitude, c(0xc8000fff)), odd), 13);
  // Subnormal results: adding 0.5 lets the FPU round at the right place.
  const half = pool.constant(f32(value), 0.5);
  const denormal = pool.same(
    "sub",
    pool.op("bits", int, pool.same("add", pool.op("bits", f32(value), magnitude), half)),
    c(0x3f000000),
  );
  const small = pool.compare("lt", magnitude, c(0x38800000));
  const huge = pool.compare("le", c(0x47800000), magnitude);
  const finite = pool.select(small, denormal, normal);
  const result = pool.select(huge, c(0x7c00), finite);
  return pool.select(nan, c(0x7e00), pool.same("or", result, sign));
}

/** Nearest value of a narrow float, in f32. */
export function roundToNarrow(pool: ExprPool, dtype: DType, value: Expr): Expr {
  return decodeNarrow(pool, dtype, encodeNarrow(pool, dtype, value));
}
