// Convolutions read channels last. Each conv in layout "nchw" becomes transpose, conv "nhwc", transpose; then the
// transposes move down, from what makes them to what reads them, through every op that can work on the untransposed
// value as well (elementwise, pad, concat, reduce, window, slice, broadcast, gather, axis-wise ops, reshapes that split or
// merge neighbouring axes), and cancel against the next conv's. Inside a network none are left; those at its edges stay.
//
// An op with several operands moves before the transposes only where their number does not grow: operands that are
// constants, or whose transpose would only move axes of size 1, cost nothing. Values are the same bit for bit, but for
// the order in which a reduction over transposed axes meets its elements.

import { type Dim, mul } from "../ir/dim.js";
import { type Builder, type Node, nodesOf, type Value } from "../ir/graph.js";
import { remake } from "../ir/map-graph.js";
import type { OpName } from "../ir/ops.js";
import { OPS } from "../ir/ops.js";
import { type Rule, rewrite, rule, ruleFor } from "../ir/rewrite.js";
import { movementRules } from "./canonicalize.js";
import type { Pass } from "./pass.js";
import { regrouped } from "./regroup.js";
import { inputOf, inverse, isSingle, keepsOrder, permuted, reshaped, sameDims, transposed } from "./shapes.js";

/** x and perm where v is transpose(x, perm). */
function untransposed(v: Value): { readonly x: Value; readonly perm: readonly number[] } | null {
  return v.node.op === "transpose" ? { x: inputOf(v.node), perm: v.node.attrs.perm } : null;
}

/** From channels last to channels in second place. */
function channelsSecond(rank: number): number[] {
  return [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, i) => i + 1)];
}

const convRule = rule("conv-nhwc", "conv", (node, { b }) => {
  if (node.attrs.layout !== "nchw") return null;
  const rank = inputOf(node).type.shape.length;
  const spatial = Array.from({ length: rank - 2 }, (_, i) => i + 2);
  const x = transposed(b, inputOf(node), [0, ...spatial, 1]);
  const w = transposed(b, inputOf(node, 1), [...spatial, 1, 0]);
  const y = b.one("conv", [x, w], { ...node.attrs, layout: "nhwc" });
  return transposed(b, y, channelsSecond(rank));
});

/** Whether a value only depends on constants, so that moving its elements costs nothing at run time. */
function isConstant(v: Value): boolean {
  if (v.node.op === "const") return true;
  return (v.node.op === "transpose" || v.node.op === "reshape") && isConstant(inputOf(v.node));
}

/** How an operand reads before the transpose by `perm`: null where that needs a real transpose of its own. */
function freeOperand(b: Builder, v: Value, perm: readonly number[]): Value | null {
  if (isSingle(v)) return reshaped(b, v, []);
  const rank = perm.length;
  const shape = [...new Array<Dim>(rank - v.type.shape.length).fill(1), ...v.type.shape];
  const back = inverse(perm);
  if (isConstant(v)) return transposed(b, reshaped(b, v, shape), back);
  if (keepsOrder(shape, back)) return reshaped(b, v, permuted(shape, back));
  const filled = v.node.op === "broadcast" && isSingle(inputOf(v.node));
  return filled && v.node.op === "broadcast"
    ? b.one("broadcast", [inputOf(v.node)], { shape: permuted(shape, back) })
    : null;
}

/**
 * Operands as they read before a transpose that several of them share, and that permutation; null where moving the op
 * would leave more transposes than there are. `whole`: every operand must have the result's rank.
 */
