// Minimal filtering of integers, with the bits of the direct convolution. Its matrices hold whole numbers; what the results have
// to be divided by, some power of two times an odd number, divides them without a remainder: the odd part is its inverse
// modulo 2^32 in the matrices of the way back, and the power of two a shift at the end, as long as a result times it fits 32
// bits. Every sum on the way may wrap. Transformed pixels and weights must fit 16 bits, which are what pairs multiply.

import { boundsOf, type Interval, within } from "../ir/bounds.js";
import * as ir from "../ir/build.js";
import { bytesOf, intRange } from "../ir/dtype.js";
import type { Builder, NodeOf, Value } from "../ir/graph.js";
import { tensorOf } from "../ir/tensor.js";
import { inputOf } from "./shapes.js";
import {
  convByTiles,
  costsOf,
  type Filter,
  filterAt,
  type Matrix,
  TAPS,
  type TiledConv,
  tiledConvOf,
  transformedWeights,
} from "./winograd-tiles.js";

/** Transforms along one axis whose results come out times 2^shift. */
interface IntegerFilter extends Filter {
  readonly shift: number;
}

const BITS = 32;
/** The part of a direct convolution's time that tiles may take at most. */
const WORTH = 0.75;
/** Multiplications that a byte more of weights has to save: large images pay for it, and bundles grow by a fifth to a half. */
const MULTIPLIES_PER_BYTE = 512;

/** What a target and a user give for what. */
export interface Trade {
  /** Multiplications that take as long as one weight from memory. */
  readonly multipliesPerWeight: number;
  readonly multipliesPerByte?: number | undefined;
}

function gcd(a: number, b: number): number {
  return b === 0 ? Math.abs(a) : gcd(b, a % b);
}

/** The inverse of an odd number modulo 2^32, by Newton's iteration. */
function inverse(odd: number): bigint {
  const n = BigInt(odd);
  let x = n;
  for (let bits = 3; bits < BITS; bits *= 2) x = BigInt.asIntN(BITS, x * (2n - n * x));
  return x;
}

function integerFilter(points: readonly number[]): IntegerFilter {
  const { filter, norms } = filterAt(points);
  const common = norms.reduce((n, d) => Math.abs(n * d) / gcd(n, d), 1);
  const shift = BITS - 1 - Math.clz32(common & -common);
  const odd = inverse(common / 2 ** shift);
  const scaled = (v: number, i: number): number =>
    Number(BigInt.asIntN(BITS, BigInt((v * common) / (norms[i] ?? 1)) * odd));
  return { ...filter, shift, a: filter.a.map((row) => row.map(scaled)) };
}

/** Tiles of four results, and of two. */
const FILTERS = [integerFilter([0, 1, -1, 2, -2]), integerFilter([0, 1, -1])];

/** Along the height and along the width. */
type IntegerFilters = readonly [IntegerFilter, IntegerFilter];

const PAIRS: readonly IntegerFilters[] = FILTERS.flatMap((down) =>
  FILTERS.map((across): IntegerFilters => [down, across]),
);

/** Where the values of a matrix applied to operands within bounds lie. */
function boundsThrough(matrix: Matrix, { lo, hi }: Interval): Interval {
  const rows = matrix.map((row) => ({
    lo: row.reduce((n, v) => n + Math.min(v * lo, v * hi), 0),
    hi: row.reduce((n, v) => n + Math.max(v * lo, v * hi), 0),
  }));
  return { lo: Math.min(...rows.map((r) => r.lo)), hi: Math.max(...rows.map((r) => r.hi)) };
}

/** The greatest magnitude that a sum over pixels within bounds can have. */
function greatestSum({ weights, m }: TiledConv, { lo, hi }: Interval): number {
  const low = new Float64Array(m);
  const high = new Float64Array(m);
  for (const [i, w] of weights.numbers().entries()) {
    low[i % m] = (low[i % m] ?? 0) + Math.min(w * lo, w * hi);
    high[i % m] = (high[i % m] ?? 0) + Math.max(w * lo, w * hi);
  }
  return Math.max(...high, ...low.map((v) => -v));
}

/** The filters that take the least time of those that give the direct convolution's bits; null where none is worth it. */
function bestFilters(
  conv: TiledConv,
  pixels: Interval,
  { multipliesPerWeight, multipliesPerByte = MULTIPLIES_PER_BYTE }: Trade,
): IntegerFilters | null {
  const padded = { lo: Math.min(0, pixels.lo), hi: Math.max(0, pixels.hi) };
  const greatest = greatestSum(conv, padded);
  const weightBytes = bytesOf(conv.weights.dtype) * TAPS * TAPS;
  let best: IntegerFilters | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const filters of PAIRS) {
    const [down, across] = filters;
    const { direct, tiled } = costsOf(conv, filters, multipliesPerWeight);
    const more = (down.tile * across.tile * bytesOf("i16") - weightBytes) * conv.c * conv.m;
    const isWorth = tiled < WORTH * direct && direct - tiled >= multipliesPerByte * more;
    if (!isWorth || tiled >= least) continue;
    if (greatest * 2 ** (down.shift + across.shift) >= 2 ** (BITS - 1)) continue;
    if (!within(boundsThrough(across.b, boundsThrough(down.b, padded)), "i16")) continue;
    best = filters;
    least = tiled;
  }
  return best;
}

export function integerWinograd(b: Builder, node: NodeOf<"conv">, trade: Trade): Value | null {
  const conv = tiledConvOf(node);
  const x = inputOf(node);
  if (conv === null || node.attrs.dtype !== "i32" || x.type.dtype !== "i16") return null;
  if (conv.weights.dtype !== "i8" && conv.weights.dtype !== "i16") return null;
  const filters = bestFilters(conv, boundsOf(x), trade);
  if (filters === null) return null;
  const [down, across] = filters;
  const numbers = transformedWeights(conv, filters);
  const { min, max } = intRange("i16");
  if (numbers.some((w) => w < Number(min) || w > Number(max))) return null;
  const transformed = tensorOf("i16", [down.tile, across.tile, conv.c, conv.m], Int16Array.from(numbers));
  const sums = convByTiles(b, conv, filters, transformed, { pixel: "i16", sum: "i32" });
  return ir.shr(b, sums, down.shift + across.shift);
}
