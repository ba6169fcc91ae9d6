// The rewriting engine. A graph and a list of rules go in, a graph in which no rule applies comes out. Rules are named
// functions by root op; they see a node whose inputs no rule changes any more, and return values of the same types, or
// null. Work is bottom-up with a memo, region bodies included; a region keeps its parameters. What a rule returns is
// rewritten in turn, so a set of rules that undoes its own work would never end: that is a Bug that names the last rule.

import { provenLess } from "./dim.js";
import { Bug } from "./errors.js";
import { type Builder, depsOf, type Graph, type Node, type NodeOf, nodesOf, type Value } from "./graph.js";
import { assemble, mapRegion, provenSameType, remake, valueIn } from "./map-graph.js";
import type { OpName } from "./ops.js";
import { formatType } from "./types.js";

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
