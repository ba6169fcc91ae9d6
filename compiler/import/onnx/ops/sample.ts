// Sampling at computed positions: GridSample, AffineGrid, RoiAlign, DeformConv.

import * as ir from "../../../ir/build.js";
import { type Dim, mul } from "../../../ir/dim.js";
import type { Builder, Value } from "../../../ir/graph.js";
import { tensorFrom } from "../../../ir/tensor.js";
import type { NodeContext, Translator, Translators } from "../context.js";
import { along, flatten } from "./position.js";

type Padding = "zeros" | "border" | "reflection";

/** One neighbour of a position on one axis: its index (inside), and its weight. */
interface Tap {
  readonly at: Value;
  readonly weight: Value | null;
}

function size(b: Builder, d: Dim, like: Value): Value {
  return typeof d === "number" ? ir.scalar(b, like.type.dtype, d) : ir.cast(b, ir.dimValue(b, d), like.type.dtype);
}

/** Folded back at both ends of low..low + span. */
function reflected(b: Builder, x: Value, low: number, span: Value): Value {
  const whole = ir.max(b, ir.mul(b, span, 2), 1e-9);
  const t = ir.mod(b, ir.sub(b, x, low), whole);
  return ir.add(b, ir.min(b, t, ir.sub(b, ir.mul(b, span, 2), t)), low);
}

/** The index of a neighbour, moved inside, and 0 or 1 for whether it counts. */
function inside(b: Builder, at: Value, d: Value, padding: Padding, align: boolean): { at: Value; keep: Value | null } {
  const last = ir.sub(b, d, 1);
  const clamped = (v: Value): Value => ir.max(b, ir.min(b, v, last), 0);
  const index = (v: Value): Value => ir.cast(b, clamped(v), "i64");
  if (padding === "border") return { at: index(at), keep: null };
  if (padding === "reflection") {
    const folded = align ? reflected(b, at, 0, last) : reflected(b, at, -0.5, d);
    return { at: index(ir.trunc(b, folded)), keep: null };
  }
  const hit = ir.and(b, ir.ge(b, at, 0), ir.le(b, at, last));
  return { at: index(at), keep: ir.cast(b, hit, at.type.dtype) };
}

function cubic(b: Builder, t: Value, a: number): Value {
  const horner = (c: readonly number[]): Value => {
    let v: Value = ir.scalar(b, t.type.dtype, c[0] ?? 0);
    for (const next of c.slice(1)) v = ir.add(b, ir.mul(b, v, t), next);
    return v;
  };
  const near = horner([a + 2, -(a + 3), 0, 1]);
  return ir.select(b, ir.le(b, t, 1), near, horner([a, -5 * a, 8 * a, -4 * a]));
}

function tapsOf(b: Builder, x: Value, mode: "nearest" | "linear" | "cubic"): { at: Value; weight: Value | null }[] {
  if (mode === "nearest") return [{ at: ir.round(b, x), weight: null }];
  const base = ir.floor(b, x);
  const offsets = mode === "linear" ? [0, 1] : [-1, 0, 1, 2];
  return offsets.map((o) => {
    const at = ir.add(b, base, o);
    const distance = ir.abs(b, ir.sub(b, x, at));
    return { at, weight: mode === "linear" ? ir.sub(b, 1, distance) : cubic(b, distance, -0.75) };
  });
}

/** Products over axes of every choice of one tap each. */
function combinations(taps: readonly (readonly Tap[])[]): Tap[][] {
  let all: Tap[][] = [[]];
  for (const axis of taps) all = all.flatMap((list) => axis.map((t) => [...list, t]));
  return all;
}

function product(b: Builder, values: readonly (Value | null)[]): Value | null {
  let out: Value | null = null;
  for (const v of values) if (v !== null) out = out === null ? v : ir.mul(b, out, v);
  return out;
}

/**
 * Weighted sum over taps of x[n, c, ...spatial]. Taps have a shape that broadcasts against [n, c, ...points]; `rank` is
 * that shape's rank.
 */
