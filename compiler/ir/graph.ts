// The graph: immutable, interned nodes. Two nodes with the same op, inputs, attributes and regions are one object, so
// common subexpressions do not exist and equality is identity. Values have no side effects.
//
// Control flow nodes own regions. A region's parameters are `param` nodes made for it alone; its body is whatever its
// results reach. A node belongs to no region by itself: where it runs is decided by its uses (`scope.ts`).
//
// A symbolic dimension that no input fixes is *bound* to a value computed at run time: to an element of an integer
// tensor, or to an axis of a value whose size depends on data.

import type { AttrSchema, AttrValues } from "./attrs.js";
import { atomExpr, type Dim, dimKey, provenEqual, symOf, symsOf } from "./dim.js";
import { Bug } from "./errors.js";
import type { InferContext, OpSpec } from "./op-spec.js";
import { OPS, type OpAttrs, type OpName } from "./ops.js";
import { formatType, sameType, sizeIssue, type TensorType } from "./types.js";

export interface Value {
  readonly node: Node;
  readonly index: number;
  readonly type: TensorType;
}

export interface NodeOf<K extends OpName> {
  readonly op: K;
  /** Creation order within its builder; never part of an identity that leaves the process. */
  readonly id: number;
  readonly attrs: AttrValues<OpAttrs[K]>;
  readonly inputs: readonly Value[];
  readonly regions: readonly Region[];
  readonly outputs: readonly Value[];
}

export type Node = { [K in OpName]: NodeOf<K> }[OpName];

export interface Region {
  readonly params: readonly Value[];
  readonly results: readonly Value[];
}

/** Where the run-time value of a symbol comes from, when no input's shape fixes it. */
export interface Binding {
  readonly symbol: Dim;
  /** `element`: symbol = value[index] of an integer tensor. `axis`: symbol = run-time size of that axis. */
  readonly from: "element" | "axis";
  readonly value: Value;
  readonly index: number;
}

/** Two dimensions that must be equal at run time, since nothing proved it at compile time. */
export interface Constraint {
  readonly left: Dim;
  readonly right: Dim;
  readonly reason: string;
}

export interface StateSlot {
  readonly name: string;
  /** The value read: a `state` node's output. */
  readonly current: Value;
  /** The value that the slot holds after the run. */
  readonly next: Value;
}

export interface GraphOutput {
  readonly name: string;
  readonly value: Value;
}

export interface Graph {
  readonly name: string;
  readonly inputs: readonly Value[];
  readonly outputs: readonly GraphOutput[];
  readonly states: readonly StateSlot[];
  readonly bindings: readonly Binding[];
  readonly constraints: readonly Constraint[];
  /** The strings that its str constants name by number (`strings.ts`); absent where it has no strings. */
  readonly strings?: readonly string[] | undefined;
}

/** Thrown by an op's type rule: the message says have and want. The builder's caller knows where. */
export class TypeIssue extends Error {
  override readonly name = "TypeIssue";
}

/**
 * Makes nodes. One builder serves one compilation: passes share it, so that unchanged parts of a graph stay the same
 * objects.
 */
export class Builder {
  readonly #interned = new Map<string, Node>();
  readonly #origins = new Map<Node, string>();
  readonly #constraints = new Map<string, Constraint>();
  #nextId = 0;
  #nextParam = 0;
  /** Where nodes made now come from: a model node's name, a user's file:line. First maker wins. */
  origin = "";

