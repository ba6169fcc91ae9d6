// The attention rows: the nodes that exporters write, at the sizes of encoders, and one step of a decoder over its past.

import type { NodeSpec } from "../support/onnx-writer.js";
import { floats } from "./data.js";
import { kernel } from "./kernels.js";
import type { Row } from "./row.js";

const SIZE = 64;

/** Queries by keys and weights by values. */
function flopsOf(heads: number, queries: number, keys: number): number {
  return 4 * heads * queries * keys * SIZE;
}

const CHAIN: readonly NodeSpec[] = [
  { op: "Transpose", inputs: ["k"], outputs: ["turned"], attributes: { perm: [0, 1, 3, 2] } },
  { op: "MatMul", inputs: ["q", "turned"], outputs: ["raw"] },
  { op: "Mul", inputs: ["raw", "scale"], outputs: ["scores"] },
  { op: "Softmax", inputs: ["scores"], outputs: ["weights"], attributes: { axis: -1 } },
  { op: "MatMul", inputs: ["weights", "v"], outputs: ["y"] },
];

/** MatMul, Mul, Softmax, MatMul. */
function chain(heads: number, queries: number, keys: number): Row {
  const [asked, kept] = [
    [1, heads, queries, SIZE],
    [1, heads, keys, SIZE],
  ];
  return kernel({
    name: `attention ${heads}x${queries}x${keys}`,
    shape: `[${heads},${queries},${SIZE}]x[${heads},${keys},${SIZE}]`,
    flops: flopsOf(heads, queries, keys),
    out: asked,
    spec: () => ({
      inputs: { q: floats(asked, 1, 1), k: floats(kept, 1, 2), v: floats(kept, 1, 3) },
      weights: { scale: { dtype: "f32", shape: [], data: Float32Array.of(1 / Math.sqrt(SIZE)) } },
      nodes: CHAIN,
      output: { name: "y", dtype: "f32" },
    }),
  });
}

/** One node over projections that lie step by step. */
function multiHead(heads: number, steps: number): Row {
  const shape = [1, steps, heads * SIZE];
  return kernel({
    name: `MultiHeadAttention ${heads}x${steps}`,
    shape: `[${shape.join(",")}]`,
    flops: flopsOf(heads, steps, steps),
    out: shape,
    spec: () => ({
      inputs: { q: floats(shape, 1, 1), k: floats(shape, 1, 2), v: floats(shape, 1, 3) },
      nodes: [
        {
          op: "MultiHeadAttention",
          domain: "com.microsoft",
          inputs: ["q", "k", "v"],
          outputs: ["y"],
          attributes: { num_heads: heads },
        },
      ],
      output: { name: "y", dtype: "f32" },
    }),
  });
}

export const ATTENTION: readonly Row[] = [
  ...[128, 512, 2048].map((steps) => chain(12, steps, steps)),
  chain(12, 1, 1024),
  multiHead(12, 128),
  multiHead(12, 512),
];
