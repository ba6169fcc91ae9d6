// Floats narrower than 32 bits in registers: they compute as f32 and are rounded to nearest even after every op, so that
// a chain gives the same values fused or not. Conversions are integer arithmetic on the bits, any number of lanes; f16 has
// instructions on targets that say so. The formats are those of compiler/ir/minifloat.ts, and so is what overflows, saturates
// and is no number. Where a value comes from memory unchanged, its bits go back as they were.

import type { DType } from "../../compiler/ir/dtype.js";
import { encodeMinifloat, maxFinite } from "../../compiler/ir/minifloat.js";
import type { Expr, ExprPool, Reg } from "./expr.js";

/** f8e8m0 has a form of its own: a power of two, without sign or mantissa. */
type Common = "f16" | "bf16" | "f8e4m3fn" | "f8e4m3fnuz" | "f8e5m2" | "f8e5m2fnuz" | "f4e2m1";

interface Layout {
  readonly exponent: number;
  readonly mantissa: number;
  readonly bias: number;
  /** ieee: infinities and NaNs at the top exponent. fn: one NaN at the top. fnuz: one NaN at the pattern of -0. */
  readonly specials: "ieee" | "fn" | "fnuz" | "none";
}

const LAYOUTS: Readonly<Record<Common, Layout>> = {
  f16: { exponent: 5, mantissa: 10, bias: 15, specials: "ieee" },
  bf16: { exponent: 8, mantissa: 7, bias: 127, specials: "ieee" },
  f8e4m3fn: { exponent: 4, mantissa: 3, bias: 7, specials: "fn" },
  f8e4m3fnuz: { exponent: 4, mantissa: 3, bias: 8, specials: "fnuz" },
  f8e5m2: { exponent: 5, mantissa: 2, bias: 15, specials: "ieee" },
  f8e5m2fnuz: { exponent: 5, mantissa: 2, bias: 16, specials: "fnuz" },
  f4e2m1: { exponent: 2, mantissa: 1, bias: 1, specials: "none" },
};

function layoutOf(dtype: DType): Layout {
  switch (dtype) {
    case "f16":
    case "bf16":
    case "f8e4m3fn":
    case "f8e4m3fnuz":
    case "f8e5m2":
    case "f8e5m2fnuz":
    case "f4e2m1":
      return LAYOUTS[dtype];
    default:
      throw new RangeError(`${dtype} is no narrow float`);
  }
}

const INFINITY = 0x7f800000;
const NAN = 0x7fc00000;

/** The bits that a decoded value was made from, by dtype. */
const sources = new WeakMap<Expr, Map<DType, Expr>>();

/** Integer arithmetic on the bits of as many lanes as `like` has. */
class Bits {
  readonly pool: ExprPool;
  readonly int: Reg;
  readonly float: Reg;

  constructor(pool: ExprPool, like: Expr) {
    this.pool = pool;
    this.int = { kind: "i32", lanes: like.type.lanes };
    this.float = { kind: "f32", lanes: like.type.lanes };
  }

  constant(v: number): Expr {
    return this.pool.constant(this.int, v | 0);
  }
  and(e: Expr, v: number): Expr {
    return this.pool.same("and", e, this.constant(v));
  }
  add(e: Expr, v: number): Expr {
    return this.pool.same("add", e, this.constant(v));
  }
  shl(e: Expr, n: number): Expr {
    return n === 0 ? e : this.pool.same("shl", e, this.pool.i32(n));
  }
  shrU(e: Expr, n: number): Expr {
    return n === 0 ? e : this.pool.same("shrU", e, this.pool.i32(n));
  }
  toFloat(e: Expr): Expr {
    return this.pool.op("bits", this.float, e);
  }
  toInt(e: Expr): Expr {
    return this.pool.op("bits", this.int, e);
  }
}

