// Resize and Upsample, one axis after the other: nearest is a gather (or a repetition), linear and cubic are gathers of
// neighbours with weights. Positions and weights are constants where both sizes are numbers, else the graph computes them.

import * as ir from "../../../ir/build.js";
import { type Dim, floordiv, mul, provenEqual, provenLess } from "../../../ir/dim.js";
import type { Value } from "../../../ir/graph.js";
import { tensorFrom } from "../../../ir/tensor.js";
import type { NodeContext, Translator, Translators } from "../context.js";
import {
  type AxisPlan,
  type Coordinates,
  type Nearest,
  type ResizeMode,
  symbolicTaps,
  type Taps,
  tapsOf,
} from "./resize-taps.js";

/** Larger outputs compute their neighbours when they run. */
const MAX_TABLE = 1 << 16;

interface Plan {
  readonly mode: ResizeMode;
  readonly axes: readonly (AxisPlan & { readonly axis: number })[];
}

function size(cx: NodeContext, d: Dim, scale: number, axis: number): Dim {
  if (typeof d === "number") {
    // Old exporters multiplied in 32 bits: where that gives another size, the model's own declaration decides.
    const exact = Math.floor(d * scale);
    const narrow = Math.floor(Math.fround(d * Math.fround(scale)));
    return exact === narrow || cx.declaredSize(0, axis) === exact ? exact : narrow;
  }
  // A scale that is a fraction rounded to 32 bits gives the fraction's sizes: a product in 32 bits rounds back to it.
  for (let q = 1; q <= 64; q++) {
    const p = Math.round(scale * q);
    if (p > 0 && Math.fround(p / q) === Math.fround(scale)) return floordiv(mul(d, p), q);
  }
  return cx.unknownSize(
    `axis ${axis} is dynamic and is scaled by ${scale}, which is no simple fraction`,
    "fix the size of this axis",
  );
}

/** How often `d` is in `out`, where that is the same whole number for every size; else null. */
function ratio(d: Dim, out: Dim): number | null {
  if (typeof d === "number" && typeof out === "number") return out / d;
  if (d === out) return 1;
  const k = d === 0 ? 0 : floordiv(out, d);
  return typeof k === "number" && provenEqual(mul(d, k), out) ? k : null;
}

function scalesOf(cx: NodeContext, v: Value): number[] | null {
  const [d] = v.type.shape;
  if (d === 0) return null;
  const t = cx.known(v);
  return t === null ? cx.unknownSize("the scales are computed from data") : t.numbers();
}

function planOf(cx: NodeContext, x: Value): Plan {
  const rank = cx.rank(x);
  const upsample = cx.op === "Upsample" || cx.opset < 11;
  const words = ["nearest", "linear", "cubic", "bilinear"] as const;
  const word = cx.word("mode", words, "nearest");
  const mode: ResizeMode = word === "bilinear" ? "linear" : word;
  const axes = upsample ? [...x.type.shape.keys()] : cx.axes(cx.optInts("axes") ?? [...x.type.shape.keys()], rank);
  const coordinates: Coordinates = upsample
    ? "asymmetric"
    : cx.word(
        "coordinate_transformation_mode",
        [
          "half_pixel",
          "half_pixel_symmetric",
          "pytorch_half_pixel",
          "align_corners",
          "asymmetric",
          "tf_half_pixel_for_nn",
          "tf_crop_and_resize",
        ],
        "half_pixel",
      );
  const nearest: Nearest = upsample
    ? "floor"
    : cx.word("nearest_mode", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"], "round_prefer_floor");
  const common = {
    coordinates,
    nearest,
    cubic: cx.float("cubic_coeff_a", -0.75),
    excludeOutside: cx.flag("exclude_outside"),
    antialias: cx.flag("antialias"),
    extrapolation: cx.float("extrapolation_value", 0),
  };
  const roi = coordinates === "tf_crop_and_resize" ? roiOf(cx, axes.length) : null;
  const target = sizesOf(cx, x, axes, upsample);
  return {
    mode,
    axes: axes.map((axis, i) => {
      const d = cx.dim(x, axis);
      const { out, scale } = target[i] ?? cx.malformed("has no scale for an axis");
      // Operator set 10 has no such attribute: it rounds toward the end where an axis shrinks.
      const shrinks = cx.op === "Resize" && upsample && scale !== null && scale < 1;
      return {
        ...common,
        ...(shrinks ? { nearest: "ceil" as const } : {}),
        axis,
        d,
        out,
        scale,
        start: roi?.[i] ?? 0,
        end: roi?.[i + axes.length] ?? 1,
      };
    }),
  };
}

function roiOf(cx: NodeContext, n: number): number[] {
  const roi = cx.has(1) ? cx.known(cx.in(1)) : null;
  if (roi === null || roi.size !== 2 * n) return cx.unknownSize("its region must be known at compile time");
  return roi.numbers();
}

interface Target {
  readonly out: Dim;
  /** null: the sizes' quotient. */
  readonly scale: number | null;
}

function sizesOf(cx: NodeContext, x: Value, axes: readonly number[], upsample: boolean): Target[] {
  const byScale = (scales: readonly number[]): Target[] => {
    if (scales.length !== axes.length) cx.malformed(`has ${scales.length} scales for ${axes.length} axes`);
    return axes.map((axis, i) => {
      const scale = scales[i] ?? 1;
      if (!(scale > 0) || !Number.isFinite(scale)) cx.malformed(`has the scale ${scale}`);
      return { out: size(cx, cx.dim(x, axis), scale, axis), scale };
    });
  };
  if (upsample) {
    if (cx.op === "Upsample" && cx.opset < 9) return byScale(cx.optFloats("scales") ?? oldScales(cx));
    return byScale(scalesOf(cx, cx.in(1)) ?? []);
  }
  const scales = cx.has(2) ? scalesOf(cx, cx.in(2)) : null;
  if (scales !== null) return byScale(scales);
  if (!cx.has(3)) return cx.malformed("has neither scales nor sizes");
  const sizes = cx.dims(cx.in(3), "the sizes", (i) => cx.declaredSize(0, axes[i] ?? 0));
  if (sizes.length !== axes.length) cx.malformed(`has ${sizes.length} sizes for ${axes.length} axes`);
  const policy = cx.word("keep_aspect_ratio_policy", ["stretch", "not_larger", "not_smaller"], "stretch");
  if (policy === "stretch")
    return axes.map((axis, i) => ({ out: sizes[i] ?? 0, scale: ratio(cx.dim(x, axis), sizes[i] ?? 0) }));
  const have = axes.map((axis) => cx.size(x, axis, "an axis to resize"));
  const quotients = sizes.map((s, i) =>
    typeof s === "number" ? s / (have[i] ?? 1) : cx.unknownSize("the sizes must be numbers"),
  );
  const scale = policy === "not_larger" ? Math.min(...quotients) : Math.max(...quotients);
  return have.map((d) => ({ out: Math.floor(scale * d + 0.5), scale }));
}

/** Upsample of operator set 1. */
function oldScales(cx: NodeContext): number[] {
  return [1, 1, cx.float("height_scale"), cx.float("width_scale")];
}

/** Whether output element i is input element floor(i / scale) for a whole scale. */
function repeats(mode: ResizeMode, p: AxisPlan): boolean {
  if (mode !== "nearest" || p.scale === null || !Number.isInteger(p.scale) || !provenEqual(p.out, mul(p.d, p.scale)))
    return false;
  if (p.coordinates === "asymmetric" || p.coordinates === "tf_half_pixel_for_nn") return p.nearest === "floor";
  return (p.coordinates === "half_pixel" || p.coordinates === "pytorch_half_pixel") && p.nearest.startsWith("round");
}

const resize: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const plan = planOf(cx, x);
  const active = plan.axes.filter((p) => p.coordinates === "tf_crop_and_resize" || !(p.scale === 1 && p.d === p.out));
  const repeated = active.filter((p) => repeats(plan.mode, p));
  let out = repeat(cx, x, new Map(repeated.map((p) => [p.axis, p.scale ?? 1])));
  for (const p of inCheapOrder(active)) if (!repeated.includes(p)) out = alongAxis(cx, out, p, plan.mode);
  return ir.cast(b, out, x.type.dtype);
};

