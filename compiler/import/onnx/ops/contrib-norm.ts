// Normalizations as onnxruntime's optimizer writes them: with the residual addition before them, without a mean, over
// groups of channels, and over the embeddings of BERT-like models. Statistics are those of f32 where the values are
// narrower.

import * as ir from "../../../ir/build.js";
import { mul } from "../../../ir/dim.js";
import type { DType } from "../../../ir/dtype.js";
import type { Value } from "../../../ir/graph.js";
import type { NodeContext, Translator, Translators } from "../context.js";
import { channelsFirst, channelsLast } from "./contrib-through.js";
import { channels } from "./norm.js";
import { wrapped } from "./position.js";

function wideOf(v: Value): DType {
  return v.type.dtype === "f64" ? "f64" : "f32";
}

interface Normal {
  readonly y: Value;
  readonly mean: Value | null;
  readonly deviation: Value;
}

/** (x - mean) / sqrt(variance + epsilon) * scale + bias over the axes from `axis` on; `plain` takes no mean away. */
function normalized(
  cx: NodeContext,
  x: Value,
  axis: number,
  scale: Value,
  bias: Value | undefined,
  epsilon: number,
  plain: boolean,
): Normal {
  const { b } = cx;
  const wide = wideOf(x);
  const axes = [...x.type.shape.keys()].slice(axis);
  const whole = ir.cast(b, x, wide);
  const mean = plain ? null : ir.mean(b, whole, axes, true);
  const centered = mean === null ? whole : ir.sub(b, whole, mean);
  const variance = ir.mean(b, ir.square(b, centered), axes, true);
  const deviation = ir.reciprocal(b, ir.sqrt(b, ir.add(b, variance, epsilon)));
  const scaled = ir.mul(b, ir.mul(b, centered, deviation), ir.cast(b, scale, wide));
  const y = bias === undefined ? scaled : ir.add(b, scaled, ir.cast(b, bias, wide));
  return { y: ir.cast(b, y, x.type.dtype), mean, deviation };
}

const simplifiedLayerNormalization: Translator = (cx) => {
  const x = cx.in(0);
  const axis = cx.axis(cx.int("axis", -1), cx.rank(x));
  const scale = cx.in(1);
  const { y, deviation } = normalized(cx, x, axis, scale, undefined, cx.float("epsilon", 1e-5), true);
  return [ir.cast(cx.b, y, scale.type.dtype), deviation];
};

const layerNormalization: Translator = (cx) => {
  const x = cx.in(0);
  const axis = cx.axis(cx.int("axis", -1), cx.rank(x));
  const { y, mean, deviation } = normalized(cx, x, axis, cx.in(1), cx.opt(2), cx.float("epsilon", 1e-5), false);
  return [y, mean, deviation];
};

/** (input, skip, gamma, [beta], bias): normalizes their sum over the last axis and gives the sum too. */
const skipNormalization =
  (plain: boolean): Translator =>
  (cx) => {
    const { b } = cx;
    const x = cx.in(0);
    if (cx.rank(x) < 2) cx.malformed(`takes rank 2 and up, has ${cx.rank(x)}`);
    const bias = cx.opt(plain ? 3 : 4);
    const added = ir.add(b, x, cx.in(1));
    const sum = bias === undefined ? added : ir.add(b, added, bias);
    const beta = plain ? undefined : cx.opt(3);
    const last = cx.rank(sum) - 1;
    const { y, mean, deviation } = normalized(cx, sum, last, cx.in(2), beta, cx.float("epsilon", 1e-12), plain);
    return [y, mean, deviation, sum];
  };

