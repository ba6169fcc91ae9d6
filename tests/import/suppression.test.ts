// NonMaxSuppression against onnxruntime: thresholds that none, few and all boxes pass, equal scores, scores that are no
// numbers, and limits.

import test from "ava";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { noise } from "../support/noise.js";
import { agrees, ints } from "./one-node.js";

const [BATCH, CLASSES, BOXES] = [2, 3, 12];
const number = (v: number): Tensor => tensorFrom("f32", [1], [v]);

/** Corners of boxes that overlap some of the others. */
function boxes(seed: number): Tensor {
  const starts = noise(seed, BATCH * BOXES * 2, 0, 4);
  const sides = noise(seed + 1, BATCH * BOXES * 2, 0.5, 4);
  const corners = Array.from({ length: BATCH * BOXES }, (_, i) => {
    const [y, x, h, w] = [starts[2 * i] ?? 0, starts[2 * i + 1] ?? 0, sides[2 * i] ?? 1, sides[2 * i + 1] ?? 1];
    return [y, x, y + h, x + w];
  });
  return tensorFrom("f32", [BATCH, BOXES, 4], corners.flat());
}

/** Scores in steps of a sixteenth: some are equal. */
function scores(seed: number, change: (score: number, i: number) => number = (s) => s): Tensor {
  const values = noise(seed, BATCH * CLASSES * BOXES, 0, 1).map((s, i) => change(Math.round(s * 16) / 16, i));
  return tensorFrom("f32", [BATCH, CLASSES, BOXES], values);
}

const DIMS = { 0: [null, "boxes", null], 1: [null, null, "boxes"] } as const;

for (const [what, threshold] of [
  ["none pass", 1],
  ["few pass", 0.9],
  ["half pass", 0.5],
  ["all pass", -1],
] as const)
  test(`${what} the threshold`, (t) =>
    agrees(t, {
      op: "NonMaxSuppression",
      domain: "",
      inputs: [boxes(1), scores(2), ints("i64", [1], [5]), number(0.3), number(threshold)],
      weights: [2, 3, 4],
      dims: DIMS,
    }));

test("no threshold, and a limit above the number of boxes", (t) =>
  agrees(t, {
    op: "NonMaxSuppression",
    domain: "",
    inputs: [boxes(3), scores(4), ints("i64", [1], [100]), number(0.5)],
    weights: [2, 3],
    dims: DIMS,
  }));

test("no scores that are numbers in one row, and some in others", (t) =>
  agrees(t, {
    op: "NonMaxSuppression",
    domain: "",
    inputs: [
      boxes(5),
      scores(6, (s, i) => (i < BOXES || i % 7 === 0 ? Number.NaN : s)),
      ints("i64", [1], [8]),
      number(0.4),
      number(0.25),
    ],
    weights: [2, 3, 4],
    dims: DIMS,
  }));

test("limits and thresholds that the run gives", (t) =>
  agrees(t, {
    op: "NonMaxSuppression",
    domain: "",
    inputs: [boxes(7), scores(8), ints("i64", [1], [3]), number(0.2), number(0.6)],
  }));