function sampled(cx: NodeContext, x: Value, taps: readonly (readonly Tap[])[], shape: readonly Dim[]): Value {
  const { b } = cx;
  const rank = shape.length;
  const lead = [along(b, cx.dim(x, 0), 0, rank), along(b, cx.dim(x, 1), 1, rank)];
  let sum: Value | null = null;
  for (const choice of combinations(taps)) {
    const flat = ir.broadcast(b, flatten(b, x.type.shape, [...lead, ...choice.map((t) => t.at)]), shape);
    const weight = product(
      b,
      choice.map((t) => t.weight),
    );
    const value = ir.take(b, x, flat);
    const part = weight === null ? value : ir.mul(b, value, ir.cast(b, weight, x.type.dtype));
    sum = sum === null ? part : ir.add(b, sum, part);
  }
  return sum ?? cx.malformed("has no spatial axes");
}

const gridSample: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const grid = cx.in(1);
  const word = cx.word(
    "mode",
    ["linear", "nearest", "cubic", "bilinear", "bicubic"],
    cx.opset < 20 ? "bilinear" : "linear",
  );
  const mode = word === "bilinear" ? "linear" : word === "bicubic" ? "cubic" : word;
  const padding = cx.word("padding_mode", ["zeros", "border", "reflection"], "zeros");
  const align = cx.flag("align_corners");
  const spatial = cx.rank(x) - 2;
  if (spatial < 1 || cx.rank(grid) !== cx.rank(x)) cx.malformed("takes a grid of the input's rank");
  const last = cx.rank(grid) - 1;
  const points = grid.type.shape.slice(1, -1);
  const shape = [cx.dim(x, 0), cx.dim(x, 1), ...points];
  const taps = Array.from({ length: spatial }, (_, i): Tap[] => {
    // The grid's last axis is x, y, z: the last spatial axis first.
    const part = ir.sliceAxis(b, grid, last, spatial - 1 - i, 1);
    const g = ir.reshape(b, part, [cx.dim(grid, 0), 1, ...points]);
    const d = size(b, cx.dim(x, i + 2), g);
    const unit = ir.add(b, g, 1);
    const position = align
      ? ir.div(b, ir.mul(b, unit, ir.sub(b, d, 1)), 2)
      : ir.div(b, ir.sub(b, ir.mul(b, unit, d), 1), 2);
    const whole = mode === "nearest" ? ir.round(b, position) : position;
    return tapsOf(b, folded(b, whole, d, padding, align), mode).map((t) => {
      const { at, keep } = inside(b, t.at, d, padding, align);
      return { at, weight: product(b, [t.weight, keep]) };
    });
  });
  return sampled(cx, x, taps, shape);
};

/** The position itself moved inside, before its neighbours are. */
function folded(b: Builder, x: Value, d: Value, padding: Padding, align: boolean): Value {
  if (padding === "zeros") return x;
  const last = ir.sub(b, d, 1);
  if (padding === "border") {
    const out = align ? null : ir.or(b, ir.lt(b, x, -0.5), ir.gt(b, x, ir.sub(b, d, 0.5)));
    const clamped = ir.max(b, ir.min(b, x, last), 0);
    return out === null ? clamped : ir.select(b, out, clamped, x);
  }
  return align ? reflected(b, x, 0, last) : reflected(b, x, -0.5, d);
}

