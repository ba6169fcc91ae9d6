// Integer contractions in as few bits as their operands need. Quantized models subtract zero points in 32 bits; what
// comes out of 8-bit values stays within 9, so that the operands can be 16 bits wide (8 for most weights), which is what
// integer dot products read. Values are the same: only operands that provably fit are narrowed.

import { boundsOf, boundsOfTensor, within } from "../ir/bounds.js";
import type { DType } from "../ir/dtype.js";
import { type Builder, constantOf, type Node, type Value } from "../ir/graph.js";
import { rewrite, ruleFor } from "../ir/rewrite.js";
import type { Tensor } from "../ir/tensor.js";
import { allocate, tensorOf } from "../ir/tensor.js";
import { evaluateConstantNode } from "../reference/constant.js";
import type { Pass } from "./pass.js";

/** How far the makings of constants are followed. */
const MAX_DEPTH = 12;

/** The tensor of a value that is made of constants alone; null for others. */
export function evaluated(v: Value, b: Builder, depth = 0): Tensor | null {
  const known = constantOf(v);
  if (known !== undefined) return known;
  const isSource = v.node.inputs.length === 0 && v.node.op !== "iota";
  if (depth > MAX_DEPTH || isSource || v.node.regions.length > 0) return null;
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
  const bounds = constant === null ? boundsOf(v) : boundsOfTensor(constant);
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
