// What the operators of ai.onnx.ml share: inputs as rows, class labels, and what is done to scores at the end, as
// onnxruntime does it where the specification only names it.

import * as ir from "../../../ir/build.js";
import type { DType } from "../../../ir/dtype.js";
import type { Builder, Value } from "../../../ir/graph.js";
import { type Tensor, tensorFrom } from "../../../ir/tensor.js";
import type { NodeContext } from "../context.js";

export type PostTransform = "NONE" | "SOFTMAX" | "LOGISTIC" | "SOFTMAX_ZERO" | "PROBIT";

export const POST_TRANSFORMS = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"] as const;

export function postTransformOf(cx: NodeContext): PostTransform {
  return cx.word("post_transform", POST_TRANSFORMS, "NONE");
}

export function floatsOf(cx: NodeContext, name: string): readonly number[] {
  return cx.optFloats(name) ?? cx.malformed(`attribute "${name}" is missing`);
}

export function constantOf(b: Builder, dtype: DType, shape: readonly number[], values: readonly number[]): Value {
  return ir.constant(b, tensorFrom(dtype, shape, values));
}

/** Input 0 as rows of features; one row where it has rank 1. */
export function rowsOf(cx: NodeContext, dtype: DType): Value {
  const x = ir.cast(cx.b, cx.in(0), dtype);
  if (cx.rank(x) === 1) return ir.unsqueeze(cx.b, x, [0]);
  return cx.rank(x) === 2 ? x : cx.malformed(`takes rank 1 or 2, has ${cx.rank(x)}`);
}

/** sqrt(2) times the inverse of erf at 2 p - 1, by the approximation that onnxruntime has. */
function probit(b: Builder, p: Value): Value {
  const x = ir.sub(b, ir.mul(b, p, 2), 1);
  const log = ir.log(b, ir.mul(b, ir.sub(b, 1, x), ir.add(b, x, 1)));
  const v = ir.add(b, ir.mul(b, log, 0.5), 2 / (Math.PI * 0.147));
  const w = ir.sqrt(b, ir.sub(b, ir.square(b, v), ir.mul(b, log, 1 / 0.147)));
  const root = ir.sqrt(b, ir.sub(b, w, v));
  return ir.mul(b, ir.select(b, ir.lt(b, x, 0), ir.neg(b, root), root), Math.SQRT2);
}

/** Like softmax, but what is 0 stays out of it and stays 0. */
function softmaxZero(b: Builder, x: Value): Value {
  const most = ir.reduceMax(b, x, [1], true);
  const some = ir.gt(b, ir.abs(b, x), 0.0000001);
  const e = ir.exp(b, ir.sub(b, x, most));
  const sum = ir.sum(b, ir.select(b, some, e, 0), [1], true);
  return ir.div(b, ir.select(b, some, e, ir.mul(b, x, ir.exp(b, ir.neg(b, most)))), sum);
}

/** Scores [n, c], with two classes and up. */
export function transformed(b: Builder, scores: Value, how: PostTransform): Value {
  switch (how) {
    case "NONE":
      return scores;
    case "LOGISTIC":
      return ir.sigmoid(b, scores);
    case "SOFTMAX":
      return ir.softmax(b, scores, 1);
    case "SOFTMAX_ZERO":
      return softmaxZero(b, scores);
    case "PROBIT":
      return probit(b, scores);
  }
}

/** Regression scores [n, targets]: a single target takes part in no softmax. */
export function transformedTargets(cx: NodeContext, scores: Value, how: PostTransform): Value {
  if (how !== "NONE" && scores.type.shape[1] === 1 && how !== "PROBIT")
    return cx.fail("unsupported_op", `applies ${how} to a single target, which runtimes do differently`);
  return transformed(cx.b, scores, how);
}

/** Class labels, one per class: integers, or strings where there are any. */
export function labelsOf(cx: NodeContext, ints: string, strings: string): Tensor {
  const words = cx.optStrings(strings) ?? [];
  if (words.length > 0) return cx.strings(words);
  const numbers = cx.optInts(ints) ?? [];
  return tensorFrom("i64", [numbers.length], numbers);
}

/** The label at each position. */
export function labelAt(b: Builder, labels: Tensor, index: Value): Value {
  const identity = labels.dtype === "i64" && labels.numbers().every((l, i) => l === i);
  return identity ? index : ir.take(b, ir.constant(b, labels), index);
}
