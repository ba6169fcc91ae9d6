// Graphs made from graphs: nodes remade with other inputs, values substituted, dimensions replaced. Everything is
// bottom-up with a memo, region bodies included; a node whose parts stay the same stays the same node.

import type { AttrSchema } from "./attrs.js";
import { type Dim, provenEqual } from "./dim.js";
import { Bug } from "./errors.js";
import {
  type Builder,
  depsOf,
  type Graph,
  type Node,
  type NodeOf,
  type Region,
  reachable,
  type Value,
} from "./graph.js";
import { OPS, type OpName } from "./ops.js";
import { settle } from "./settle.js";
import type { TensorType } from "./types.js";

/** The node with other inputs, attributes or regions: `node` itself where nothing differs. */
export function remake<K extends OpName>(
  b: Builder,
  node: NodeOf<K>,
  inputs: readonly Value[],
  regions: readonly Region[] = node.regions,
  attrs: NodeOf<K>["attrs"] = node.attrs,
): readonly Value[] {
  const same =
    attrs === node.attrs &&
    inputs.every((v, i) => v === node.inputs[i]) &&
    regions.every((r, i) => r === node.regions[i]);
  return same ? node.outputs : b.op(node.op, inputs, attrs, regions);
}

/** Whether two types are one: dtype and rank the same, every dimension proved equal. */
export function provenSameType(a: TensorType, b: TensorType): boolean {
  return (
    a.dtype === b.dtype &&
    a.shape.length === b.shape.length &&
    a.shape.every((d, i) => {
      const e = b.shape[i];
      return e !== undefined && (d === e || provenEqual(d, e));
    })
  );
}

/** Whether two graphs, of one builder, compute the same values from the same nodes. */
export function sameRoots(a: Graph, b: Graph): boolean {
  return (
    a.bindings.length === b.bindings.length &&
    a.constraints.length === b.constraints.length &&
    a.outputs.every((o, i) => o.value === b.outputs[i]?.value) &&
    a.states.every((s, i) => s.next === b.states[i]?.next) &&
    a.bindings.every((x, i) => x.value === b.bindings[i]?.value)
  );
}

/**
 * Values with a region's parameters (or any others) replaced: what depends on them is made again, nested regions
 * included.
 */
export function substituteValues(
  b: Builder,
  values: readonly Value[],
  replacements: ReadonlyMap<Value, Value>,
): readonly Value[] {
  const done = new Map<Node, readonly Value[]>();
  for (const node of reachable(values)) {
    const inputs = node.inputs.map((v) => valueIn(done, v));
    const regions = node.regions.map((r) => mapRegion(done, r));
    const made = node.op === "param" ? node.outputs : remake(b, node, inputs, regions);
    done.set(
      node,
      node.outputs.map((v, i) => replacements.get(v) ?? made[i] ?? v),
    );
  }
  return values.map((v) => valueIn(done, v));
}

/** Gives the node's new outputs from its mapped inputs and regions. */
export type MapNode = (node: Node, inputs: readonly Value[], regions: readonly Region[]) => readonly Value[];

/**
 * Rebuilds a graph bottom-up: `map` gets every reachable node once, with its inputs and regions already mapped, and the
 * default is `remake`. Parameters map like other nodes. Bindings that nothing needs any more are dropped, and
 * constraints that the new nodes' type rules need are added.
 */
export function mapGraph(b: Builder, graph: Graph, map: MapNode, mapDim: (d: Dim) => Dim = (d) => d): Graph {
  const done = new Map<Node, readonly Value[]>();
  const stack: { readonly node: Node; readonly deps: readonly Node[]; next: number }[] = [];
  const visit = (root: Node): void => {
    if (done.has(root)) return;
    stack.push({ node: root, deps: depsOf(root), next: 0 });
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const dep = top.deps[top.next++];
      if (dep !== undefined) {
        if (!done.has(dep)) stack.push({ node: dep, deps: depsOf(dep), next: 0 });
        continue;
      }
      stack.pop();
      if (!done.has(top.node)) done.set(top.node, mapOne(top.node));
    }
  };
  const of = (v: Value): Value => {
    visit(v.node);
    return valueIn(done, v);
  };
  const mapOne = (node: Node): readonly Value[] => {
    const before = b.origin;
    b.origin = b.originOf(node);
    const out = map(
      node,
      node.inputs.map((v) => valueIn(done, v)),
      node.regions.map((r) => mapRegion(done, r)),
    );
    b.origin = before;
    return out;
  };
  return assemble(graph, of, mapDim);
}

/** The graph with every dimension replaced by `mapDim`, in types, attributes, bindings and constraints. */
export function mapDims(b: Builder, graph: Graph, mapDim: (d: Dim) => Dim): Graph {
  return mapGraph(b, graph, (node, inputs, regions) => remakeWithDims(b, node, inputs, regions, mapDim), mapDim);
}

/** `remake`, with the dimensions in its attributes replaced; a parameter whose type changes becomes a new one. */
export function remakeWithDims(
  b: Builder,
  node: Node,
  inputs: readonly Value[],
  regions: readonly Region[],
  mapDim: (d: Dim) => Dim,
): readonly Value[] {
  const schema: AttrSchema = OPS[node.op].attrs;
  const attrs: Readonly<Record<string, unknown>> = node.attrs;
  const out: Record<string, unknown> = {};
  let changed = false;
  for (const [name, kind] of Object.entries(schema)) {
    const old = attrs[name];
    out[name] = kind.mapDims === undefined ? old : kind.mapDims(old, mapDim);
    changed ||= kind.format(out[name]) !== kind.format(old);
  }
  if (!changed) return remake(b, node, inputs, regions);
  if (node.op === "param") return [b.param({ dtype: node.attrs.dtype, shape: node.attrs.shape.map(mapDim) })];
  // The schema's kinds made `out`, so it has the op's attributes.
  return b.op(node.op, inputs, out as typeof node.attrs, regions);
}

/** What v became. */
export function valueIn(done: ReadonlyMap<Node, readonly Value[]>, v: Value): Value {
  const mapped = done.get(v.node)?.[v.index];
  if (mapped === undefined) throw new Bug("rewrite", `output ${v.index} of ${v.node.op} has no new value`);
  return mapped;
}

/** The region with what its parameters and results became: `r` itself where nothing differs. */
export function mapRegion(done: ReadonlyMap<Node, readonly Value[]>, r: Region): Region {
  const params = r.params.map((v) => valueIn(done, v));
  const results = r.results.map((v) => valueIn(done, v));
  const same = params.every((v, i) => v === r.params[i]) && results.every((v, i) => v === r.results[i]);
  return same ? r : { params, results };
}

/** The graph of what its values became, settled. */
export function assemble(graph: Graph, of: (v: Value) => Value, mapDim: (d: Dim) => Dim): Graph {
  return settle({
    name: graph.name,
    inputs: graph.inputs.map(of),
    outputs: graph.outputs.map((o) => ({ name: o.name, value: of(o.value) })),
    states: graph.states.map((s) => ({ name: s.name, current: of(s.current), next: of(s.next) })),
    bindings: graph.bindings.filter((x) => mapDim(x.symbol) === x.symbol).map((x) => ({ ...x, value: of(x.value) })),
    constraints: graph.constraints.map((c) => ({ ...c, left: mapDim(c.left), right: mapDim(c.right) })),
    strings: graph.strings,
  });
}
