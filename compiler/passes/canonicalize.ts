// One form for what can be written in several: data movement that moves nothing goes away, chains of it become one
// node, constants stand second. Holds bit for bit for every dtype, NaN and -0 included: no rule here computes.

import { add, type Dim, mul, provenEqual } from "../ir/dim.js";
import { DTYPES, type DType, isFloat } from "../ir/dtype.js";
import { constantOf, type Value } from "../ir/graph.js";
import { provenSameType, remake } from "../ir/map-graph.js";
import { SCALAR, type ScalarName, scalarRow } from "../ir/ops/scalar.js";
import { type Rule, rewrite, rule, ruleFor } from "../ir/rewrite.js";
import type { Pass } from "./pass.js";
import { inputOf, isIdentity, isSingle, keepsOrder, permuted, reshaped, sameDims } from "./shapes.js";

/** Whether every value of `from` is a value of `to`. */
function holdsAll(from: DType, to: DType): boolean {
  const f = DTYPES[from];
  const t = DTYPES[to];
  if (f.kind === "float") return t.kind === "float" && (to === "f64" || (to === "f32" && f.bits < 32));
  if (f.kind !== "int" && f.kind !== "uint" && f.kind !== "bool") return false;
  const bits = f.kind === "bool" ? 1 : f.bits;
  if (t.kind === "float") return to === "f64" ? bits <= 32 : to === "f32" && bits <= 16;
  if (t.kind === f.kind) return t.bits >= bits;
  return t.kind === "int" && f.kind !== "int" && t.bits > bits;
}

const reshapeRules: readonly Rule[] = [
  rule("reshape-same", "reshape", (node) => {
    const x = inputOf(node);
    return sameDims(x.type.shape, node.attrs.shape) ? x : null;
  }),
  rule("reshape-reshape", "reshape", (node, { b }) => {
    const x = inputOf(node);
    return x.node.op === "reshape" ? reshaped(b, inputOf(x.node), node.attrs.shape) : null;
  }),
  rule("reshape-filled", "reshape", (node, { b }) => {
    const x = inputOf(node);
    if (x.node.op !== "broadcast" || !isSingle(inputOf(x.node))) return null;
    return b.one("broadcast", [reshaped(b, inputOf(x.node), [])], { shape: node.attrs.shape });
  }),
];

const transposeRules: readonly Rule[] = [
  rule("transpose-same", "transpose", (node) => (isIdentity(node.attrs.perm) ? inputOf(node) : null)),
  rule("transpose-transpose", "transpose", (node, { b }) => {
    const x = inputOf(node);
    if (x.node.op !== "transpose") return null;
    return b.one("transpose", [inputOf(x.node)], { perm: permuted(x.node.attrs.perm, node.attrs.perm) });
  }),
  rule("transpose-filled", "transpose", (node, { b }) => {
    const x = inputOf(node);
    if (x.node.op !== "broadcast" || !isSingle(inputOf(x.node))) return null;
    const shape = permuted(x.type.shape, node.attrs.perm);
    return b.one("broadcast", [reshaped(b, inputOf(x.node), [])], { shape });
  }),
];

/** Apart, since a layout pass still moves transposes that a later reshape would hide. */
const freeTransposeRules: readonly Rule[] = [
  rule("transpose-free", "transpose", (node, { b }) => {
    const x = inputOf(node);
    const { perm } = node.attrs;
    return keepsOrder(x.type.shape, perm) ? reshaped(b, x, permuted(x.type.shape, perm)) : null;
  }),
];

