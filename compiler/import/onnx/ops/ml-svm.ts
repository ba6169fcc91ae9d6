// Support vector machines of ai.onnx.ml, as libsvm has them: one classifier per pair of classes, which vote.

import * as ir from "../../../ir/build.js";
import type { Value } from "../../../ir/graph.js";
import type { NodeContext, Translator, Translators } from "../context.js";
import { constantOf, floatsOf, labelAt, labelsOf, postTransformOf, rowsOf, transformed } from "./ml-common.js";
import { coupled } from "./ml-coupling.js";

/** K(x, v) + shift for every row of x[n, f] and of the vectors [m, f]: [n, m]. */
function kernel(
  cx: NodeContext,
  x: Value,
  vectors: readonly number[],
  count: number,
  shift: number,
  linear: boolean,
): Value {
  const { b } = cx;
  const features = vectors.length / count;
  if (!Number.isInteger(features)) cx.malformed(`has ${vectors.length} numbers for ${count} vectors`);
  const v = constantOf(b, "f32", [count, features], vectors);
  const [gamma = 0, coef0 = 0, degree = 0] = cx.optFloats("kernel_params") ?? [];
  const type = linear ? "LINEAR" : cx.word("kernel_type", ["LINEAR", "POLY", "RBF", "SIGMOID"], "LINEAR");
  const dot = (): Value => ir.matmul(b, x, ir.transpose(b, v, [1, 0]), "f32");
  const affine = (): Value => ir.add(b, ir.mul(b, dot(), gamma), coef0);
  const plus = (y: Value): Value => (shift === 0 ? y : ir.add(b, y, shift));
  switch (type) {
    case "LINEAR":
      return plus(dot());
    case "POLY":
      return plus(ir.pow(b, affine(), degree));
    case "SIGMOID":
      return plus(ir.tanh(b, affine()));
    case "RBF": {
      const apart = ir.sub(b, ir.unsqueeze(b, x, [1]), v);
      return plus(ir.exp(b, ir.mul(b, ir.sum(b, ir.square(b, apart), [2]), -gamma)));
    }
  }
}

const svmRegressor: Translator = (cx) => {
  const { b } = cx;
  const x = rowsOf(cx, "f32");
  if (postTransformOf(cx) !== "NONE")
    return cx.fail("unsupported_op", "transforms its result, which runtimes do differently");
  const supports = cx.int("n_supports", 0);
  const coefficients = floatsOf(cx, "coefficients");
  const [rho = 0] = floatsOf(cx, "rho");
  const y =
    supports > 0
      ? ir.add(
          b,
          ir.matmul(
            b,
            kernel(cx, x, floatsOf(cx, "support_vectors"), supports, 0, false),
            constantOf(b, "f32", [supports, 1], coefficients),
            "f32",
          ),
          rho,
        )
      : kernel(cx, x, coefficients, 1, rho, true);
  return cx.flag("one_class") ? ir.select(b, ir.gt(b, y, 0), ir.scalar(b, "f32", 1), -1) : y;
};

interface Pair {
  readonly i: number;
  readonly j: number;
}

function pairsOf(classes: number): Pair[] {
  const pairs: Pair[] = [];
  for (let i = 0; i < classes - 1; i++) for (let j = i + 1; j < classes; j++) pairs.push({ i, j });
  return pairs;
}

