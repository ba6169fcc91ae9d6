// What is known at compile time becomes constants: nodes on constants by the reference interpreter, integer arithmetic
// on shapes symbolically. Constants do not grow: a result of more than 64 KiB must be no larger than what it was made
// of, and fills (broadcast, iota, pad) stay as they are unless they are tiny, since kernels compute them for free.

import type { Dim } from "../ir/dim.js";
import { isFloat, isInteger } from "../ir/dtype.js";
import { type Builder, constantOf, type Node, type Value } from "../ir/graph.js";
import { intsOf, truthOf } from "../ir/ints.js";
import { OPS, type OpName } from "../ir/ops.js";
import { type Rule, rewrite, ruleFor } from "../ir/rewrite.js";
import { scalarTensor, sizeOf, tensorFrom } from "../ir/tensor.js";
import { bytesOfType, staticShape } from "../ir/types.js";
import { evaluateConstantNode } from "../reference/constant.js";
import type { Pass } from "./pass.js";

const MOST_BYTES = 64 * 1024;
const MOST_FILLED_BYTES = 256;
/** Multiply-adds that the interpreter may spend on one node. */
const MOST_WORK = 2e8;
/** Elements of a symbolic vector. */
const MOST_DIMS = 64;

const FILLS: ReadonlySet<OpName> = new Set(["broadcast", "iota", "pad"]);

/** Whether folding this node, whose inputs are constants, keeps the constants small and the compiler quick. */
function isWorthwhile(node: Node): boolean {
  let bytes = 0;
  for (const v of node.outputs) {
    const n = bytesOfType(v.type);
    if (n === null) return false;
    bytes += n;
  }
  let given = 0;
  let largest = 0;
  for (const v of node.inputs) {
    const n = bytesOfType(v.type) ?? 0;
    given += n;
    largest = Math.max(largest, n);
  }
  if (bytes > given && bytes > (FILLS.has(node.op) ? MOST_FILLED_BYTES : MOST_BYTES)) return false;
  return node.op !== "matmul" && node.op !== "conv" ? true : bytes * largest <= MOST_WORK;
}

/** JavaScript leaves the last bit of a power to the engine: folding one would tie a bundle to a Node version. */
function isHostDependent(node: Node): boolean {
  return node.op === "pow" && node.inputs.some((v) => isFloat(v.type.dtype));
}

function foldConstant(node: Node, b: Builder): readonly Value[] | null {
  if (isHostDependent(node)) return null;
  if (!node.inputs.every((v) => constantOf(v) !== undefined) || !isWorthwhile(node)) return null;
  const tensors = evaluateConstantNode(node);
  return tensors === null ? null : tensors.map((value) => b.one("const", [], { value }));
}

/** The node's value as a constant, or from the run-time values of dimensions. */
function foldInts(node: Node, b: Builder): Value | null {
  const [out, more] = node.outputs;
  if (out === undefined || more !== undefined) return null;
  const { dtype, shape } = out.type;
  if (dtype === "bool") {
    const truth = truthOf(out);
    if (truth === null) return null;
    const value = scalarTensor("bool", truth ? 1 : 0).reshaped(staticShape(shape) ?? []);
    return b.one("const", [], { value });
  }
  if (!isInteger(dtype) || isDimsForm(node)) return null;
  const sizes = staticShape(shape);
  const ints = intsOf(out);
  if (ints === null || sizes === null) return null;
  const known = staticShape(ints);
  if (known !== null) {
    const small = !FILLS.has(node.op) || bytesOfType(out.type) === null || known.length <= MOST_DIMS;
    return small ? b.one("const", [], { value: tensorFrom(dtype, sizes, known) }) : null;
  }
  return sizeOf(sizes) <= MOST_DIMS ? fromDims(b, ints, out) : null;
}

/** cast(reshape(dims)), with the parts that are needed: the form in which symbolic integers are left. */
function fromDims(b: Builder, of: readonly Dim[], like: Value): Value {
  const { dtype, shape } = like.type;
  const vector = b.one("dims", [], { of });
  const shaped = shape.length === 1 ? vector : b.one("reshape", [vector], { shape });
  return dtype === "i64" ? shaped : b.one("cast", [shaped], { to: dtype, saturate: false });
}

function isDimsForm(node: Node): boolean {
  if (node.op === "const") return true;
  let at: Node = node;
  for (const op of ["cast", "reshape"] as const) {
    const x: Value | undefined = at.inputs[0];
    if (at.op === op && x !== undefined) at = x.node;
  }
  return at.op === "dims" && at.attrs.of.some((d) => typeof d !== "number");
}

const foldable = (Object.keys(OPS) as OpName[]).filter((op) => {
  const { class: kind } = OPS[op];
  return kind !== "source" && kind !== "control" && kind !== "composite";
});

export const foldRules: readonly Rule[] = [
  ...ruleFor("fold-constant", foldable, (node, { b }) => foldConstant(node, b)),
  ...ruleFor("fold-integers", foldable, (node, { b }) => foldInts(node, b)),
];

export const fold: Pass = {
  name: "fold",
  after: {},
  run: (b, graph) => rewrite(b, graph, foldRules),
};
