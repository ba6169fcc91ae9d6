// Convolutions of stride 1 by minimal filtering: a tile of results takes one product per pixel of the tile that it reads, and
// pair of channels. Tiles of pixels are transformed along both axes, multiplied with weights that were transformed at compile
// time (one matrix product per element of the tile), and transformed back:
//   y = A' [ (G w G') . (B' x B) ] A
// Each transform is a product with a small constant matrix that reads its operand through views, so no new kernel is needed.
// Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016); the matrices are Toom and Cook's.

import * as ir from "../ir/build.js";
import { add, type Dim, mul } from "../ir/dim.js";
import type { DType } from "../ir/dtype.js";
import { type Builder, constantOf, type NodeOf, type Value } from "../ir/graph.js";
import { type Tensor, tensorFrom } from "../ir/tensor.js";
import { inputOf } from "./shapes.js";

/** Taps of a filter along one axis. */
export const TAPS = 3;

export type Matrix = readonly (readonly number[])[];

/** The transforms along one axis, for tiles of `out` results that read `tile` pixels. */
export interface Filter {
  readonly out: number;
  readonly tile: number;
  /** Back to results (out x tile), of weights (tile x taps), of pixels (tile x tile). */
  readonly a: Matrix;
  readonly g: Matrix;
  readonly b: Matrix;
}

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

/**
 * Polynomials evaluated at these points and infinity. What an evaluation has to be divided by to interpolate stands apart, in
 * `norms`: at each point the product of its differences from the others, at infinity 1.
 */
export function filterAt(points: readonly number[]): { readonly filter: Filter; readonly norms: readonly number[] } {
  const tile = points.length + 1;
  const out = tile - TAPS + 1;
  const others = points.map((p) => points.filter((q) => q !== p));
  const norms = points.map((p, i) => (others[i] ?? []).reduce((n, q) => n * (p - q), 1));
  const a = Array.from({ length: out }, (_, i) => [...points.map((p) => p ** i), i === out - 1 ? 1 : 0]);
  const g = [...points.map((p) => Array.from({ length: TAPS }, (_, k) => p ** k)), [0, 0, 1]];
  const b = [...others.map((roots) => [...fromRoots(roots), 0]), fromRoots(points)];
  return { filter: { out, tile, a, g, b }, norms: [...norms, 1] };
}

/** A convolution that tiles can take the place of. */
export interface TiledConv {
  readonly node: NodeOf<"conv">;
  /** [3, 3, c, m] */
  readonly weights: Tensor;
  readonly height: number;
  readonly width: number;
  readonly c: number;
  readonly m: number;
}

/** The convolution, where it is 3x3 of stride 1 by known weights; null otherwise. */
export function tiledConvOf(node: NodeOf<"conv">): TiledConv | null {
  const [x, weights] = [inputOf(node), constantOf(inputOf(node, 1))];
  const { strides, dilations, low, high, groups, layout } = node.attrs;
  const [, height, width, m] = node.outputs[0]?.type.shape ?? [];
  const c = x.type.shape[3];
  if (layout !== "nhwc" || groups !== 1 || weights === undefined) return null;
  if (weights.shape.length !== 4 || weights.shape[0] !== TAPS || weights.shape[1] !== TAPS) return null;
  if ([...strides, ...dilations].some((s) => s !== 1) || [...low, ...high].some((p) => p < 0)) return null;
  if (typeof height !== "number" || typeof width !== "number" || typeof c !== "number" || typeof m !== "number")
    return null;
  return { node, weights, height, width, c, m };
}

/** G w G' for w [3, 3, c, m], as [tile, tile, c, m], in doubles. */
export function transformedWeights({ weights, c, m }: TiledConv, filters: readonly [Filter, Filter]): Float64Array {
  const size = c * m;
  const from = weights.numbers();
  const [down, across] = filters;
  const out = new Float64Array(down.tile * across.tile * size);
  for (const [i, gi] of down.g.entries())
    for (const [j, gj] of across.g.entries())
      for (const [k, s] of gi.entries())
        for (const [l, t] of gj.entries()) {
          const factor = s * t;
          if (factor === 0) continue;
          const [to, at] = [(i * across.tile + j) * size, (k * TAPS + l) * size];
          for (let e = 0; e < size; e++) out[to + e] = (out[to + e] ?? 0) + factor * (from[at + e] ?? 0);
        }
  return out;
}

