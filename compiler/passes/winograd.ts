// 3x3 convolutions of stride 1 by Winograd's minimal filtering F(4x4, 3x3), in the relaxed tier: a tile of 4 by 4 results takes 36
// products per pair of channels instead of 144. Tiles of 6 by 6 pixels are transformed along both axes, multiplied with
// weights that were transformed at compile time (one matrix product per element of the tile), and transformed back:
//   y = A' [ (G w G') . (B' x B) ] A
// Each transform is a product with a small constant matrix that reads its operand through views, so no new kernel is needed.
// Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016); the matrices are Toom and Cook's.

import * as ir from "../ir/build.js";
import { add, type Dim, mul } from "../ir/dim.js";
import { type Builder, constantOf, type NodeOf, type Value } from "../ir/graph.js";
import { rewrite, rule } from "../ir/rewrite.js";
import { type Tensor, tensorFrom } from "../ir/tensor.js";
import type { Pass } from "./pass.js";
import { inputOf } from "./shapes.js";

/** Results and pixels of a tile along one axis. */
const OUT = 4;
const TILE = 6;
const TAPS = 3;
/** Where the polynomials are evaluated; the last point is infinity. These keep the matrices' entries, and so the errors, small. */
const POINTS = [0, 1, -1, 0.5, -2];

type Matrix = readonly (readonly number[])[];

/** Coefficients of the product of (x - root), constant first. */
function fromRoots(roots: readonly number[]): number[] {
  let poly = [1];
  for (const root of roots) {
    const next = new Array<number>(poly.length + 1).fill(0);
    for (const [i, c] of poly.entries()) {
      next[i] = (next[i] ?? 0) - root * c;
      next[i + 1] = (next[i + 1] ?? 0) + c;
    }
    poly = next;
  }
  return poly;
}

/** A' (4 x 6), G (6 x 3) and B' (6 x 6). */
function matrices(): { readonly a: Matrix; readonly g: Matrix; readonly b: Matrix } {
  const others = POINTS.map((p) => POINTS.filter((q) => q !== p));
  const norms = POINTS.map((p, i) => (others[i] ?? []).reduce((n, q) => n * (p - q), 1));
  const a = Array.from({ length: OUT }, (_, i) => [...POINTS.map((p) => p ** i), i === OUT - 1 ? 1 : 0]);
  const g = POINTS.map((p, i) => Array.from({ length: TAPS }, (_, k) => p ** k / (norms[i] ?? 1)));
  const b = others.map((roots) => [...fromRoots(roots), 0]);
  return { a, g: [...g, [0, 0, 1]], b: [...b, fromRoots(POINTS)] };
}

const { a: A, g: G, b: B } = matrices();

/** G w G' for w [3, 3, c, m]: [6, 6, c, m], computed in double and rounded once. */
function transformedWeights(w: Tensor): Tensor {
  const [, , c = 0, m = 0] = w.shape;
  const size = c * m;
  const from = w.numbers();
  const out = new Array<number>(TILE * TILE * size).fill(0);
  for (const [i, gi] of G.entries())
    for (const [j, gj] of G.entries())
      for (const [k, s] of gi.entries())
        for (const [l, t] of gj.entries()) {
          const factor = s * t;
          if (factor === 0) continue;
          const [to, at] = [(i * TILE + j) * size, (k * TAPS + l) * size];
          for (let e = 0; e < size; e++) out[to + e] = (out[to + e] ?? 0) + factor * (from[at + e] ?? 0);
        }
  return tensorFrom(w.dtype, [TILE, TILE, c, m], out);
}

/**
 * Whether the products saved are worth the transforms, which run at half a large product's rate, the tiles' overhang, and
 * weights of which there are four times as many.
 */
