// Slice and Pad: the ranges of axes, symbolic where sizes are, computed by the run where the model computes them.

import * as ir from "../../../ir/build.js";
import { add, ceildiv, type Dim, formatDim, max, min, neg, range, sub } from "../../../ir/dim.js";
import type { Value } from "../../../ir/graph.js";
import type { NodeContext, Translator, Translators } from "../context.js";

/** Beyond this a start or end means "as far as possible". */
const FAR = 2 ** 40;

const slice: Translator = (cx) => {
  const x = cx.in(0);
  const rank = cx.rank(x);
  if (cx.opset < 10) {
    const starts = cx.intList("starts");
    const axes = cx.optInts("axes") ?? starts.map((_, i) => i);
    return sliceBy(
      cx,
      x,
      starts,
      cx.intList("ends"),
      cx.axes(axes, rank),
      starts.map(() => 1),
    );
  }
  const starts = cx.positions(cx.in(1));
  const ends = cx.positions(cx.in(2));
  const axesInput = cx.opt(3);
  const stepsInput = cx.opt(4);
  const count = cx.size(cx.in(1), 0, "the number of starts");
  const axes = axesInput === undefined ? Array.from({ length: count }, (_, i) => i) : cx.ints(axesInput);
  const steps = stepsInput === undefined ? Array.from({ length: count }, () => 1) : cx.ints(stepsInput);
  if (starts === null || ends === null || axes === null || steps === null) return dynamicSlice(cx, x);
  const number = (d: Dim): number => (typeof d === "number" ? d : cx.unknownSize(`step or axis is ${formatDim(d)}`));
  return sliceBy(cx, x, starts, ends, cx.axes(axes.map(number), rank), steps.map(number));
};

function sliceBy(
  cx: NodeContext,
  x: Value,
  starts: readonly Dim[],
  ends: readonly Dim[],
  axes: readonly number[],
  steps: readonly number[],
): Value {
  if (starts.length !== ends.length || axes.length !== starts.length || steps.length !== starts.length)
    cx.malformed(`has ${starts.length} starts, ${ends.length} ends, ${axes.length} axes and ${steps.length} steps`);
  const from: Dim[] = x.type.shape.map(() => 0);
  const sizes = [...x.type.shape];
  const by = x.type.shape.map(() => 1);
  for (const [i, axis] of axes.entries()) {
    const d = cx.dim(x, axis);
    const step = steps[i] ?? 1;
    if (step === 0) cx.malformed("has a step of 0");
    const down = step < 0;
    const start = clamp(fromEnd(cx, starts[i] ?? 0, d), 0, down ? sub(d, 1) : d);
    const end = clamp(fromEnd(cx, ends[i] ?? 0, d), down ? -1 : 0, down ? sub(d, 1) : d);
    const length = max(0, down ? sub(start, end) : sub(end, start));
    from[axis] = start;
    sizes[axis] = ceildiv(length, Math.abs(step));
    by[axis] = step;
  }
  return ir.slice(cx.b, x, from, sizes, by);
}

/** A position counted from the end where negative. */
function fromEnd(cx: NodeContext, at: Dim, d: Dim): Dim {
  if (typeof at === "number" && at > FAR) return add(d, 1);
  if (typeof at === "number" && at < -FAR) return -1;
  const { lo, hi } = range(at);
  if (lo >= 0) return at;
  // Still negative after this: clamped by the caller.
  if (hi < 0) return add(d, at);
  const wrapped = add(d, at);
  return range(wrapped).hi < 0
    ? wrapped
    : cx.unknownSize(`position ${formatDim(at)} may be negative or not, which changes its meaning`);
}

function clamp(at: Dim, low: Dim, high: Dim): Dim {
  return max(low, min(at, high));
}

/** Starts, ends, axes or steps from data: per axis, positions are computed and gathered; sizes are symbols. */
function dynamicSlice(cx: NodeContext, x: Value): Value {
  const { b } = cx;
  const rank = cx.rank(x);
  const count = cx.size(cx.in(1), 0, "the number of starts");
  const axesInput = cx.opt(3);
  const stepsInput = cx.opt(4);
  const shape = ir.dimsOf(b, x.type.shape);
  const wide = (v: Value): Value => ir.cast(b, v, "i64");
  const given = axesInput === undefined ? ir.iota(b, "i64", [count]) : wide(axesInput);
  const axes = ir.select(b, ir.lt(b, given, 0), ir.add(b, given, rank), given);
  const spread = (other: Value, v: Value): Value => ir.scatter(b, other, axes, wide(v));
  const fill = (n: number): Value => ir.full(b, "i64", [rank], n);
  const starts = spread(fill(0), cx.in(1));
  const steps = stepsInput === undefined ? fill(1) : spread(fill(1), stepsInput);
  const ends = spread(shape, cx.in(2));
  const known = axesInput === undefined ? null : cx.ints(axesInput);
  let out = x;
  for (const [axis, d] of x.type.shape.entries()) {
    const untouched = known !== null && !known.some((a) => a === axis || a === axis - rank);
    if (untouched || (axesInput === undefined && axis >= count)) continue;
    const pick = (v: Value): Value => ir.reshape(b, ir.slice(b, v, [axis], [1]), []);
    const size = ir.dimValue(b, d);
    const step = pick(steps);
    const down = ir.lt(b, step, 0);
    const last = ir.select(b, down, ir.sub(b, size, 1), size);
    const settle = (v: Value, low: Value | number): Value => {
      const at = ir.select(b, ir.lt(b, v, 0), ir.add(b, v, size), v);
      return ir.max(b, ir.min(b, at, last), low);
    };
    const start = settle(pick(starts), 0);
    const end = settle(pick(ends), ir.select(b, down, ir.scalar(b, "i64", -1), 0));
    const span = ir.sub(b, end, start);
    // Rounded away from zero, then cut at none.
    const steps1 = ir.div(b, ir.sub(b, ir.add(b, span, step), ir.sign(b, step)), step);
    const length = ir.reshape(b, ir.max(b, steps1, 0), [1]);
    const most = cx.upper(d, `axis ${axis}`);
    const n = cx.element(length, 0, "the size of a slice", Math.min(cx.declaredSize(0, axis) ?? most, most));
    const positions = ir.add(b, ir.mul(b, ir.iota(b, "i64", [n]), step), start);
    out = ir.gather(b, out, positions, axis);
  }
  return out;
}

