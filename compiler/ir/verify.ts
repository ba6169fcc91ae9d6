// Whether a graph holds together. A graph goes in, a list of issues comes out, each pinned to a node: empty for a
// sound graph. Total: it never throws on what a pass could produce. It trusts the ops' type rules and nothing else:
// not the builder, not the scopes, not what a pass says of itself.

import { type Atom, atomExpr, type Dim, formatDim, provenEqual, symsOf } from "./dim.js";
import { isInteger } from "./dtype.js";
import { type Constraint, depsOf, type Graph, type Node, rootsOf, symbolsOf, TypeIssue, type Value } from "./graph.js";
import { OPS } from "./ops.js";
import { type Inferred, inferNode, inputSymbols } from "./settle.js";
import { isStringTable } from "./strings.js";
import { formatType, sizeIssue } from "./types.js";

export interface Issue {
  /** Where it is; null for the graph's own lists. */
  readonly node: Node | null;
  readonly message: string;
}

type Report = (node: Node | null, message: string) => void;

/** Everything wrong with the graph, in node order. */
export function verify(graph: Graph): readonly Issue[] {
  const issues: Issue[] = [];
  const report: Report = (node, message) => {
    issues.push({ node, message });
  };
  const order = dependencyOrder(graph, report);
  if (order === null) return issues;
  checkNames(graph, report);
  checkStrings(graph, order, report);
  checkSources(graph, order, report);
  for (const node of order) checkNode(node, graph.constraints, report);
  checkSymbols(graph, order, report);
  checkParams(graph, order, report);
  return issues;
}

/** An issue in a sentence; `name` gives a node's name in the printed text. */
export function formatIssue(issue: Issue, name: (node: Node) => string = (n) => n.op): string {
  return issue.node === null ? issue.message : `${name(issue.node)}: ${issue.message}`;
}

/** Nodes after what they depend on, also through bindings; null and an issue where that is circular. */
function dependencyOrder(graph: Graph, report: Report): Node[] | null {
  const bound = new Map(graph.bindings.map((b) => [b.symbol, b.value.node]));
  const state = new Map<Node, "open" | "done">();
  const order: Node[] = [];
  const needs = (node: Node): Node[] => {
    const symbols = bound.size === 0 ? [] : [...symbolsOf(node)].map((s) => bound.get(s));
    return [...depsOf(node), ...symbols.filter((n) => n !== undefined && n !== node)] as Node[];
  };
  const stack: { readonly node: Node; readonly needs: readonly Node[]; next: number }[] = [];
  const enter = (node: Node): boolean => {
    const seen = state.get(node);
    if (seen === "open") {
      report(node, "depends on itself");
      return false;
    }
    if (seen === undefined) {
      state.set(node, "open");
      stack.push({ node, needs: needs(node), next: 0 });
    }
    return true;
  };
  for (const root of rootsOf(graph)) {
    if (!enter(root.node)) return null;
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const need = top.needs[top.next++];
      if (need !== undefined) {
        if (!enter(need)) return null;
        continue;
      }
      state.set(top.node, "done");
      order.push(top.node);
      stack.pop();
    }
  }
  return order;
}

function checkNames(graph: Graph, report: Report): void {
  const lists: readonly (readonly [string, readonly string[]])[] = [
    ["input", graph.inputs.map((v) => (v.node.op === "input" ? v.node.attrs.name : ""))],
    ["output", graph.outputs.map((o) => o.name)],
    ["state", graph.states.map((s) => s.name)],
  ];
  for (const [kind, names] of lists)
    for (const name of new Set(names.filter((n, i) => names.indexOf(n) !== i)))
      report(null, `${kind} name ${JSON.stringify(name)} is used more than once`);
}

