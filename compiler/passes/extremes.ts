// The greatest or least element of a whole tensor, as quantizing by a value's own range asks for. In what order elements are
// looked at changes no bit of it, so it is found in the order in which they lie, whatever transposes and reshapes stand
// between; and large tensors go by rows first, which threads share.

import { type Dim, mul, range } from "../ir/dim.js";
import type { Builder, NodeOf, Value } from "../ir/graph.js";
import { rewrite, rule } from "../ir/rewrite.js";
import type { Pass } from "./pass.js";
import { inputOf, reshaped } from "./shapes.js";

/** Elements from which on a tensor is worth two steps. */
const LARGE = 1 << 12;
/** Rows that several threads can share, and how long they are at least. */
const ROWS = 8;
const LONG = 256;

/** What has the same elements, in the order in which they lie in memory. */
function unmoved(v: Value): Value {
  return v.node.op === "reshape" || v.node.op === "transpose" ? unmoved(inputOf(v.node)) : v;
}

/** How many leading axes count enough rows of a large tensor; null where it has none. */
function rowAxes(shape: readonly Dim[]): number | null {
  const most = (dims: readonly Dim[]): number => range(mul(1, ...dims)).hi;
  if (most(shape) < LARGE) return null;
  const leading = shape.findIndex((_, i) => most(shape.slice(0, i + 1)) >= ROWS) + 1;
  return leading > 0 && most(shape.slice(leading)) >= LONG ? leading : null;
}

function extreme(b: Builder, node: NodeOf<"reduce">): Value | null {
  const { kind, axes } = node.attrs;
  const given = inputOf(node);
  const isWhole = given.type.shape.every((d, i) => d === 1 || axes.includes(i));
  const out = node.outputs[0];
  if ((kind !== "max" && kind !== "min") || !isWhole || out === undefined) return null;
  const x = unmoved(given);
  const leading = rowAxes(x.type.shape);
  if (x === given && leading === null) return null;
  const over = (v: Value, from: number): Value => {
    const all = v.type.shape.map((_, i) => i).slice(from);
    return b.one("reduce", [v], { kind, axes: all, keep: false });
  };
  return reshaped(b, over(leading === null ? x : over(x, leading), 0), out.type.shape);
}

export const extremes: Pass = {
  name: "extremes",
  after: { layout: "transposes still move through one reduction, not through two" },
  run: (b, graph) => rewrite(b, graph, [rule("extreme-rows", "reduce", (node) => extreme(b, node))]),
};