const broadcastRules: readonly Rule[] = [
  rule("broadcast-same", "broadcast", (node) => {
    const x = inputOf(node);
    return sameDims(x.type.shape, node.attrs.shape) ? x : null;
  }),
  rule("broadcast-broadcast", "broadcast", (node, { b }) => {
    const x = inputOf(node);
    return x.node.op === "broadcast" ? b.one("broadcast", [inputOf(x.node)], node.attrs) : null;
  }),
  rule("broadcast-ones", "broadcast", (node, { b }) => {
    const x = inputOf(node);
    const extra = node.attrs.shape.length - x.type.shape.length;
    const rest = node.attrs.shape.slice(extra);
    const free = node.attrs.shape.slice(0, extra).every((d) => d === 1) && sameDims(x.type.shape, rest);
    return free ? reshaped(b, x, node.attrs.shape) : null;
  }),
];

const sliceRules: readonly Rule[] = [
  rule("slice-all", "slice", (node) => {
    const x = inputOf(node);
    const { starts, sizes, steps } = node.attrs;
    const whole = starts.every((d) => d === 0) && steps.every((s, i) => s === 1 || sizes[i] === 1);
    return whole && sameDims(sizes, x.type.shape) ? x : null;
  }),
  rule("slice-slice", "slice", (node, { b }) => {
    const x = inputOf(node);
    if (x.node.op !== "slice") return null;
    const inner = x.node.attrs;
    const starts = node.attrs.starts.map((d, i) => add(inner.starts[i] ?? 0, mul(d, inner.steps[i] ?? 1)));
    const steps = node.attrs.steps.map((s, i) => s * (inner.steps[i] ?? 1));
    return b.one("slice", [inputOf(x.node)], { starts, steps, sizes: node.attrs.sizes });
  }),
];

const joinRules: readonly Rule[] = [
  rule("pad-nothing", "pad", (node) => {
    const { low, high, interior } = node.attrs;
    const none = low.every((d) => d === 0) && high.every((d) => d === 0) && interior.every((n) => n === 0);
    return none ? inputOf(node) : null;
  }),
  rule("concat-one", "concat", (node) => (node.inputs.length === 1 ? node.inputs : null)),
  rule("concat-empty", "concat", (node, { b }) => {
    const { axis } = node.attrs;
    const parts = node.inputs.filter((v) => v.type.shape[axis] !== 0);
    if (parts.length === node.inputs.length || parts.length === 0) return null;
    return b.one("concat", parts, { axis });
  }),
  rule("concat-concat", "concat", (node, { b }) => {
    const { axis } = node.attrs;
    const parts = node.inputs.flatMap((v) =>
      v.node.op === "concat" && v.node.attrs.axis === axis ? v.node.inputs : [v],
    );
    return parts.length === node.inputs.length ? null : b.one("concat", parts, { axis });
  }),
  rule("window-one", "window", (node, { b }) => {
    const { lengths, strides } = node.attrs;
    const whole = lengths.every((d) => d === 1) && strides.every((s) => s === 1);
    const shape = node.outputs[0]?.type.shape;
    return whole && shape !== undefined ? reshaped(b, inputOf(node), shape) : null;
  }),
  rule("reduce-nothing", "reduce", (node) => (node.attrs.axes.length === 0 ? inputOf(node) : null)),
  rule("reduce-order", "reduce", (node, { b }) => {
    const axes = node.attrs.axes.toSorted((x, y) => x - y);
    if (axes.every((a, i) => a === node.attrs.axes[i])) return null;
    return b.one("reduce", node.inputs, { ...node.attrs, axes });
  }),
  rule("reduce-one", "reduce", (node, { b }) => {
    const x = inputOf(node);
    // A sum of one is x + 0, which is not x for -0.
    const exact = node.attrs.kind !== "sum" || DTYPES[x.type.dtype].kind !== "float";
    const shape = node.outputs[0]?.type.shape;
    const single = exact && shape !== undefined && node.attrs.axes.every((a) => x.type.shape[a] === 1);
    return single ? reshaped(b, x, shape) : null;
  }),
];

