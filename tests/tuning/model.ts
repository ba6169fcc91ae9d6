// One small model with every template that can choose, for the tests of tuning: a convolution, a depthwise one with a
// clamp behind it, a product of many rows and one of a single row. Sizes are no multiples of tiles.

import { importOnnx } from "../../compiler/import/onnx/import.js";
import { Builder, type Graph } from "../../compiler/ir/graph.js";
import { floats } from "../benchmarks/data.js";
import { onnxModel } from "../support/onnx-writer.js";

const conv = (group: number): Readonly<Record<string, readonly number[] | number>> => ({
  kernel_shape: [3, 3],
  strides: [1, 1],
  pads: [1, 1, 1, 1],
  group,
});

const model = onnxModel({
  inputs: { x: floats([1, 12, 9, 11]), r: floats([1, 44]) },
  weights: {
    w: floats([36, 12, 3, 3], 0.1, 2),
    d: floats([36, 1, 3, 3], 0.3, 3),
    p: floats([99, 37], 0.1, 4),
    q: floats([44, 40], 0.1, 5),
    six: { dtype: "f32", shape: [1], data: Float32Array.of(6) },
    shape: { dtype: "i64", shape: [2], data: BigInt64Array.of(36n, 99n) },
  },
  nodes: [
    { op: "Conv", inputs: ["x", "w"], outputs: ["c"], attributes: conv(1) },
    { op: "Conv", inputs: ["c", "d"], outputs: ["e"], attributes: conv(36) },
    { op: "Min", inputs: ["e", "six"], outputs: ["f"] },
    { op: "Reshape", inputs: ["f", "shape"], outputs: ["g"] },
    { op: "MatMul", inputs: ["g", "p"], outputs: ["y"] },
    { op: "MatMul", inputs: ["r", "q"], outputs: ["z"] },
  ],
  output: [
    { name: "y", dtype: "f32" },
    { name: "z", dtype: "f32" },
  ],
});

export const MODEL_BYTES = model;

export const FEEDS = { x: floats([1, 12, 9, 11]).data, r: floats([1, 44]).data };

export function tunedModel(): { graph: Graph; builder: Builder } {
  const builder = new Builder();
  return { graph: importOnnx(model, { builder, name: "tuned" }).graph, builder };
}
