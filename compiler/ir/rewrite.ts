// The rewriting engine. A graph and a list of rules go in, a graph in which no rule applies comes out. Rules are named
// functions by root op; they see a node whose inputs no rule changes any more, and return values of the same types, or
// null. Work is bottom-up with a memo, region bodies included; a region keeps its parameters. What a rule returns is
// rewritten in turn, so a set of rules that undoes its own work would never end: that is a Bug that names the last rule.

import type { AttrSchema } from "./attrs.js";
import { type Dim, provenEqual, provenLess } from "./dim.js";
import { Bug } from "./errors.js";
import {
  type Builder,
  depsOf,
  type Graph,
  type Node,
  type NodeOf,
  nodesOf,
  type Region,
  reachable,
  type Value,
} from "./graph.js";
import { OPS, type OpName } from "./ops.js";
import { settle } from "./settle.js";
import { formatType, type TensorType } from "./types.js";

export interface RewriteContext {
  readonly b: Builder;
}

export interface Rule {
  readonly name: string;
  readonly op: OpName;
  apply(node: Node, cx: RewriteContext): readonly Value[] | Value | null;
}

/** A rule whose function sees the node with its op's attributes. */
export function rule<K extends OpName>(
  name: string,
  op: K,
  apply: (node: NodeOf<K>, cx: RewriteContext) => readonly Value[] | Value | null,
): Rule {
  // Sound since the engine calls it for nodes of this op only.
  return { name, op, apply: (node, cx) => apply(node as unknown as NodeOf<K>, cx) };
}

/** The same rule for several ops. */
export function ruleFor(
  name: string,
  ops: readonly OpName[],
  apply: (node: Node, cx: RewriteContext) => readonly Value[] | Value | null,
): Rule[] {
  return ops.map((op) => ({ name, op, apply }));
}

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

function valueIn(done: ReadonlyMap<Node, readonly Value[]>, v: Value): Value {
  const mapped = done.get(v.node)?.[v.index];
  if (mapped === undefined) throw new Bug("rewrite", `output ${v.index} of ${v.node.op} has no new value`);
  return mapped;
}

function mapRegion(done: ReadonlyMap<Node, readonly Value[]>, r: Region): Region {
  const params = r.params.map((v) => valueIn(done, v));
  const results = r.results.map((v) => valueIn(done, v));
  const same = params.every((v, i) => v === r.params[i]) && results.every((v, i) => v === r.results[i]);
  return same ? r : { params, results };
}

function assemble(graph: Graph, of: (v: Value) => Value, mapDim: (d: Dim) => Dim): Graph {
  return settle({
    name: graph.name,
    inputs: graph.inputs.map(of),
    outputs: graph.outputs.map((o) => ({ name: o.name, value: of(o.value) })),
    states: graph.states.map((s) => ({ name: s.name, current: of(s.current), next: of(s.next) })),
    bindings: graph.bindings.filter((x) => mapDim(x.symbol) === x.symbol).map((x) => ({ ...x, value: of(x.value) })),
    constraints: graph.constraints.map((c) => ({ ...c, left: mapDim(c.left), right: mapDim(c.right) })),
  });
}

interface Frame {
  readonly node: Node;
  deps: readonly Node[];
  next: number;
  /** What `node` became by new inputs (stage 1) and what a rule made of that (stage 2). */
  rebuilt: Node | null;
  replaced: readonly Value[] | null;
}

