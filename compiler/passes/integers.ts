// Integer contractions in as few bits as their operands need. Quantized models subtract zero points in 32 bits; what
// comes out of 8-bit values stays within 9, so that the operands can be 16 bits wide (8 for most weights), which is what
// integer dot products read. Values are the same: only operands that provably fit are narrowed.

import type { DType } from "../ir/dtype.js";
import { DTYPES, intRange, isInteger } from "../ir/dtype.js";
import { type Builder, constantOf, type Node, type Value } from "../ir/graph.js";
import { rewrite, ruleFor } from "../ir/rewrite.js";
import type { Tensor } from "../ir/tensor.js";
import { allocate, tensorOf } from "../ir/tensor.js";
import { evaluateConstantNode } from "../reference/constant.js";
import type { Pass } from "./pass.js";

export interface Interval {
  readonly lo: number;
  readonly hi: number;
}

const MAX_DEPTH = 12;

export function within(i: Interval, dtype: DType): boolean {
  const { min, max } = intRange(dtype);
  return i.lo >= Number(min) && i.hi <= Number(max);
}

function ofTensor(t: Tensor): Interval {
  let lo = Number.POSITIVE_INFINITY;
  let hi = Number.NEGATIVE_INFINITY;
  for (const e of t.elements) {
    const n = Number(e);
    lo = Math.min(lo, n);
    hi = Math.max(hi, n);
  }
  return t.size === 0 ? { lo: 0, hi: 0 } : { lo, hi };
}

/** Bounds of an integer value, from its dtype and how it was made. */
export function boundsOf(v: Value, depth = 0): Interval {
  const { dtype } = v.type;
  const { min, max } = intRange(dtype);
  const whole = { lo: Number(min), hi: Number(max) };
  const constant = constantOf(v);
  if (constant !== undefined) return ofTensor(constant);
  if (DTYPES[dtype].bits <= 8 || depth > MAX_DEPTH) return whole;
  const of = (i: number): Interval => {
    const x = v.node.inputs[i];
    return x === undefined ? whole : boundsOf(x, depth + 1);
  };
  const kept = (i: Interval): Interval => (within(i, dtype) ? i : whole);
  switch (v.node.op) {
    case "cast":
      return isInteger(v.node.inputs[0]?.type.dtype ?? "f32") ? kept(of(0)) : whole;
    case "add":
      return kept({ lo: of(0).lo + of(1).lo, hi: of(0).hi + of(1).hi });
    case "sub":
      return kept({ lo: of(0).lo - of(1).hi, hi: of(0).hi - of(1).lo });
    case "pad":
    case "concat": {
      const all = v.node.inputs.map((_, i) => of(i));
      return { lo: Math.min(...all.map((i) => i.lo)), hi: Math.max(...all.map((i) => i.hi)) };
    }
    case "reshape":
    case "transpose":
    case "broadcast":
    case "slice":
    case "gather":
      return of(0);
    default:
      return whole;
  }
}

/** The tensor of a value that is made of constants alone; null for others. */
export function evaluated(v: Value, b: Builder, depth = 0): Tensor | null {
  const known = constantOf(v);
  if (known !== undefined) return known;
  if (depth > MAX_DEPTH || v.node.inputs.length === 0 || v.node.regions.length > 0) return null;
  const inputs: Value[] = [];
  for (const x of v.node.inputs) {
    const t = evaluated(x, b, depth + 1);
    if (t === null) return null;
    inputs.push(b.one("const", [], { value: t }));
  }
  const node = b.op(v.node.op, inputs, v.node.attrs)[0]?.node;
  return node === undefined ? null : (evaluateConstantNode(node)?.[v.index] ?? null);
}

export function recast(t: Tensor, dtype: DType): Tensor {
  const out = allocate(dtype, t.size);
  for (const [i, e] of t.numbers().entries()) out[i] = e;
  return tensorOf(dtype, t.shape, out);
}

/** The operand in the narrowest form that keeps its values; itself where that is no narrower than 32 bits. */
function narrowed(v: Value, b: Builder): Value {
  if (v.type.dtype !== "i32") return v;
  const constant = evaluated(v, b);
  const bounds = constant === null ? boundsOf(v) : ofTensor(constant);
  if (constant !== null) {
    const dtype = within(bounds, "i8") ? "i8" : within(bounds, "i16") ? "i16" : "i32";
    return dtype === "i32" ? v : b.one("const", [], { value: recast(constant, dtype) });
  }
  return within(bounds, "i16") ? b.one("cast", [v], { to: "i16", saturate: false }) : v;
}

function narrowContraction(node: Node, b: Builder): readonly Value[] | null {
  if (node.op !== "matmul" && node.op !== "conv") return null;
  if (node.attrs.dtype !== "i32") return null;
  const operands = node.inputs.map((v) => narrowed(v, b));
  // One narrow operand alone gains nothing.
  if (operands.some((v) => v.type.dtype === "i32") || operands.every((v, i) => v === node.inputs[i])) return null;
  return b.op(node.op, operands, node.attrs);
}

export const integers: Pass = {
  name: "integers",
  after: {
    simplify: "zero points of 0 are gone and constants are folded",
    bytes: "what is a product of bytes needs no pairs",
  },
  run: (b, graph) =>
    rewrite(
      b,
      graph,
      ruleFor("integers", ["matmul", "conv"], (node, { b: builder }) => narrowContraction(node, builder)),
    ),
};
