// The position of a row's greatest or least element: the first of those that equal it, which vectors find, where looking for
// it element by element waits for one comparison after the other. A row with a NaN is at its first NaN, as max and min are.

import * as ir from "../ir/build.js";
import { range } from "../ir/dim.js";
import type { Builder, NodeOf, Value } from "../ir/graph.js";
import { rewrite, rule } from "../ir/rewrite.js";
import type { Pass } from "./pass.js";
import { inputOf } from "./shapes.js";

/** Rows shorter than this are compared as quickly. */
const SHORT = 32;

function firstEqual(b: Builder, node: NodeOf<"argreduce">): Value | null {
  const x = inputOf(node);
  const { kind, axis, keep, last } = node.attrs;
  const size = x.type.shape[axis] ?? 1;
  const { lo, hi } = range(size);
  if (x.type.dtype !== "f32" || axis !== x.type.shape.length - 1 || lo < 1 || hi < SHORT) return null;
  const best = kind === "max" ? ir.reduceMax(b, x, [axis], true) : ir.reduceMin(b, x, [axis], true);
  const found = ir.or(b, ir.eq(b, x, best), ir.ne(b, x, x));
  const positions = ir.iota(b, "i32", [size]);
  const at = last
    ? ir.reduceMax(b, ir.select(b, found, positions, ir.scalar(b, "i32", -1)), [axis], keep)
    : ir.reduceMin(b, ir.select(b, found, positions, ir.scalar(b, "i32", 2 ** 31 - 1)), [axis], keep);
  return ir.cast(b, at, "i64");
}

export const positions: Pass = {
  name: "positions",
  after: { layout: "transposes move through what finds positions as one op" },
  run: (b, graph) => rewrite(b, graph, [rule("argreduce-positions", "argreduce", (node) => firstEqual(b, node))]),
};
