// Scalar graph ops to register expressions: one row per op, by the class of dtype it computes on. The reference meaning
// is in compiler/ir/ops/scalar.ts.

import { DTYPES, type DType, isFloat, isInteger } from "../../compiler/ir/dtype.js";
import type { ScalarName } from "../../compiler/ir/ops/scalar.js";
import { isMathName, mathFunction, type OperandFacts } from "../math/index.js";
import type { Expr, ExprPool, MachineOp } from "./expr.js";
import { demoteToOdd, wideToOdd } from "./narrow.js";
import { constantIn, isUnsigned, regOf, settle } from "./registers.js";

type Lower = (pool: ExprPool, dtype: DType, args: readonly Expr[], facts?: OperandFacts) => Expr;

function arg(args: readonly Expr[], i: number): Expr {
  const e = args[i];
  if (e === undefined) throw new RangeError(`operand ${i} is missing`);
  return e;
}

const both =
  (op: MachineOp): Lower =>
  (pool, dtype, args) =>
    settle(pool, dtype, pool.same(op, arg(args, 0), ...args.slice(1)));

/** Different machine ops for floats, signed and unsigned integers. */
const split =
  (float: MachineOp, signed: MachineOp, unsigned: MachineOp): Lower =>
  (pool, dtype, args) =>
    settle(
      pool,
      dtype,
      pool.same(isFloat(dtype) ? float : isUnsigned(dtype) ? unsigned : signed, arg(args, 0), ...args.slice(1)),
    );

const compare =
  (op: "eq" | "ne" | "lt" | "le"): Lower =>
  (pool, dtype, args) => {
    const [a, b] = [arg(args, 0), arg(args, 1)];
    if (dtype === "bool") {
      const ints = [a, b].map((e) => pool.op("maskToInt", { kind: "i32", lanes: e.type.lanes }, e));
      return pool.compare(op, arg(ints, 0), arg(ints, 1));
    }
    const unsigned = isUnsigned(dtype) && DTYPES[dtype].bits >= 32;
    return pool.compare(unsigned && op === "lt" ? "ltU" : unsigned && op === "le" ? "leU" : op, a, b);
  };

const math =
  (name: ScalarName): Lower =>
  (pool, dtype, args, facts) => {
    if (!isMathName(name)) throw new RangeError(`no function ${name}`);
    return settle(pool, dtype, mathFunction(name, pool, args, facts));
  };

const floatOp =
  (op: MachineOp): Lower =>
  (pool, dtype, args) =>
    settle(pool, dtype, pool.same(op, arg(args, 0)));

/** Ops on floats whose results are values of the dtype already, except in formats without a sign or a negative zero. */
const closed =
  (lower: Lower): Lower =>
  (pool, dtype, args) => {
    const asIs = isFloat(dtype) && dtype !== "f8e8m0" && dtype !== "f8e4m3fnuz" && dtype !== "f8e5m2fnuz";
    return lower(pool, asIs ? "f32" : dtype, args);
  };

/** x / y and remainders on integers, with 0 for y = 0 and no trap for the least value over -1. */
function intDivide(pool: ExprPool, dtype: DType, args: readonly Expr[], kind: "div" | "rem"): Expr {
  const [a, b] = [arg(args, 0), arg(args, 1)];
  const zero = constantIn(pool, dtype, 0, a.type.lanes);
  const one = constantIn(pool, dtype, 1, a.type.lanes);
  const byZero = pool.compare("eq", b, zero);
  const safe = pool.select(byZero, one, b);
  if (isUnsigned(dtype)) {
    const r = pool.same(kind === "div" ? "divU" : "remU", a, safe);
    return pool.select(byZero, zero, r);
  }
  const minusOne = pool.compare("eq", safe, constantIn(pool, dtype, -1, a.type.lanes));
  const divisor = pool.select(minusOne, one, safe);
  const quotient = pool.same(kind === "div" ? "divS" : "remS", a, divisor);
  const special = kind === "div" ? pool.same("sub", zero, a) : zero;
  return settle(pool, dtype, pool.select(byZero, zero, pool.select(minusOne, special, quotient)));
}

/** How many low bits of an exponent that is not negative can be set. */
function exponentBits(dtype: DType, exponent: Expr): number {
  const { bits } = DTYPES[dtype];
  const all = isUnsigned(dtype) ? bits : bits - 1;
  if (exponent.kind !== "const") return all;
  return BigInt.asUintN(all, BigInt(exponent.value)).toString(2).length;
}

