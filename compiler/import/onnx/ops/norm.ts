// Normalizations. Statistics are taken as the specification says (population variance), and scale and shift are kept as
// one multiplication and one addition where they are known at compile time.

import * as ir from "../../../ir/build.js";
import { type Dim, mul } from "../../../ir/dim.js";
import type { DType } from "../../../ir/dtype.js";
import type { Builder, Value } from "../../../ir/graph.js";
import type { NodeContext, Translator, Translators } from "../context.js";

/** A vector along axis 1 of a value of this rank. */
export function channels(b: Builder, v: Value, rank: number): Value {
  return ir.reshape(b, v, [v.type.shape[0] ?? 1, ...Array.from({ length: rank - 2 }, () => 1)]);
}

interface Moments {
  readonly centered: Value;
  readonly mean: Value;
  readonly variance: Value;
}

function moments(b: Builder, x: Value, axes: readonly number[]): Moments {
  const mean = ir.mean(b, x, axes, true);
  const centered = ir.sub(b, x, mean);
  return { centered, mean, variance: ir.mean(b, ir.square(b, centered), axes, true) };
}

function inverseDeviation(b: Builder, variance: Value, epsilon: number): Value {
  return ir.reciprocal(b, ir.sqrt(b, ir.add(b, variance, epsilon)));
}

/** x * scale + bias with scale = s / sqrt(var + eps), bias = b - mean * scale, per channel. */
function batchAffine(cx: NodeContext, x: Value, mean: Value, variance: Value): Value {
  const { b } = cx;
  const dtype = x.type.dtype;
  const rank = cx.rank(x);
  const like = (v: Value): Value => ir.cast(b, v, variance.type.dtype);
  const scale = ir.mul(b, like(cx.in(1)), inverseDeviation(b, variance, cx.float("epsilon", 1e-5)));
  const shift = ir.sub(b, like(cx.in(2)), ir.mul(b, mean, scale));
  const part = (v: Value): Value => (rank === 1 ? ir.cast(b, v, dtype) : channels(b, ir.cast(b, v, dtype), rank));
  return ir.add(b, ir.mul(b, x, part(scale)), part(shift));
}

const batchNormalization: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const rank = cx.rank(x);
  if (cx.opset < 9 && !cx.flag("spatial", true))
    return cx.fail("unsupported_op", "has spatial = 0, a statistic per element");
  const training =
    cx.opset >= 14
      ? cx.flag("training_mode")
      : cx.opset < 7
        ? !cx.flag("is_test")
        : [1, 2, 3, 4].some((i) => cx.wants(i));
  const [mean, variance] = [cx.in(3), cx.in(4)];
  if (!training) return batchAffine(cx, x, mean, variance);
  const axes = [...x.type.shape.keys()].filter((i) => i !== 1);
  const found = moments(b, ir.cast(b, x, variance.type.dtype), axes);
  const flat = (v: Value): Value => ir.reshape(b, v, [cx.dim(x, 1)]);
  const momentum = cx.float("momentum", 0.9);
  const running = (old: Value, now: Value): Value => ir.add(b, ir.mul(b, old, momentum), ir.mul(b, now, 1 - momentum));
  if (rank < 2) return cx.malformed("takes rank 2 and up in training");
  const y = batchAffine(cx, x, flat(found.mean), flat(found.variance));
  if (cx.opset < 14 && cx.wants(3)) return cx.fail("unsupported_op", "asks for saved statistics");
  return [y, running(mean, flat(found.mean)), running(variance, flat(found.variance))];
};

const instanceNormalization: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const rank = cx.rank(x);
  const axes = [...x.type.shape.keys()].slice(2);
  const { centered, variance } = moments(b, x, axes);
  const normal = ir.mul(b, centered, inverseDeviation(b, variance, cx.float("epsilon", 1e-5)));
  return ir.add(b, ir.mul(b, normal, channels(b, cx.in(1), rank)), channels(b, cx.in(2), rank));
};

/** The dtype of statistics: narrow floats are widened where `stash_type` says float. */
function stash(cx: NodeContext, x: Value): DType {
  const type = cx.dtype("stash_type", "f32");
  return x.type.dtype === "f64" ? "f64" : type;
}

