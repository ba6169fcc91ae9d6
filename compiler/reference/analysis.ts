// What the interpreter knows of a graph before it runs: for every node the nodes it waits for (inputs, and the values
// that its symbols are bound to) and the region parameters that it depends on from outside itself.

import { symOf } from "../ir/dim.js";
import { type Binding, depsOf, type Graph, type Node, rootsOf, symbolsOf } from "../ir/graph.js";

export interface Analysis {
  /** Nodes that must have values first: not what only a region's body uses. */
  depsOf(node: Node): readonly Node[];
  /** Parameters of regions around the node that its value depends on. */
  freeParams(node: Node): ReadonlySet<Node>;
  /** Symbols that a node's values settle. */
  bindingsAt(node: Node): readonly Binding[];
}

const NONE: ReadonlySet<Node> = new Set();
const NO_BINDINGS: readonly Binding[] = [];

export function analyze(graph: Graph): Analysis {
  const { bindings } = graph;
  const bySymbol = new Map(bindings.map((b) => [symOf(b.symbol)?.name ?? "", b]));
  const byNode = new Map<Node, Binding[]>();
  for (const b of bindings) {
    const list = byNode.get(b.value.node);
    if (list === undefined) byNode.set(b.value.node, [b]);
    else list.push(b);
  }
  const deps = new Map<Node, readonly Node[]>();
  const free = new Map<Node, ReadonlySet<Node>>();

  const enter = (node: Node): { node: Node; all: readonly Node[]; next: number } => {
    const waits = new Set(node.inputs.map((v) => v.node));
    if (bindings.length > 0)
      for (const s of symbolsOf(node)) {
        const at = bySymbol.get(symOf(s)?.name ?? "")?.value.node;
        if (at !== undefined && at !== node) waits.add(at);
      }
    deps.set(node, [...waits]);
    return { node, all: [...waits, ...depsOf(node)], next: 0 };
  };
  for (const root of rootsOf(graph)) {
    if (deps.has(root.node)) continue;
    const stack = [enter(root.node)];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const dep = top.all[top.next++];
      if (dep === undefined) {
        settleFree(top.node);
        stack.pop();
      } else if (!deps.has(dep)) stack.push(enter(dep));
    }
  }

  function settleFree(node: Node): void {
    const all = new Set<Node>();
    if (node.op === "param") all.add(node);
    for (const dep of deps.get(node) ?? []) for (const p of free.get(dep) ?? NONE) all.add(p);
    for (const region of node.regions) {
      const own = new Set(region.params.map((p) => p.node));
      for (const v of region.results) for (const p of free.get(v.node) ?? NONE) if (!own.has(p)) all.add(p);
    }
    if (all.size > 0) free.set(node, all);
  }

  return {
    depsOf: (node) => deps.get(node) ?? [],
    freeParams: (node) => free.get(node) ?? NONE,
    bindingsAt: (node) => byNode.get(node) ?? NO_BINDINGS,
  };
}
