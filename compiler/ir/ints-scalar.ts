// Scalar ops on symbolic integers, element by element. An element is a dimension, a ratio (a float that an exporter's
// shape arithmetic went through), or null: not known. A result is given only where it is what the op computes at run
// time: within the dtype's range, and, through floats, without a rounding that could show.

import {
  add,
  type Dim,
  DimOverflowError,
  floordiv,
  gcd,
  max,
  min,
  mod,
  mul,
  neg,
  provenEqual,
  provenLess,
  provenLessEqual,
  range,
  sub,
} from "./dim.js";
import { type DType, intRange, isInteger } from "./dtype.js";
import { isScalarName, scalarRow } from "./ops/scalar.js";

/** num / den: exact in its float dtype, or `rounded` once from the exact quotient. */
export interface Ratio {
  readonly num: Dim;
  readonly den: number;
  readonly rounded: boolean;
}

export type Elem = Dim | Ratio | null;

function isRatio(e: Elem): e is Ratio {
  return e !== null && typeof e === "object" && "den" in e;
}

export function isDim(e: Elem): e is Dim {
  return e !== null && !isRatio(e);
}

/** Integers up to this size are exact in the dtype; 0 for dtypes that are not followed. */
function exactTo(dtype: DType): number {
  return dtype === "f64" ? 2 ** 53 : dtype === "f32" ? 2 ** 24 : 0;
}

/** d where every value it can take lies in the dtype's range, else null (it may wrap). */
export function fits(dtype: DType, d: Dim): Dim | null {
  if (dtype === "i64") return d;
  const { min: least, max: most } = intRange(dtype);
  const { lo, hi } = range(d);
  return lo >= Number(least) && hi <= Number(most) ? d : null;
}

/** A float as a ratio with a power of two below it, where its numerator is a safe integer. */
export function ratioOf(x: number): Ratio | null {
  if (!Number.isFinite(x) || Object.is(x, -0)) return null;
  let num = x;
  let den = 1;
  for (; !Number.isInteger(num) && den < 2 ** 40; den *= 2) num *= 2;
  return Number.isSafeInteger(num) ? { num, den, rounded: false } : null;
}

const isPowerOfTwo = (n: number): boolean => Number.isInteger(Math.log2(n)) && 2 ** Math.log2(n) === n;

function magnitude(d: Dim): number {
  const { lo, hi } = range(d);
  return Math.max(Math.abs(lo), Math.abs(hi));
}

/** The float that is num / den in exact arithmetic, rounded once to the dtype if it must be. */
function ratio(dtype: DType, num: Dim, den: number): Ratio | null {
  if (!Number.isSafeInteger(den) || den === 0) return null;
  let n = den < 0 ? neg(num) : num;
  let d = Math.abs(den);
  const content = typeof n === "number" ? n : n.terms.reduce((g, t) => gcd(g, t.coeff), 0);
  const common = gcd(content, d);
  if (common > 1) {
    n = floordiv(n, common);
    d /= common;
  }
  const limit = exactTo(dtype);
  if (isPowerOfTwo(d) && magnitude(n) <= limit) return { num: n, den: d, rounded: false };
  // Rounding is monotone, and below these limits it is smaller than the distance (1/d) to the next integer.
  return magnitude(n) < limit / 4 && d < limit / 4 ? { num: n, den: d, rounded: true } : null;
}

function floatElem(op: string, dtype: DType, args: readonly Ratio[]): Elem {
  const [x, y] = args;
  if (x === undefined) return null;
  if (op === "floor" || op === "trunc" || op === "ceil") {
    if (op === "trunc" && range(x.num).lo < 0) return x.den === 1 ? x : null;
    const q = op === "ceil" ? neg(floordiv(neg(x.num), x.den)) : floordiv(x.num, x.den);
    // -0 instead of 0 cannot be told apart by what reads these.
    return magnitude(q) <= exactTo(dtype) ? { num: q, den: 1, rounded: false } : null;
  }
  if (args.some((a) => a.rounded)) return null;
  if (op === "round") return x.den === 1 ? x : null;
  if (op === "neg") return ratio(dtype, neg(x.num), x.den);
  if (op === "sqrt" || y === undefined) return null;
  const left = mul(x.num, y.den);
  const right = mul(y.num, x.den);
  switch (op) {
    case "add":
      return ratio(dtype, add(left, right), x.den * y.den);
    case "sub":
      return ratio(dtype, sub(left, right), x.den * y.den);
    case "mul":
      return ratio(dtype, mul(x.num, y.num), x.den * y.den);
    case "div":
      return typeof y.num === "number" ? ratio(dtype, left, y.num * x.den) : null;
    case "max":
      return provenLessEqual(left, right) ? y : provenLessEqual(right, left) ? x : null;
    case "min":
      return provenLessEqual(left, right) ? x : provenLessEqual(right, left) ? y : null;
    default:
      return compare(op, left, right);
  }
}