const convertRules: readonly Rule[] = [
  rule("cast-same", "cast", (node) => {
    const x = inputOf(node);
    return x.type.dtype === node.attrs.to ? x : null;
  }),
  rule("cast-back", "cast", (node) => {
    const x = inputOf(node);
    if (x.node.op !== "cast") return null;
    const source = inputOf(x.node);
    const { to, saturate } = node.attrs;
    // A saturating cast takes infinities to the greatest number of a narrow float.
    if (saturate && isFloat(to) && DTYPES[to].bits < 32) return null;
    return source.type.dtype === to && holdsAll(to, x.type.dtype) ? source : null;
  }),
  rule("bitcast-same", "bitcast", (node) => {
    const x = inputOf(node);
    return x.type.dtype === node.attrs.to ? x : null;
  }),
];

/** A gather at constant, evenly spaced positions is a slice. */
const gatherRules: readonly Rule[] = [
  rule("gather-slice", "gather", (node, { b }) => {
    const x = inputOf(node);
    const indices = constantOf(inputOf(node, 1));
    const { axis } = node.attrs;
    const size = x.type.shape[axis];
    const shape = node.outputs[0]?.type.shape;
    if (indices === undefined || indices.size === 0 || typeof size !== "number" || shape === undefined) return null;
    const at = indices.numbers();
    const [first = 0, second = first + 1] = at;
    const step = second - first;
    if (step === 0 || at.some((i, k) => i !== first + k * step || i < 0 || i >= size)) return null;
    const only = <T>(whole: (d: Dim) => T, here: T): T[] => x.type.shape.map((d, i) => (i === axis ? here : whole(d)));
    const part = b.one("slice", [x], {
      starts: only<Dim>(() => 0, first),
      sizes: only<Dim>((d) => d, at.length),
      steps: only<number>(() => 1, step),
    });
    return reshaped(b, part, shape);
  }),
];

const scalarNames = Object.keys(SCALAR) as ScalarName[];

const scalarRules: readonly Rule[] = [
  ...ruleFor(
    "constant-second",
    scalarNames.filter((op) => scalarRow(op).commutes === true),
    (node, { b }) => {
      const [x, y] = node.inputs;
      if (x === undefined || y === undefined || !isConstantLike(x) || isConstantLike(y)) return null;
      return remake(b, node, [y, x]);
    },
  ),
  ...ruleFor("operand-broadcast", [...scalarNames.filter((op) => scalarRow(op).arity > 1), "select"], (node, { b }) => {
    const [out] = node.outputs;
    // One at a time: the operands that are left may be all that gives the result its shape.
    for (const [i, v] of node.inputs.entries()) {
      if (v.node.op !== "broadcast" || out === undefined) continue;
      const rest = node.inputs.filter((_, j) => j !== i);
      const source = inputOf(v.node);
      const covered = out.type.shape.every((d, axis) =>
        [source, ...rest].some((u) => {
          const e = u.type.shape[axis - out.type.shape.length + u.type.shape.length];
          return e !== undefined && (d === 1 || (e !== 1 && provenEqual(e, d)));
        }),
      );
      if (!covered) continue;
      const values = remake(b, node, node.inputs.with(i, source));
      const [made] = values;
      if (made !== undefined && provenSameType(made.type, out.type)) return values;
    }
    return null;
  }),
];

function isConstantLike(v: Value): boolean {
  return v.node.op === "const" || (v.node.op === "broadcast" && inputOf(v.node).node.op === "const");
}

/** Without the rule that turns transposes into reshapes. */
export const movementRules: readonly Rule[] = [
  ...reshapeRules,
  ...transposeRules,
  ...broadcastRules,
  ...sliceRules,
  ...joinRules,
  ...convertRules,
  ...gatherRules,
];

export const canonicalizeRules: readonly Rule[] = [...movementRules, ...freeTransposeRules, ...scalarRules];

export const canonicalize: Pass = {
  name: "canonicalize",
  after: {},
  run: (b, graph) => rewrite(b, graph, canonicalizeRules),
};
