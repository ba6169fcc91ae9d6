// Sums and products of narrower floats gather up in f32 and are rounded once at the end, as the ops are defined. A scatter
// that adds or multiplies becomes the same scatter of f32, and a contraction of 16-bit floats one of f32: its operands are
// widened, which is exact, and its result is rounded. Constants are widened here, but for a matrix on the right, whose
// 16 bits a kernel widens as it reads them. Where both operands of such a product are bfloat16 and the target multiplies
// pairs of them, they stay what they are.

import { DTYPES, type DType, isFloat } from "../ir/dtype.js";
import { type Builder, constantOf, type Node, type Value } from "../ir/graph.js";
import { type Rule, rewrite, rule, ruleFor } from "../ir/rewrite.js";
import { Tensor } from "../ir/tensor.js";
import type { Pass } from "./pass.js";
import { inputOf } from "./shapes.js";

function isHalf(dtype: DType): boolean {
  return dtype === "f16" || dtype === "bf16";
}

/** The value in f32. Constants are decoded to that already. */
function widened(b: Builder, v: Value): Value {
  const known = constantOf(v);
  if (!isHalf(v.type.dtype)) return v;
  if (known === undefined) return b.one("cast", [v], { to: "f32", saturate: false });
  const { elements } = known;
  const bytes = new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength);
  return b.one("const", [], { value: new Tensor("f32", known.shape, bytes) });
}

/** Pairs along the depth are whole: what lies behind a row's end may be no number, and 0 times that is none. */
function isPaired({ op }: Node, x: Value, w: Value): boolean {
  const [depth, , more] = w.type.shape;
  const isMatrix = op === "matmul" && more === undefined && constantOf(w) !== undefined;
  return isMatrix && typeof depth === "number" && depth % 2 === 0 && x.type.dtype === "bf16" && w.type.dtype === "bf16";
}

function widenContraction(node: Node, b: Builder, bf16Dots: boolean): Value | null {
  if (node.op !== "matmul" && node.op !== "conv") return null;
  const [x, w] = [inputOf(node), inputOf(node, 1)];
  const { dtype } = node.attrs;
  const halves = [x.type.dtype, w.type.dtype, dtype];
  if (!halves.some(isHalf) || !halves.every((d) => isHalf(d) || d === "f32")) return null;
  const keeps = node.op === "matmul" && w.type.shape.length === 2 && constantOf(w) !== undefined;
  const operands = bf16Dots && isPaired(node, x, w) ? [x, w] : [widened(b, x), keeps ? w : widened(b, w)];
  if (dtype === "f32" && operands.every((v, i) => v === node.inputs[i])) return null;
  const sums =
    node.op === "matmul"
      ? b.one("matmul", operands, { dtype: "f32" })
      : b.one("conv", operands, { ...node.attrs, dtype: "f32" });
  return dtype === "f32" ? sums : b.one("cast", [sums], { to: dtype, saturate: false });
}

const widenRules = (bf16Dots: boolean): readonly Rule[] => [
  ...ruleFor("widen-contraction", ["matmul", "conv"], (node, { b }) => widenContraction(node, b, bf16Dots)),
  rule("widen-scatter", "scatter", (node, { b }) => {
    const x = inputOf(node);
    const { dtype } = x.type;
    const { mode } = node.attrs;
    if (!isFloat(dtype) || DTYPES[dtype].bits >= 32 || (mode !== "add" && mode !== "mul")) return null;
    const wide = (i: number) => b.one("cast", [inputOf(node, i)], { to: "f32", saturate: false });
    const sums = b.one("scatter", [wide(0), inputOf(node, 1), wide(2)], { mode });
    return b.one("cast", [sums], { to: dtype, saturate: false });
  }),
];

export const widen: Pass = {
  name: "widen",
  after: {},
  run: (b, graph, { bf16Dots = false }) => rewrite(b, graph, widenRules(bf16Dots)),
};
