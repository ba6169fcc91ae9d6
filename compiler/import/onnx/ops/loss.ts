// Losses, and the optimizers of ai.onnx.preview.training.

import * as ir from "../../../ir/build.js";
import type { Builder, Value } from "../../../ir/graph.js";
import type { NodeContext, Translator, Translators } from "../context.js";
import { gatherElements } from "./position.js";

/** -scores[n, target, ...] * weight[target], where ignored targets count nothing. */
function negativeLogLikelihood(cx: NodeContext, scores: Value, target: Value, weight: Value | undefined): Value {
  const { b } = cx;
  const reduction = cx.word("reduction", ["none", "mean", "sum"], "mean");
  const ignore = cx.optInt("ignore_index");
  const wide = ir.cast(b, target, "i64");
  const ignored = ignore === undefined ? null : ir.eq(b, wide, ignore);
  const at = ignored === null ? wide : ir.select(b, ignored, 0, wide);
  const picked = ir.squeeze(b, gatherElements(b, scores, ir.unsqueeze(b, at, [1]), 1), [1]);
  let weights = weight === undefined ? null : ir.gather(b, weight, at);
  if (ignored !== null) weights = ir.select(b, ignored, 0, weights ?? ir.full(b, scores.type.dtype, at.type.shape, 1));
  const negative = ir.neg(b, picked);
  // A score of -inf must not turn an ignored target's zero weight into NaN.
  const loss =
    weights === null ? negative : ir.mul(b, ignored === null ? negative : ir.select(b, ignored, 0, negative), weights);
  if (reduction === "none") return loss;
  const total = ir.sum(b, loss);
  if (reduction === "sum") return total;
  return weights === null ? ir.mean(b, loss) : ir.div(b, total, ir.sum(b, weights));
}

const softmaxCrossEntropy: Translator = (cx) => {
  const logs = ir.logSoftmax(cx.b, cx.in(0), 1);
  return [negativeLogLikelihood(cx, logs, cx.in(1), cx.opt(2)), logs];
};

export const lossOps: Translators = {
  NegativeLogLikelihoodLoss: (cx) => negativeLogLikelihood(cx, cx.in(0), cx.in(1), cx.opt(2)),
  SoftmaxCrossEntropyLoss: softmaxCrossEntropy,
};

// ---- optimizers

/** Learning rate, step count, and per tensor: value, gradient and `states` states. */
function optimizer(
  states: number,
  step: (cx: NodeContext, parts: readonly Value[], rate: Value, count: Value) => readonly Value[],
): Translator {
  return (cx) => {
    const n = (cx.arity - 2) / (2 + states);
    if (!Number.isInteger(n) || n < 1) cx.malformed(`has ${cx.arity} inputs`);
    const results = Array.from({ length: n }, (_, i) => {
      const parts = Array.from({ length: 2 + states }, (_, j) => cx.in(2 + j * n + i));
      return step(cx, parts, ir.reshape(cx.b, cx.in(0), []), ir.reshape(cx.b, cx.in(1), []));
    });
    return Array.from({ length: 1 + states }, (_, j) =>
      results.map((r) => r[j] ?? cx.malformed("has too few states")),
    ).flat();
  };
}

/** The gradient with the L2 penalty's. */
function regularized(cx: NodeContext, x: Value, gradient: Value): Value {
  return ir.add(cx.b, ir.mul(cx.b, x, cx.float("norm_coefficient", 0)), gradient);
}

const real = (b: Builder, count: Value, like: Value): Value => ir.cast(b, count, like.type.dtype);

const adagrad = optimizer(1, (cx, [x, g, h], rate, count) => {
  const { b } = cx;
  if (x === undefined || g === undefined || h === undefined) return [];
  const decayed = ir.div(b, rate, ir.add(b, ir.mul(b, real(b, count, rate), cx.float("decay_factor", 0)), 1));
  const gradient = regularized(cx, x, g);
  const squares = ir.add(b, h, ir.square(b, gradient));
  const scale = ir.add(b, ir.sqrt(b, squares), cx.float("epsilon", 1e-6));
  return [ir.sub(b, x, ir.div(b, ir.mul(b, decayed, gradient), scale)), squares];
});

const adam = optimizer(2, (cx, [x, g, v, h], rate, count) => {
  const { b } = cx;
  if (x === undefined || g === undefined || v === undefined || h === undefined) return [];
  const [alpha, beta] = [cx.float("alpha", 0.9), cx.float("beta", 0.999)];
  const gradient = regularized(cx, x, g);
  const first = ir.add(b, ir.mul(b, v, alpha), ir.mul(b, gradient, 1 - alpha));
  const second = ir.add(b, ir.mul(b, h, beta), ir.mul(b, ir.square(b, gradient), 1 - beta));
  const scale = ir.add(b, ir.sqrt(b, second), cx.float("epsilon", 1e-6));
  const t = real(b, count, rate);
  const power = (base: number): Value => ir.pow(b, ir.scalar(b, rate.type.dtype, base), t);
  const corrected = ir.div(b, ir.mul(b, rate, ir.sqrt(b, ir.sub(b, 1, power(beta)))), ir.sub(b, 1, power(alpha)));
  const stepSize = ir.select(b, ir.gt(b, t, 0), corrected, rate);
  const next = ir.sub(b, x, ir.div(b, ir.mul(b, stepSize, first), scale));
  return [ir.mul(b, next, 1 - cx.float("norm_coefficient_post", 0)), first, second];
});

const momentum = optimizer(1, (cx, [x, g, v], rate, count) => {
  const { b } = cx;
  if (x === undefined || g === undefined || v === undefined) return [];
  const alpha = cx.float("alpha");
  const beta = ir.select(b, ir.gt(b, count, 0), ir.scalar(b, x.type.dtype, cx.float("beta")), 1);
  const gradient = regularized(cx, x, g);
  const next = ir.add(b, ir.mul(b, v, alpha), ir.mul(b, gradient, beta));
  const standard = cx.word("mode", ["standard", "nesterov"]) === "standard";
  const direction = standard ? next : ir.add(b, gradient, ir.mul(b, next, alpha));
  return [ir.sub(b, x, ir.mul(b, rate, direction)), next];
});

export const trainingOps: Translators = { Adagrad: adagrad, Adam: adam, Momentum: momentum };