function compare(op: string, x: Dim, y: Dim): Dim | null {
  const truth = (yes: boolean, no: boolean): Dim | null => (yes ? 1 : no ? 0 : null);
  const differ = (): boolean => provenLess(x, y) || provenLess(y, x);
  switch (op) {
    case "eq":
      return truth(provenEqual(x, y), differ());
    case "ne":
      return truth(differ(), provenEqual(x, y));
    case "lt":
      return truth(provenLess(x, y), provenLessEqual(y, x));
    case "le":
      return truth(provenLessEqual(x, y), provenLess(y, x));
    default:
      return null;
  }
}

/** By the op's own meaning, where every operand is a number. */
function constantElem(op: string, dtype: DType, args: readonly number[]): Dim | null {
  if (!isScalarName(op)) return null;
  const { int, result } = scalarRow(op);
  const [a, b] = args;
  if (int === undefined || a === undefined) return null;
  const value = int(BigInt(a), BigInt(b ?? 0));
  if (typeof value === "boolean") return value ? 1 : 0;
  if (result === "bool") return null;
  if (dtype === "bool") return Number(value & 1n);
  const { min: least, max: most } = intRange(dtype);
  if (value < least || value > most) return null;
  return Number.isSafeInteger(Number(value)) ? Number(value) : null;
}

function logicElem(op: string, args: readonly Elem[]): Dim | null {
  const [x, y] = args;
  if (op === "and") return x === 0 || y === 0 ? 0 : null;
  if (op === "or") return x === 1 || y === 1 ? 1 : null;
  return null;
}

function intElem(op: string, x: Dim, y: Dim | undefined): Dim | null {
  const nonNegative = (d: Dim): boolean => provenLessEqual(0, d);
  const positive = (d: Dim): boolean => provenLess(0, d);
  switch (op) {
    case "neg":
      return neg(x);
    case "abs":
      return nonNegative(x) ? x : max(x, neg(x));
    case "sign":
      return positive(x) ? 1 : x === 0 ? 0 : provenLess(x, 0) ? -1 : null;
    default:
  }
  if (y === undefined) return null;
  switch (op) {
    case "add":
      return add(x, y);
    case "sub":
      return sub(x, y);
    case "mul":
      return mul(x, y);
    case "max":
      return max(x, y);
    case "min":
      return min(x, y);
    case "div":
      return nonNegative(x) && positive(y) ? floordiv(x, y) : null;
    case "rem":
      return nonNegative(x) && positive(y) ? mod(x, y) : null;
    case "mod":
      return positive(y) ? mod(x, y) : null;
    case "pow":
      return typeof y === "number" && y >= 1 && y <= 8 ? mul(...new Array<Dim>(y).fill(x)) : null;
    default:
      return compare(op, x, y);
  }
}

/** One element of a scalar op on operands of `dtype`, or null where it is not known or might wrap. */
export function scalarElem(op: string, dtype: DType, args: readonly Elem[]): Elem {
  try {
    if (dtype === "f32" || dtype === "f64") return args.every(isRatio) ? floatElem(op, dtype, args) : null;
    if (dtype === "bool" && args.some((e) => typeof e !== "number")) return logicElem(op, args);
    if (args.every((e) => typeof e === "number")) return constantElem(op, dtype, args);
    if (!isInteger(dtype) || !args.every(isDim)) return null;
    const [x, y] = args;
    const out = x === undefined ? null : intElem(op, x, y);
    return out === null ? null : fits(dtype, out);
  } catch (e) {
    if (e instanceof DimOverflowError) return null;
    throw e;
  }
}

/** One element cast from one dtype to another. */
export function castElem(from: DType, to: DType, e: Elem): Elem {
  if (e === null || from === to) return e;
  if (isRatio(e)) {
    if (!isInteger(to)) return to === "f64" && from === "f32" ? e : null;
    if (e.den !== 1 && range(e.num).lo < 0) return null;
    return fits(to, floordiv(e.num, e.den));
  }
  if (to === "bool") return provenLess(0, e) || provenLess(e, 0) ? 1 : e === 0 ? 0 : null;
  if (isInteger(to)) return fits(to, e);
  return magnitude(e) <= exactTo(to) ? { num: e, den: 1, rounded: false } : null;
}

/** condition ? yes : no; known without the condition where both are one. */
export function selectElem(condition: Elem, yes: Elem, no: Elem): Elem {
  if (condition === 1) return yes;
  if (condition === 0) return no;
  if (isDim(yes) && isDim(no) && provenEqual(yes, no)) return yes;
  return null;
}