function pays(height: number, width: number, c: number, m: number, multipliesPerWeight: number): boolean {
  const tiles = Math.ceil(height / OUT) * Math.ceil(width / OUT);
  const direct = 9 * height * width * c * m;
  const products = TILE * TILE * tiles * c * m;
  const transforms = 2 * TILE * TILE * TILE * tiles * c + (OUT * TILE * TILE + OUT * OUT * TILE) * tiles * m;
  const weights = (TILE * TILE - TAPS * TAPS) * c * m * multipliesPerWeight;
  return products + 2 * transforms + weights < 0.75 * direct;
}

function winogradConv(b: Builder, node: NodeOf<"conv">, multipliesPerWeight: number): Value | null {
  const [x, weights] = [inputOf(node), constantOf(inputOf(node, 1))];
  const { strides, dilations, low, high, groups, layout, dtype } = node.attrs;
  const out = node.outputs[0]?.type.shape ?? [];
  const [n = 1, height, width, m] = out;
  const c = x.type.shape[3];
  if (layout !== "nhwc" || groups !== 1 || dtype !== "f32" || x.type.dtype !== "f32" || weights === undefined)
    return null;
  if (weights.shape.length !== 4 || weights.shape[0] !== TAPS || weights.shape[1] !== TAPS) return null;
  if ([...strides, ...dilations].some((s) => s !== 1) || [...low, ...high].some((p) => p < 0)) return null;
  if (typeof height !== "number" || typeof width !== "number" || typeof c !== "number" || typeof m !== "number")
    return null;
  if (!pays(height, width, c, m, multipliesPerWeight)) return null;
  const [rows, columns] = [Math.ceil(height / OUT), Math.ceil(width / OUT)];
  const spare = [rows * OUT - height, columns * OUT - width];
  const matrix = (values: Matrix): Value =>
    ir.constant(b, tensorFrom(dtype, [values.length, values[0]?.length ?? 0], values.flat()));
  const full = [0, 1].map((i): Dim => add(high[i] ?? 0, spare[i] ?? 0));
  const padded = ir.pad(b, x, 0, [0, ...low, 0], [0, ...full, 0]);
  const across = columns * OUT + TAPS - 1;
  // Along the height: [n, rows, 6, across * c].
  const down = ir.window(b, padded, { axes: [1], lengths: [TILE], strides: [OUT] });
  const strips = ir.reshape(b, ir.transpose(b, down, [0, 1, 4, 2, 3]), [n, rows, TILE, across * c]);
  const tall = ir.reshape(b, ir.matmul(b, matrix(B), strips, dtype), [n, rows, TILE, across, c]);
  // Along the width: [6, n, rows, columns, 6, c].
  const wide = ir.window(b, tall, { axes: [3], lengths: [TILE], strides: [OUT] });
  const tiles = ir.matmul(b, matrix(B), ir.transpose(b, wide, [2, 0, 1, 3, 5, 4]), dtype);
  const count = mul(n, rows, columns);
  const pixels = ir.reshape(b, ir.transpose(b, tiles, [0, 4, 1, 2, 3, 5]), [TILE, TILE, count, c]);
  const products = ir.matmul(b, pixels, ir.constant(b, transformedWeights(weights)), dtype);
  // Back along the height: [4, 6, n, rows, columns, m], and along the width: [n, rows, 4, columns, 4, m].
  const flat = ir.reshape(b, products, [TILE, mul(TILE, count, m)]);
  const short = ir.reshape(b, ir.matmul(b, matrix(A), flat, dtype), [OUT, TILE, n, rows, columns, m]);
  const results = ir.matmul(b, matrix(A), ir.transpose(b, short, [2, 3, 0, 4, 1, 5]), dtype);
  const image = ir.reshape(b, results, [n, rows * OUT, columns * OUT, m]);
  return ir.slice(b, image, [0, 0, 0, 0], out);
}

export const winograd: Pass = {
  name: "winograd",
  after: { layout: "it takes convolutions with channels last", tidy: "it takes weights that are constants" },
  run: (b, graph, { tier = "strict", multipliesPerWeight = 4 }) =>
    tier === "relaxed"
      ? rewrite(b, graph, [rule("winograd", "conv", (node) => winogradConv(b, node, multipliesPerWeight))])
      : graph,
};
