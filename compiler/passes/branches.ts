// Control flow that is known at compile time: an `if` whose condition is the same in every run becomes that branch, a
// loop that never runs gives what it was given, a loop of one iteration becomes its body, and a loop that always runs
// all of its trips has a known count. Symbols that stood for a size which depended on the branch are replaced by it.

import { atomExpr, type Dim, range, substitute, symOf } from "../ir/dim.js";
import {
  type Builder,
  constantOf,
  type Graph,
  type Node,
  nodesOf,
  type Region,
  reachable,
  type Value,
} from "../ir/graph.js";
import { intOf, truthOf } from "../ir/ints.js";
import { mapGraph, provenSameType, remakeWithDims, substituteValues } from "../ir/map-graph.js";
import { scalarTensor } from "../ir/tensor.js";
import type { Pass } from "./pass.js";
import { reshaped } from "./shapes.js";

type Substitution = Map<Dim, Dim>;

/** The truth of a bool scalar that is a constant or follows from shapes. */
function knownTruth(v: Value | undefined): boolean | null {
  if (v === undefined) return null;
  const c = constantOf(v);
  return c !== undefined && c.size === 1 ? c.at(0) !== 0 : truthOf(v);
}

/** Notes that a symbol is this dimension; false where its range does not say so. */
export function noteSymbol(known: Substitution, symbol: Dim, d: Dim): boolean {
  const s = symOf(symbol);
  const { lo, hi } = range(d);
  if (s === undefined || s.lo > lo || hi > s.hi) return false;
  known.set(symbol, d);
  return true;
}

/** The branch that an `if` always takes, noting what its symbols are; null where it stays. */
function takenBranch(node: Node, known: Substitution): number | null {
  const truth = node.op === "if" ? knownTruth(node.inputs[0]) : null;
  if (node.op !== "if" || truth === null) return null;
  const index = truth ? 0 : 1;
  const noted: Substitution = new Map();
  for (const [i, v] of (node.regions[index]?.results ?? []).entries())
    for (const [axis, d] of v.type.shape.entries()) {
      const declared = node.attrs.shapes[i]?.[axis] ?? d;
      const same = declared === d || noted.get(declared) === d;
      if (!same && !noteSymbol(noted, declared, d)) return null;
    }
  for (const [s, d] of noted) known.set(s, d);
  return index;
}

/** How many iterations a loop runs in every run, or null. */
function knownTrips(node: Node): number | null {
  if (node.op !== "loop") return null;
  const [trips, start] = node.inputs;
  const n = trips === undefined ? null : intOf(trips);
  const first = knownTruth(start);
  if (first === false || (typeof n === "number" && n <= 0)) return 0;
  const next = knownTruth(node.regions[0]?.results[0]);
  if (first !== true || typeof n !== "number") return null;
  return next === true || n === 1 ? n : next === false ? 1 : null;
}

function unrolled(
  b: Builder,
  node: Node,
  inputs: readonly Value[],
  region: Region,
  trips: number,
): readonly Value[] | null {
  if (node.op !== "loop") return null;
  const { carried } = node.attrs;
  const start = inputs.slice(2);
  if (trips === 0) {
    const scanned = node.outputs.slice(carried).map(({ type }) => {
      const zero = b.one("const", [], { value: scalarTensor(type.dtype, 0) });
      return b.one("broadcast", [zero], { shape: [0, ...type.shape.slice(1)] });
    });
    return [...start, ...scanned];
  }
  const iteration = b.one("const", [], { value: scalarTensor("i64", 0) });
  const replaced = new Map<Value, Value>();
  for (const [i, p] of region.params.entries()) replaced.set(p, i === 0 ? iteration : (start[i - 1] ?? p));
  const [, ...results] = substituteValues(b, region.results, replaced);
  return results.map((v, i) => (i < carried ? v : reshaped(b, v, [1, ...v.type.shape])));
}

/** Parameters on which a bound symbol's value depends: their loops stay. */
function bindingParams(graph: Graph): ReadonlySet<Node> {
  return new Set(reachable(graph.bindings.map((x) => x.value)).filter((node) => node.op === "param"));
}

export function foldBranches(b: Builder, graph: Graph): Graph {
  const known: Substitution = new Map();
  const branch = new Map<Node, number>();
  const trips = new Map<Node, number>();
  const pinned = bindingParams(graph);
  for (const node of nodesOf(graph)) {
    const taken = takenBranch(node, known);
    if (taken !== null) branch.set(node, taken);
    const n = knownTrips(node);
    if (n === null || node.op !== "loop") continue;
    const { count } = node.attrs;
    const counted = count === n || noteSymbol(known, count, n);
    const free = node.regions[0]?.params.every((p) => !pinned.has(p.node)) === true;
    if (counted && free && n <= 1) trips.set(node, n);
  }
  if (known.size === 0 && branch.size === 0 && trips.size === 0) return graph;
  const mapDim = (d: Dim): Dim => substitute(d, (s) => known.get(atomExpr(s)));
  return mapGraph(
    b,
    graph,
    (node, inputs, regions) => {
      const taken = regions[branch.get(node) ?? -1];
      if (taken !== undefined) return taken.results;
      const [body] = regions;
      const n = trips.get(node);
      if (n !== undefined && body !== undefined) {
        const values = unrolled(b, node, inputs, body, n);
        const want = remakeWithDims(b, node, inputs, regions, mapDim);
        if (values?.every((v, i) => want[i] !== undefined && provenSameType(v.type, want[i].type)) === true)
          return values;
        return want;
      }
      return remakeWithDims(b, node, inputs, regions, mapDim);
    },
    mapDim,
  );
}

export const branches: Pass = {
  name: "branches",
  after: {},
  run: (b, graph) => foldBranches(b, graph),
};
