// Linear models of ai.onnx.ml.

import * as ir from "../../../ir/build.js";
import type { Value } from "../../../ir/graph.js";
import { tensorFrom } from "../../../ir/tensor.js";
import type { NodeContext, Translator, Translators } from "../context.js";
import {
  constantOf,
  floatsOf,
  labelAt,
  labelsOf,
  postTransformOf,
  rowsOf,
  transformed,
  transformedTargets,
} from "./ml-common.js";

/** rows x coefficients[targets, features]' + intercepts. */
function scoresOf(cx: NodeContext, targets: number, intercepts: readonly number[]): Value {
  const { b } = cx;
  const x = rowsOf(cx, "f32");
  const coefficients = floatsOf(cx, "coefficients");
  const features = coefficients.length / targets;
  if (!Number.isInteger(features)) cx.malformed(`has ${coefficients.length} coefficients for ${targets} targets`);
  const w = ir.transpose(b, constantOf(b, "f32", [targets, features], coefficients), [1, 0]);
  const y = ir.matmul(b, x, w, "f32");
  if (intercepts.length === 0) return y;
  if (intercepts.length !== targets) cx.malformed(`has ${intercepts.length} intercepts for ${targets} targets`);
  return ir.add(b, y, ir.vector(b, "f32", intercepts));
}

const linearRegressor: Translator = (cx) => {
  const targets = cx.int("targets", 1);
  return transformedTargets(cx, scoresOf(cx, targets, cx.optFloats("intercepts") ?? []), postTransformOf(cx));
};

const linearClassifier: Translator = (cx) => {
  const { b } = cx;
  const labels = labelsOf(cx, "classlabels_ints", "classlabels_strings");
  const intercepts = floatsOf(cx, "intercepts");
  const classes = intercepts.length;
  const scores = scoresOf(cx, classes, intercepts);
  const how = postTransformOf(cx);
  if (classes > 1) {
    if (labels.size !== classes) cx.malformed(`has ${labels.size} labels for ${classes} classes`);
    return [labelAt(b, labels, ir.argreduce(b, "max", scores, 1)), transformed(b, scores, how)];
  }
  if (labels.dtype === "str" && labels.size !== 2)
    cx.fail("unsupported_op", `has one score and ${labels.size} labels that are strings`);
  const pair = labels.size === 2 ? labels : tensorFrom("i64", [2], [0, 1]);
  const flat = ir.squeeze(b, scores, [1]);
  const index = ir.cast(b, ir.gt(b, flat, 0), "i64");
  if (labels.size !== 2) {
    if (how !== "NONE") cx.fail("unsupported_op", `applies ${how} to one score, which runtimes do differently`);
    return [labelAt(b, pair, index), scores];
  }
  if (how === "PROBIT") cx.fail("unsupported_op", "applies PROBIT to two classes of one score");
  // The second class's score is the other's complement.
  const second = how === "LOGISTIC" ? ir.sigmoid(b, scores) : scores;
  const first = how === "LOGISTIC" ? ir.sigmoid(b, ir.neg(b, scores)) : ir.sub(b, 1, scores);
  return [labelAt(b, pair, index), ir.concat(b, [first, second], 1)];
};

export const mlLinear: Translators = { LinearClassifier: linearClassifier, LinearRegressor: linearRegressor };
