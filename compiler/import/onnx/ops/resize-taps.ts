// Which input elements make an output element of a resized axis, and with what weights: in numbers where the sizes are
// numbers, as values of the graph where they are symbols.

import * as ir from "../../../ir/build.js";
import type { Dim } from "../../../ir/dim.js";
import type { DType } from "../../../ir/dtype.js";
import type { Builder, Value } from "../../../ir/graph.js";

export type ResizeMode = "nearest" | "linear" | "cubic";
export type Nearest = "round_prefer_floor" | "round_prefer_ceil" | "floor" | "ceil";
export type Coordinates =
  | "half_pixel"
  | "half_pixel_symmetric"
  | "pytorch_half_pixel"
  | "align_corners"
  | "asymmetric"
  | "tf_half_pixel_for_nn"
  | "tf_crop_and_resize";

export interface AxisPlan {
  readonly d: Dim;
  readonly out: Dim;
  /** Output size over input size as the model states it; null: the quotient of the sizes. */
  readonly scale: number | null;
  readonly coordinates: Coordinates;
  readonly nearest: Nearest;
  readonly cubic: number;
  readonly excludeOutside: boolean;
  readonly antialias: boolean;
  /** For tf_crop_and_resize: what stands outside, and the region as fractions. */
  readonly extrapolation: number;
  readonly start: number;
  readonly end: number;
}

export interface Taps {
  readonly terms: readonly { readonly at: Value; readonly weight: Value | null }[];
  /** Where the position leaves the input and the extrapolation value stands. */
  readonly outside: Value | null;
}

export interface NumericTaps {
  /** [tap][output element] */
  readonly at: readonly (readonly number[])[];
  readonly weights: readonly (readonly number[])[] | null;
  readonly outside: readonly boolean[];
}

/**
 * Where output element i lies in the input, in 32-bit steps: with scales like 0.6 the exact quotient misses the whole
 * numbers and halves that the exporter meant, and nearest then takes another element.
 */
function positionOf(p: AxisPlan, i: number, d: number, out: number): number {
  const f = Math.fround;
  const s = f(p.scale ?? out / d);
  // As the specification's implementation has it: the length before it is rounded down to whole elements.
  const length = p.scale === null ? out : f(s * d);
  switch (p.coordinates) {
    case "half_pixel":
      return f(f((i + 0.5) / s) - 0.5);
    case "half_pixel_symmetric":
      return f(f((d / 2) * (1 - out / (s * d))) + f(f((i + 0.5) / s) - 0.5));
    case "pytorch_half_pixel":
      return out > 1 ? f(f((i + 0.5) / s) - 0.5) : 0;
    case "align_corners":
      return out > 1 ? f((i * (d - 1)) / (length - 1)) : 0;
    case "asymmetric":
      return f(i / s);
    case "tf_half_pixel_for_nn":
      return f((i + 0.5) / s);
    case "tf_crop_and_resize":
      return out > 1
        ? f(p.start * (d - 1) + (i * (p.end - p.start) * (d - 1)) / (length - 1))
        : f(0.5 * (p.start + p.end) * (d - 1));
  }
}

function nearestOf(mode: Nearest, x: number): number {
  switch (mode) {
    case "round_prefer_floor":
      return Math.ceil(x - 0.5);
    case "round_prefer_ceil":
      return Math.floor(x + 0.5);
    case "floor":
      return Math.floor(x);
    case "ceil":
      return Math.ceil(x);
  }
}

function cubicWeight(a: number, x: number): number {
  const t = Math.abs(x);
  if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? ((a * t - 5 * a) * t + 8 * a) * t - 4 * a : 0;
}

/** The kernel at a distance; `squeeze` below 1 stretches it, for antialiasing. */
function kernel(mode: ResizeMode, a: number, distance: number, squeeze: number): number {
  const x = distance * squeeze;
  return mode === "linear" ? Math.max(0, 1 - Math.abs(x)) : cubicWeight(a, x);
}

export function tapsOf(mode: ResizeMode, p: AxisPlan, d: number, out: number): NumericTaps {
  const clamp = (i: number): number => Math.max(0, Math.min(d - 1, i));
  const positions = Array.from({ length: out }, (_, i) => positionOf(p, i, d, out));
  const crop = p.coordinates === "tf_crop_and_resize";
  const outside = positions.map((x) => crop && (x < 0 || x > d - 1));
  if (mode === "nearest") return { at: [positions.map((x) => clamp(nearestOf(p.nearest, x)))], weights: null, outside };
  const squeeze = p.antialias ? Math.min(1, p.scale ?? out / d) : 1;
  const reach = (mode === "linear" ? 1 : 2) / squeeze;
  const first = Math.floor(-reach) + 1;
  const count = 2 - 2 * first;
  const at = Array.from({ length: count }, (): number[] => []);
  const weights = Array.from({ length: count }, (): number[] => []);
  for (const x of positions) {
    const base = Math.floor(x);
    const row = at.map((_, t) => {
      const i = base + first + t;
      const w = kernel(mode, p.cubic, i - x, squeeze);
      return { i, w: p.excludeOutside && (i < 0 || i >= d) ? 0 : w };
    });
    const total = p.antialias || p.excludeOutside ? row.reduce((n, r) => n + r.w, 0) : 1;
    for (const [t, r] of row.entries()) {
      at[t]?.push(clamp(r.i));
      weights[t]?.push(r.w / total);
    }
  }
  return { at, weights, outside };
}

