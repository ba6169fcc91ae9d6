// Where nodes run. A graph goes in, a tree of scopes comes out: the root, and one scope per region of every control
// node; each with its nodes in execution order. A node belongs to no region by itself, so its place follows from its
// uses: the innermost scope around all of them (what only one branch of an `if` needs is computed in that branch), then
// out of every loop on whose parameters it does not depend. Sources without cost (constants, inputs, states) stay at
// the root. A node that can fail at run time is never moved out of the scope that its uses ask for.
//
// Order is that of a depth-first walk from the roots, so it does not depend on creation ids: inputs first; operands,
// and the values to which symbols in a node's type or attributes are bound, before the node.

import { compareDims, type Dim } from "./dim.js";
import { Bug } from "./errors.js";
import { type Binding, depsOf, type Graph, type Node, type Region, rootsOf, symbolsOf } from "./graph.js";

export interface Scope {
  /** The control node whose region this is; null for the root. */
  readonly owner: Node | null;
  /** Which of the owner's regions. */
  readonly index: number;
  readonly region: Region | null;
  readonly parent: Scope | null;
  /** Nesting depth (root: 0), and how many of these are loops. */
  readonly depth: number;
  readonly loopDepth: number;
  /** Nodes in execution order, parameters first. */
  readonly nodes: readonly Node[];
  /** Scopes of the regions of a control node in `nodes`, by region index. */
  readonly children: ReadonlyMap<Node, readonly Scope[]>;
}

export interface Scopes {
  readonly root: Scope;
  /** Where a reachable node runs. */
  scopeOf(node: Node): Scope;
}

interface MutableScope extends Scope {
  readonly parent: MutableScope | null;
  readonly nodes: Node[];
  readonly children: Map<Node, MutableScope[]>;
}

/** Bindings by symbol. */
export function bindingsBySymbol(graph: Graph): ReadonlyMap<Dim, Binding> {
  return new Map(graph.bindings.map((b) => [b.symbol, b]));
}

/** Nodes whose values a node's symbols are bound to; a node that binds its own symbol does not wait for itself. */
function boundDeps(node: Node, bindings: ReadonlyMap<Dim, Binding>): Node[] {
  if (bindings.size === 0) return [];
  const out: Node[] = [];
  for (const s of symbolsOf(node)) {
    const at = bindings.get(s)?.value.node;
    if (at !== undefined && at !== node) out.push(at);
  }
  return out;
}

/** Every reachable node, each after its inputs, its regions' bodies and what its symbols are bound to. */
function executionOrder(graph: Graph, needs: ReadonlyMap<Dim, Binding>): { order: Node[]; deps: Map<Node, Node[]> } {
  const byName = (x: Binding, y: Binding): number => compareDims(x.symbol, y.symbol);
  const roots = rootsOf({ ...graph, bindings: graph.bindings.toSorted(byName) });
  const deps = new Map<Node, Node[]>();
  const order: Node[] = [];
  const stack: { node: Node; deps: readonly Node[]; next: number }[] = [];
  const enter = (node: Node): void => {
    if (deps.has(node)) return;
    const bound = boundDeps(node, needs);
    deps.set(node, bound);
    stack.push({ node, deps: [...bound, ...depsOf(node)], next: 0 });
  };
  for (const root of roots) {
    enter(root.node);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const dep = top.deps[top.next++];
      if (dep !== undefined) enter(dep);
      else {
        order.push(top.node);
        stack.pop();
      }
    }
  }
  return { order, deps };
}

const NONE: ReadonlySet<Node> = new Set();

function union(a: ReadonlySet<Node>, b: ReadonlySet<Node>): ReadonlySet<Node> {
  if (b.size === 0 || a === b) return a;
  if (a.size === 0) return b;
  return [...b].every((n) => a.has(n)) ? a : new Set([...a, ...b]);
}

/** For each node, the region parameters that it needs from outside itself. */
function freeParams(order: readonly Node[], bound: ReadonlyMap<Node, Node[]>): Map<Node, ReadonlySet<Node>> {
  const free = new Map<Node, ReadonlySet<Node>>();
  for (const node of order) {
    if (node.op === "param") {
      free.set(node, new Set([node]));
      continue;
    }
    let all = NONE;
    for (const dep of bound.get(node) ?? []) all = union(all, free.get(dep) ?? NONE);
    for (const v of node.inputs) all = union(all, free.get(v.node) ?? NONE);
    for (const r of node.regions) {
      let body = NONE;
      for (const v of r.results) body = union(body, free.get(v.node) ?? NONE);
      const own = new Set(r.params.map((p) => p.node));
      all = union(all, new Set([...body].filter((p) => !own.has(p))));
    }
    free.set(node, all);
  }
  return free;
}

