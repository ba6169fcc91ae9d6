// A scale or a shift by constants after a convolution or a matrix product with constant weights (what is left of batch
// normalization) moves into the weights and one shift: conv(x, w) * s + t becomes conv(x, w * s) + t. Computed in double
// and rounded once. It changes roundings, by a few ulps of the terms, so it is part of the plan's meaning. Left alone
// where a weight would overflow, or is or becomes NaN or infinite.

import { isFloat } from "../ir/dtype.js";
import { type Builder, constantOf, type Graph, type Node, nodesOf, type Value } from "../ir/graph.js";
import { mapGraph, provenSameType, remake } from "../ir/map-graph.js";
import { allocate, type Tensor, tensorFrom, tensorOf } from "../ir/tensor.js";
import type { TensorType } from "../ir/types.js";
import type { Pass } from "./pass.js";
import { inputOf } from "./shapes.js";

/** How often each value is read. */
function countUses(graph: Graph): Map<Value, number> {
  const uses = new Map<Value, number>();
  const use = (v: Value): void => {
    uses.set(v, (uses.get(v) ?? 0) + 1);
  };
  for (const o of graph.outputs) use(o.value);
  for (const s of graph.states) use(s.next);
  for (const x of graph.bindings) use(x.value);
  for (const node of nodesOf(graph)) {
    node.inputs.forEach(use);
    for (const r of node.regions) r.results.forEach(use);
  }
  return uses;
}

/** Which axis of a contraction's result its weights' output channels are, and which axis of the weights. */
function channelAxes(node: Node): { readonly out: number; readonly weights: number } | null {
  const w = constantOf(inputOf(node, 1));
  const [result] = node.outputs;
  if (w === undefined || result === undefined || !isFloat(result.type.dtype)) return null;
  if (w.dtype !== result.type.dtype || inputOf(node).type.dtype !== w.dtype) return null;
  const rank = result.type.shape.length;
  if (node.op === "matmul") return w.shape.length === 2 ? { out: rank - 1, weights: 1 } : null;
  if (node.op !== "conv") return null;
  return node.attrs.layout === "nchw" ? { out: 1, weights: 0 } : { out: rank - 1, weights: rank - 1 };
}

/** A constant that is one number per channel of `type`, as numbers; null where it varies elsewhere or broadens it. */
function perChannel(t: Tensor | undefined, type: TensorType, axis: number): readonly number[] | null {
  const channels = type.shape[axis];
  if (t === undefined || t.dtype !== type.dtype || typeof channels !== "number") return null;
  const skip = type.shape.length - t.shape.length;
  if (skip < 0) return null;
  for (const [i, d] of t.shape.entries()) if (d !== 1 && (i + skip !== axis || d !== channels)) return null;
  const values = t.numbers();
  return values.length === 1 ? new Array<number>(channels).fill(values[0] ?? 0) : values;
}

const LEAST = { f64: 2 ** -1022, f32: 2 ** -126, f16: 2 ** -14, bf16: 2 ** -126 } as const;
const MOST = { f64: Number.MAX_VALUE, f32: 3.4e38, f16: 65504, bf16: 3.38e38 } as const;

/**
 * The weights with each output channel scaled; null where a product overflows, or where a channel's largest weight is so
 * small that rounding to denormals would show.
 */
function scaledWeights(w: Tensor, axis: number, scale: readonly number[]): Tensor | null {
  const { dtype } = w;
  if (dtype !== "f32" && dtype !== "f64" && dtype !== "f16" && dtype !== "bf16") return null;
  const channels = w.shape[axis] ?? 1;
  const inner = w.shape.slice(axis + 1).reduce((n, d) => n * d, 1);
  const { elements } = w;
  const out = allocate(dtype, w.size);
  const [least, most] = [LEAST[dtype], MOST[dtype]];
  const largest = new Float64Array(channels);
  const denormal = new Array<boolean>(channels).fill(false);
  // Runs of `inner` elements belong to one channel after the other.
  for (let start = 0, c = 0; start < w.size; start += inner, c = (c + 1) % channels) {
    const factor = scale[c] ?? 1;
    for (let i = start; i < start + inner; i++) {
      const x = Number(elements[i]);
      const y = x * factor;
      const size = Math.abs(y);
      if (!(size <= most)) return null;
      if (size > (largest[c] ?? 0)) largest[c] = size;
      if (size < least && x !== 0) denormal[c] = true;
      out[i] = y;
    }
  }
  const shows = denormal.some((d, c) => d && (largest[c] ?? 0) < least * 2 ** 30);
  return shows ? null : tensorOf(dtype, w.shape, out);
}