function sunkOperands(
  b: Builder,
  inputs: readonly Value[],
  rank: number,
): { readonly perm: readonly number[]; readonly operands: readonly Value[] } | null {
  const perms = inputs.flatMap((v) => {
    const t = untransposed(v);
    return t === null || t.perm.length !== rank || isConstant(v) ? [] : [t.perm];
  });
  let best: { perm: readonly number[]; operands: readonly Value[] } | null = null;
  let fewest = Infinity;
  for (const perm of perms) {
    let cost = 1;
    let gain = 0;
    const back = inverse(perm);
    const operands = inputs.map((v) => {
      const t = untransposed(v);
      if (t !== null && t.perm.join() === perm.join() && !isConstant(v)) {
        gain++;
        return t.x;
      }
      const other = t === null || t.perm.length !== rank ? null : permuted(t.perm, back);
      if (t !== null && other !== null && keepsOrder(t.x.type.shape, other)) {
        gain++;
        return reshaped(b, t.x, permuted(v.type.shape, back));
      }
      const free = freeOperand(b, v, perm);
      if (free !== null) return free;
      cost++;
      const shape = [...new Array<Dim>(rank - v.type.shape.length).fill(1), ...v.type.shape];
      return transposed(b, reshaped(b, v, shape), back);
    });
    if (cost <= gain && cost < fewest) {
      fewest = cost;
      best = { perm, operands };
    }
  }
  return best;
}

const elementwise = (Object.keys(OPS) as OpName[]).filter((op) => OPS[op].class === "scalar");

const elementwiseRules = ruleFor("sink-elementwise", elementwise, (node, { b }) => {
  const rank = node.outputs[0]?.type.shape.length ?? 0;
  const sunk = sunkOperands(b, node.inputs, rank);
  if (sunk === null) return null;
  const [y] = remake(b, node, sunk.operands);
  return y === undefined || y.type.shape.length !== rank ? null : transposed(b, y, sunk.perm);
});

/** Axes of a transposed value as axes of what it transposes. */
const under = (perm: readonly number[], axes: readonly number[]): number[] => axes.map((a) => perm[a] ?? a);

const movement: readonly Rule[] = [
  rule("sink-pad", "pad", (node, { b }) => {
    const t = untransposed(inputOf(node));
    if (t === null) return null;
    const back = inverse(t.perm);
    const { low, high, interior } = node.attrs;
    const attrs = { low: permuted(low, back), high: permuted(high, back), interior: permuted(interior, back) };
    return transposed(b, b.one("pad", [t.x, inputOf(node, 1)], attrs), t.perm);
  }),
  rule("sink-concat", "concat", (node, { b }) => {
    const rank = node.outputs[0]?.type.shape.length ?? 0;
    // Operands of concat do not broadcast, so a single element counts as any other value.
    const sunk = sunkOperands(b, node.inputs, rank);
    if (sunk === null || sunk.operands.some((v) => v.type.shape.length !== rank)) return null;
    return transposed(b, b.one("concat", sunk.operands, { axis: sunk.perm[node.attrs.axis] ?? 0 }), sunk.perm);
  }),
  // Others than a conv's own (an attention's, before its queries, keys and values part) would multiply.
  rule("sink-slice", "slice", (node, { b }) => {
    const t = untransposed(inputOf(node));
    if (t === null || t.perm.join() !== channelsSecond(t.perm.length).join()) return null;
    const back = inverse(t.perm);
    const { starts, sizes, steps } = node.attrs;
    const attrs = { starts: permuted(starts, back), sizes: permuted(sizes, back), steps: permuted(steps, back) };
    return transposed(b, b.one("slice", [t.x], attrs), t.perm);
  }),
  rule("sink-broadcast", "broadcast", (node, { b }) => {
    const t = untransposed(inputOf(node));
    if (t === null) return null;
    const extra = node.attrs.shape.length - t.perm.length;
    const perm = [...Array.from({ length: extra }, (_, i) => i), ...t.perm.map((p) => p + extra)];
    const shape = permuted(node.attrs.shape, inverse(perm));
    return transposed(b, b.one("broadcast", [t.x], { shape }), perm);
  }),
  rule("sink-gather", "gather", (node, { b }) => {
    const t = untransposed(inputOf(node));
    const at = inputOf(node, 1);
    if (t === null || at.type.shape.length !== 1) return null;
    const axis = t.perm[node.attrs.axis] ?? 0;
    return transposed(b, b.one("gather", [t.x, at], { axis }), t.perm);
  }),
  rule("sink-window", "window", (node, { b }) => {
    const t = untransposed(inputOf(node));
    if (t === null) return null;
    const rank = t.perm.length;
    const perm = [...t.perm, ...node.attrs.axes.map((_, i) => rank + i)];
    return transposed(b, b.one("window", [t.x], { ...node.attrs, axes: under(t.perm, node.attrs.axes) }), perm);
  }),
  rule("sink-reduce", "reduce", (node, { b }) => {
    const t = untransposed(inputOf(node));
    if (t === null) return null;
    const { kind, keep } = node.attrs;
    const axes = under(t.perm, node.attrs.axes).sort((i, j) => i - j);
    const y = b.one("reduce", [t.x], { kind, keep, axes });
    return transposed(b, y, keep ? t.perm : without(t.perm, axes));
  }),
  rule("sink-argreduce", "argreduce", (node, { b }) => {
    const t = untransposed(inputOf(node));
    if (t === null) return null;
    const [axis = 0] = under(t.perm, [node.attrs.axis]);
    const y = b.one("argreduce", [t.x], { ...node.attrs, axis });
    return transposed(b, y, node.attrs.keep ? t.perm : without(t.perm, [axis]));
  }),
  rule("sink-reshape", "reshape", (node, { b }) => {
    const t = untransposed(inputOf(node));
    if (t === null) return null;
    if (keepsOrder(t.x.type.shape, t.perm)) return reshaped(b, t.x, node.attrs.shape);
    const moved = regrouped(t.x.type.shape, t.perm, node.attrs.shape);
    return moved === null ? null : transposed(b, reshaped(b, t.x, moved.shape), moved.perm);
  }),
  ...(["softmax", "logSoftmax", "cumulate"] as const).map((op) =>
    rule(`sink-${op}`, op, (node, { b }) => {
      const t = untransposed(inputOf(node));
      if (t === null) return null;
      const [axis = 0] = under(t.perm, [node.attrs.axis]);
      const [y] = remake(b, node, [t.x], [], { ...node.attrs, axis });
      return y === undefined ? null : transposed(b, y, t.perm);
    }),
  ),
];

