// Symbols bound to a value that is known after all: replaced, in every type and attribute, by what they are.

import { atomExpr, type Dim, substitute, symOf, symsOf } from "../ir/dim.js";
import type { Binding, Builder, Graph } from "../ir/graph.js";
import { partialIntsOf } from "../ir/ints.js";
import { mapDims } from "../ir/map-graph.js";
import { noteSymbol } from "./branches.js";
import type { Pass } from "./pass.js";

function knownDim(x: Binding): Dim | null {
  const d = x.from === "axis" ? x.value.type.shape[x.index] : partialIntsOf(x.value)?.[x.index];
  const s = symOf(x.symbol);
  return d === undefined || d === null || s === undefined || symsOf(d).has(s) ? null : d;
}

export function foldSymbols(b: Builder, graph: Graph): Graph {
  for (let at = graph; ; ) {
    const known = new Map<Dim, Dim>();
    for (const x of at.bindings) {
      const d = knownDim(x);
      // One at a time, so that what replaces a symbol is free of symbols that go.
      if (d !== null && noteSymbol(known, x.symbol, d)) break;
    }
    if (known.size === 0) return at;
    at = mapDims(b, at, (d) => substitute(d, (s) => known.get(atomExpr(s))));
  }
}

export const symbols: Pass = {
  name: "symbols",
  after: {},
  run: (b, graph) => foldSymbols(b, graph),
};
