// Scalar ops: one value in, one value out per element, with NumPy broadcasting. Each row gives its meaning on floats
// (in double precision, rounded once to the dtype) and on integers (as bigints, wrapped to the dtype). Integer
// division truncates and x / 0 is 0; floor-modulus has the divisor's sign, remainder the dividend's.

import { erf } from "./special.js";

/** Which dtypes a row takes: any = every numeric dtype and bool; equal = these and strings. */
export type ScalarDomain = "float" | "int" | "number" | "bool" | "bits" | "any" | "equal";

export interface ScalarRow {
  readonly arity: 1 | 2 | 3;
  readonly domain: ScalarDomain;
  /** `same`: the operands' dtype. `bool`: a truth value. */
  readonly result: "same" | "bool";
  readonly commutes?: true;
  readonly float?: (a: number, b: number) => number | boolean;
  readonly int?: (a: bigint, b: bigint) => bigint | boolean;
}

const sign = (x: number): number => (Number.isNaN(x) ? x : Math.sign(x));

/** Nearest integer, ties to even. */
export function nearest(x: number): number {
  if (!Number.isFinite(x) || Math.abs(x) >= 2 ** 52) return x;
  const floor = Math.floor(x);
  const rest = x - floor;
  const up = rest > 0.5 || (rest === 0.5 && floor % 2 !== 0);
  const r = up ? floor + 1 : floor;
  return r === 0 && (x < 0 || Object.is(x, -0)) ? -0 : r;
}

/** IEEE maximum: NaN if either is, and +0 above -0. */
const maximum = Math.max;
const minimum = Math.min;

function floorMod(a: number, b: number): number {
  const r = a % b;
  return r !== 0 && r < 0 !== b < 0 ? r + b : r;
}

/** C's pow: 1 to any power is 1, NaN too, and -1 to an infinite one. */
function power(a: number, b: number): number {
  return a === 1 || (a === -1 && Math.abs(b) === Number.POSITIVE_INFINITY) ? 1 : a ** b;
}

function intPow(a: bigint, b: bigint): bigint {
  if (b < 0n) return a === 1n ? 1n : a === -1n ? (b % 2n === 0n ? 1n : -1n) : 0n;
  let result = 1n;
  let base = BigInt.asIntN(64, a);
  for (let e = b; e > 0n; e >>= 1n) {
    if (e & 1n) result = BigInt.asIntN(64, result * base);
    base = BigInt.asIntN(64, base * base);
  }
  return result;
}

const unary = (float: (a: number) => number): ScalarRow => ({ arity: 1, domain: "float", result: "same", float });

