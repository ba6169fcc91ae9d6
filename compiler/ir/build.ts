// Ops as plain functions over a Builder: what every frontend, pass and decomposition writes graphs with. Each makes (or
// finds) one node, or none where the op would change nothing. They throw TypeIssue where the inputs do not fit.

import { accumulatorOf, cast, div, scalar, vector } from "./build-scalar.js";
import { type Dim, sub as subDim } from "./dim.js";
import type { DType } from "./dtype.js";
import type { Builder, Region, Value } from "./graph.js";
import { elementCount, sameShape, staticShape, type TensorType } from "./types.js";

export * from "./build-scalar.js";

export type ReduceKind = "sum" | "prod" | "max" | "min";
export type ScatterMode = "set" | "add" | "mul" | "min" | "max";

// ---- sources

export function input(b: Builder, name: string, dtype: DType, shape: readonly Dim[]): Value {
  return b.one("input", [], { name, dtype, shape });
}

/** The current value of a state slot; its next value is declared in the graph. */
export function state(b: Builder, name: string, dtype: DType, shape: readonly Dim[]): Value {
  return b.one("state", [], { name, dtype, shape });
}

/** `value` everywhere; a broadcast scalar, so that it takes no memory. */
export function full(b: Builder, dtype: DType, shape: readonly Dim[], value: number | bigint): Value {
  return broadcast(b, scalar(b, dtype, value), shape);
}

/** 0, 1, 2, ... along `axis`. */
export function iota(b: Builder, dtype: DType, shape: readonly Dim[], axis = 0): Value {
  return b.one("iota", [], { shape, axis, dtype });
}

/** Run-time values of dimensions: an i64 vector. */
export function dimsOf(b: Builder, of: readonly Dim[]): Value {
  const known = staticShape(of);
  return known === null ? b.one("dims", [], { of }) : vector(b, "i64", known);
}

/** Run-time value of a dimension: an i64 scalar. */
export function dimValue(b: Builder, d: Dim): Value {
  return typeof d === "number" ? scalar(b, "i64", d) : reshape(b, dimsOf(b, [d]), []);
}

// ---- shape

export function reshape(b: Builder, x: Value, shape: readonly Dim[]): Value {
  if (sameShape(x.type.shape, shape)) return x;
  // A reshape of a reshape is one reshape.
  const source = x.node.op === "reshape" ? x.node.inputs[0] : undefined;
  return source === undefined ? b.one("reshape", [x], { shape }) : reshape(b, source, shape);
}

/** One dimension. */
export function flatten(b: Builder, x: Value): Value {
  return reshape(b, x, [elementCount(x.type.shape)]);
}

/** New axes of size 1 at these positions of the result. */
export function unsqueeze(b: Builder, x: Value, axes: readonly number[]): Value {
  const rank = x.type.shape.length + axes.length;
  const rest = [...x.type.shape];
  const shape: Dim[] = [];
  for (let i = 0; i < rank; i++) shape.push(axes.includes(i) ? 1 : (rest.shift() ?? 1));
  return reshape(b, x, shape);
}

/** Without these axes, which must have size 1 (checked at run time where it is not proven). */
export function squeeze(b: Builder, x: Value, axes: readonly number[]): Value {
  return reshape(
    b,
    x,
    x.type.shape.filter((_, i) => !axes.includes(i)),
  );
}

/** Broadcast of axes of size 1 to `shape`, which may have more axes at the left. */
export function expand(b: Builder, x: Value, shape: readonly Dim[]): Value {
  return broadcast(b, x, shape);
}

/** out axis i is input axis perm[i]. */
export function transpose(b: Builder, x: Value, perm: readonly number[]): Value {
  return perm.length === x.type.shape.length && perm.every((p, i) => p === i) ? x : b.one("transpose", [x], { perm });
}

/** Swaps two axes, by default the last two. */
export function swapAxes(b: Builder, x: Value, i = x.type.shape.length - 2, j = x.type.shape.length - 1): Value {
  const perm = x.type.shape.map((_, axis) => (axis === i ? j : axis === j ? i : axis));
  return transpose(b, x, perm);
}

export function broadcast(b: Builder, x: Value, shape: readonly Dim[]): Value {
  return sameShape(x.type.shape, shape) ? x : b.one("broadcast", [x], { shape });
}

/** out[i] = x[starts + i * steps], `sizes` elements per axis. */
export function slice(
  b: Builder,
  x: Value,
  starts: readonly Dim[],
  sizes: readonly Dim[],
  steps: readonly number[] = starts.map(() => 1),
): Value {
  const whole = starts.every((s) => s === 0) && steps.every((s) => s === 1) && sameShape(sizes, x.type.shape);
  return whole ? x : b.one("slice", [x], { starts, sizes, steps });
}