  /** Makes (or finds) a node and returns its outputs. Throws TypeIssue where the inputs do not fit the op. */
  op<K extends OpName>(
    op: K,
    inputs: readonly Value[],
    attrs: AttrValues<OpAttrs[K]>,
    regions: readonly Region[] = [],
  ): readonly Value[] {
    const spec: OpSpec<OpAttrs[K]> = OPS[op];
    const key = `${op}(${inputs.map(valueKey).join(",")})${attrsKey(spec.attrs, attrs)}${regions.map(regionKey).join("")}`;
    const found = this.#interned.get(key);
    if (found !== undefined) return found.outputs;
    const { min, max } = spec.arity;
    if (inputs.length < min || inputs.length > max)
      throw new TypeIssue(`${op} takes ${min === max ? min : `${min} to ${max}`} inputs, has ${inputs.length}`);
    const types = spec.infer(this.#inferContext(inputs, attrs, regions));
    for (const t of types) {
      const issue = sizeIssue(t);
      if (issue !== null) throw new TypeIssue(`${op}: ${issue}`);
    }
    const outputs: Value[] = [];
    // The union type of Node cannot be built from a generic K: this is the one place that makes nodes.
    const node = { op, id: this.#nextId++, attrs, inputs, regions, outputs } as unknown as Node;
    for (const [index, type] of types.entries()) outputs.push({ node, index, type });
    this.#interned.set(key, node);
    if (this.origin !== "") this.#origins.set(node, this.origin);
    return outputs;
  }

  /** `op` for an op with one output. */
  one<K extends OpName>(
    op: K,
    inputs: readonly Value[],
    attrs: AttrValues<OpAttrs[K]>,
    regions: readonly Region[] = [],
  ): Value {
    const [only, ...rest] = this.op(op, inputs, attrs, regions);
    if (only === undefined || rest.length > 0) throw new Bug("builder", `${op} has ${rest.length + 1} outputs`);
    return only;
  }

  /** A parameter for a region about to be made; never shared between regions. */
  param(type: TensorType): Value {
    return this.one("param", [], { uid: this.#nextParam++, dtype: type.dtype, shape: type.shape });
  }

  /** Where a node comes from, or "". */
  originOf(node: Node): string {
    return this.#origins.get(node) ?? "";
  }

  /** Every node made so far, in order: all that decides what it is, and where it comes from. */
  *history(): Iterable<readonly [key: string, origin: string]> {
    for (const [key, node] of this.#interned) yield [key, this.originOf(node)];
  }

  /** What type rules assumed and could not prove, in the order met. */
  get constraints(): readonly Constraint[] {
    return [...this.#constraints.values()];
  }

  require(left: Dim, right: Dim, reason: string): void {
    const key = `${dimKey(left)}=${dimKey(right)}`;
    if (!this.#constraints.has(key)) this.#constraints.set(key, { left, right, reason });
  }

  #inferContext<K extends OpName>(
    inputs: readonly Value[],
    attrs: AttrValues<OpAttrs[K]>,
    regions: readonly Region[],
  ): InferContext<AttrValues<OpAttrs[K]>> {
    const fail = (message: string): never => {
      throw new TypeIssue(message);
    };
    return {
      types: inputs.map((v) => v.type),
      inputs,
      attrs,
      regions,
      fail,
      unify: (a, b, what) => {
        if (provenEqual(a, b)) return typeof b === "number" ? b : a;
        if (typeof a === "number" && typeof b === "number") fail(`${what}: ${a} and ${b} differ`);
        this.require(a, b, what);
        return typeof b === "number" ? b : a;
      },
    };
  }
}

const valueKeys = new WeakMap<Value, string>();

function valueKey(v: Value): string {
  let key = valueKeys.get(v);
  if (key === undefined) {
    key = `${v.node.id}.${v.index}`;
    valueKeys.set(v, key);
  }
  return key;
}

function regionKey(r: Region): string {
  return `{${r.params.map(valueKey).join(",")}:${r.results.map(valueKey).join(",")}}`;
}

function attrsKey(schema: AttrSchema, attrs: Readonly<Record<string, unknown>>): string {
  const parts: string[] = [];
  for (const [name, kind] of Object.entries(schema)) parts.push(`${name}=${kind.format(attrs[name])}`);
  return `<${parts.join(";")}>`;
}

/** The symbols in a value's type and its node's attributes: what must be known before the node runs. */
export function symbolsOf(node: Node): ReadonlySet<Dim> {
  const out = new Set<Dim>();
  const addAll = (d: Dim): Dim => {
    for (const s of symsOf(d)) out.add(atomExpr(s));
    return d;
  };
  for (const v of node.outputs) for (const d of v.type.shape) addAll(d);
  const schema: AttrSchema = OPS[node.op].attrs;
  const attrs: Readonly<Record<string, unknown>> = node.attrs;
  for (const [name, kind] of Object.entries(schema)) kind.mapDims?.(attrs[name], addAll);
  return out;
}

/** Every node that the roots reach, inputs before users, region bodies before their owner. */
export function reachable(roots: Iterable<Value>): Node[] {
  const seen = new Set<Node>();
  const order: Node[] = [];
  const stack: { node: Node; deps: Node[]; next: number }[] = [];
  const visit = (root: Node): void => {
    if (seen.has(root)) return;
    seen.add(root);
    stack.push({ node: root, deps: depsOf(root), next: 0 });
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const dep = top.deps[top.next++];
      if (dep === undefined) {
        order.push(top.node);
        stack.pop();
      } else if (!seen.has(dep)) {
        seen.add(dep);
        stack.push({ node: dep, deps: depsOf(dep), next: 0 });
      }
    }
  };
  for (const v of roots) visit(v.node);
  return order;
}

/** Nodes that a node needs directly: its inputs, and its regions' parameters and results. */
export function depsOf(node: Node): Node[] {
  const deps = node.inputs.map((v) => v.node);
  for (const r of node.regions) {
    for (const v of r.params) deps.push(v.node);
    for (const v of r.results) deps.push(v.node);
  }
  return deps;
}

/** What keeps a graph's nodes alive, with the bindings of symbols that are in use. */
export function rootsOf(graph: Graph): Value[] {
  return [
    ...graph.inputs,
    ...graph.outputs.map((o) => o.value),
    ...graph.states.flatMap((s) => [s.current, s.next]),
    ...graph.bindings.map((b) => b.value),
  ];
}

/** All nodes of a graph in dependency order. */
export function nodesOf(graph: Graph): Node[] {
  return reachable(rootsOf(graph));
}

/** Bindings whose symbol something reachable still needs: what a rewrite keeps. */
export function liveBindings(roots: readonly Value[], bindings: readonly Binding[]): Binding[] {
  const live: Binding[] = [];
  const alive = [...roots];
  for (let grew = true; grew; ) {
    grew = false;
    const used = new Set<Dim>();
    for (const node of reachable(alive)) for (const s of symbolsOf(node)) used.add(s);
    for (const b of bindings) {
      if (live.includes(b) || !used.has(b.symbol)) continue;
      live.push(b);
      alive.push(b.value);
      grew = true;
    }
  }
  return bindings.filter((b) => live.includes(b));
}

export function isOp<K extends OpName>(node: Node, op: K): node is NodeOf<K> & Node {
  return node.op === op;
}

/** The tensor of a constant value, else undefined. */
export function constantOf(v: Value): import("./tensor.js").Tensor | undefined {
  return v.node.op === "const" ? v.node.attrs.value : undefined;
}

export { formatType, sameType, symOf };