const affineGrid: Translator = (cx) => {
  const { b } = cx;
  const theta = cx.in(0);
  const sizes = cx.dims(cx.in(1), "the size", (i) => (i < 2 ? 1 << 20 : cx.declaredSize(0, i - 1)));
  const points = sizes.slice(2);
  const n = points.length;
  const align = cx.flag("align_corners");
  const { dtype } = theta.type;
  // Coordinates x, y, (z), 1: the last spatial axis first.
  const parts = points.toReversed().map((d, j) => {
    const axis = n - 1 - j;
    const i = ir.iota(b, dtype, points, axis);
    const length = size(b, d, theta);
    if (align) return ir.sub(b, ir.div(b, ir.mul(b, i, 2), ir.max(b, ir.sub(b, length, 1), 1)), 1);
    return ir.sub(b, ir.div(b, ir.add(b, ir.mul(b, i, 2), 1), length), 1);
  });
  const ones = ir.full(b, dtype, points, 1);
  const base = ir.concat(
    b,
    [...parts, ones].map((v) => ir.reshape(b, v, [mul(1, ...points), 1])),
    1,
  );
  const out = ir.matmul(b, base, ir.swapAxes(b, theta), dtype);
  return ir.reshape(b, out, [cx.dim(theta, 0), ...points, n]);
};

/** Averages (or maxima) of bilinear samples within the cells of regions. */
const roiAlign: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const rois = cx.in(1);
  const [oh, ow] = [cx.int("output_height", 1), cx.int("output_width", 1)];
  const ratio = cx.int("sampling_ratio", 0);
  const scale = cx.float("spatial_scale", 1);
  const mode = cx.word("mode", ["avg", "max"], "avg");
  const half =
    cx.word(
      "coordinate_transformation_mode",
      ["half_pixel", "output_half_pixel"],
      cx.opset < 16 ? "output_half_pixel" : "half_pixel",
    ) === "half_pixel";
  if (ratio < 1)
    return cx.unknownSize("its number of samples depends on the regions", "export it with a sampling_ratio");
  const count = cx.dim(rois, 0);
  const c = cx.dim(x, 1);
  const coordinate = (i: number): Value => {
    const v = ir.mul(b, ir.reshape(b, ir.sliceAxis(b, rois, 1, i, 1), [count, 1, 1, 1, 1, 1]), scale);
    return half ? ir.sub(b, v, 0.5) : v;
  };
  const axis = (from: number, to: number, cells: number, cellAxis: number, d: Dim): Tap[] => {
    const start = coordinate(from);
    const raw = ir.sub(b, coordinate(to), start);
    const extent = half ? raw : ir.max(b, raw, 1);
    const cell = ir.div(b, extent, cells);
    const float = (n: number, at: number): Value => ir.cast(b, along(b, n, at, 6), x.type.dtype);
    const inner = ir.div(b, ir.add(b, float(ratio, cellAxis + 2), 0.5), ratio);
    const at = ir.add(b, start, ir.mul(b, ir.add(b, float(cells, cellAxis), inner), cell));
    const last = ir.sub(b, size(b, d, at), 1);
    const out = ir.or(b, ir.lt(b, at, -1), ir.gt(b, at, size(b, d, at)));
    const clamped = ir.max(b, ir.min(b, at, last), 0);
    const low = ir.floor(b, clamped);
    const frac = ir.sub(b, clamped, low);
    const keep = (w: Value): Value => ir.select(b, out, 0, w);
    const index = (v: Value): Value => ir.cast(b, ir.min(b, v, last), "i64");
    return [
      { at: index(low), weight: keep(ir.sub(b, 1, frac)) },
      { at: index(ir.add(b, low, 1)), weight: keep(frac) },
    ];
  };
  // [roi, channel, out y, out x, sample y, sample x]
  const shape: Dim[] = [count, c, oh, ow, ratio, ratio];
  const taps = [axis(1, 3, oh, 2, cx.dim(x, 2)), axis(0, 2, ow, 3, cx.dim(x, 3))];
  const batch = ir.reshape(b, ir.cast(b, cx.in(2), "i64"), [count, 1, 1, 1, 1, 1]);
  const values = combinations(taps).map((choice) => {
    const flat = flatten(b, x.type.shape, [batch, along(b, c, 1, 6), ...choice.map((t) => t.at)]);
    const weight = product(
      b,
      choice.map((t) => t.weight),
    );
    const value = ir.take(b, x, ir.broadcast(b, flat, shape));
    return weight === null ? value : ir.mul(b, value, weight);
  });
  const [first, ...rest] = values;
  if (first === undefined) return cx.malformed("has no samples");
  // The maximum is taken over weighted neighbours, as the specification's implementation does.
  if (mode === "max")
    return ir.reduce(
      b,
      "max",
      rest.reduce((p, q) => ir.max(b, p, q), first),
      [4, 5],
    );
  return ir.div(
    b,
    ir.sum(
      b,
      rest.reduce((p, q) => ir.add(b, p, q), first),
      [4, 5],
    ),
    ratio * ratio,
  );
};