/** A slice of one axis. */
export function sliceAxis(b: Builder, x: Value, axis: number, start: Dim, size: Dim, step = 1): Value {
  const { shape } = x.type;
  return slice(
    b,
    x,
    shape.map((_, i) => (i === axis ? start : 0)),
    shape.map((d, i) => (i === axis ? size : d)),
    shape.map((_, i) => (i === axis ? step : 1)),
  );
}

/** The order of elements along these axes reversed. */
export function flip(b: Builder, x: Value, axes: readonly number[]): Value {
  let out = x;
  for (const axis of axes) {
    const d = x.type.shape[axis] ?? 0;
    out = sliceAxis(b, out, axis, subDim(d, 1), d, -1);
  }
  return out;
}

export function pad(
  b: Builder,
  x: Value,
  value: Value | number,
  low: readonly Dim[],
  high: readonly Dim[],
  interior: readonly number[] = low.map(() => 0),
): Value {
  if ([...low, ...high, ...interior].every((d) => d === 0)) return x;
  const edge = typeof value === "number" ? scalar(b, x.type.dtype, value) : value;
  return b.one("pad", [x, edge], { low, high, interior });
}

export function concat(b: Builder, xs: readonly Value[], axis: number): Value {
  const [only] = xs;
  return only !== undefined && xs.length === 1 ? only : b.one("concat", xs, { axis });
}

export interface Window {
  readonly axes: readonly number[];
  readonly lengths: readonly Dim[];
  readonly strides?: readonly number[];
  readonly dilations?: readonly number[];
}

/** Sliding windows: position axes stay in place, one axis per window is appended. */
export function window(b: Builder, x: Value, w: Window): Value {
  const ones = w.axes.map(() => 1);
  const { axes, lengths, strides = ones, dilations = ones } = w;
  return b.one("window", [x], { axes, lengths, strides, dilations });
}

// ---- data-dependent positions

export function gather(b: Builder, x: Value, indices: Value, axis = 0): Value {
  return b.one("gather", [x, indices], { axis });
}

/** Elements of x in row-major order; the indices' shape. */
export function take(b: Builder, x: Value, indices: Value): Value {
  return b.one("take", [x, indices], {});
}

/** x with x.flat[indices] combined with updates. */
export function scatter(b: Builder, x: Value, indices: Value, updates: Value, mode: ScatterMode = "set"): Value {
  return b.one("scatter", [x, indices, updates], { mode });
}

/** The first `count` elements in order along an axis, all of them unless it is given, and where they were. */
export function sort(
  b: Builder,
  x: Value,
  axis: number,
  descending = false,
  count: Dim = x.type.shape[axis] ?? 1,
): { values: Value; indices: Value } {
  const [values, indices] = b.op("sort", [x], { axis, descending, count });
  if (values === undefined || indices === undefined) throw new RangeError("sort has two outputs");
  return { values, indices };
}

/** Row-major coordinates of nonzero elements: i64 [rank, count]; bind `count` to this value's axis 1. */
export function nonzero(b: Builder, x: Value, count: Dim): Value {
  return b.one("nonzero", [x], { count });
}

// ---- reductions

export function reduce(b: Builder, kind: ReduceKind, x: Value, axes: readonly number[], keep = false): Value {
  return axes.length === 0 ? x : b.one("reduce", [x], { kind, axes: axes.toSorted((i, j) => i - j), keep });
}

export const sum = (b: Builder, x: Value, axes = allAxes(x), keep = false): Value => reduce(b, "sum", x, axes, keep);
export const prod = (b: Builder, x: Value, axes = allAxes(x), keep = false): Value => reduce(b, "prod", x, axes, keep);
export const reduceMax = (b: Builder, x: Value, axes = allAxes(x), keep = false): Value =>
  reduce(b, "max", x, axes, keep);
export const reduceMin = (b: Builder, x: Value, axes = allAxes(x), keep = false): Value =>
  reduce(b, "min", x, axes, keep);

/** Sum over the number of elements; integers divide by truncation. */
export function mean(b: Builder, x: Value, axes: readonly number[] = allAxes(x), keep = false): Value {
  const count = elementCount(axes.map((i) => x.type.shape[i] ?? 1));
  return div(b, reduce(b, "sum", x, axes, keep), cast(b, dimValue(b, count), x.type.dtype));
}

export function allAxes(x: Value): readonly number[] {
  return x.type.shape.map((_, i) => i);
}

export function argreduce(
  b: Builder,
  kind: "max" | "min",
  x: Value,
  axis: number,
  { keep = false, last = false }: { readonly keep?: boolean; readonly last?: boolean } = {},
): Value {
  return b.one("argreduce", [x], { kind, axis, keep, last });
}

