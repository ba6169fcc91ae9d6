// A small analysis of signs on floats, for rules and kernels that hold for some signs only. Both questions leave NaN aside,
// look a few nodes deep and say false where they do not know.

import { Bug } from "./errors.js";
import { constantOf, type Node, type Value } from "./graph.js";
import { sameShape } from "./types.js";

const DEPTH = 12;
/** Constants up to this many elements are looked through. */
const ELEMENTS = 65536;

function operand(node: Node, i = 0): Value {
  const v = node.inputs[i];
  if (v === undefined) throw new Bug("signs", `${node.op} has no input ${i}`);
  return v;
}

function everyElement(v: Value, holds: (x: number) => boolean): boolean {
  const t = constantOf(v);
  return t !== undefined && t.size <= ELEMENTS && t.numbers().every((x) => Number.isNaN(x) || holds(x));
}

/** Whether every element is +0 or more, or NaN: never below zero, and never -0. */
export function isNonNegative(v: Value, depth = DEPTH): boolean {
  if (depth === 0) return false;
  const { node } = v;
  const all = (): boolean => node.inputs.every((x) => isNonNegative(x, depth - 1));
  switch (node.op) {
    case "const":
      return everyElement(v, (x) => x > 0 || Object.is(x, 0));
    case "exp":
    case "abs":
    case "sigmoid":
      return true;
    case "mul":
      return node.inputs[0] === node.inputs[1] || all();
    case "max":
      return node.inputs.some((x) => isNonNegative(x, depth - 1));
    case "add":
    case "div":
    case "min":
    case "concat":
      return all();
    case "sqrt":
    case "reshape":
    case "transpose":
    case "broadcast":
    case "slice":
    case "window":
      return isNonNegative(operand(node), depth - 1);
    case "reduce":
      return (node.attrs.kind === "sum" || node.attrs.kind === "prod") && isNonNegative(operand(node), depth - 1);
    default:
      return false;
  }
}

/** Whether no element is above zero: each is below, a zero of either sign, or NaN. */
export function isNonPositive(v: Value, depth = DEPTH): boolean {
  if (depth === 0) return false;
  const { node } = v;
  const below = (i: number): boolean => isNonPositive(operand(node, i), depth - 1);
  const above = (i: number): boolean => isNonNegative(operand(node, i), depth - 1);
  switch (node.op) {
    case "const":
      return everyElement(v, (x) => x <= 0);
    case "neg":
      return above(0);
    case "add":
    case "max":
      return below(0) && below(1);
    case "min":
      return below(0) || below(1);
    case "mul":
      return (below(0) && above(1)) || (above(0) && below(1));
    case "div":
      // A divisor that is not above zero may be +0, and its quotient +infinity.
      return below(0) && above(1);
    case "sub":
      return isNeverBelow(operand(node, 1), operand(node, 0)) || (below(0) && above(1));
    case "select":
      return below(1) && below(2);
    case "reshape":
    case "transpose":
    case "broadcast":
    case "slice":
    case "window":
      return below(0);
    default:
      return false;
  }
}

/** Whether `bound` is at least `x` wherever they meet in an op that broadcasts them to the shape of `x`. */
function isNeverBelow(bound: Value, x: Value): boolean {
  const { node } = bound;
  if (bound === x) return true;
  if (node.op === "max") return node.inputs.some((i) => i === x);
  // Broadcasting a bound on its own, as far as `x`, changes nothing.
  if (node.op === "broadcast") return sameShape(bound.type.shape, x.type.shape) && isNeverBelow(operand(node), x);
  const { shape } = x.type;
  const source = node.op === "reshape" ? operand(node) : bound;
  const reduce = source.node;
  if (reduce.op !== "reduce" || reduce.attrs.kind !== "max" || operand(reduce) !== x) return false;
  const kept = shape.map((size, axis) => (reduce.attrs.axes.includes(axis) ? 1 : size));
  return sameShape(bound.type.shape, kept);
}
