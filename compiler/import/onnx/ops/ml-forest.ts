// Decision trees as tensors. All nodes of all trees are rows of constant tables; a row of the input stands at one node per
// tree, goes on to a child as often as the deepest tree is deep, and ends at leaves, which stay where they are.

import * as ir from "../../../ir/build.js";
import type { DType } from "../../../ir/dtype.js";
import type { Builder, Value } from "../../../ir/graph.js";
import type { NodeContext } from "../context.js";
import { constantOf } from "./ml-common.js";

export const MODES = ["LEQ", "LT", "GTE", "GT", "EQ", "NEQ", "MEMBER"] as const;
export type Mode = (typeof MODES)[number];

export interface TreeNode {
  readonly mode: Mode;
  readonly feature: number;
  readonly threshold: number;
  /** Of a MEMBER node: the values that go the true way. */
  readonly members: readonly number[];
  /** Whether NaN goes the true way. */
  readonly missing: boolean;
  readonly yes: number;
  readonly no: number;
}

export interface Leaf {
  /** Row of the weights' table. */
  readonly row: number;
}

export interface Forest {
  readonly nodes: readonly (TreeNode | Leaf)[];
  readonly roots: readonly number[];
  /** The dtype that features are compared in. */
  readonly dtype: DType;
}

function isLeaf(n: TreeNode | Leaf): n is Leaf {
  return "row" in n;
}

/** Edges from a root to the farthest leaf; refuses what is no tree. */
function depthOf(cx: NodeContext, forest: Forest): number {
  const depth = new Map<number, number>();
  let deepest = 0;
  let frontier = [...forest.roots];
  for (const root of frontier) depth.set(root, 0);
  for (let d = 0; frontier.length > 0; d++) {
    const next: number[] = [];
    for (const at of frontier) {
      const node = forest.nodes[at];
      if (node === undefined) return cx.malformed(`has no node ${at}`);
      if (isLeaf(node)) continue;
      deepest = d + 1;
      for (const child of [node.yes, node.no]) {
        if (depth.has(child)) return cx.malformed(`reaches node ${child} twice: it is no tree`);
        depth.set(child, d + 1);
        next.push(child);
      }
    }
    frontier = next;
  }
  return deepest;
}

/** Rows of the weights' table, i64 [n, trees], that the rows of x[n, features] end at. */
export function leavesOf(cx: NodeContext, forest: Forest, x: Value): Value {
  const { b } = cx;
  const depth = depthOf(cx, forest);
  const features = cx.size(x, 1, "the number of features");
  const { nodes, roots } = forest;
  for (const n of nodes)
    if (!isLeaf(n) && (n.feature < 0 || n.feature >= features))
      cx.malformed(`asks for feature ${n.feature} of ${features}`);
  const table = (f: (n: TreeNode, i: number) => number, leaf: (n: Leaf, i: number) => number): Value =>
    ir.vector(
      b,
      "i64",
      nodes.map((n, i) => (isLeaf(n) ? leaf(n, i) : f(n, i))),
    );
  const rows = cx.dim(x, 0);
  const start = ir.broadcast(b, ir.vector(b, "i64", roots), [rows, roots.length]);
  const feature = table(
    (n) => n.feature,
    () => 0,
  );
  const yes = table(
    (n) => n.yes,
    (_, i) => i,
  );
  const no = table(
    (n) => n.no,
    (_, i) => i,
  );
  const goes = directionOf(b, forest);
  const base = ir.mul(b, ir.iota(b, "i64", [rows, 1], 0), features);
  const step = (at: Value): Value => {
    const value = ir.take(b, x, ir.add(b, base, ir.take(b, feature, at)));
    return ir.select(b, goes(at, value), ir.take(b, yes, at), ir.take(b, no, at));
  };
  let end = start;
  if (depth <= 4) for (let i = 0; i < depth; i++) end = step(end);
  else {
    const [last] = ir.loop(b, {
      trips: depth,
      count: depth,
      carried: [start],
      body: (_, [at]) => ({ carried: [at === undefined ? start : step(at)] }),
    });
    end = last ?? start;
  }
  return ir.take(
    b,
    table(
      () => 0,
      (n) => n.row,
    ),
    end,
  );
}

/** Whether the values go the true way at these nodes. */
function directionOf(b: Builder, forest: Forest): (at: Value, value: Value) => Value {
  const { nodes, dtype } = forest;
  const inner = nodes.filter((n): n is TreeNode => !isLeaf(n));
  const modes = MODES.filter((m) => inner.some((n) => n.mode === m));
  const threshold = ir.vector(
    b,
    dtype,
    nodes.map((n) => (isLeaf(n) ? 0 : n.threshold)),
  );
  const missing = inner.some((n) => n.missing)
    ? ir.vector(
        b,
        "bool",
        nodes.map((n) => (isLeaf(n) ? 0 : Number(n.missing))),
      )
    : null;
  const width = Math.max(1, ...inner.map((n) => n.members.length));
  const sets = nodes.flatMap((n) => {
    const members = isLeaf(n) ? [] : n.members;
    return Array.from({ length: width }, (_, i) => members[i] ?? Number.NaN);
  });
  const kind = ir.vector(
    b,
    "i64",
    nodes.map((n) => (isLeaf(n) ? -1 : MODES.indexOf(n.mode))),
  );
  return (at, value) => {
    const limit = ir.take(b, threshold, at);
    const holds = (mode: Mode): Value => {
      switch (mode) {
        case "LEQ":
          return ir.le(b, value, limit);
        case "LT":
          return ir.lt(b, value, limit);
        case "GTE":
          return ir.ge(b, value, limit);
        case "GT":
          return ir.gt(b, value, limit);
        case "EQ":
          return ir.eq(b, value, limit);
        case "NEQ":
          return ir.ne(b, value, limit);
        case "MEMBER": {
          const rank = at.type.shape.length;
          const members = ir.gather(b, constantOf(b, dtype, [nodes.length, width], sets), at, 0);
          const hits = ir.cast(b, ir.eq(b, ir.unsqueeze(b, value, [rank]), members), "i32");
          return ir.gt(b, ir.reduceMax(b, hits, [rank]), 0);
        }
      }
    };
    const [first = "LEQ", ...others] = modes;
    let result = holds(first);
    const here = others.length === 0 ? null : ir.take(b, kind, at);
    for (const mode of others)
      if (here !== null) result = ir.select(b, ir.eq(b, here, MODES.indexOf(mode)), holds(mode), result);
    return missing === null ? result : ir.or(b, result, ir.and(b, ir.isnan(b, value), ir.take(b, missing, at)));
  };
}
