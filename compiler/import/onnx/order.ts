// The order in which a graph's nodes run. Files list nodes after what they read, as the format demands; some tools write
// them in another order, which other engines take too.

import type { GraphProto, NodeProto } from "./proto.js";

/**
 * The nodes, each after those whose outputs it (or a subgraph of it) reads; otherwise in file order, and the same array where
 * that is file order. Nodes that need each other's outputs stay where they are met: reading them is refused then.
 */
export function runOrder(nodes: readonly NodeProto[]): readonly NodeProto[] {
  const producers = new Map<string, number>();
  for (const [i, node] of nodes.entries())
    for (const name of node.output) if (name !== "" && !producers.has(name)) producers.set(name, i);
  const needs = nodes.map((node) => {
    const found = new Set<number>();
    for (const name of namesRead(node)) {
      const producer = producers.get(name);
      if (producer !== undefined) found.add(producer);
    }
    return found;
  });
  if (needs.every((found, i) => [...found].every((producer) => producer < i))) return nodes;
  return visited(needs).map((i) => nodes[i] as NodeProto);
}

/** Depth first, without recursion: chains may be as long as the file. */
function visited(needs: readonly ReadonlySet<number>[]): number[] {
  const order: number[] = [];
  const met = new Set<number>();
  for (const root of needs.keys()) {
    if (met.has(root)) continue;
    met.add(root);
    const open = [{ at: root, rest: needs[root]?.values() }];
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      const next = top.rest?.next();
      if (next === undefined || next.done === true) {
        order.push(top.at);
        open.pop();
      } else if (!met.has(next.value)) {
        met.add(next.value);
        open.push({ at: next.value, rest: needs[next.value]?.values() });
      }
    }
  }
  return order;
}

/** Names of outer values that a node reads: its inputs, and what its subgraphs read and do not compute themselves. */
function namesRead(node: NodeProto): string[] {
  const graphs = node.attribute.flatMap((a) => [...(a.g === undefined ? [] : [a.g]), ...a.graphs]);
  return [...node.input.filter((name) => name !== ""), ...graphs.flatMap(outerNames)];
}

function outerNames(graph: GraphProto): string[] {
  const own = new Set([
    ...graph.input.map((info) => info.name),
    ...graph.initializer.map((t) => t.name),
    ...graph.sparseInitializer.map((t) => t.values?.name),
    ...graph.node.flatMap((node) => node.output),
  ]);
  const read = [...graph.node.flatMap(namesRead), ...graph.output.map((info) => info.name ?? "")];
  return read.filter((name) => !own.has(name));
}
