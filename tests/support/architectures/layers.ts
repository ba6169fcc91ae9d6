// Layers that several transformers share, in the nodes that exporters write for them: shapes are computed from shapes,
// normalizations and activations are decomposed.

import type { GraphWriter } from "./graph-writer.js";

/** One size of a value, i64 scalar. */
export function sizeOf(g: GraphWriter, x: string, axis: number): string {
  return g.op("Gather", [g.op("Shape", [x]), g.ints(axis)], { axis: 0 });
}

/** A shape of i64 scalars and numbers, for Reshape and Expand. */
export function shapeOf(g: GraphWriter, parts: readonly (string | number)[]): string {
  const lists = parts.map((p) => (typeof p === "number" ? g.ints([p]) : g.op("Unsqueeze", [p, g.ints([0])])));
  return g.op("Concat", lists, { axis: 0 });
}

/** x · w + b, with its weights. */
export function linear(g: GraphWriter, x: string, from: number, to: number, bias = true): string {
  const y = g.op("MatMul", [x, g.weight([from, to], Math.sqrt(1 / from))]);
  return bias ? g.op("Add", [g.weight([to], 0.02), y]) : y;
}

export function layerNorm(g: GraphWriter, x: string, width: number): string {
  const mean = g.op("ReduceMean", [x, g.ints([-1])]);
  const centred = g.op("Sub", [x, mean]);
  const variance = g.op("ReduceMean", [g.op("Pow", [centred, g.float(2)]), g.ints([-1])]);
  const deviation = g.op("Sqrt", [g.op("Add", [variance, g.float(1e-12)])]);
  const scaled = g.op("Mul", [g.op("Div", [centred, deviation]), g.weight([width], 0.1, 1)]);
  return g.op("Add", [scaled, g.weight([width], 0.05)]);
}

/** Root mean square normalization. */
export function rmsNorm(g: GraphWriter, x: string, width: number): string {
  const square = g.op("ReduceMean", [g.op("Pow", [x, g.float(2)]), g.ints([-1])]);
  const root = g.op("Sqrt", [g.op("Add", [square, g.float(1e-5)])]);
  const scaled = g.op("Mul", [x, g.op("Div", [g.float(1), root])]);
  return g.op("Mul", [g.weight([width], 0.1, 1), scaled]);
}

export function gelu(g: GraphWriter, x: string): string {
  const erf = g.op("Erf", [g.op("Div", [x, g.float(Math.SQRT2)])]);
  return g.op("Mul", [g.op("Mul", [x, g.op("Add", [erf, g.float(1)])]), g.float(0.5)]);
}

/** [batch, steps, heads * size] to [batch, heads, steps, size]. */
export function toHeads(g: GraphWriter, x: string, heads: number, size: number): string {
  const shape = shapeOf(g, [sizeOf(g, x, 0), sizeOf(g, x, 1), heads, size]);
  return g.op("Transpose", [g.op("Reshape", [x, shape])], { perm: [0, 2, 1, 3] });
}

/** [batch, heads, steps, size] to [batch, steps, heads * size]. */
export function fromHeads(g: GraphWriter, x: string, heads: number, size: number): string {
  const turned = g.op("Transpose", [x], { perm: [0, 2, 1, 3] });
  return g.op("Reshape", [turned, shapeOf(g, [sizeOf(g, turned, 0), sizeOf(g, turned, 1), heads * size])]);
}

/** Attention of heads; `mask` is added to the scores. */
export function attention(g: GraphWriter, q: string, k: string, v: string, size: number, mask?: string): string {
  const turned = g.op("Transpose", [k], { perm: [0, 1, 3, 2] });
  const scores = g.op("Div", [g.op("MatMul", [q, turned]), g.float(Math.sqrt(size))]);
  const masked = mask === undefined ? scores : g.op("Add", [scores, mask]);
  return g.op("MatMul", [g.op("Softmax", [masked], { axis: -1 }), v]);
}

/**
 * What is added to the scores of a decoder, [1, 1, steps, total]: the least float where a key comes after its query's
 * position, i64 [steps].
 */
export function causalMask(g: GraphWriter, positions: string, total: string): string {
  const keys = g.op("Range", [g.ints(0), total, g.ints(1)]);
  const later = g.op("Greater", [keys, g.op("Unsqueeze", [positions, g.ints([1])])]);
  const mask = g.op("Where", [later, g.float(-3.4028234663852886e38), g.float(0)]);
  return g.op("Unsqueeze", [mask, g.ints([0, 1])]);
}