/** Bits of a narrow float (in an i32) to its f32 value. */
export function decodeNarrow(pool: ExprPool, dtype: DType, bits: Expr): Expr {
  const value = decode(new Bits(pool, bits), dtype, bits);
  const known = sources.get(value) ?? new Map<DType, Expr>();
  known.set(dtype, bits);
  sources.set(value, known);
  return value;
}

function decode(b: Bits, dtype: DType, bits: Expr): Expr {
  const { pool } = b;
  if (dtype === "bf16") return b.toFloat(b.shl(bits, 16));
  if (dtype === "f16" && pool.convertsHalves) return pool.op("fromHalf", b.float, bits);
  if (dtype === "f8e8m0") {
    const least = pool.select(pool.compare("eq", bits, b.constant(0)), b.constant(0x00400000), b.shl(bits, 23));
    return b.toFloat(pool.select(pool.compare("eq", bits, b.constant(0xff)), b.constant(NAN), least));
  }
  const { exponent, mantissa, bias, specials } = layoutOf(dtype);
  const signBit = 1 << (exponent + mantissa);
  const sign = b.shl(b.and(bits, signBit), 31 - exponent - mantissa);
  const magnitude = b.shl(b.and(bits, signBit - 1), 23 - mantissa);
  // One product rebiases the exponent and makes subnormals normal.
  const scaled = pool.same("mul", b.toFloat(magnitude), pool.constant(b.float, 2 ** (127 - bias)));
  const signed = (x: Expr): Expr => b.toFloat(pool.same("or", b.toInt(x), sign));
  if (specials === "ieee") {
    const special = pool.compare("le", b.constant(((1 << exponent) - 1) << 23), magnitude);
    const top = b.toFloat(pool.same("or", magnitude, b.constant(INFINITY)));
    return signed(pool.select(special, top, scaled));
  }
  if (specials === "none") return signed(scaled);
  const nan =
    specials === "fn"
      ? pool.compare("eq", magnitude, b.constant((signBit - 1) << (23 - mantissa)))
      : pool.compare("eq", bits, b.constant(signBit));
  return pool.select(nan, pool.constant(b.float, Number.NaN), signed(scaled));
}

/**
 * An f32 value rounded to a narrow float, as bits in an i32. `saturate`: overflow gives the largest finite value. A value
 * that was decoded gives the bits that it was decoded from.
 */
export function encodeNarrow(pool: ExprPool, dtype: DType, value: Expr, saturate = false): Expr {
  // Infinities, which saturating clamps, may be among the decoded.
  const source = saturate ? undefined : sources.get(value)?.get(dtype);
  return source ?? encode(new Bits(pool, value), dtype, value, saturate);
}

function encode(b: Bits, dtype: DType, value: Expr, saturate: boolean): Expr {
  const { pool } = b;
  const bits = b.toInt(value);
  const magnitude = b.and(bits, 0x7fffffff);
  const nan = pool.compare("ne", value, value);
  if (dtype === "f8e8m0") return pool.select(nan, b.constant(0xff), powerOfTwo(b, magnitude));
  const { exponent, mantissa, bias, specials } = layoutOf(dtype);
  const dropped = 23 - mantissa;
  const signBit = 1 << (exponent + mantissa);
  const nanPattern = encodeMinifloat(dtype, Number.NaN);
  if (dtype === "f16" && pool.convertsHalves && !saturate)
    return pool.select(nan, b.constant(nanPattern), pool.op("toHalf", b.int, value));
  // Normal results: rebias, and round by adding half an ulp less one plus the last kept bit.
  const odd = b.and(b.shrU(magnitude, dropped), 1);
  const rebias = ((bias - 127) << 23) + (1 << (dropped - 1)) - 1;
  const normal = b.shrU(pool.same("add", b.add(magnitude, rebias), odd), dropped);
  let pattern = normal;
  if (bias !== 127) {
    // Subnormal results: adding a power of two whose last place is theirs lets the FPU round there.
    const anchor = pool.constant(b.float, 2 ** (24 - bias - mantissa));
    const sum = b.toInt(pool.same("add", b.toFloat(magnitude), anchor));
    const subnormal = b.add(sum, -((24 - bias - mantissa + 127) << 23));
    const isSmall = pool.compare("lt", magnitude, b.constant((128 - bias) << 23));
    pattern = pool.select(isSmall, subnormal, normal);
  }
  const limit = encodeMinifloat(dtype, maxFinite(dtype));
  const over = pool.compare("lt", b.constant(limit), pattern);
  const clamps = saturate || specials === "none";
  const overflow = clamps ? limit : specials === "ieee" ? limit + 1 : nanPattern;
  const sign = b.and(b.shrU(bits, 31 - exponent - mantissa), signBit);
  const clamped = pool.select(over, b.constant(overflow), pattern);
  if (specials !== "fnuz") return pool.select(nan, b.constant(nanPattern), pool.same("or", clamped, sign));
  // Without a negative zero, and with one NaN, at its pattern.
  const isZero = pool.compare("eq", pattern, b.constant(0));
  const signed = pool.select(isZero, b.constant(0), pool.same("or", clamped, sign));
  return pool.select(nan, b.constant(nanPattern), signed);
}

