// Where the values of an integer lie: bounds from its dtype and from how it was made. Which values are known to be finite.

import { range } from "./dim.js";
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
  const { node } = v;
  const of = (i: number): Interval => {
    const x = node.inputs[i];
    return x === undefined ? whole : boundsOf(x, depth + 1);
  };
  const kept = (i: Interval): Interval => (within(i, dtype) ? i : whole);
  switch (node.op) {
    case "cast": {
      const [x] = node.inputs;
      if (x === undefined) return whole;
      if (isInteger(x.type.dtype)) return kept(of(0));
      return isFloat(x.type.dtype) ? kept(truncated(realBounds(x, depth + 1))) : whole;
    }
    case "iota":
      return kept({ lo: 0, hi: Math.max(0, range(node.attrs.shape[node.attrs.axis] ?? 1).hi - 1) });
    case "add": {
      const [a, b] = [of(0), of(1)];
      return kept({ lo: a.lo + b.lo, hi: a.hi + b.hi });
    }
    case "sub": {
      const [a, b] = [of(0), of(1)];
      return kept({ lo: a.lo - b.hi, hi: a.hi - b.lo });
    }
    case "mul": {
      const [a, b] = [of(0), of(1)];
      const corners = [a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi];
      return kept({ lo: Math.min(...corners), hi: Math.max(...corners) });
    }
    case "max":
      return greater(of(0), of(1));
    case "min":
      return lesser(of(0), of(1));
    case "select":
      return union([of(1), of(2)]);
    case "pad":
    case "concat":
      return union(node.inputs.map((_, i) => of(i)));
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

const REALS: Interval = { lo: Number.NEGATIVE_INFINITY, hi: Number.POSITIVE_INFINITY };

/** Bounds of a float that was moved between two numbers; NaN aside. */
function realBounds(v: Value, depth: number): Interval {
  const constant = constantOf(v);
  if (constant !== undefined) return constant.numbers().some(Number.isNaN) ? REALS : boundsOfTensor(constant);
  const of = (i: number): Interval => {
    const x = v.node.inputs[i];
    return x === undefined || depth > MAX_DEPTH ? REALS : realBounds(x, depth + 1);
  };
  switch (v.node.op) {
    case "max":
      return greater(of(0), of(1));
    case "min":
      return lesser(of(0), of(1));
    case "floor":
    case "ceil":
    case "round":
    case "trunc": {
      const { lo, hi } = of(0);
      return { lo: Math.floor(lo), hi: Math.ceil(hi) };
    }
    case "reshape":
    case "transpose":
    case "broadcast":
    case "slice":
      return of(0);
    default:
      return REALS;
  }
}

/** Of floats as integers: NaN is 0. */
function truncated({ lo, hi }: Interval): Interval {
  return { lo: Math.min(0, Math.trunc(lo)), hi: Math.max(0, Math.trunc(hi)) };
}

function greater(a: Interval, b: Interval): Interval {
  return { lo: Math.max(a.lo, b.lo), hi: Math.max(a.hi, b.hi) };
}

function lesser(a: Interval, b: Interval): Interval {
  return { lo: Math.min(a.lo, b.lo), hi: Math.min(a.hi, b.hi) };
}

function union(all: readonly Interval[]): Interval {
  return { lo: Math.min(...all.map((i) => i.lo)), hi: Math.max(...all.map((i) => i.hi)) };
}

/** Whether products of a value with zeros are zeros: true of integers and of constants without infinities and NaN. */
export function isKnownFinite(v: Value): boolean {
  return !isFloat(v.type.dtype) || (constantOf(v)?.numbers().every(Number.isFinite) ?? false);
}

/** Whether a constant has infinities or NaN, which zeros are not multiplied with where a convolution has none. */
export function isKnownInfinite(v: Value): boolean {
  return constantOf(v) !== undefined && !isKnownFinite(v);
}
