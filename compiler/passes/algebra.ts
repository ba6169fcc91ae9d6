// Arithmetic identities. Each holds for NaN, infinities and -0 in the dtypes that it takes, bit for bit, except where
// its comment says that a rounding differs by an ulp. Rules on constants look at scalars and whole tensors alike.

import { DTYPES, type DType, isFloat, isInteger } from "../ir/dtype.js";
import { type Builder, constantOf, type Node, type Value } from "../ir/graph.js";
import { provenSameType } from "../ir/map-graph.js";
import { type Rule, rewrite, rule } from "../ir/rewrite.js";
import { isNonNegative } from "../ir/signs.js";
import { scalarTensor, tensorFrom } from "../ir/tensor.js";
import type { Pass } from "./pass.js";
import { inputOf } from "./shapes.js";

/** The number that every element of a constant is (-0 apart from 0), or null; also through a broadcast. */
function uniformOf(v: Value): number | null {
  const t = constantOf(v.node.op === "broadcast" ? inputOf(v.node) : v);
  if (t === undefined || t.size === 0 || t.dtype === "str" || t.dtype === "c64" || t.dtype === "c128") return null;
  const { elements } = t;
  const [first] = elements;
  for (const e of elements) if (!Object.is(e, first)) return null;
  const n = Number(first);
  return typeof first === "bigint" && BigInt(n) !== first ? null : n;
}

function operands(node: { readonly op: string; readonly inputs: readonly Value[] }): readonly [Value, Value] {
  return [inputOf(node), inputOf(node, 1)];
}

/** x where it has the node's type: the other operand did not broadcast it. */
function alone(node: { readonly outputs: readonly Value[] }, x: Value): Value | null {
  const [out] = node.outputs;
  return out !== undefined && provenSameType(x.type, out.type) ? x : null;
}

function filled(b: Builder, node: { readonly outputs: readonly Value[] }, value: number): Value | null {
  const [out] = node.outputs;
  if (out === undefined) return null;
  const one = b.one("const", [], { value: scalarTensor(out.type.dtype, value) });
  return out.type.shape.length === 0 ? one : b.one("broadcast", [one], { shape: out.type.shape });
}

const neutral: readonly Rule[] = [
  // Floats: x + -0 is x; x + 0 is x unless x is -0.
  rule("add-zero", "add", (node) => {
    const [x, y] = operands(node);
    const zero = uniformOf(y);
    if (zero !== 0) return null;
    const same = !isFloat(x.type.dtype) || Object.is(zero, -0) || isNonNegative(x);
    return same ? alone(node, x) : null;
  }),
  // Floats: x - 0 is x for every x; x - -0 is not for -0.
  rule("sub-zero", "sub", (node) => {
    const [x, y] = operands(node);
    const zero = uniformOf(y);
    return zero === 0 && !(isFloat(x.type.dtype) && Object.is(zero, -0)) ? alone(node, x) : null;
  }),
  rule("mul-one", "mul", (node) => (uniformOf(inputOf(node, 1)) === 1 ? alone(node, inputOf(node)) : null)),
  rule("div-one", "div", (node) => (uniformOf(inputOf(node, 1)) === 1 ? alone(node, inputOf(node)) : null)),
  // Integers only: 0 * NaN and 0 * -1 are not 0.
  rule("mul-zero", "mul", (node, { b }) => {
    const [x, y] = operands(node);
    return isInteger(x.type.dtype) && uniformOf(y) === 0 ? filled(b, node, 0) : null;
  }),
  ...(["max", "min", "and", "or"] as const).map((op) =>
    rule(`${op}-same`, op, (node) => (node.inputs[0] === node.inputs[1] ? inputOf(node) : null)),
  ),
  ...(["and", "or"] as const).map((op) =>
    rule(`${op}-truth`, op, (node, { b }) => {
      const [x, y] = operands(node);
      const truth = x.type.dtype === "bool" ? uniformOf(y) : null;
      if (truth === null) return null;
      return (truth === 1) === (op === "and") ? alone(node, x) : filled(b, node, truth);
    }),
  ),
];