function intPow(pool: ExprPool, dtype: DType, args: readonly Expr[]): Expr {
  const [base, exponent] = [arg(args, 0), arg(args, 1)];
  const lanes = base.type.lanes;
  const c = (v: number): Expr => constantIn(pool, dtype, v, lanes);
  let result = c(1);
  let square = base;
  let rest = exponent;
  for (let left = exponentBits(dtype, exponent); left > 0; left--) {
    const set = pool.compare("ne", pool.same("and", rest, c(1)), c(0));
    result = pool.select(set, pool.same("mul", result, square), result);
    if (left === 1) break;
    square = pool.same("mul", square, square);
    rest = pool.same("shrU", rest, shiftCount(pool, rest, 1));
  }
  const odd = pool.compare("ne", pool.same("and", exponent, c(1)), c(0));
  const isOne = pool.compare("eq", base, c(1));
  const isMinusOne = pool.compare("eq", base, c(-1));
  const negative = isUnsigned(dtype)
    ? pool.constant(pool.compare("eq", base, base).type, 0)
    : pool.compare("lt", exponent, c(0));
  const reciprocal = pool.select(isOne, c(1), pool.select(isMinusOne, pool.select(odd, c(-1), c(1)), c(0)));
  return settle(pool, dtype, pool.select(negative, reciprocal, result));
}

function shiftCount(pool: ExprPool, like: Expr, n: number): Expr {
  return like.type.kind === "i64" && like.type.lanes === 1
    ? pool.constant({ kind: "i64", lanes: 1 }, BigInt(n))
    : pool.i32(n);
}

/** Shifts by a value: counts of the width or more give 0, or the sign. Scalars only (vector shifts take one count). */
const shift =
  (left: boolean): Lower =>
  (pool, dtype, args) => {
    const [a, n] = [arg(args, 0), arg(args, 1)];
    const { bits } = DTYPES[dtype];
    const limit = constantIn(pool, dtype, bits - 1, 1);
    const big = pool.compare("ltU", limit, n);
    const count = pool.select(big, limit, n);
    const signed = !left && !isUnsigned(dtype);
    const shifted = pool.same(left ? "shl" : signed ? "shrS" : "shrU", a, count);
    const zero = constantIn(pool, dtype, 0, a.type.lanes);
    return settle(pool, dtype, signed ? shifted : pool.select(big, zero, shifted));
  };

const floatRest = (pool: ExprPool, dtype: DType, args: readonly Expr[], floor: boolean): Expr => {
  const [a, b] = [arg(args, 0), arg(args, 1)];
  const r = mathFunction("rem", pool, [a, b]);
  if (!floor) return settle(pool, dtype, r);
  const zero = pool.constant(a.type, 0);
  const differ = pool.op(
    "xor",
    pool.compare("lt", r, zero).type,
    pool.compare("lt", r, zero),
    pool.compare("lt", b, zero),
  );
  const wrong = pool.op("and", differ.type, differ, pool.compare("ne", r, zero));
  return settle(pool, dtype, pool.select(wrong, pool.same("add", r, b), r));
};

const SPELL: Readonly<Record<ScalarName, Lower>> = {
  add: both("add"),
  sub: both("sub"),
  mul: both("mul"),
  div: (pool, dtype, args) => (isFloat(dtype) ? both("div")(pool, dtype, args) : intDivide(pool, dtype, args, "div")),
  rem: (pool, dtype, args) =>
    isFloat(dtype) ? floatRest(pool, dtype, args, false) : intDivide(pool, dtype, args, "rem"),
  mod: (pool, dtype, args) => {
    if (isFloat(dtype)) return floatRest(pool, dtype, args, true);
    const r = intDivide(pool, dtype, args, "rem");
    if (isUnsigned(dtype)) return r;
    const b = arg(args, 1);
    const zero = constantIn(pool, dtype, 0, r.type.lanes);
    const negative = pool.compare("lt", pool.same("xor", r, b), zero);
    const wrong = pool.op("and", negative.type, negative, pool.compare("ne", r, zero));
    return settle(pool, dtype, pool.select(wrong, pool.same("add", r, b), r));
  },
  pow: (pool, dtype, args) => (isFloat(dtype) ? math("pow")(pool, dtype, args) : intPow(pool, dtype, args)),
  max: closed(split("max", "maxS", "maxU")),
  min: closed(split("min", "minS", "minU")),
  atan2: math("atan2"),
  and: both("and"),
  or: both("or"),
  xor: both("xor"),
  not: (pool, dtype, args) => {
    const a = arg(args, 0);
    if (dtype === "bool") return pool.same("not", a);
    return settle(pool, dtype, pool.same("xor", a, constantIn(pool, dtype, -1, a.type.lanes)));
  },
  shl: shift(true),
  shr: shift(false),
  eq: compare("eq"),
  ne: compare("ne"),
  lt: compare("lt"),
  le: compare("le"),
  neg: closed(both("neg")),
  abs: (pool, dtype, args) => (isUnsigned(dtype) ? arg(args, 0) : closed(both("abs"))(pool, dtype, args)),
  sign: (pool, dtype, args) => {
    const a = arg(args, 0);
    const c = (v: number): Expr => constantIn(pool, dtype, v, a.type.lanes);
    const zero = c(0);
    const positive = isUnsigned(dtype) ? pool.compare("ne", a, zero) : pool.compare("lt", zero, a);
    if (isUnsigned(dtype)) return pool.select(positive, c(1), zero);
    // NaN and zeros keep themselves.
    return pool.select(positive, c(1), pool.select(pool.compare("lt", a, zero), c(-1), a));
  },
  floor: closed(floatOp("floor")),
  ceil: closed(floatOp("ceil")),
  trunc: closed(floatOp("trunc")),
  round: closed(floatOp("nearest")),
  sqrt: floatOp("sqrt"),
  exp: math("exp"),
  log: math("log"),
  sin: math("sin"),
  cos: math("cos"),
  tan: math("tan"),
  asin: math("asin"),
  acos: math("acos"),
  atan: math("atan"),
  sinh: math("sinh"),
  cosh: math("cosh"),
  tanh: math("tanh"),
  asinh: math("asinh"),
  acosh: math("acosh"),
  atanh: math("atanh"),
  erf: math("erf"),
  sigmoid: math("sigmoid"),
  log1p: math("log1p"),
  expm1: math("expm1"),
  isnan: (pool, _dtype, args) => pool.compare("ne", arg(args, 0), arg(args, 0)),
  isinf: (pool, _dtype, args) => {
    const a = arg(args, 0);
    return pool.compare("eq", pool.same("abs", a), pool.constant(a.type, Number.POSITIVE_INFINITY));
  },
};