/** Applies rules until none applies. Throws Bug where the set does not terminate or a rule changes a type. */
export function rewrite(b: Builder, graph: Graph, rules: readonly Rule[], fuelPerNode = 200): Graph {
  const byOp = new Map<OpName, Rule[]>();
  for (const r of rules) byOp.set(r.op, [...(byOp.get(r.op) ?? []), r]);
  const cx: RewriteContext = { b };
  const normal = new Map<Node, readonly Value[]>();
  const open = new Set<Node>();
  // Of the graph that came in: what rules make does not buy more.
  const fuel = fuelPerNode * nodesOf(graph).length + 1000;
  const stack: Frame[] = [];
  let applied = 0;
  let last = "none";

  const push = (node: Node): void => {
    if (normal.has(node)) return;
    if (open.has(node)) throw new Bug("rewrite", `the rules do not terminate: "${last}" gives back what it replaced`);
    open.add(node);
    stack.push({ node, deps: depsOf(node), next: 0, rebuilt: null, replaced: null });
  };
  const close = (frame: Frame, values: readonly Value[]): void => {
    for (const n of [frame.node, frame.rebuilt]) {
      if (n === null) continue;
      normal.set(n, values);
      open.delete(n);
    }
    stack.pop();
  };
  const applyRules = (node: Node): readonly Value[] | null => {
    for (const r of byOp.get(node.op) ?? []) {
      const got = r.apply(node, cx);
      if (got === null) continue;
      const values = Array.isArray(got) ? (got as readonly Value[]) : [got as Value];
      if (!accepts(r, node, values)) continue;
      last = r.name;
      applied++;
      if (applied > fuel)
        throw new Bug(
          "rewrite",
          `the rules do not terminate: out of fuel after ${applied} rewrites, the last was "${last}"`,
        );
      return values;
    }
    return null;
  };
  /** All of the frame's dependencies are in normal form: rebuild the node, then try the rules on it. */
  const step = (frame: Frame): void => {
    if (frame.replaced !== null) {
      close(
        frame,
        frame.replaced.map((v) => valueIn(normal, v)),
      );
      return;
    }
    const { node } = frame;
    const rebuilt = rebuild(b, node, normal, last);
    const known = rebuilt === node ? undefined : normal.get(rebuilt);
    if (known !== undefined) {
      close(frame, known);
      return;
    }
    if (rebuilt !== node) {
      if (open.has(rebuilt))
        throw new Bug("rewrite", `the rules do not terminate: "${last}" gives back what it replaced`);
      open.add(rebuilt);
      frame.rebuilt = rebuilt;
    }
    const before = b.origin;
    b.origin = b.originOf(rebuilt);
    const values = applyRules(rebuilt);
    b.origin = before;
    if (values === null) {
      close(frame, rebuilt.outputs);
      return;
    }
    frame.replaced = values;
    frame.deps = values.map((v) => v.node);
    frame.next = 0;
  };
  const normalize = (root: Node): void => {
    push(root);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const dep = top.deps[top.next++];
      if (dep === undefined) step(top);
      else push(dep);
    }
  };
  return assemble(
    graph,
    (v) => {
      normalize(v.node);
      return valueIn(normal, v);
    },
    (d) => d,
  );
}

function rebuild(b: Builder, node: Node, normal: ReadonlyMap<Node, readonly Value[]>, last: string): Node {
  const before = b.origin;
  b.origin = b.originOf(node);
  try {
    const outputs = remake(
      b,
      node,
      node.inputs.map((v) => valueIn(normal, v)),
      node.regions.map((r) => mapRegion(normal, r)),
    );
    return outputs[0]?.node ?? node;
  } catch (e) {
    if (e instanceof Bug) throw e;
    throw new Bug("rewrite", `${node.op} does not take its inputs after rule "${last}": ${String(e)}`);
  } finally {
    b.origin = before;
  }
}

/**
 * A rule may not change a dtype, a rank or a size. A dimension that is only assumed equal, by a run-time constraint, could make
 * the types downstream differ, so such a replacement is left alone.
 */
function accepts(r: Rule, node: Node, values: readonly Value[]): boolean {
  if (values.length !== node.outputs.length)
    throw new Bug(r.name, `gives ${values.length} values for the ${node.outputs.length} of ${node.op}`);
  for (const [i, v] of values.entries()) {
    const want = node.outputs[i]?.type;
    if (want === undefined) return false;
    const differ = v.type.shape.some((d, axis) => {
      const e = want.shape[axis] ?? d;
      return d !== e && (provenLess(d, e) || provenLess(e, d));
    });
    if (v.type.dtype !== want.dtype || v.type.shape.length !== want.shape.length || differ)
      throw new Bug(r.name, `gives ${formatType(v.type)} for ${node.op}, which is ${formatType(want)}`);
    if (!provenSameType(v.type, want)) return false;
  }
  return true;
}