/** Word, position and segment embeddings added and normalized; also how many elements of the mask are 1. */
const embedLayerNormalization: Translator = (cx) => {
  const { b } = cx;
  const ids = cx.in(0);
  if (cx.rank(ids) !== 2) cx.malformed(`takes ids of rank 2, has ${cx.rank(ids)}`);
  const [batch, steps] = [cx.dim(ids, 0), cx.dim(ids, 1)];
  const looked = (table: number, indices: Value): Value => {
    const v = cx.in(table);
    return ir.gather(b, v, wrapped(b, indices, cx.dim(v, 0)), 0);
  };
  const positions = cx.opt(8) ?? ir.iota(b, "i64", [1, steps], 1);
  let sum = ir.add(b, looked(2, ids), looked(3, positions));
  const segments = cx.opt(1);
  if (segments !== undefined) sum = ir.add(b, sum, looked(4, segments));
  const { y } = normalized(cx, sum, 2, cx.in(5), cx.in(6), cx.float("epsilon", 1e-12), false);
  const mask = cx.opt(7);
  const count = (m: Value): Value => ir.sum(b, ir.cast(b, ir.eq(b, m, 1), "i32"), [1]);
  return [y, mask === undefined ? ir.full(b, "i32", [batch], 0) : count(mask), sum];
};

/** Group normalization of [n, c, ...spatial], then SiLU where the node asks for it. */
function groupNorm(cx: NodeContext, x: Value): Value {
  const { b } = cx;
  const groups = cx.int("groups");
  const c = cx.size(x, 1, "channels");
  if (groups < 1 || c % groups !== 0) cx.malformed(`${c} channels do not divide into ${groups} groups`);
  const wide = wideOf(x);
  const grouped = [cx.dim(x, 0), groups, mul(c / groups, ...x.type.shape.slice(2))];
  const apart = ir.reshape(b, ir.cast(b, x, wide), grouped);
  const centered = ir.sub(b, apart, ir.mean(b, apart, [2], true));
  const variance = ir.mean(b, ir.square(b, centered), [2], true);
  const normal = ir.div(b, centered, ir.sqrt(b, ir.add(b, variance, cx.float("epsilon", 1e-5))));
  const rank = cx.rank(x);
  const side = (i: number): Value => channels(b, ir.cast(b, cx.in(i), wide), rank);
  const y = ir.add(b, ir.mul(b, ir.reshape(b, normal, x.type.shape), side(1)), side(2));
  const activation = cx.int("activation");
  if (activation !== 0 && activation !== 1) cx.malformed(`has activation ${activation}, takes 0 (none) or 1 (SiLU)`);
  return ir.cast(b, activation === 0 ? y : ir.mul(b, y, ir.sigmoid(b, y)), x.type.dtype);
}

const groupNormOp: Translator = (cx) => {
  const x = cx.in(0);
  return cx.flag("channels_last", true) ? channelsLast(cx, groupNorm(cx, channelsFirst(cx, x))) : groupNorm(cx, x);
};

/** (x, gamma, beta, skip, bias): the sum normalized, and the sum. Channels are last by default. */
const skipGroupNorm: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const last = cx.flag("channels_last", true);
  const rank = cx.rank(x);
  const perChannel = (v: Value): Value => {
    if (cx.rank(v) === rank) return v;
    const lead = cx.rank(v) === 2 ? [cx.dim(v, 0)] : [];
    const c = cx.dim(v, cx.rank(v) - 1);
    const ones = Array.from({ length: rank - 2 }, () => 1);
    return ir.reshape(b, v, last ? [...lead, ...ones, c] : [...lead, c, ...ones]);
  };
  const added = ir.add(b, x, perChannel(cx.in(3)));
  const bias = cx.opt(4);
  const sum = bias === undefined ? added : ir.add(b, added, perChannel(bias));
  return [last ? channelsLast(cx, groupNorm(cx, channelsFirst(cx, sum))) : groupNorm(cx, sum), sum];
};

export const contribNorm: Translators = {
  EmbedLayerNormalization: embedLayerNormalization,
  GroupNorm: groupNormOp,
  LayerNormalization: layerNormalization,
  SimplifiedLayerNormalization: simplifiedLayerNormalization,
  SkipGroupNorm: skipGroupNorm,
  SkipLayerNormalization: skipNormalization(false),
  SkipSimplifiedLayerNormalization: skipNormalization(true),
};

/** What onnxruntime adds to ONNX's own domain. */
export const contribMainNorm: Translators = { SimplifiedLayerNormalization: simplifiedLayerNormalization };