const signs: readonly Rule[] = [
  rule("neg-neg", "neg", (node) => {
    const x = inputOf(node);
    return x.node.op === "neg" ? inputOf(x.node) : null;
  }),
  rule("not-not", "not", (node) => {
    const x = inputOf(node);
    return x.node.op === "not" ? inputOf(x.node) : null;
  }),
  rule("abs-sign", "abs", (node, { b }) => {
    const x = inputOf(node);
    if (x.node.op === "abs") return x;
    // |-x| is |x|, also for the least integer, whose negative is itself; not for unsigned ones, where -x is 2^n - x.
    return x.node.op === "neg" && DTYPES[x.type.dtype].kind !== "uint" ? b.one("abs", [inputOf(x.node)], {}) : null;
  }),
  // f8e8m0 has no signs: its negation gives the number back.
  rule("add-neg", "add", (node, { b }) => {
    const [x, y] = operands(node);
    if (x.type.dtype === "f8e8m0") return null;
    if (y.node.op === "neg") return b.one("sub", [x, inputOf(y.node)], {});
    return x.node.op === "neg" && y.node.op !== "const" ? b.one("sub", [y, inputOf(x.node)], {}) : null;
  }),
  rule("sub-neg", "sub", (node, { b }) => {
    const [x, y] = operands(node);
    return y.node.op === "neg" && x.type.dtype !== "f8e8m0" ? b.one("add", [x, inputOf(y.node)], {}) : null;
  }),
  rule("mul-minus-one", "mul", (node, { b }) => {
    const [x, y] = operands(node);
    const same = uniformOf(y) === -1 ? alone(node, x) : null;
    return same === null ? null : b.one("neg", [same], {});
  }),
  // x - c is x + -c for every float, so that sums with constants have one form.
  rule("sub-constant", "sub", (node, { b }) => {
    const [x, y] = operands(node);
    const c = constantOf(y);
    if (c === undefined || !isFloat(c.dtype) || constantOf(x) !== undefined || DTYPES[c.dtype].bits < 16) return null;
    const value = tensorFrom(
      c.dtype,
      c.shape,
      c.numbers().map((v) => -v),
    );
    return b.one("add", [x, b.one("const", [], { value })], {});
  }),
];

const LEAST_NORMAL: Partial<Record<DType, number>> = {
  f64: 2 ** -1022,
  f32: 2 ** -126,
  f16: 2 ** -14,
  bf16: 2 ** -126,
};

function isPowerOfTwo(x: number): boolean {
  const e = Math.round(Math.log2(Math.abs(x)));
  return Number.isFinite(e) && 2 ** e === Math.abs(x);
}

const powers: readonly Rule[] = [
  // Exact: the quotient and the product are the same real number, rounded once.
  rule("div-power-of-two", "div", (node, { b }) => {
    const [x, y] = operands(node);
    const c = constantOf(y);
    const least = c === undefined ? undefined : LEAST_NORMAL[c.dtype];
    if (c === undefined || least === undefined || constantOf(x) !== undefined || c.size > 65536) return null;
    const values = c.numbers();
    if (!values.every((v) => isPowerOfTwo(v) && Math.abs(1 / v) >= least && Math.abs(v) >= least)) return null;
    const value = tensorFrom(
      c.dtype,
      c.shape,
      values.map((v) => 1 / v),
    );
    return b.one("mul", [x, b.one("const", [], { value })], {});
  }),
  // x^0 is 1 also for NaN. x^2 is x*x, exact; x^3 is two products, within an ulp; 1/x is x^-1.
  rule("pow-small", "pow", (node, { b }) => {
    const [x, y] = operands(node);
    const e = uniformOf(y);
    const float = isFloat(x.type.dtype);
    if (e === null || alone(node, x) === null) return null;
    const square = (): Value => b.one("mul", [x, x], {});
    if (e === 0) return filled(b, node, 1);
    if (e === 1) return x;
    if (e === 2) return square();
    if (e === 3) return b.one("mul", [square(), x], {});
    if (e === -1 && float) return b.one("div", [b.one("const", [], { value: scalarTensor(x.type.dtype, 1) }), x], {});
    // The root of -0 is -0 and that of -inf is NaN; their powers are 0 and inf.
    return e === 0.5 && isNonNegative(x) ? b.one("sqrt", [x], {}) : null;
  }),
];

