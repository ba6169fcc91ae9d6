// Where the values of an integer lie: bounds from its dtype and from how it was made. Which values are known to be finite.

import type { DType } from "./dtype.js";
import { DTYPES, intRange, isFloat, isInteger } from "./dtype.js";
import { constantOf, type Value } from "./graph.js";
import type { Tensor } from "./tensor.js";

export interface Interval {
  readonly lo: number;
  readonly hi: number;
}

const MAX_DEPTH = 12;

export function within(i: Interval, dtype: DType): boolean {
  const { min, max } = intRange(dtype);
  return i.lo >= Number(min) && i.hi <= Number(max);
}

export function boundsOfTensor(t: Tensor): Interval {
  let lo = Number.POSITIVE_INFINITY;
  let hi = Number.NEGATIVE_INFINITY;
  for (const e of t.elements) {
    const n = Number(e);
    lo = Math.min(lo, n);
    hi = Math.max(hi, n);
  }
  return t.size === 0 ? { lo: 0, hi: 0 } : { lo, hi };
}

/** Bounds of an integer value, from its dtype and how it was made. */
export function boundsOf(v: Value, depth = 0): Interval {
  const { dtype } = v.type;
  const { min, max } = intRange(dtype);
  const whole = { lo: Number(min), hi: Number(max) };
  const constant = constantOf(v);
  if (constant !== undefined) return boundsOfTensor(constant);
  if (DTYPES[dtype].bits <= 8 || depth > MAX_DEPTH) return whole;
  const of = (i: number): Interval => {
    const x = v.node.inputs[i];
    return x === undefined ? whole : boundsOf(x, depth + 1);
  };
  const kept = (i: Interval): Interval => (within(i, dtype) ? i : whole);
  switch (v.node.op) {
    case "cast":
      return isInteger(v.node.inputs[0]?.type.dtype ?? "f32") ? kept(of(0)) : whole;
    case "add":
      return kept({ lo: of(0).lo + of(1).lo, hi: of(0).hi + of(1).hi });
    case "sub":
      return kept({ lo: of(0).lo - of(1).hi, hi: of(0).hi - of(1).lo });
    case "pad":
    case "concat": {
      const all = v.node.inputs.map((_, i) => of(i));
      return { lo: Math.min(...all.map((i) => i.lo)), hi: Math.max(...all.map((i) => i.hi)) };
    }
    case "reshape":
    case "transpose":
    case "broadcast":
    case "slice":
    case "gather":
      return of(0);
    default:
      return whole;
  }
}

/** Whether products of a value with zeros are zeros: true of integers and of constants without infinities and NaN. */
export function isKnownFinite(v: Value): boolean {
  return !isFloat(v.type.dtype) || (constantOf(v)?.numbers().every(Number.isFinite) ?? false);
}

/** Whether a constant has infinities or NaN, which zeros are not multiplied with where a convolution has none. */
export function isKnownInfinite(v: Value): boolean {
  return constantOf(v) !== undefined && !isKnownFinite(v);
}
