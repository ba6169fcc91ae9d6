// Pools: pad, cut into windows, reduce.

import * as ir from "../../../ir/build.js";
import { add, type Dim, mul } from "../../../ir/dim.js";
import { type DType, intRange, isFloat } from "../../../ir/dtype.js";
import type { Builder, Value } from "../../../ir/graph.js";
import { maxFinite } from "../../../ir/minifloat.js";
import type { NodeContext, Translator, Translators } from "../context.js";
import { along, flatten, stridesOf } from "./position.js";
import { anyPositive, ceilPlan, extent, type Windowed, windowed } from "./windowed.js";

interface Pool extends Windowed {
  /** Beyond the pads, so that windows counted upward are whole. */
  readonly extra: readonly Dim[];
  readonly counts: readonly Dim[] | null;
}

function poolOf(cx: NodeContext, x: Value): Pool {
  if (cx.rank(x) < 3) cx.malformed(`takes rank 3 and up, has ${cx.rank(x)}`);
  const sizes = x.type.shape.slice(2);
  const at = windowed(cx, sizes, cx.intList("kernel_shape"));
  if (!cx.flag("ceil_mode")) return { ...at, extra: sizes.map(() => 0), counts: null };
  const plans = sizes.map((d, i) =>
    ceilPlan(d, at.low[i] ?? 0, at.high[i] ?? 0, extent(at.kernel[i] ?? 1, at.dilations[i] ?? 1), at.strides[i] ?? 1),
  );
  return { ...at, extra: plans.map((p) => p.extra), counts: plans.map((p) => p.count) };
}

/** Windows over the last axes of `x` (as many as the pool has): kernel axes follow at the end. */
function windows(b: Builder, x: Value, p: Pool, value: Value, low: readonly Dim[], high: readonly Dim[]): Value {
  const lead = x.type.shape.length - p.kernel.length;
  const zeros = Array.from({ length: lead }, () => 0);
  const padded = ir.pad(b, x, value, [...zeros, ...low], [...zeros, ...high]);
  const axes = p.kernel.map((_, i) => lead + i);
  const out = ir.window(b, padded, { axes, lengths: p.kernel, strides: p.strides, dilations: p.dilations });
  if (p.counts === null) return out;
  const sizes = out.type.shape.map((d, i) => p.counts?.[i - lead] ?? d);
  return ir.slice(
    b,
    out,
    sizes.map(() => 0),
    sizes,
  );
}

function kernelAxes(v: Value, p: Pool): number[] {
  const rank = v.type.shape.length;
  return p.kernel.map((_, i) => rank - p.kernel.length + i);
}

export function lowest(b: Builder, dtype: DType): Value {
  if (!isFloat(dtype)) return ir.scalar(b, dtype, intRange(dtype).min);
  const infinite = dtype === "f64" || dtype === "f32" || dtype === "f16" || dtype === "bf16";
  return ir.scalar(b, dtype, infinite ? Number.NEGATIVE_INFINITY : -maxFinite(dtype));
}

const maxPool: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const p = poolOf(cx, x);
  const high = p.high.map((h, i) => add(h, p.extra[i] ?? 0));
  const all = windows(b, x, p, lowest(b, x.type.dtype), p.low, high);
  const y = ir.reduce(b, "max", all, kernelAxes(all, p));
  return cx.wants(1) ? [y, maxIndices(cx, x, p, high, all, y)] : y;
};

/** Flat positions, in the whole input, of each window's first greatest element: the least of those that equal it. */
function maxIndices(cx: NodeContext, x: Value, p: Pool, high: readonly Dim[], all: Value, y: Value): Value {
  const { b } = cx;
  const rank = cx.rank(x);
  const sizes = x.type.shape.slice(2);
  const coordinates = sizes.map((d, i) => along(b, d, i, sizes.length));
  const flat = ir.cast(b, ir.broadcast(b, flatten(b, sizes, coordinates), sizes), "i32");
  const nowhere = ir.scalar(b, "i32", 2 ** 31 - 1);
  const places = windows(b, flat, p, nowhere, p.low, high);
  const best = ir.unsqueeze(b, y, kernelAxes(all, p));
  const isBest = ir.eq(b, all, best);
  const found = isFloat(x.type.dtype) ? ir.or(b, isBest, ir.ne(b, all, all)) : isBest;
  const first = ir.cast(b, ir.reduce(b, "min", ir.select(b, found, places, nowhere), kernelAxes(all, p)), "i64");
  const planes = ir.add(
    b,
    ir.mul(b, along(b, cx.dim(x, 0), 0, rank), ir.dimValue(b, mul(cx.dim(x, 1), ...sizes))),
    ir.mul(b, along(b, cx.dim(x, 1), 1, rank), ir.dimValue(b, mul(1, ...sizes))),
  );
  return ir.add(b, cx.flag("storage_order") ? columnMajor(b, first, sizes) : first, planes);
}

