// Rows as engines' converters leave them.

import test from "ava";
import { converted, type PeerModel } from "./peer.js";

const none = { inputs: {}, outputShape: [] };

test("constant axes and shapes become attributes", (t) => {
  const model: PeerModel = {
    ...none,
    weights: {
      axes: { dtype: "i64", shape: [1], data: BigInt64Array.of(1n) },
      size: { dtype: "i64", shape: [2], data: BigInt64Array.of(4n, -1n) },
    },
    nodes: [
      { op: "Reshape", inputs: ["x", "size"], outputs: ["r"] },
      { op: "ReduceSum", inputs: ["r", "axes"], outputs: ["y"], attributes: { keepdims: 0 } },
    ],
    output: "y",
  };
  t.deepEqual(converted(model), [
    { op: "Reshape", inputs: ["x"], outputs: ["r"], attributes: { shape: [4, -1] } },
    { op: "ReduceSum", inputs: ["r"], outputs: ["y"], attributes: { keepdims: 0, axes: [1] } },
  ]);
});

test("a Relu belongs to the convolution that it alone reads", (t) => {
  const conv = { op: "Conv", inputs: ["x", "w", "b"], outputs: ["c"], attributes: { group: 1 } };
  const relu = { op: "Relu", inputs: ["c"], outputs: ["y"] };
  const model: PeerModel = { ...none, weights: {}, nodes: [conv, relu], output: "y" };
  t.deepEqual(converted(model), [{ ...conv, outputs: ["y"], attributes: { group: 1, activation: "relu" } }]);
  const ops = (m: PeerModel): string[] => converted(m).map((n) => n.op);
  const other = { op: "Abs", inputs: ["c"], outputs: ["z"] };
  t.deepEqual(ops({ ...model, nodes: [conv, relu, other] }), ["Conv", "Relu", "Abs"]);
  t.deepEqual(ops({ ...model, output: "c" }), ["Conv", "Relu"]);
});
