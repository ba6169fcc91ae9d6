// The reference meaning of reductions: floats are accumulated in double, in row-major order, and rounded once; integers
// wrap. On bool, a sum or maximum is "any" and a product or minimum is "all".

import type { AttrValues } from "../attrs.js";
import { intRange, isFloat, isWide } from "../dtype.js";
import type { EvalContext } from "../op-spec.js";
import { RunIssue } from "../run-issue.js";
import { allocate, sizeOf, type Tensor, tensorOf } from "../tensor.js";
import { combineOf, roundedFrom } from "./eval-index.js";
import { inputOf, wantNumeric } from "./eval-scalar.js";
import type { reduceAttrs } from "./schemas.js";
import { stridesOf, viewPositions } from "./strided.js";

type Cx<K extends keyof typeof reduceAttrs> = EvalContext<AttrValues<(typeof reduceAttrs)[K]>>;
type Kind = "sum" | "prod" | "max" | "min";

function identityOf(kind: Kind, x: Tensor): number {
  if (kind === "sum") return 0;
  if (kind === "prod") return 1;
  if (isFloat(x.dtype)) return kind === "max" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  const { min, max } = intRange(x.dtype);
  return Number(kind === "max" ? min : max);
}

function wideIdentityOf(kind: Kind, x: Tensor): bigint {
  if (kind === "sum") return 0n;
  if (kind === "prod") return 1n;
  const { min, max } = intRange(x.dtype);
  return kind === "max" ? min : max;
}

function combineWide(kind: Kind, signed: boolean): (a: bigint, b: bigint) => bigint {
  const wrap = (v: bigint): bigint => (signed ? BigInt.asIntN(64, v) : BigInt.asUintN(64, v));
  switch (kind) {
    case "sum":
      return (a, b) => wrap(a + b);
    case "prod":
      return (a, b) => wrap(a * b);
    case "max":
      return (a, b) => (a > b ? a : b);
    case "min":
      return (a, b) => (a < b ? a : b);
  }
}

function combineSmall(kind: Kind, x: Tensor): (a: number, b: number) => number {
  if (x.dtype === "bool") return kind === "sum" || kind === "max" ? Math.max : Math.min;
  return combineOf(kind, isFloat(x.dtype));
}

function kept(shape: readonly number[], axes: readonly number[], keep: boolean): number[] {
  return keep ? shape.map((d, i) => (axes.includes(i) ? 1 : d)) : shape.filter((_, i) => !axes.includes(i));
}

export function reduce(cx: Cx<"reduce">): readonly Tensor[] {
  const x = inputOf(cx, 0);
  wantNumeric(x.dtype, "reduce");
  const { kind, axes, keep } = cx.attrs;
  const shape = kept(x.shape, axes, keep);
  const strides = stridesOf(kept(x.shape, axes, true)).map((s, i) => (axes.includes(i) ? 0 : s));
  const at = viewPositions(x.shape, strides);
  const { elements } = x;
  if (isWide(x.dtype)) {
    const combine = combineWide(kind, x.dtype === "i64");
    const acc = new Array<bigint>(sizeOf(shape)).fill(wideIdentityOf(kind, x));
    for (let i = 0; i < at.length; i++) {
      const p = at[i] ?? 0;
      acc[p] = combine(acc[p] ?? 0n, BigInt(elements[i] ?? 0));
    }
    return [fromWide(x, shape, acc)];
  }
  const combine = combineSmall(kind, x);
  const acc = new Float64Array(sizeOf(shape)).fill(identityOf(kind, x));
  for (let i = 0; i < at.length; i++) {
    const p = at[i] ?? 0;
    acc[p] = combine(acc[p] ?? 0, Number(elements[i]));
  }
  return [roundedFrom(x, acc, shape)];
}

function fromWide(x: Tensor, shape: readonly number[], values: readonly bigint[]): Tensor {
  const out = allocate(x.dtype, values.length);
  for (const [i, v] of values.entries()) out[i] = v;
  return tensorOf(x.dtype, shape, out);
}

/** Positions of the first elements of the lines along an axis, in row-major order, and the step within a line. */
function linesAlong(shape: readonly number[], axis: number): { starts: Int32Array; step: number; length: number } {
  const strides = stridesOf(shape);
  const rest = shape.map((d, i) => (i === axis ? 1 : d));
  return { starts: viewPositions(rest, strides), step: strides[axis] ?? 1, length: shape[axis] ?? 1 };
}

export function argreduce(cx: Cx<"argreduce">): readonly Tensor[] {
  const x = inputOf(cx, 0);
  wantNumeric(x.dtype, "argreduce");
  const { kind, axis, keep, last } = cx.attrs;
  const { starts, step, length } = linesAlong(x.shape, axis);
  if (length === 0 && starts.length > 0)
    throw new RunIssue("size_mismatch", `argreduce of axis ${axis}, which has no elements`);
  const { elements } = x;
  const out = new BigInt64Array(starts.length);
  for (const [i, start] of starts.entries()) {
    let best = 0;
    for (let j = 1; j < length; j++) {
      const a = elements[start + best * step] ?? 0;
      const b = elements[start + j * step] ?? 0;
      const better = Number.isNaN(a) ? false : Number.isNaN(b) || (kind === "max" ? b > a : b < a);
      const equal = a === b || (Number.isNaN(a) && Number.isNaN(b));
      if (better || (last && equal)) best = j;
    }
    out[i] = BigInt(best);
  }
  return [tensorOf("i64", kept(x.shape, [axis], keep), out)];
}

export function cumulate(cx: Cx<"cumulate">): readonly Tensor[] {
  const x = inputOf(cx, 0);
  wantNumeric(x.dtype, "cumulate");
  const { kind, axis } = cx.attrs;
  const { elements } = x;
  if (isWide(x.dtype)) {
    const out = new Array<bigint>(x.size).fill(0n);
    run(cx, wideIdentityOf(kind, x), combineWide(kind, x.dtype === "i64"), (p) => BigInt(elements[p] ?? 0), out);
    return [fromWide(x, x.shape, out)];
  }
  const out = new Float64Array(x.size);
  const first = x.dtype === "bool" ? Number(kind === "prod" || kind === "min") : identityOf(kind, x);
  run(cx, first, combineSmall(kind, x), (p) => Number(elements[p]), out);
  return [roundedFrom(x, out)];

  function run<T>(
    { attrs: { exclusive, reverse } }: Cx<"cumulate">,
    identity: T,
    combine: (a: T, b: T) => T,
    read: (position: number) => T,
    write: { [position: number]: T },
  ): void {
    const { starts, step, length } = linesAlong(x.shape, axis);
    for (const start of starts) {
      let acc = identity;
      for (let k = 0; k < length; k++) {
        const p = start + (reverse ? length - 1 - k : k) * step;
        const next = combine(acc, read(p));
        write[p] = exclusive ? acc : next;
        acc = next;
      }
    }
  }
}
