// A convolution with no other before or behind it would only be turned to channels last and back, at the graph's edges.
// Where it has as good a form with channels in second place it takes that: a pointwise one is a matrix product of its
// weights with the pixels, a depthwise one of stride 1 a sum of shifted products, one vector of neighbouring pixels at a time.
// The terms are added in the convolution's order: the same bits.

import { isKnownInfinite } from "../ir/bounds.js";
import * as ir from "../ir/build.js";
import { type Dim, mul } from "../ir/dim.js";
import { type Builder, depsOf, type Graph, type Node, type NodeOf, nodesOf, type Value } from "../ir/graph.js";
import { rewrite, rule } from "../ir/rewrite.js";
import type { Pass } from "./pass.js";
import { inputOf } from "./shapes.js";

/** Pixels of a vector, at least. */
const LEAST_PIXELS = 4;
/** More taps than this are too long a sum to be computed where it is read. */
const MOST_TAPS = 25;

/** Convolutions that neither depend on another one nor feed one. */
function solitaries(graph: Graph): ReadonlySet<Node> {
  const order = nodesOf(graph);
  const isConv = (n: Node): boolean => n.op === "conv";
  const after = new Set<Node>();
  for (const n of order) if (depsOf(n).some((d) => isConv(d) || after.has(d))) after.add(n);
  const before = new Set<Node>();
  for (const n of order.toReversed()) if (isConv(n) || before.has(n)) for (const d of depsOf(n)) before.add(d);
  return new Set(order.filter((n) => isConv(n) && !after.has(n) && !before.has(n)));
}

function pointwise(b: Builder, node: NodeOf<"conv">): Value | null {
  const [x, w] = [inputOf(node), inputOf(node, 1)];
  const { strides, low, high, groups, dtype } = node.attrs;
  const isPointwise = w.type.shape.slice(2).every((d) => d === 1) && strides.every((s) => s === 1);
  if (!isPointwise || groups !== 1 || [...low, ...high].some((p) => p !== 0)) return null;
  const [n = 1, c = 1, ...pixels] = x.type.shape;
  const count = mul(1, ...pixels);
  // So few pixels are no vector of columns: the weights are the better ones.
  if (typeof count === "number" && count < LEAST_PIXELS) return null;
  const weights = ir.reshape(b, w, w.type.shape.slice(0, 2));
  const y = ir.matmul(b, weights, ir.reshape(b, x, [n, c, count]), dtype);
  return ir.reshape(b, y, [n, w.type.shape[0] ?? 1, ...pixels]);
}

function depthwise(b: Builder, node: NodeOf<"conv">): Value | null {
  const [x, w] = [inputOf(node), inputOf(node, 1)];
  const { strides, dilations, low, high, groups, dtype } = node.attrs;
  const [channels, perGroup, ...window] = w.type.shape;
  const taps = window.reduce<number>((n, d) => n * (typeof d === "number" ? d : Number.NaN), 1);
  if (groups === 1 || perGroup !== 1 || channels !== groups || strides.some((s) => s !== 1)) return null;
  if (!(taps <= MOST_TAPS) || dtype !== x.type.dtype) return null;
  const out: readonly Dim[] = node.outputs[0]?.type.shape ?? [];
  if ([...low, ...high].some((p) => p !== 0) && isKnownInfinite(w)) return null;
  const padded = ir.pad(b, x, 0, [0, 0, ...low], [0, 0, ...high]);
  let sum: Value = ir.scalar(b, dtype, 0);
  for (let tap = 0; tap < taps; tap++) {
    const at = window.map((_, axis) => {
      const inner = window.slice(axis + 1).reduce<number>((n, d) => n * Number(d), 1);
      return Math.floor(tap / inner) % Number(window[axis]);
    });
    const starts = at.map((i, axis) => i * (dilations[axis] ?? 1));
    const pixels = ir.slice(b, padded, [0, 0, ...starts], out);
    const weight = ir.slice(b, w, [0, 0, ...at], [groups, 1, ...window.map(() => 1)]);
    sum = ir.add(b, sum, ir.mul(b, pixels, ir.reshape(b, weight, [groups, ...window.map(() => 1)])));
  }
  return sum;
}

export const solitary: Pass = {
  name: "solitary",
  after: { affine: "it looks for scales right behind their convolution" },
  run: (b, graph) => {
    const alone = solitaries(graph);
    if (alone.size === 0) return graph;
    const convRule = rule("solitary-conv", "conv", (node) => {
      const x = inputOf(node);
      // Values that are transposed already may well come with channels last.
      if (!alone.has(node) || node.attrs.layout !== "nchw" || x.node.op === "transpose") return null;
      // Narrow floats are summed in f32, and only rounded at the end.
      if (x.type.dtype !== "f32" && x.type.dtype !== "f64") return null;
      return pointwise(b, node) ?? depthwise(b, node);
    });
    return rewrite(b, graph, [convRule]);
  },
};