export function symbolicTaps(
  b: Builder,
  mode: ResizeMode,
  p: AxisPlan,
  dtype: DType,
  fail: (detail: string) => never,
): Taps {
  if (p.antialias || p.coordinates === "half_pixel_symmetric" || p.coordinates === "tf_crop_and_resize")
    return fail("this way of resizing needs sizes that are numbers");
  const real = dtype === "f64" ? "f64" : "f32";
  const d = ir.cast(b, ir.dimValue(b, p.d), real);
  const out = ir.cast(b, ir.dimValue(b, p.out), real);
  const i = ir.iota(b, real, [p.out]);
  const x = positionValue(b, p, i, d, out);
  const last = ir.sub(b, ir.dimValue(b, p.d), 1);
  const index = (v: Value): Value => ir.max(b, ir.min(b, ir.cast(b, v, "i64"), last), 0);
  if (mode === "nearest") return { terms: [{ at: index(nearestValue(b, p.nearest, x)), weight: null }], outside: null };
  const base = ir.floor(b, x);
  const offsets = mode === "linear" ? [0, 1] : [-1, 0, 1, 2];
  const raw = offsets.map((o) => {
    const at = ir.add(b, base, o);
    const weight = kernelValue(b, mode, p.cubic, ir.abs(b, ir.sub(b, at, x)));
    const inside = ir.and(b, ir.ge(b, at, 0), ir.lt(b, at, d));
    return { at: index(at), weight: p.excludeOutside ? ir.select(b, inside, weight, 0) : weight };
  });
  if (!p.excludeOutside) return { terms: raw, outside: null };
  const total = raw.map((r) => r.weight).reduce((n, w) => ir.add(b, n, w));
  return { terms: raw.map((r) => ({ at: r.at, weight: ir.div(b, r.weight, total) })), outside: null };
}

function positionValue(b: Builder, p: AxisPlan, i: Value, d: Value, out: Value): Value {
  const scaled = (v: Value): Value => (p.scale === null ? ir.div(b, ir.mul(b, v, d), out) : ir.div(b, v, p.scale));
  const half = (): Value => ir.sub(b, scaled(ir.add(b, i, 0.5)), 0.5);
  switch (p.coordinates) {
    case "pytorch_half_pixel":
      return ir.select(b, ir.gt(b, out, 1), half(), 0);
    case "align_corners":
      return ir.select(
        b,
        ir.gt(b, out, 1),
        ir.div(b, ir.mul(b, i, ir.sub(b, d, 1)), ir.max(b, ir.sub(b, out, 1), 1)),
        0,
      );
    case "asymmetric":
      return scaled(i);
    case "tf_half_pixel_for_nn":
      return scaled(ir.add(b, i, 0.5));
    case "half_pixel":
    case "half_pixel_symmetric":
    case "tf_crop_and_resize":
      return half();
  }
}

function nearestValue(b: Builder, mode: Nearest, x: Value): Value {
  switch (mode) {
    case "round_prefer_floor":
      return ir.ceil(b, ir.sub(b, x, 0.5));
    case "round_prefer_ceil":
      return ir.floor(b, ir.add(b, x, 0.5));
    case "floor":
      return ir.floor(b, x);
    case "ceil":
      return ir.ceil(b, x);
  }
}

function kernelValue(b: Builder, mode: ResizeMode, a: number, t: Value): Value {
  if (mode === "linear") return ir.max(b, ir.sub(b, 1, t), 0);
  const horner = (c: readonly number[]): Value => {
    let v: Value = ir.scalar(b, t.type.dtype, c[0] ?? 0);
    for (const next of c.slice(1)) v = ir.add(b, ir.mul(b, v, t), next);
    return v;
  };
  const near = horner([a + 2, -(a + 3), 0, 1]);
  const far = horner([a, -5 * a, 8 * a, -4 * a]);
  return ir.select(b, ir.le(b, t, 1), near, ir.select(b, ir.lt(b, t, 2), far, 0));
}