/** Values that are strings need a table, and constants are in it. */
function checkStrings(graph: Graph, order: readonly Node[], report: Report): void {
  const strings = graph.strings ?? [];
  if (strings.length > 0 && !isStringTable(strings)) report(null, 'the strings must differ, and the first be ""');
  for (const node of order) {
    if (strings.length === 0 && node.outputs.some((v) => v.type.dtype === "str"))
      report(node, "gives strings, and the graph has no table of them");
    const value = node.op === "const" && node.attrs.value.dtype === "str" ? node.attrs.value : null;
    if (value?.numbers().some((n) => n < 0 || n >= strings.length))
      report(node, `names strings that are not among the graph's ${strings.length}`);
  }
}

function checkSources(graph: Graph, order: readonly Node[], report: Report): void {
  for (const [i, v] of graph.inputs.entries())
    if (v.node.op !== "input") report(v.node, `is listed as input ${i} and is not an input node`);
  for (const s of graph.states) {
    const { node } = s.current;
    if (node.op !== "state" || node.attrs.name !== s.name)
      report(node, `is listed as the current value of state ${JSON.stringify(s.name)} and is not its state node`);
    const [have, want] = [s.next.type, s.current.type];
    const same = have.dtype === want.dtype && have.shape.length === want.shape.length;
    if (!same || have.shape.some((d, i) => !provenEqual(d, want.shape[i] ?? -1)))
      report(s.next.node, `state ${JSON.stringify(s.name)} is ${formatType(want)}, its next value ${formatType(have)}`);
  }
  const listed = new Set<Node>([...graph.inputs.map((v) => v.node), ...graph.states.map((s) => s.current.node)]);
  for (const node of order)
    if ((node.op === "input" || node.op === "state") && !listed.has(node))
      report(node, `${node.op} ${JSON.stringify(node.attrs.name)} is not among the graph's ${node.op}s`);
}

/** The node's own shape: arity, ownership of its outputs, and types that its rule gives again. */
function checkNode(node: Node, constraints: readonly Constraint[], report: Report): void {
  const { min, max } = OPS[node.op].arity;
  const have = node.inputs.length;
  if (have < min || have > max) report(node, `takes ${min === max ? min : `${min} to ${max}`} inputs, has ${have}`);
  const regions = node.op === "if" ? 2 : node.op === "loop" ? 1 : 0;
  if (node.regions.length !== regions) report(node, `takes ${regions} regions, has ${node.regions.length}`);
  for (const [i, v] of node.outputs.entries())
    if (v.node !== node || v.index !== i) report(node, `output ${i} belongs to another node`);
  for (const [i, v] of node.inputs.entries())
    if (v.node.outputs[v.index] !== v) report(node, `input ${i} is not an output of its node`);
  const inferred = infer(node, report);
  if (inferred === null) return;
  if (inferred.types.length !== node.outputs.length) {
    report(node, `has ${node.outputs.length} outputs, its type rule gives ${inferred.types.length}`);
    return;
  }
  for (const [i, want] of inferred.types.entries()) {
    const issue = sizeIssue(want);
    if (issue !== null) report(node, `output ${i}: ${issue}`);
    const type = node.outputs[i]?.type;
    const same =
      type !== undefined &&
      type.dtype === want.dtype &&
      type.shape.length === want.shape.length &&
      type.shape.every((d, axis) => d === want.shape[axis]);
    if (!same && type !== undefined)
      report(node, `output ${i} is ${formatType(type)}, its type rule gives ${formatType(want)}`);
  }
  for (const c of inferred.assumed)
    if (!constraints.some((k) => holds(k, c)))
      report(node, `assumes ${formatDim(c.left)} = ${formatDim(c.right)} (${c.reason}) and no constraint says so`);
}

function infer(node: Node, report: Report): Inferred | null {
  try {
    return inferNode(node);
  } catch (e) {
    if (!(e instanceof TypeIssue) && !(e instanceof RangeError)) throw e;
    report(node, e.message);
    return null;
  }
}

function holds(have: Constraint, want: Constraint): boolean {
  return (
    (have.left === want.left && have.right === want.right) || (have.left === want.right && have.right === want.left)
  );
}