/** Each kernel element reads at its own offset: bilinear samples, then a matrix product with the kernel. */
const deformConv: Translator = (cx) => {
  const { b } = cx;
  const [x, w, offset] = [cx.in(0), cx.in(1), cx.in(2)];
  const mask = cx.opt(4);
  if (cx.rank(x) !== 4) return cx.fail("unsupported_shape", `takes rank 4, has ${cx.rank(x)}`);
  const [kh, kw] = [cx.size(w, 2, "the kernel"), cx.size(w, 3, "the kernel")];
  const groups = cx.int("group", 1);
  const offsetGroups = cx.int("offset_group", 1);
  const pads = cx.optInts("pads") ?? [0, 0, 0, 0];
  const strides = cx.optInts("strides") ?? [1, 1];
  const dilations = cx.optInts("dilations") ?? [1, 1];
  const [n, c, oh, ow] = [cx.dim(x, 0), cx.size(x, 1, "channels"), cx.dim(offset, 2), cx.dim(offset, 3)];
  const m = cx.size(w, 0, "output channels");
  if (c % offsetGroups !== 0 || c % groups !== 0 || m % groups !== 0)
    cx.malformed("channels do not divide into groups");
  const per = c / offsetGroups;
  const k = kh * kw;
  /** [n, c, k, oh, ow] from a value per offset group. */
  const perChannel = (v: Value): Value =>
    ir.reshape(b, ir.broadcast(b, ir.unsqueeze(b, v, [2]), [n, offsetGroups, per, k, oh, ow]), [n, c, k, oh, ow]);
  const offsets = ir.reshape(b, offset, [n, offsetGroups, k, 2, oh, ow]);
  const taps = [0, 1].map((i): Tap[] => {
    const moved = perChannel(ir.squeeze(b, ir.sliceAxis(b, offsets, 3, i, 1), [3]));
    const step = Array.from(
      { length: k },
      (_, j) => (i === 0 ? Math.floor(j / kw) : j % kw) * (dilations[i] ?? 1) - (pads[i] ?? 0),
    );
    const base = ir.constant(b, tensorFrom(x.type.dtype, [k, 1, 1], step));
    const grid = ir.mul(b, ir.cast(b, along(b, i === 0 ? oh : ow, 3 + i, 5), x.type.dtype), strides[i] ?? 1);
    const at = ir.add(b, ir.add(b, grid, base), moved);
    const d = size(b, cx.dim(x, i + 2), at);
    return tapsOf(b, at, "linear").map((t) => {
      const found = inside(b, t.at, d, "zeros", true);
      return { at: found.at, weight: product(b, [t.weight, found.keep]) };
    });
  });
  let samples = sampled(cx, x, taps, [n, c, k, oh, ow]);
  if (mask !== undefined) samples = ir.mul(b, samples, perChannel(ir.reshape(b, mask, [n, offsetGroups, k, oh, ow])));
  const columns = ir.reshape(b, samples, [n, groups, (c / groups) * k, mul(oh, ow)]);
  const kernel = ir.reshape(b, w, [groups, m / groups, (c / groups) * k]);
  const y = ir.reshape(b, ir.matmul(b, kernel, columns, x.type.dtype), [n, m, oh, ow]);
  const bias = cx.opt(3);
  return bias === undefined ? y : ir.add(b, y, ir.reshape(b, bias, [m, 1, 1]));
};

export const sampleOps: Translators = {
  AffineGrid: affineGrid,
  DeformConv: deformConv,
  GridSample: gridSample,
  RoiAlign: roiAlign,
};