/** Axes that shrink first; of the others the last first: along it elements are picked one by one, best of few rows. */
function inCheapOrder<P extends AxisPlan & { readonly axis: number }>(axes: readonly P[]): P[] {
  const shrinking = axes.filter((p) => provenLess(p.out, p.d));
  const others = axes.filter((p) => !shrinking.includes(p));
  return [...shrinking.toSorted((p, q) => p.axis - q.axis), ...others.toSorted((p, q) => q.axis - p.axis)];
}

function repeat(cx: NodeContext, x: Value, times: ReadonlyMap<number, number>): Value {
  if (times.size === 0) return x;
  const apart: Dim[] = [];
  const spread: Dim[] = [];
  for (const [i, d] of x.type.shape.entries()) {
    apart.push(d);
    spread.push(d);
    const n = times.get(i);
    if (n === undefined) continue;
    apart.push(1);
    spread.push(n);
  }
  const shape = x.type.shape.map((d, i) => mul(d, times.get(i) ?? 1));
  return ir.reshape(cx.b, ir.broadcast(cx.b, ir.reshape(cx.b, x, apart), spread), shape);
}

function alongAxis(cx: NodeContext, x: Value, p: AxisPlan & { readonly axis: number }, mode: ResizeMode): Value {
  const { b } = cx;
  const wide = mode === "nearest" || x.type.dtype === "f64" ? x : ir.cast(b, x, "f32");
  const { dtype } = wide.type;
  const taps: Taps =
    typeof p.d === "number" && typeof p.out === "number" && p.out <= MAX_TABLE
      ? constantTaps(cx, tapsOf(mode, p, p.d, p.out), dtype)
      : symbolicTaps(b, mode, p, dtype, (detail) => cx.unknownSize(detail));
  const along = (v: Value): Value =>
    ir.reshape(
      b,
      v,
      x.type.shape.map((_, i) => (i === p.axis ? p.out : 1)),
    );
  let sum: Value | null = null;
  for (const { at, weight } of taps.terms) {
    const part = ir.gather(b, wide, at, p.axis);
    const scaled = weight === null ? part : ir.mul(b, part, along(weight));
    sum = sum === null ? scaled : ir.add(b, sum, scaled);
  }
  if (sum === null) return cx.malformed("has no neighbours");
  if (taps.outside === null) return sum;
  return ir.select(b, along(taps.outside), p.extrapolation, sum);
}

function constantTaps(
  cx: NodeContext,
  taps: ReturnType<typeof tapsOf>,
  dtype: "f32" | "f64" | Value["type"]["dtype"],
): Taps {
  const { b } = cx;
  const n = taps.at[0]?.length ?? 0;
  // A tap is a gather, a product and a sum.
  cx.limit(taps.at.length * 8192, "its list of taps");
  return {
    terms: taps.at.map((at, t) => {
      const weights = taps.weights?.[t];
      return {
        at: ir.vector(b, "i64", at),
        weight: weights === undefined ? null : ir.constant(b, tensorFrom(dtype, [n], weights)),
      };
    }),
    outside: taps.outside.some((o) => o) ? ir.vector(b, "bool", taps.outside.map(Number)) : null,
  };
}

export const resizeOps: Translators = { Resize: resize, Upsample: resize };