export function cumulate(
  b: Builder,
  kind: ReduceKind,
  x: Value,
  axis: number,
  { exclusive = false, reverse = false }: { readonly exclusive?: boolean; readonly reverse?: boolean } = {},
): Value {
  return b.one("cumulate", [x], { kind, axis, exclusive, reverse });
}

// ---- contractions

/** (a[..., m, k], b[..., k, n]); `dtype` is what it sums in and gives. */
export function matmul(b: Builder, x: Value, y: Value, dtype: DType = accumulatorOf(x.type.dtype)): Value {
  return b.one("matmul", [x, y], { dtype });
}

export interface Conv {
  readonly strides?: readonly number[];
  readonly dilations?: readonly number[];
  readonly low?: readonly number[];
  readonly high?: readonly number[];
  readonly groups?: number;
  readonly layout?: "nchw" | "nhwc";
  readonly dtype?: DType;
}

export function conv(b: Builder, x: Value, w: Value, attrs: Conv = {}): Value {
  const spatial = Math.max(0, x.type.shape.length - 2);
  const ones = Array.from({ length: spatial }, () => 1);
  const zeros = ones.map(() => 0);
  return b.one("conv", [x, w], {
    strides: attrs.strides ?? ones,
    dilations: attrs.dilations ?? ones,
    low: attrs.low ?? zeros,
    high: attrs.high ?? zeros,
    groups: attrs.groups ?? 1,
    layout: attrs.layout ?? "nchw",
    dtype: attrs.dtype ?? accumulatorOf(x.type.dtype),
  });
}

// ---- control

/** `shapes`: the results' shapes, needed only where the branches differ (a fresh, bound symbol for each such axis). */
export function ifElse(
  b: Builder,
  condition: Value,
  yes: readonly Value[],
  no: readonly Value[],
  shapes?: readonly (readonly Dim[])[],
): readonly Value[] {
  const regions: Region[] = [
    { params: [], results: yes },
    { params: [], results: no },
  ];
  return b.op("if", [condition], { shapes: shapes ?? yes.map((v) => v.type.shape) }, regions);
}

export interface LoopStep {
  /** Whether to go on; always where it is absent. */
  readonly condition?: Value;
  readonly carried: readonly Value[];
  /** Stacked over the iterations. */
  readonly scanned?: readonly Value[];
}

export interface Loop {
  /** i64 scalar; as many as the condition allows where it is absent. */
  readonly trips?: Value | number;
  readonly condition?: Value;
  readonly carried: readonly Value[];
  /** Types of the carried parameters, where a size changes between iterations. */
  readonly types?: readonly TensorType[];
  /** Number of iterations that run: the scanned outputs' first axis. */
  readonly count: Dim;
  readonly body: (iteration: Value, carried: readonly Value[]) => LoopStep;
}

/** Final carried values, then the scanned ones. */
export function loop(b: Builder, l: Loop): readonly Value[] {
  const trips = l.trips === undefined ? Number.MAX_SAFE_INTEGER : l.trips;
  const go = scalar(b, "bool", true);
  const iteration = b.param({ dtype: "i64", shape: [] });
  const params = l.carried.map((v, i) => b.param(l.types?.[i] ?? v.type));
  const step = l.body(iteration, params);
  const region: Region = {
    params: [iteration, ...params],
    results: [step.condition ?? go, ...step.carried, ...(step.scanned ?? [])],
  };
  const start = typeof trips === "number" ? scalar(b, "i64", trips) : trips;
  return b.op("loop", [start, l.condition ?? go, ...l.carried], { carried: l.carried.length, count: l.count }, [
    region,
  ]);
}

// ---- composites

export function softmax(b: Builder, x: Value, axis: number): Value {
  return b.one("softmax", [x], { axis });
}

export function logSoftmax(b: Builder, x: Value, axis: number): Value {
  return b.one("logSoftmax", [x], { axis });
}

/** Over the axes from `axis` on. */
export function layerNorm(b: Builder, x: Value, scale: Value, bias: Value, axis: number, epsilon = 1e-5): Value {
  return b.one("layerNorm", [x, scale, bias], { axis, epsilon });
}

/** What `blockMatmul` multiplies with: see its schema. */
export interface BlockWeight {
  readonly w: Value;
  readonly scale: Value;
  readonly zero: Value;
  readonly block: number;
}

/** `x`: f32, or integers with their scales and sums per block. */
export function blockMatmul(b: Builder, x: readonly Value[], { w, scale, zero, block }: BlockWeight): Value {
  const [first, ...more] = x;
  if (first === undefined) throw new RangeError("blockMatmul takes a left operand");
  return b.one("blockMatmul", [first, w, scale, zero, ...more], { block });
}