/** The op applied to operands of `dtype`; facts are of its first operand. */
export function lowerScalar(
  op: ScalarName,
  pool: ExprPool,
  dtype: DType,
  args: readonly Expr[],
  facts?: OperandFacts,
): Expr {
  return SPELL[op](pool, dtype, args, facts);
}

/** cast as compiler/ir/ops/schemas.ts defines it. */
export function lowerCast(pool: ExprPool, from: DType, to: DType, saturate: boolean, e: Expr): Expr {
  const { lanes } = e.type;
  if (from === to) return e;
  if (to === "bool") return from === "bool" ? e : pool.compare("ne", e, constantIn(pool, from, 0, lanes));
  if (from === "bool") {
    const int = pool.op("maskToInt", { kind: "i32", lanes }, e);
    return lowerCast(pool, "u8", to, saturate, int);
  }
  if (isFloat(to)) return settle(pool, to, toFloat(pool, from, to, e), saturate);
  if (isFloat(from)) return floatToInt(pool, to, saturate, e);
  if (!isInteger(to)) throw new RangeError(`no cast from ${from} to ${to}`);
  const reg = regOf(to, lanes);
  if (reg.kind === e.type.kind) return settle(pool, to, e);
  if (reg.kind === "i64") return pool.op(isUnsigned(from) ? "extendU" : "extendS", reg, e);
  return settle(pool, to, pool.op("wrap", reg, e));
}

/** A number in the float register of `to`, such that rounding it to `to` is the only rounding that counts. */
function toFloat(pool: ExprPool, from: DType, to: DType, e: Expr): Expr {
  const reg = regOf(to, e.type.lanes);
  const narrow = DTYPES[to].bits < 32;
  if (isFloat(from)) {
    if (reg.kind === e.type.kind) return e;
    if (reg.kind === "f64") return pool.op("promote", reg, e);
    return narrow ? demoteToOdd(pool, e) : pool.op("demote", reg, e);
  }
  const { bits } = DTYPES[from];
  const unsigned = isUnsigned(from) && bits >= 32;
  if (!narrow || bits < 32) return pool.op(unsigned ? "toFloatU" : "toFloatS", reg, e);
  const double =
    bits === 64
      ? wideToOdd(pool, e, unsigned)
      : pool.op(unsigned ? "toFloatU" : "toFloatS", { kind: "f64", lanes: 1 }, e);
  return demoteToOdd(pool, double);
}

function floatToInt(pool: ExprPool, to: DType, saturate: boolean, e: Expr): Expr {
  const { bits, kind } = DTYPES[to];
  if (!saturate) {
    const wide = wrapToInt64(pool, e);
    return bits === 64 ? wide : settle(pool, to, pool.op("wrap", { kind: "i32", lanes: 1 }, wide));
  }
  if (bits === 64) return pool.op(kind === "uint" ? "toIntU" : "toIntS", { kind: "i64", lanes: 1 }, e);
  const type = { kind: "i32", lanes: 1 } as const;
  if (bits === 32) return pool.op(kind === "uint" ? "toIntU" : "toIntS", type, e);
  const high = kind === "uint" ? 2 ** bits - 1 : 2 ** (bits - 1) - 1;
  const low = kind === "uint" ? 0 : -(2 ** (bits - 1));
  const whole = pool.op("toIntS", type, e);
  return pool.same("minS", pool.same("maxS", whole, pool.constant(type, low)), pool.constant(type, high));
}

/** Truncated and reduced modulo 2^64; NaN and infinities give 0. */
function wrapToInt64(pool: ExprPool, e: Expr): Expr {
  const type = { kind: "i64", lanes: 1 } as const;
  const c = (v: number): Expr => pool.constant(e.type, v);
  const small = pool.compare("lt", pool.same("abs", e), c(2 ** 63));
  const turns = pool.same("floor", pool.same("mul", e, c(2 ** -64)));
  const rest = pool.same("sub", e, pool.same("mul", turns, c(2 ** 64)));
  return pool.select(small, pool.op("toIntS", type, e), pool.op("toIntU", type, rest));
}