/** f8e8m0: the exponent of the nearest power of two (ties up), from -127 to 127. */
function powerOfTwo(b: Bits, magnitude: Expr): Expr {
  const { pool } = b;
  const rounded = pool.same("minS", b.shrU(b.add(magnitude, 0x00400000), 23), b.constant(254));
  const atLeast = pool.compare("le", b.constant(0x00600000), magnitude);
  const small = pool.select(atLeast, b.constant(1), b.constant(0));
  return pool.select(pool.compare("lt", magnitude, b.constant(0x00800000)), small, rounded);
}

/** Nearest value of a narrow float, in f32. */
export function roundToNarrow(pool: ExprPool, dtype: DType, value: Expr, saturate = false): Expr {
  return decodeNarrow(pool, dtype, encodeNarrow(pool, dtype, value, saturate));
}

/**
 * An f64 value as f32, rounded to odd: rounding that to fewer bits rounds the f64 value once. One element.
 */
export function demoteToOdd(pool: ExprPool, value: Expr): Expr {
  const single: Reg = { kind: "f32", lanes: 1 };
  const near = pool.op("demote", single, value);
  const back = pool.op("promote", value.type, near);
  const b = new Bits(pool, near);
  const bits = b.toInt(near);
  const below = pool.compare("lt", pool.same("abs", back), pool.same("abs", value));
  const neighbour = pool.same("add", bits, pool.select(below, b.constant(1), b.constant(-1)));
  const isEven = pool.compare("eq", b.and(bits, 1), b.constant(0));
  const adjusted = pool.select(isEven, neighbour, bits);
  // Masks of f64 and of i32 comparisons are both scalars here.
  return b.toFloat(pool.select(pool.compare("ne", back, value), adjusted, bits));
}

/** A 64-bit integer as f64, rounded to odd where it has more than 53 bits. One element. */
export function wideToOdd(pool: ExprPool, value: Expr, unsigned: boolean): Expr {
  const double: Reg = { kind: "f64", lanes: 1 };
  const c = (v: bigint): Expr => pool.constant(value.type, v);
  const toFloat = (e: Expr): Expr => pool.op(unsigned ? "toFloatU" : "toFloatS", double, e);
  const rest = pool.compare("ne", pool.same("and", value, c(0x7ffn)), c(0n));
  const sticky = pool.op("select", value.type, rest, c(1n), c(0n));
  const kept = pool.same("or", pool.same(unsigned ? "shrU" : "shrS", value, pool.i32(11)), sticky);
  const large = pool.same("mul", toFloat(kept), pool.constant(double, 2048));
  const inside = unsigned
    ? pool.compare("ltU", value, c(1n << 53n))
    : pool.compare("ltU", pool.same("add", value, c(1n << 53n)), c(1n << 54n));
  return pool.select(inside, toFloat(value), large);
}
