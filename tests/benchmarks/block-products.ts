// Rows of products with 4-bit weights in blocks of 32 (MatMulNBits), of real numbers and of 8-bit integers: matrix-vector
// products as a language model decodes with, which are bound by reading the weights, and matrix products as it reads a
// prompt with.

import { bytes, floats } from "./data.js";
import { kernel } from "./kernels.js";
import type { Row } from "./row.js";

const BLOCK = 32;
const BITS = 4;

function product(m: number, k: number, n: number, level: 0 | 4): Row {
  const blocks = k / BLOCK;
  return kernel({
    name: `${level === 0 ? "4-bit" : "4-bit int8"} matmul ${m}x${k}x${n}`,
    shape: `[${m},${k}]x[${k},${n}]`,
    dtype: level === 0 ? "f32*u4" : "i8*u4",
    flops: 2 * m * k * n,
    out: [m, n],
    // onnxruntime-web multiplies in f32 at any level.
    tolerance: level === 0 ? 1e-4 : 0.02,
    spec: () => ({
      inputs: { a: floats([m, k]) },
      weights: { w: bytes("u8", [n, blocks, (BLOCK * BITS) / 8], 2), s: floats([n * blocks], 0.01, 3) },
      nodes: [
        {
          op: "MatMulNBits",
          domain: "com.microsoft",
          inputs: ["a", "w", "s"],
          outputs: ["y"],
          attributes: { K: k, N: n, bits: BITS, block_size: BLOCK, accuracy_level: level },
        },
      ],
      output: { name: "y", dtype: "f32" },
    }),
  });
}

const SIZES = [
  [1, 2048, 2048],
  [1, 576, 49152],
  [128, 576, 1536],
  [128, 2048, 2048],
] as const;

export const BLOCK_PRODUCTS: readonly Row[] = SIZES.flatMap(([m, k, n]) => [product(m, k, n, 0), product(m, k, n, 4)]);
