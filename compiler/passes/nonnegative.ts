// A small range analysis on floats, for rules that hold for some signs only.

import { constantOf, type Value } from "../ir/graph.js";
import { inputOf } from "./shapes.js";

const DEPTH = 12;

/**
 * Whether every element is +0 or more, or NaN: never below zero, and never -0. Looks a few nodes deep and says false
 * where it does not know.
 */
export function isNonNegative(v: Value, depth = DEPTH): boolean {
  if (depth === 0) return false;
  const { node } = v;
  const all = (): boolean => node.inputs.every((x) => isNonNegative(x, depth - 1));
  switch (node.op) {
    case "const": {
      const t = constantOf(v);
      return (
        t !== undefined && t.size <= 65536 && t.numbers().every((x) => Number.isNaN(x) || x > 0 || Object.is(x, 0))
      );
    }
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
      return isNonNegative(inputOf(node), depth - 1);
    case "reduce":
      return (node.attrs.kind === "sum" || node.attrs.kind === "prod") && isNonNegative(inputOf(node), depth - 1);
    default:
      return false;
  }
}