const layerNormalization: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const rank = cx.rank(x);
  const axis = cx.axis(cx.int("axis", -1), rank);
  const epsilon = cx.float("epsilon", 1e-5);
  const wide = stash(cx, x);
  if (!cx.wants(1) && !cx.wants(2) && wide === x.type.dtype) {
    const bias = cx.opt(2) ?? ir.zeroOf(b, x);
    return ir.layerNorm(b, x, cx.in(1), bias, axis, epsilon);
  }
  const axes = [...x.type.shape.keys()].slice(axis);
  const { centered, mean, variance } = moments(b, ir.cast(b, x, wide), axes);
  const deviation = inverseDeviation(b, variance, epsilon);
  const normal = ir.cast(b, ir.mul(b, centered, deviation), x.type.dtype);
  const scaled = ir.mul(b, normal, cx.in(1));
  const bias = cx.opt(2);
  return [bias === undefined ? scaled : ir.add(b, scaled, bias), mean, deviation];
};

const rmsNormalization: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const axis = cx.axis(cx.int("axis", -1), cx.rank(x));
  const axes = [...x.type.shape.keys()].slice(axis);
  const wide = ir.cast(b, x, stash(cx, x));
  const square = ir.mean(b, ir.square(b, wide), axes, true);
  const normal = ir.mul(b, wide, inverseDeviation(b, square, cx.float("epsilon", 1e-5)));
  return ir.mul(b, ir.cast(b, normal, cx.in(1).type.dtype), cx.in(1));
};

const groupNormalization: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const rank = cx.rank(x);
  const groups = cx.int("num_groups");
  const c = cx.size(x, 1, "channels");
  if (groups < 1 || c % groups !== 0) cx.malformed(`${c} channels do not divide into ${groups} groups`);
  const grouped: Dim[] = [cx.dim(x, 0), groups, mul(c / groups, ...x.type.shape.slice(2))];
  const wide = cx.opset >= 21 ? stash(cx, x) : x.type.dtype;
  const { centered, variance } = moments(b, ir.cast(b, ir.reshape(b, x, grouped), wide), [2]);
  const normal = ir.cast(
    b,
    ir.mul(b, centered, inverseDeviation(b, variance, cx.float("epsilon", 1e-5))),
    x.type.dtype,
  );
  if (cx.opset >= 21) {
    const spread = ir.reshape(b, normal, x.type.shape);
    return ir.add(b, ir.mul(b, spread, channels(b, cx.in(1), rank)), channels(b, cx.in(2), rank));
  }
  const perGroup = (v: Value): Value => ir.reshape(b, v, [groups, 1]);
  return ir.reshape(b, ir.add(b, ir.mul(b, normal, perGroup(cx.in(1))), perGroup(cx.in(2))), x.type.shape);
};

const lpNormalization: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const axis = cx.axis(cx.int("axis", -1), cx.rank(x));
  const p = cx.int("p", 2);
  if (p !== 1 && p !== 2) return cx.fail("unsupported_op", `has p = ${p}, takes 1 or 2`);
  const norm = p === 1 ? ir.sum(b, ir.abs(b, x), [axis], true) : ir.sqrt(b, ir.sum(b, ir.square(b, x), [axis], true));
  return ir.select(b, ir.eq(b, norm, 0), 0, ir.div(b, x, norm));
};

const lrn: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const size = cx.int("size");
  if (size < 1) cx.malformed(`has size ${size}`);
  const before = Math.floor((size - 1) / 2);
  const sides = (n: number): number[] => x.type.shape.map((_, i) => (i === 1 ? n : 0));
  const padded = ir.pad(b, ir.square(b, x), 0, sides(before), sides(size - 1 - before));
  const sums = ir.sum(b, ir.window(b, padded, { axes: [1], lengths: [size] }), [cx.rank(x)]);
  const base = ir.add(b, ir.mul(b, sums, cx.float("alpha", 0.0001) / size), cx.float("bias", 1));
  return ir.div(b, x, ir.pow(b, base, cx.float("beta", 0.75)));
};

const meanVarianceNormalization: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const axes = cx.axes(cx.optInts("axes") ?? [0, 2, 3], cx.rank(x));
  // The specification's formula: E[x^2] - E[x]^2.
  const mean = ir.mean(b, x, axes, true);
  const variance = ir.sub(b, ir.mean(b, ir.square(b, x), axes, true), ir.square(b, mean));
  return ir.div(b, ir.sub(b, x, mean), ir.add(b, ir.sqrt(b, variance), 1e-9));
};

export const normOps: Translators = {
  BatchNormalization: batchNormalization,
  GroupNormalization: groupNormalization,
  InstanceNormalization: instanceNormalization,
  LRN: lrn,
  LayerNormalization: layerNormalization,
  LpNormalization: lpNormalization,
  MeanVarianceNormalization: meanVarianceNormalization,
  RMSNormalization: rmsNormalization,
};