function lowestCommon(a: MutableScope, b: MutableScope): MutableScope {
  let x = a;
  let y = b;
  while (x !== y) {
    if (x.depth >= y.depth && x.parent !== null) x = x.parent;
    else if (y.parent !== null) y = y.parent;
    else break;
  }
  return x;
}

/**
 * Nodes that can stop the run when they run where the model would not run them: their indices are data, they give a
 * symbol that has a declared range, or such a node may be in their regions.
 */
function failing(order: readonly Node[], bindings: readonly Binding[]): ReadonlySet<Node> {
  const bound = new Set(bindings.filter((b) => b.from === "element").map((b) => b.value.node));
  const out = new Set<Node>();
  const reaches = new Set<Node>();
  for (const node of order) {
    const indexed = node.op === "gather" || node.op === "take" || node.op === "scatter";
    const inside = node.regions.some((r) => r.results.some((v) => reaches.has(v.node)));
    const fails = bound.has(node) || inside || (indexed && node.inputs[1]?.node.op !== "const");
    if (fails) out.add(node);
    if (fails || node.inputs.some((v) => reaches.has(v.node))) reaches.add(node);
  }
  return out;
}

function isCostless(node: Node): boolean {
  return node.op === "const" || node.op === "input" || node.op === "state";
}

function openScope(owner: Node | null, index: number, parent: MutableScope | null): MutableScope {
  return {
    owner,
    index,
    region: owner?.regions[index] ?? null,
    parent,
    depth: parent === null ? 0 : parent.depth + 1,
    loopDepth: (parent?.loopDepth ?? 0) + (owner?.op === "loop" ? 1 : 0),
    nodes: [],
    children: new Map(),
  };
}

/** Places every reachable node. Throws Bug where a region's parameter is used outside its region (see verify.ts). */
export function scopesOf(graph: Graph): Scopes {
  const bindings = bindingsBySymbol(graph);
  const { order, deps } = executionOrder(graph, bindings);
  const fails = failing(order, graph.bindings);
  const free = freeParams(order, deps);
  const root = openScope(null, 0, null);
  const placed = new Map<Node, MutableScope>();
  const wanted = new Map<Node, MutableScope>();
  const paramScope = new Map<Node, MutableScope>();
  const use = (node: Node, at: MutableScope): void => {
    const before = wanted.get(node);
    wanted.set(node, before === undefined ? at : lowestCommon(before, at));
  };
  for (const v of graph.inputs) use(v.node, root);
  for (const o of graph.outputs) use(o.value.node, root);
  for (const s of graph.states) for (const v of [s.current, s.next]) use(v.node, root);

  // Users come before what they use, so every use of a node is known when it is placed.
  for (const node of order.toReversed()) {
    const late = wanted.get(node) ?? root;
    const at = place(node, late);
    placed.set(node, at);
    for (const dep of deps.get(node) ?? []) use(dep, at);
    for (const v of node.inputs) use(v.node, at);
    if (node.regions.length === 0) continue;
    const inner = node.regions.map((_, i) => openScope(node, i, at));
    at.children.set(node, inner);
    for (const [i, scope] of inner.entries()) {
      for (const p of node.regions[i]?.params ?? []) paramScope.set(p.node, scope);
      for (const v of node.regions[i]?.results ?? []) use(v.node, scope);
    }
  }
  for (const node of order) if (node.op === "param") placed.get(node)?.nodes.push(node);
  for (const node of order) if (node.op !== "param") placed.get(node)?.nodes.push(node);

  function place(node: Node, late: MutableScope): MutableScope {
    if (isCostless(node)) return root;
    let early = root;
    for (const p of free.get(node) ?? NONE) {
      const scope = paramScope.get(p);
      if (scope === undefined) throw new Bug("scope", `a region's parameter is used outside its region by ${node.op}`);
      if (scope.depth > early.depth) early = scope;
    }
    if (node.op === "param") return early;
    if (lowestCommon(early, late) !== early)
      throw new Bug("scope", `${node.op} depends on a region's parameter and is used outside that region`);
    let best = late;
    if (fails.has(node)) return best;
    for (let s: MutableScope | null = late; s !== null && s.depth >= early.depth; s = s.parent)
      if (s.loopDepth < best.loopDepth) best = s;
    return best;
  }

  return {
    root,
    scopeOf(node) {
      const scope = placed.get(node);
      if (scope === undefined) throw new Bug("scope", `${node.op} is not part of the graph`);
      return scope;
    },
  };
}