/** Symbols that a node brings into being: they need a source only where something else mentions them. */
function freshSymbols(node: Node): ReadonlySet<Dim> {
  if (node.op === "nonzero" || node.op === "loop") return new Set([node.attrs.count]);
  return new Set(node.op === "if" ? node.attrs.shapes.flat() : []);
}

function checkSymbols(graph: Graph, order: readonly Node[], report: Report): void {
  const sourced = new Set<Dim>(inputSymbols(graph.inputs));
  for (const b of graph.bindings) {
    const at = b.value.node;
    const name = formatDim(b.symbol);
    if (sourced.has(b.symbol)) report(at, `symbol ${name} has more than one source`);
    sourced.add(b.symbol);
    const { dtype, shape } = b.value.type;
    if (b.from === "axis" && (b.index < 0 || b.index >= shape.length))
      report(at, `symbol ${name} is bound to axis ${b.index} of ${formatType(b.value.type)}`);
    if (b.from === "element" && !isInteger(dtype))
      report(at, `symbol ${name} is bound to an element of ${formatType(b.value.type)}, which has no integers`);
    const size = shape.every((d) => typeof d === "number") ? shape.reduce((n, d) => n * d, 1) : Infinity;
    if (b.from === "element" && (b.index < 0 || b.index >= size))
      report(at, `symbol ${name} is bound to element ${b.index} of ${formatType(b.value.type)}`);
  }
  const byName = new Map<string, Dim>();
  const check = (node: Node | null, s: Dim, optional: boolean): void => {
    const name = formatDim(s);
    const [atom]: readonly (Atom | undefined)[] = [...symsOf(s)];
    if (atom?.kind === "sym" && atom.extent !== null) report(node, `loop variable ${name} is not a symbol`);
    if (byName.has(name) && byName.get(name) !== s) report(node, `symbol ${name} is declared with two ranges`);
    byName.set(name, s);
    if (!optional && !sourced.has(s))
      report(node, `symbol ${name} has no source: no input's axis and no binding gives it`);
  };
  for (const node of order) {
    const fresh = freshSymbols(node);
    for (const s of symbolsOf(node)) check(node, s, fresh.has(s));
  }
  for (const c of graph.constraints)
    for (const d of [c.left, c.right]) for (const s of symsOf(d)) check(null, atomExpr(s), false);
}

/** Parameters are used only inside the region that they belong to, and belong to exactly one. */
function checkParams(graph: Graph, order: readonly Node[], report: Report): void {
  const owner = new Map<Node, Node>();
  for (const node of order)
    for (const r of node.regions)
      for (const p of r.params) {
        if (p.node.op !== "param") report(node, `region parameter is a ${p.node.op} node`);
        else if (owner.has(p.node)) report(p.node, "belongs to two regions");
        owner.set(p.node, node);
      }
  const none: ReadonlySet<Node> = new Set();
  const free = new Map<Node, ReadonlySet<Node>>();
  const freeOf = (v: Value): ReadonlySet<Node> => free.get(v.node) ?? none;
  for (const node of order) {
    if (node.op === "param") {
      free.set(node, new Set([node]));
      if (!owner.has(node)) report(node, "belongs to no region");
      continue;
    }
    const all = new Set<Node>();
    const merge = (part: ReadonlySet<Node>, without: ReadonlySet<Node>): void => {
      for (const p of part) if (!without.has(p)) all.add(p);
    };
    for (const v of node.inputs) merge(freeOf(v), none);
    for (const r of node.regions) {
      const own = new Set(r.params.map((p) => p.node));
      for (const v of r.results) merge(freeOf(v), own);
    }
    if (all.size > 0) free.set(node, all);
    for (const p of all) if (owner.get(p) === node) report(node, "uses its region's parameter outside the region");
  }
  const roots = [...graph.outputs.map((o) => o.value), ...graph.states.flatMap((s) => [s.current, s.next])];
  for (const v of roots)
    if (freeOf(v).size > 0) report(v.node, "depends on a region's parameter and is used outside that region");
}