/** Row-major positions within these sizes as column-major ones. */
function columnMajor(b: Builder, flat: Value, sizes: readonly Dim[]): Value {
  const strides = stridesOf(sizes);
  const coordinates = sizes.map((d, i) =>
    ir.mod(b, ir.div(b, flat, ir.dimValue(b, strides[i] ?? 1)), ir.dimValue(b, d)),
  );
  return flatten(b, sizes.toReversed(), coordinates.toReversed());
}

const averagePool: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const p = poolOf(cx, x);
  const high = p.high.map((h, i) => add(h, p.extra[i] ?? 0));
  const all = windows(b, x, p, ir.zeroOf(b, x), p.low, high);
  const total = ir.sum(b, all, kernelAxes(all, p));
  const padded = anyPositive([...p.low, ...p.high]);
  const ragged = anyPositive(p.extra);
  const wholly = cx.flag("count_include_pad");
  if (!ragged && (wholly || !padded))
    return ir.div(
      b,
      total,
      p.kernel.reduce((n, k) => n * k, 1),
    );
  // How many elements each window sees: the pads count where the node says so, what ceil_mode adds never does.
  const ones = ir.full(b, x.type.dtype, x.type.shape.slice(2), 1);
  const zeros = p.kernel.map(() => 0);
  const counted = wholly ? ir.pad(b, ones, 1, p.low, p.high) : ones;
  const seen = wholly
    ? windows(b, counted, p, ir.zeroOf(b, x), zeros, p.extra)
    : windows(b, counted, p, ir.zeroOf(b, x), p.low, high);
  return ir.div(b, total, ir.sum(b, seen, kernelAxes(seen, p)));
};

function power(b: Builder, x: Value, p: number): Value {
  const positive = ir.abs(b, x);
  return p === 1 ? positive : p === 2 ? ir.square(b, x) : ir.pow(b, positive, p);
}

function root(b: Builder, x: Value, p: number): Value {
  return p === 1 ? x : p === 2 ? ir.sqrt(b, x) : ir.pow(b, x, 1 / p);
}

/** p was a float in operator set 1. */
function exponentOf(cx: NodeContext): number {
  return cx.opset < 2 ? cx.float("p", 2) : cx.int("p", 2);
}

const lpPool: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const p = poolOf(cx, x);
  const exponent = exponentOf(cx);
  const high = p.high.map((h, i) => add(h, p.extra[i] ?? 0));
  const all = windows(b, power(b, x, exponent), p, ir.zeroOf(b, x), p.low, high);
  return root(b, ir.sum(b, all, kernelAxes(all, p)), exponent);
};

function spatialAxes(cx: NodeContext, x: Value): number[] {
  if (cx.rank(x) < 2) cx.malformed(`takes rank 2 and up, has ${cx.rank(x)}`);
  return [...x.type.shape.keys()].slice(2);
}

const globalPool =
  (pool: (cx: NodeContext, x: Value, axes: readonly number[]) => Value): Translator =>
  (cx) => {
    const x = cx.in(0);
    return pool(cx, x, spatialAxes(cx, x));
  };

/** Puts values back where a MaxPool took them from. */
const maxUnpool: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const at = windowed(cx, x.type.shape.slice(2), cx.intList("kernel_shape"));
  const back = x.type.shape.slice(2).map((d, i) => {
    const [k, s] = [at.kernel[i] ?? 1, at.strides[i] ?? 1];
    return add(mul(add(d, -1), s), k, mul(-1, at.low[i] ?? 0), mul(-1, at.high[i] ?? 0));
  });
  const natural = [...x.type.shape.slice(0, 2), ...back];
  const target = cx.opt(2);
  const given = target === undefined ? natural : cx.dims(target, "the output shape", (i) => cx.declaredSize(0, i));
  if (given.length !== natural.length) cx.malformed("its output shape has another rank");
  // Indices count within the output as it is given.
  const whole = ir.full(b, x.type.dtype, [mul(1, ...given)], 0);
  return ir.reshape(b, ir.scatter(b, whole, ir.flatten(b, ir.cast(b, cx.in(1), "i64")), ir.flatten(b, x)), given);
};

export const poolOps: Translators = {
  AveragePool: averagePool,
  GlobalAveragePool: globalPool((cx, x, axes) => (axes.length === 0 ? x : ir.mean(cx.b, x, axes, true))),
  GlobalLpPool: globalPool((cx, x, axes) => {
    const p = exponentOf(cx);
    return root(cx.b, ir.sum(cx.b, power(cx.b, x, p), axes, true), p);
  }),
  GlobalMaxPool: globalPool((cx, x, axes) => ir.reduce(cx.b, "max", x, axes, true)),
  LpPool: lpPool,
  MaxPool: maxPool,
  MaxUnpool: maxUnpool,
};
