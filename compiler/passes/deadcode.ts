// Drops what nothing needs: results of an `if` and stacked results of a loop that no node reads, bindings of symbols
// that no node mentions, constraints between them. (Nodes that nothing reaches are no part of a graph.)

import { symOf, symsOf } from "../ir/dim.js";
import {
  type Binding,
  type Builder,
  type Graph,
  type Node,
  nodesOf,
  type Region,
  symbolsOf,
  type Value,
} from "../ir/graph.js";
import { mapGraph, remake, sameRoots } from "../ir/map-graph.js";
import type { Pass } from "./pass.js";

function readValues(graph: Graph): ReadonlySet<Value> {
  const ends = [...graph.outputs.map((o) => o.value), ...graph.states.map((s) => s.next)];
  const read = new Set<Value>(ends);
  const nodes = nodesOf(graph);
  for (const node of nodes) {
    for (const v of node.inputs) read.add(v);
    for (const r of node.regions) for (const v of r.results) read.add(v);
  }
  for (const x of graph.bindings) if (isMentioned(x, nodes, ends)) read.add(x.value);
  return read;
}

/** Whether anything but the node that brings a symbol into being mentions it. */
function isMentioned(x: Binding, nodes: readonly Node[], ends: readonly Value[]): boolean {
  const symbol = symOf(x.symbol);
  return (
    nodes.some((node) => node !== x.value.node && symbolsOf(node).has(x.symbol)) ||
    ends.some((v) => symbol !== undefined && v.type.shape.some((d) => symsOf(d).has(symbol)))
  );
}

/** Which outputs of a node stay, or null where all do. */
function kept(node: Node, read: ReadonlySet<Value>): readonly number[] | null {
  const indices = node.outputs.flatMap((v, i) => (read.has(v) ? [i] : []));
  return indices.length === node.outputs.length ? null : indices;
}

function pick<T>(list: readonly T[], indices: readonly number[]): T[] {
  return indices.flatMap((i) => list.slice(i, i + 1));
}

/** The node without the results that nobody reads: of an `if` any, of a loop those that it stacks. */
function narrowed(
  b: Builder,
  node: Node,
  inputs: readonly Value[],
  regions: readonly Region[],
  read: ReadonlySet<Value>,
) {
  const indices = kept(node, read);
  if (indices === null || indices.length === 0) return null;
  if (node.op === "if") {
    const fewer = regions.map((r) => ({ params: r.params, results: pick(r.results, indices) }));
    return { indices, values: b.op("if", inputs, { shapes: pick(node.attrs.shapes, indices) }, fewer) };
  }
  if (node.op !== "loop") return null;
  const { carried } = node.attrs;
  const stay = [...Array.from({ length: carried }, (_, i) => i), ...indices.filter((i) => i >= carried)];
  if (stay.length === node.outputs.length) return null;
  const fewer = regions.map((r) => ({ params: r.params, results: pick(r.results, [0, ...stay.map((i) => i + 1)]) }));
  return { indices: stay, values: b.op("loop", inputs, node.attrs, fewer) };
}

function sweep(b: Builder, graph: Graph): Graph {
  const read = readValues(graph);
  const needed = { ...graph, bindings: graph.bindings.filter((x) => read.has(x.value)) };
  return mapGraph(b, needed, (node, inputs, regions) => {
    const fewer = node.regions.length === 0 ? null : narrowed(b, node, inputs, regions, read);
    if (fewer === null) return remake(b, node, inputs, regions);
    // A result that nobody reads keeps its place with a value that nobody reads.
    const { indices, values } = fewer;
    return node.outputs.flatMap((_, i) => values.slice(Math.max(0, indices.indexOf(i))).slice(0, 1));
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