/**
 * Multiplications that direct convolution and tiles take, with the time of reading more weights in multiplications. Transforms
 * run at half a large product's rate.
 */
export function costsOf(
  { height, width, c, m }: TiledConv,
  [down, across]: readonly [Filter, Filter],
  multipliesPerWeight: number,
): { readonly direct: number; readonly tiled: number } {
  const tiles = Math.ceil(height / down.out) * Math.ceil(width / across.out);
  const elements = down.tile * across.tile;
  const forth = elements * (down.tile + across.tile) * tiles * c;
  const back = (down.out * elements + down.out * across.out * across.tile) * tiles * m;
  const weights = (elements - TAPS * TAPS) * c * m * multipliesPerWeight;
  return {
    direct: TAPS * TAPS * height * width * c * m,
    tiled: elements * tiles * c * m + 2 * (forth + back) + weights,
  };
}

/** In which dtypes transformed pixels and sums of products are. */
export interface TileTypes {
  readonly pixel: DType;
  readonly sum: DType;
}

/** The convolution's results by tiles. `transformed`: weights [tile, tile, c, m]. */
export function convByTiles(
  b: Builder,
  { node, height, width, c, m }: TiledConv,
  [down, across]: readonly [Filter, Filter],
  transformed: Tensor,
  { pixel, sum }: TileTypes,
): Value {
  const x = inputOf(node);
  const { low, high } = node.attrs;
  const out = node.outputs[0]?.type.shape ?? [];
  const [n = 1] = out;
  const [rows, columns] = [Math.ceil(height / down.out), Math.ceil(width / across.out)];
  const spare = [rows * down.out - height, columns * across.out - width];
  const matrix = (values: Matrix): Value =>
    ir.constant(b, tensorFrom(sum, [values.length, values[0]?.length ?? 0], values.flat()));
  const ofPixels = (values: Matrix, v: Value): Value => ir.cast(b, ir.matmul(b, matrix(values), v, sum), pixel);
  const full = [0, 1].map((i): Dim => add(high[i] ?? 0, spare[i] ?? 0));
  const padded = ir.pad(b, x, 0, [0, ...low, 0], [0, ...full, 0]);
  const wide = columns * across.out + TAPS - 1;
  // Along the height: [n, rows, tile, wide * c].
  const bands = ir.window(b, padded, { axes: [1], lengths: [down.tile], strides: [down.out] });
  const strips = ir.reshape(b, ir.transpose(b, bands, [0, 1, 4, 2, 3]), [n, rows, down.tile, wide * c]);
  const tall = ir.reshape(b, ofPixels(down.b, strips), [n, rows, down.tile, wide, c]);
  // Along the width: [tile, n, rows, columns, tile, c].
  const blocks = ir.window(b, tall, { axes: [3], lengths: [across.tile], strides: [across.out] });
  const tiles = ofPixels(across.b, ir.transpose(b, blocks, [2, 0, 1, 3, 5, 4]));
  const count = mul(n, rows, columns);
  const pixels = ir.reshape(b, ir.transpose(b, tiles, [0, 4, 1, 2, 3, 5]), [down.tile, across.tile, count, c]);
  const products = ir.matmul(b, pixels, ir.constant(b, transformed), sum);
  // Back along the height: [out, tile, n, rows, columns, m], and along the width: [n, rows, out, columns, out, m].
  const flat = ir.reshape(b, products, [down.tile, mul(across.tile, count, m)]);
  const short = ir.reshape(b, ir.matmul(b, matrix(down.a), flat, sum), [down.out, across.tile, n, rows, columns, m]);
  const results = ir.matmul(b, matrix(across.a), ir.transpose(b, short, [2, 3, 0, 4, 1, 5]), sum);
  const image = ir.reshape(b, results, [n, rows * down.out, columns * across.out, m]);
  return ir.slice(b, image, [0, 0, 0, 0], out);
}
