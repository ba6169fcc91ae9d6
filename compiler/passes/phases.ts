// A convolution of an image that is spread out with zeros between its pixels (a transposed convolution, or the gradient of a
// strided one) multiplies mostly zeros. Its results fall into phases, one for each position between pixels: those of a phase are
// a convolution of the image as it was, by every stride-th tap. The phases' results are interleaved. Sums keep their order and
// lack only products with zeros that stood between pixels, which known weights must not make NaN.

import { isKnownInfinite } from "../ir/bounds.js";
import * as ir from "../ir/build.js";
import { add, ceildiv, type Dim, floordiv, mul, sub } from "../ir/dim.js";
import { type Builder, constantOf, type NodeOf, type Value } from "../ir/graph.js";
import { rewrite, rule } from "../ir/rewrite.js";
import type { Pass } from "./pass.js";
import { inputOf } from "./shapes.js";

interface SpreadImage {
  readonly image: Value;
  /** Of each spatial axis: zeros between two pixels, and before the first one. */
  readonly between: readonly number[];
  readonly before: readonly number[];
}

/** One spatial axis of the phases. */
interface Axis {
  readonly stride: number;
  readonly taps: number;
  /** Results before the first that is wanted, so that every phase begins at the same pixel. */
  readonly skipped: number;
  /** Padding of the image, of phases that have `most` taps. */
  readonly low: number;
  readonly high: number;
  readonly most: number;
  /** Results of a phase. */
  readonly count: Dim;
}

/** What an image was before zeros were put between and around its pixels; null where it is no such image. */
function spreadImage(x: Value, low: readonly Dim[]): SpreadImage | null {
  let image = x;
  let before = low;
  while (image.node.op === "pad") {
    const { node } = image;
    const edge = constantOf(inputOf(node, 1))?.elements[0];
    const { low: own, high, interior } = node.attrs;
    if (edge === undefined || Number(edge) !== 0 || Object.is(edge, -0)) return null;
    if ([own, high, interior].some((list) => list[0] !== 0 || list[1] !== 0)) return null;
    before = before.map((d, i) => add(d, own[i + 2] ?? 0));
    image = inputOf(node);
    if (interior.some((n) => n > 0)) {
      const known = before.flatMap((d) => (typeof d === "number" ? [d] : []));
      return known.length === before.length ? { image, between: interior.slice(2), before: known } : null;
    }
  }
  return null;
}

/** null where a phase would have no taps, or less padding than none. */
function axisOf(stride: number, before: number, taps: number, size: Dim, results: Dim): Axis | null {
  const skipped = (((stride - 1 - before) % stride) + stride) % stride;
  const low = Math.floor((before + skipped) / stride);
  const most = Math.ceil(taps / stride);
  const count = ceildiv(add(results, skipped), stride);
  const high = sub(add(count, most - 1), add(size, low));
  const fewest = Math.ceil((taps - stride + 1) / stride);
  if (typeof high !== "number" || fewest < 1 || high - (most - fewest) < 0) return null;
  return { stride, taps, skipped, low, high, most, count };
}

/** The taps of phase `r`: every stride-th one, from this on. */
const firstTap = ({ stride }: Axis, r: number): number => stride - 1 - r;
const tapsOf = (axis: Axis, r: number): number => Math.ceil((axis.taps - firstTap(axis, r)) / axis.stride);

/** Every choice of a phase for each axis, the last axis fastest. */
function phasesOf(axes: readonly Axis[]): number[][] {
  return axes.reduce<number[][]>(
    (all, { stride }) => all.flatMap((r) => Array.from({ length: stride }, (_, own) => [...r, own])),
    [[]],
  );
}

/** Parts of one value, whose axis goes group by group, side by side within each group. */
function joined(b: Builder, parts: readonly Value[], axis: number, groups: number): Value {
  if (groups === 1) return ir.concat(b, parts, axis);
  const apart = parts.map((v) => {
    const { shape } = v.type;
    const each = floordiv(shape[axis] ?? 1, groups);
    return ir.reshape(b, v, [...shape.slice(0, axis), groups, each, ...shape.slice(axis + 1)]);
  });
  const all = ir.concat(b, apart, axis + 1);
  const { shape } = all.type;
  return ir.reshape(b, all, [...shape.slice(0, axis), mul(groups, shape[axis + 1] ?? 1), ...shape.slice(axis + 2)]);
}

/** The results of all phases, [n, groups * phases * m / groups, ...counts]. */
function convolved(b: Builder, node: NodeOf<"conv">, image: Value, axes: readonly Axis[]): Value {
  const w = inputOf(node, 1);
  const { groups, dtype } = node.attrs;
  const phases = phasesOf(axes);
  const weights = phases.map((r) =>
    ir.slice(
      b,
      w,
      [0, 0, ...axes.map((axis, i) => firstTap(axis, r[i] ?? 0))],
      [...w.type.shape.slice(0, 2), ...axes.map((axis, i) => tapsOf(axis, r[i] ?? 0))],
      [1, 1, ...axes.map(({ stride }) => stride)],
    ),
  );
  // Phases with as many taps each are one convolution.
  if (axes.every(({ taps, stride }) => taps % stride === 0)) {
    const attrs = { low: axes.map((a) => a.low), high: axes.map((a) => a.high), groups, dtype };
    return ir.conv(b, image, joined(b, weights, 0, groups), attrs);
  }
  const each = phases.map((r, p) => {
    const high = axes.map((axis, i) => axis.high - (axis.most - tapsOf(axis, r[i] ?? 0)));
    return ir.conv(b, image, weights[p] ?? w, { low: axes.map((a) => a.low), high, groups, dtype });
  });
  return joined(b, each, 1, groups);
}

function inPhases(b: Builder, node: NodeOf<"conv">): Value | null {
  const w = inputOf(node, 1);
  const result = node.outputs[0];
  const { strides, dilations, low, groups, layout } = node.attrs;
  if (result === undefined || layout !== "nchw") return null;
  if ([...strides, ...dilations].some((s) => s !== 1)) return null;
  if (isKnownInfinite(w)) return null;
  const spread = spreadImage(inputOf(node), low);
  if (spread === null) return null;
  const { image, between, before } = spread;
  const out = result.type.shape;
  const axes = between.flatMap((zeros, i) => {
    const taps = w.type.shape[i + 2];
    const [size = 1, results = 1] = [image.type.shape[i + 2], out[i + 2]];
    return (typeof taps === "number" ? axisOf(zeros + 1, before[i] ?? 0, taps, size, results) : null) ?? [];
  });
  if (axes.length < between.length) return null;
  const y = convolved(b, node, image, axes);
  const [n = 1, m = 1] = out;
  const count = axes.length;
  const each = [...axes.map((a) => a.stride), floordiv(m, groups), ...axes.map((a) => a.count)];
  const apart = ir.reshape(b, y, [mul(n, groups), ...each]);
  const order = [0, count + 1, ...axes.flatMap((_, i) => [count + 2 + i, i + 1])];
  const whole = axes.map((a) => mul(a.count, a.stride));
  const interleaved = ir.reshape(b, ir.transpose(b, apart, order), [n, m, ...whole]);
  return ir.slice(b, interleaved, [0, 0, ...axes.map((a) => a.skipped)], out);
}

export const phases: Pass = {
  name: "phases",
  after: { affine: "scales right behind a convolution go into its weights" },
  run: (b, graph) => rewrite(b, graph, [rule("conv-phases", "conv", (node) => inPhases(b, node))]),
};
