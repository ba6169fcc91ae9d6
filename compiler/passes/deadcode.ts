// Drops what nothing needs: bindings of symbols that no node mentions, constraints between them, and results of an
// `if` that no node reads. (Nodes that nothing reaches are no part of a graph.)

import { type Graph, type Node, nodesOf, type Value } from "../ir/graph.js";
import { mapGraph, remake, sameRoots } from "../ir/rewrite.js";
import type { Pass } from "./pass.js";

function readValues(graph: Graph): ReadonlySet<Value> {
  const read = new Set<Value>([
    ...graph.outputs.map((o) => o.value),
    ...graph.states.map((s) => s.next),
    ...graph.bindings.map((x) => x.value),
  ]);
  for (const node of nodesOf(graph)) {
    for (const v of node.inputs) read.add(v);
    for (const r of node.regions) for (const v of r.results) read.add(v);
  }
  return read;
}

/** Which outputs of a node stay, or null where all do. */
function kept(node: Node, read: ReadonlySet<Value>): readonly number[] | null {
  const indices = node.outputs.flatMap((v, i) => (read.has(v) ? [i] : []));
  return indices.length === node.outputs.length ? null : indices;
}

function pick<T>(list: readonly T[], indices: readonly number[]): T[] {
  return indices.flatMap((i) => list.slice(i, i + 1));
}

function sweep(b: Parameters<Pass["run"]>[0], graph: Graph): Graph {
  const read = readValues(graph);
  return mapGraph(b, graph, (node, inputs, regions) => {
    const indices = node.op === "if" ? kept(node, read) : null;
    if (node.op !== "if" || indices === null || indices.length === 0) return remake(b, node, inputs, regions);
    const smaller = b.op(
      "if",
      inputs,
      { shapes: pick(node.attrs.shapes, indices) },
      regions.map((r) => ({ params: r.params, results: pick(r.results, indices) })),
    );
    // Outputs that nobody reads keep their place with a value that nobody reads.
    return node.outputs.flatMap((_, i) =>
      smaller.slice(Math.max(0, indices.indexOf(i)), Math.max(0, indices.indexOf(i)) + 1),
    );
  });
}

export const deadcode: Pass = {
  name: "deadcode",
  after: { simplify: "folding is what leaves things unused" },
  run(b, graph) {
    // Once more while results go, since a branch may have been the only reader of another.
    let before = graph;
    for (;;) {
      const after = sweep(b, before);
      if (sameRoots(before, after)) return after;
      before = after;
    }
  },
};