/** Decision values [n, pairs]: each pair's coefficients, zero for the other classes' vectors, times the kernel. */
function decisions(cx: NodeContext, k: Value, perClass: readonly number[], pairs: readonly Pair[]): Value {
  const { b } = cx;
  const vectors = perClass.reduce((n, c) => n + c, 0);
  const starts = perClass.map((_, i) => perClass.slice(0, i).reduce((n, c) => n + c, 0));
  const coefficients = floatsOf(cx, "coefficients");
  const rho = floatsOf(cx, "rho");
  if (coefficients.length < (perClass.length - 1) * vectors || rho.length < pairs.length)
    cx.malformed("has too few coefficients");
  const table = pairs.flatMap(({ i, j }) => {
    const row = Array.from({ length: vectors }, () => 0);
    const fill = (from: number, of: number): void => {
      const start = starts[of] ?? 0;
      for (let m = start; m < start + (perClass[of] ?? 0); m++) row[m] = coefficients[from * vectors + m] ?? 0;
    };
    fill(j - 1, i);
    fill(i, j);
    return row;
  });
  const w = ir.transpose(b, constantOf(b, "f32", [pairs.length, vectors], table), [1, 0]);
  return ir.add(b, ir.matmul(b, k, w, "f32"), ir.vector(b, "f32", rho.slice(0, pairs.length)));
}

const svmClassifier: Translator = (cx) => {
  const { b } = cx;
  const labels = labelsOf(cx, "classlabels_ints", "classlabels_strings");
  const classes = labels.size;
  if (classes < 2) return cx.fail("unsupported_op", `has ${classes} class labels, takes two and up`);
  const x = rowsOf(cx, "f32");
  const how = postTransformOf(cx);
  const perClass = cx.optInts("vectors_per_class") ?? [];
  const vectors = perClass.reduce((n, c) => n + c, 0);
  if (vectors === 0) {
    const [rho = 0] = floatsOf(cx, "rho");
    if (classes === 2) return cx.fail("unsupported_op", "has two classes and no support vectors");
    const scores = kernel(cx, x, floatsOf(cx, "coefficients"), classes, rho, true);
    return [labelAt(b, labels, ir.argreduce(b, "max", scores, 1)), transformed(b, scores, how)];
  }
  if (perClass.length !== classes) cx.malformed(`has ${perClass.length} counts of vectors for ${classes} classes`);
  if (how !== "NONE") return cx.fail("unsupported_op", `applies ${how} to votes, which runtimes do differently`);
  const pairs = pairsOf(classes);
  const scores = decisions(cx, kernel(cx, x, floatsOf(cx, "support_vectors"), vectors, 0, false), perClass, pairs);
  const label = labelAt(b, labels, winners(cx, scores, classes, pairs));
  const [slopes, shifts] = [cx.optFloats("prob_a") ?? [], cx.optFloats("prob_b") ?? []];
  if (slopes.length > 0) {
    if (slopes.length < pairs.length || shifts.length !== slopes.length) cx.malformed("has too few prob_a or prob_b");
    const side = (list: readonly number[]): Value => ir.vector(b, "f32", list.slice(0, pairs.length));
    const first = ir.sigmoid(b, ir.neg(b, ir.add(b, ir.mul(b, scores, side(slopes)), side(shifts))));
    return [label, coupled(cx, ir.min(b, ir.max(b, first, 1e-7), 1 - 1e-7), classes)];
  }
  if (classes > 2) return [label, scores];
  return [label, ir.concat(b, [ir.neg(b, scores), scores], 1)];
};

/** The class with most votes, the first among equals. */
function winners(cx: NodeContext, scores: Value, classes: number, pairs: readonly Pair[]): Value {
  const { b } = cx;
  const votes = (of: (p: Pair) => number): Value => {
    const table = pairs.flatMap((p) => Array.from({ length: classes }, (_, c) => Number(c === of(p))));
    return constantOf(b, "f32", [pairs.length, classes], table);
  };
  const won = ir.cast(b, ir.gt(b, scores, 0), "f32");
  const lost = ir.sub(b, 1, won);
  const count = ir.add(
    b,
    ir.matmul(
      b,
      won,
      votes((p) => p.i),
      "f32",
    ),
    ir.matmul(
      b,
      lost,
      votes((p) => p.j),
      "f32",
    ),
  );
  return ir.argreduce(b, "max", count, 1);
}

export const mlSvm: Translators = { SVMClassifier: svmClassifier, SVMRegressor: svmRegressor };