/** A per-channel constant that broadcasts against `type`. */
function channelConstant(b: Builder, values: readonly number[], type: TensorType, axis: number): Value | null {
  if (!values.every(Number.isFinite)) return null;
  const after = type.shape.length - axis - 1;
  const value = tensorFrom(type.dtype, [values.length, ...new Array<number>(after).fill(1)], values);
  return value.numbers().every(Number.isFinite) ? b.one("const", [], { value }) : null;
}

interface Affine {
  /** conv or matmul. */
  readonly core: Node;
  readonly shift: readonly number[] | null;
}

/** What a value is, as contraction + shift: only where nothing else reads the parts. */
function affineOf(v: Value, single: (v: Value) => boolean): Affine | null {
  if (!single(v)) return null;
  const { node } = v;
  if (node.op === "conv" || node.op === "matmul")
    return channelAxes(node) === null ? null : { core: node, shift: null };
  if (node.op !== "add") return null;
  const base = inputOf(node);
  const axes = single(base) ? channelAxesOf(base.node) : null;
  const shift = axes === null ? null : perChannel(constantOf(inputOf(node, 1)), base.type, axes.out);
  return shift === null || !provenSameType(base.type, v.type) ? null : { core: base.node, shift };
}

function channelAxesOf(node: Node): { readonly out: number; readonly weights: number } | null {
  return node.op === "conv" || node.op === "matmul" ? channelAxes(node) : null;
}

function absorbed(b: Builder, node: Node, x: Value, y: Value, single: (v: Value) => boolean): Value | null {
  const affine = affineOf(x, single);
  const [result] = node.outputs;
  if (affine === null || result === undefined) return null;
  const { core, shift } = affine;
  const axes = channelAxes(core);
  const weights = constantOf(inputOf(core, 1));
  const values = axes === null ? null : perChannel(constantOf(y), x.type, axes.out);
  if (axes === null || weights === undefined || values === null) return null;
  if (node.op === "add") {
    // A lone shift stays as it is; two become one.
    if (shift === null) return null;
    const sum = channelConstant(
      b,
      shift.map((t, i) => t + (values[i] ?? 0)),
      x.type,
      axes.out,
    );
    const [base] = core.outputs;
    return sum === null || base === undefined ? null : b.one("add", [base, sum], {});
  }
  const scale = node.op === "div" ? values.map((v) => 1 / v) : values;
  if (!scale.every(Number.isFinite)) return null;
  const scaled = scaledWeights(weights, axes.weights, scale);
  const moved =
    shift === null
      ? null
      : channelConstant(
          b,
          shift.map((t, i) => t * (scale[i] ?? 1)),
          x.type,
          axes.out,
        );
  if (scaled === null || (shift !== null && moved === null)) return null;
  const [base] = remake(b, core, [inputOf(core), b.one("const", [], { value: scaled })]);
  if (base === undefined) return null;
  return moved === null ? base : b.one("add", [base, moved], {});
}

export const affine: Pass = {
  name: "affine",
  after: { simplify: "weights, scales and shifts must be constants, in second place" },
  run(b, graph) {
    const uses = countUses(graph);
    // Uses of new values: those of the old values that became them.
    const after = new Map<Value, number>();
    const single = (v: Value): boolean => after.get(v) === 1;
    return mapGraph(b, graph, (node, inputs, regions) => {
      const [x, y] = inputs;
      const fits = (node.op === "mul" || node.op === "add" || node.op === "div") && x !== undefined && y !== undefined;
      const got = fits ? absorbed(b, node, x, y, single) : null;
      const [out] = node.outputs;
      const ok = got !== null && out !== undefined && provenSameType(got.type, out.type);
      const made = ok ? [got] : remake(b, node, inputs, regions);
      for (const [i, v] of made.entries()) {
        const old = node.outputs[i];
        if (old !== undefined) after.set(v, (after.get(v) ?? 0) + (uses.get(old) ?? 0));
        // The parts of an absorbed chain have this one reader.
        if (ok && v.node.op === "add") after.set(inputOf(v.node), 1);
      }
      return made;
    });
  },
};