/**
 * A pixel shuffle (x[n, ...spatial, c, ...factors], each factor merged into its axis) that ends with channels in second
 * place: it moves everything anyway, so it may as well end with channels last.
 */
const shuffleRule = rule("shuffle-nhwc", "reshape", (node, { b }) => {
  const t = untransposed(inputOf(node));
  const rank = node.attrs.shape.length;
  const n = rank - 2;
  if (t === null || n < 2 || t.perm.length !== 2 + 2 * n) return null;
  const pairs = Array.from({ length: n }, (_, i) => [i + 1, n + 2 + i]).flat();
  if (t.perm.join() !== [0, n + 1, ...pairs].join()) return null;
  const from = t.x.type.shape;
  const merged = [0, n + 1].map((i) => from[i] ?? 1);
  for (let i = 1; i <= n; i++) merged.push(mul(from[i] ?? 1, from[n + 1 + i] ?? 1));
  if (!sameDims(merged, node.attrs.shape)) return null;
  const spatial = Array.from({ length: n }, (_, i) => i + 2);
  const last = transposed(b, t.x, [0, ...pairs, n + 1]);
  const y = reshaped(b, last, permuted(node.attrs.shape, [0, ...spatial, 1]));
  return transposed(b, y, channelsSecond(rank));
});

/** What is left of a permutation without some of the axes (of the transposed value's source). */
function without(perm: readonly number[], axes: readonly number[]): number[] {
  const rest = perm.filter((p) => !axes.includes(p));
  return rest.map((p) => p - axes.filter((a) => a < p).length);
}

const rules: readonly Rule[] = [convRule, shuffleRule, ...elementwiseRules, ...movement, ...movementRules];

function hasNchw(node: Node): boolean {
  return node.op === "conv" && node.attrs.layout === "nchw";
}

export const layout: Pass = {
  name: "layout",
  after: {
    affine: "it looks for scales right behind their convolution",
    solitary: "what stays with channels in second place must not be turned",
  },
  run: (b, graph) => (nodesOf(graph).some(hasNchw) ? rewrite(b, graph, rules) : graph),
};