export const SCALAR = {
  add: { arity: 2, domain: "number", result: "same", commutes: true, float: (a, b) => a + b, int: (a, b) => a + b },
  sub: { arity: 2, domain: "number", result: "same", float: (a, b) => a - b, int: (a, b) => a - b },
  mul: { arity: 2, domain: "number", result: "same", commutes: true, float: (a, b) => a * b, int: (a, b) => a * b },
  div: {
    arity: 2,
    domain: "number",
    result: "same",
    float: (a, b) => a / b,
    int: (a, b) => (b === 0n ? 0n : a / b),
  },
  /** Remainder with the dividend's sign (C's fmod). */
  rem: {
    arity: 2,
    domain: "number",
    result: "same",
    float: (a, b) => a % b,
    int: (a, b) => (b === 0n ? 0n : a % b),
  },
  /** Remainder with the divisor's sign (Python's %). */
  mod: {
    arity: 2,
    domain: "number",
    result: "same",
    float: floorMod,
    int: (a, b) => (b === 0n ? 0n : ((a % b) + b) % b),
  },
  pow: { arity: 2, domain: "number", result: "same", float: power, int: intPow },
  max: {
    arity: 2,
    domain: "number",
    result: "same",
    commutes: true,
    float: maximum,
    int: (a, b) => (a > b ? a : b),
  },
  min: {
    arity: 2,
    domain: "number",
    result: "same",
    commutes: true,
    float: minimum,
    int: (a, b) => (a < b ? a : b),
  },
  atan2: { arity: 2, domain: "float", result: "same", float: Math.atan2 },
  /** Bitwise on integers, logical on bool. */
  and: { arity: 2, domain: "bits", result: "same", commutes: true, int: (a, b) => a & b },
  or: { arity: 2, domain: "bits", result: "same", commutes: true, int: (a, b) => a | b },
  xor: { arity: 2, domain: "bits", result: "same", commutes: true, int: (a, b) => a ^ b },
  not: { arity: 1, domain: "bits", result: "same", int: (a) => ~a },
  /** Counts below 0, or at or above the width, give 0 (left, and right on unsigned) or the sign (right on signed). */
  shl: { arity: 2, domain: "int", result: "same", int: (a, b) => (b < 0n || b >= 64n ? 0n : a << b) },
  shr: { arity: 2, domain: "int", result: "same", int: (a, b) => (b < 0n || b >= 64n ? (a < 0n ? -1n : 0n) : a >> b) },
  eq: {
    arity: 2,
    domain: "equal",
    result: "bool",
    commutes: true,
    float: (a, b) => a === b,
    int: (a, b) => a === b,
  },
  ne: {
    arity: 2,
    domain: "equal",
    result: "bool",
    commutes: true,
    float: (a, b) => a !== b,
    int: (a, b) => a !== b,
  },
  lt: { arity: 2, domain: "any", result: "bool", float: (a, b) => a < b, int: (a, b) => a < b },
  le: { arity: 2, domain: "any", result: "bool", float: (a, b) => a <= b, int: (a, b) => a <= b },
  neg: { arity: 1, domain: "number", result: "same", float: (a) => -a, int: (a) => -a },
  abs: { arity: 1, domain: "number", result: "same", float: Math.abs, int: (a) => (a < 0n ? -a : a) },
  sign: { arity: 1, domain: "number", result: "same", float: sign, int: (a) => (a > 0n ? 1n : a < 0n ? -1n : 0n) },
  floor: unary(Math.floor),
  ceil: unary(Math.ceil),
  trunc: unary(Math.trunc),
  /** To the nearest integer, ties to even. */
  round: unary(nearest),
  sqrt: unary(Math.sqrt),
  exp: unary(Math.exp),
  log: unary(Math.log),
  sin: unary(Math.sin),
  cos: unary(Math.cos),
  tan: unary(Math.tan),
  asin: unary(Math.asin),
  acos: unary(Math.acos),
  atan: unary(Math.atan),
  sinh: unary(Math.sinh),
  cosh: unary(Math.cosh),
  tanh: unary(Math.tanh),
  asinh: unary(Math.asinh),
  acosh: unary(Math.acosh),
  atanh: unary(Math.atanh),
  erf: unary(erf),
  /** 1 / (1 + exp(-x)), exact at both ends. */
  sigmoid: unary((a) => (a >= 0 ? 1 / (1 + Math.exp(-a)) : Math.exp(a) / (1 + Math.exp(a)))),
  /** log(1 + x) and exp(x) - 1 without cancellation. */
  log1p: unary(Math.log1p),
  expm1: unary(Math.expm1),
  isnan: { arity: 1, domain: "float", result: "bool", float: Number.isNaN },
  isinf: { arity: 1, domain: "float", result: "bool", float: (a) => Math.abs(a) === Number.POSITIVE_INFINITY },
} as const satisfies Record<string, ScalarRow>;

/** Scalar ops without attributes. `select`, `cast` and `bitcast` stand beside them in `ops/convert.ts`. */
export type ScalarName = keyof typeof SCALAR;

export function isScalarName(op: string): op is ScalarName {
  return Object.hasOwn(SCALAR, op);
}

export function scalarRow(op: ScalarName): ScalarRow {
  return SCALAR[op];
}