type PadMode = "constant" | "reflect" | "edge" | "wrap";

const pad: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const rank = cx.rank(x);
  const mode = cx.word("mode", ["constant", "reflect", "edge", "wrap"], "constant");
  let list: readonly Dim[];
  let axes = [...x.type.shape.keys()];
  let value: Value;
  if (cx.opset < 11) {
    list = cx.intList(cx.opset < 2 ? "paddings" : "pads");
    value = ir.scalar(b, x.type.dtype, cx.float("value", 0));
  } else {
    const axesInput = cx.opt(3);
    if (axesInput !== undefined) axes = cx.axes(cx.numbers(axesInput, "axes"), rank);
    list = cx.dims(cx.in(1), "pads");
    value = cx.has(2) ? ir.reshape(b, cx.in(2), []) : ir.zeroOf(b, x);
  }
  if (list.length !== 2 * axes.length) cx.malformed(`has ${list.length} pads for ${axes.length} axes`);
  const low: Dim[] = x.type.shape.map(() => 0);
  const high: Dim[] = x.type.shape.map(() => 0);
  for (const [i, axis] of axes.entries()) {
    low[axis] = list[i] ?? 0;
    high[axis] = list[i + axes.length] ?? 0;
  }
  return padBy(cx, x, low, high, mode, value);
};

/** Pads by mode; negative pads cut. */
function padBy(
  cx: NodeContext,
  x: Value,
  low: readonly Dim[],
  high: readonly Dim[],
  mode: PadMode,
  value: Value,
): Value {
  const { b } = cx;
  for (const d of [...low, ...high])
    if (range(d).lo < 0 && range(d).hi > 0) cx.unknownSize(`a pad of ${formatDim(d)} may be negative or not`);
  const cut = (d: Dim): Dim => (range(d).lo < 0 ? neg(d) : 0);
  const grow = (d: Dim): Dim => (range(d).lo < 0 ? 0 : d);
  const sizes = x.type.shape.map((d, i) => sub(d, add(cut(low[i] ?? 0), cut(high[i] ?? 0))));
  const core = ir.slice(b, x, low.map(cut), sizes);
  if (mode === "constant") return ir.pad(b, core, value, low.map(grow), high.map(grow));
  let out = core;
  for (const [axis, d] of core.type.shape.entries()) {
    const before = grow(low[axis] ?? 0);
    const after = grow(high[axis] ?? 0);
    if (before === 0 && after === 0) continue;
    const at = ir.sub(b, ir.iota(b, "i64", [add(before, d, after)]), ir.dimValue(b, before));
    out = ir.gather(b, out, source(cx, at, d, mode), axis);
  }
  return out;
}

/** Which element of an axis of `d` stands at these positions outside and inside it. */
function source(cx: NodeContext, at: Value, d: Dim, mode: "reflect" | "edge" | "wrap"): Value {
  const { b } = cx;
  const size = ir.dimValue(b, d);
  const last = ir.sub(b, size, 1);
  if (mode === "edge") return ir.max(b, ir.min(b, at, last), 0);
  if (mode === "wrap") return ir.mod(b, at, size);
  const period = ir.max(b, ir.mul(b, last, 2), 1);
  const inside = ir.mod(b, at, period);
  return ir.min(b, inside, ir.sub(b, ir.mul(b, last, 2), inside));
}

const centerCropPad: Translator = (cx) => {
  const x = cx.in(0);
  const rank = cx.rank(x);
  const axes = cx.axes(cx.optInts("axes") ?? [...x.type.shape.keys()], rank);
  const target = cx.dims(cx.in(1), "the shape", (i) => cx.declaredSize(0, axes[i] ?? 0));
  const starts: Dim[] = x.type.shape.map(() => 0);
  const sizes = [...x.type.shape];
  const low: Dim[] = x.type.shape.map(() => 0);
  const high: Dim[] = x.type.shape.map(() => 0);
  for (const [i, axis] of axes.entries()) {
    const have = cx.size(x, axis, `axis ${axis}`);
    const want = target[i];
    if (typeof want !== "number") return cx.unknownSize("the target shape must be numbers");
    if (want < have) {
      starts[axis] = Math.floor((have - want) / 2);
      sizes[axis] = want;
    } else {
      low[axis] = Math.floor((want - have) / 2);
      high[axis] = want - have - Math.floor((want - have) / 2);
    }
  }
  return ir.pad(cx.b, ir.slice(cx.b, x, starts, sizes), 0, low, high);
};

export const sliceOps: Translators = { CenterCropPad: centerCropPad, Pad: pad, Slice: slice };