/** sigmoid(2 u) where `v` is tanh(u) + 1: half of it. */
function halfOfRaisedTanh(b: Builder, v: Value): Value | null {
  const tanh = v.node.op === "add" && uniformOf(inputOf(v.node, 1)) === 1 ? alone(v.node, inputOf(v.node)) : null;
  if (tanh?.node.op !== "tanh") return null;
  const u = inputOf(tanh.node);
  const two = b.one("const", [], { value: scalarTensor(u.type.dtype, 2) });
  return b.one("sigmoid", [b.one("mul", [u, two], {})], {});
}

/** x where a node is x times 1/2. */
function doubleOf(node: Node): Value | null {
  return node.op === "mul" && uniformOf(inputOf(node, 1)) === 0.5 ? alone(node, inputOf(node)) : null;
}

const logistic: readonly Rule[] = [
  // x/2 (1 + tanh u) is x sigmoid(2 u), within an ulp of x: the sum loses what tanh has next to -1. The factor 1/2 stands
  // with either operand or around both. Below half of the least normal number the product of x and 1/2 rounds.
  rule("mul-tanh", "mul", (node, { b }) => {
    const double = doubleOf(node);
    const factors = operands(double?.node.op === "mul" ? double.node : node);
    if (double !== null && double.node.op !== "mul") return halfOfRaisedTanh(b, double);
    for (const [i, v] of factors.entries()) {
      const share = halfOfRaisedTanh(b, v);
      const other = factors[1 - i];
      const rest = double !== null || other === undefined ? other : doubleOf(other.node);
      if (share !== null && rest !== undefined && rest !== null) return b.one("mul", [rest, share], {});
    }
    return null;
  }),
];

/** Whether `v` is the sum of e = exp(x - max x) along the axes of that max: a term is 1, so it is 1 at least, or NaN. */
function isSumOfShares(v: Value, e: Value): boolean {
  const sum = v.node;
  const shifted = e.node.op === "exp" ? inputOf(e.node).node : undefined;
  if (sum.op !== "reduce" || sum.attrs.kind !== "sum" || inputOf(sum) !== e || shifted?.op !== "sub") return false;
  const [x, bound] = operands(shifted);
  const max = (bound.node.op === "broadcast" ? inputOf(bound.node) : bound).node;
  if (max.op !== "reduce" || max.attrs.kind !== "max" || inputOf(max) !== x) return false;
  return max.attrs.axes.join() === sum.attrs.axes.join();
}

const quotients: readonly Rule[] = [
  // A softmax's shares times the reciprocal of their sum, which is normal: two roundings where one was, and a product for each
  // element instead of a quotient.
  rule("div-shares", "div", (node, { b }) => {
    const [e, sum] = operands(node);
    const { dtype } = e.type;
    if ((dtype !== "f32" && dtype !== "f64") || !isSumOfShares(sum, e)) return null;
    const one = b.one("const", [], { value: scalarTensor(dtype, 1) });
    return b.one("mul", [e, b.one("div", [one, sum], {})], {});
  }),
];

const selections: readonly Rule[] = [
  rule("select-same", "select", (node) => {
    const [, x, y] = node.inputs;
    return x !== undefined && x === y ? alone(node, x) : null;
  }),
  rule("select-known", "select", (node, { b }) => {
    const [c, x, y] = node.inputs;
    const [out] = node.outputs;
    const truth = c === undefined ? null : uniformOf(c);
    const chosen = truth === null ? undefined : truth === 1 ? x : y;
    if (chosen === undefined || out === undefined) return null;
    return alone(node, chosen) ?? b.one("broadcast", [chosen], { shape: out.type.shape });
  }),
  rule("select-not", "select", (node, { b }) => {
    const [c, x, y] = node.inputs;
    if (c === undefined || x === undefined || y === undefined || c.node.op !== "not") return null;
    return b.one("select", [inputOf(c.node), y, x], {});
  }),
];

export const algebraRules: readonly Rule[] = [
  ...neutral,
  ...signs,
  ...powers,
  ...logistic,
  ...quotients,
  ...selections,
];

export const algebra: Pass = {
  name: "algebra",
  after: { canonicalize: "rules look for constants in second place" },
  run: (b, graph) => rewrite(b, graph, algebraRules),
};
