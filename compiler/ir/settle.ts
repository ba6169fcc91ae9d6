// What a graph carries beside its nodes, brought in line with the nodes it has: bindings of symbols that something
// still mentions, and the constraints that the nodes' type rules rest on. Constraints that were there stay as long as
// their symbols have a source, since a rewrite may have relied on them.

import type { AttrSchema } from "./attrs.js";
import { atomExpr, type Dim, linearIn, provenEqual, symsOf } from "./dim.js";
import {
  type Binding,
  type Constraint,
  type Graph,
  liveBindings,
  type Node,
  reachable,
  TypeIssue,
  type Value,
} from "./graph.js";
import type { OpSpec } from "./op-spec.js";
import { OPS } from "./ops.js";
import type { TensorType } from "./types.js";

export interface Inferred {
  readonly types: readonly TensorType[];
  /** Equalities that the type rule assumed and nothing proves. */
  readonly assumed: readonly Constraint[];
}

/** A node's output types from its op's rule alone. Throws TypeIssue where the rule rejects the node. */
export function inferNode(node: Node): Inferred {
  const assumed: Constraint[] = [];
  const spec: Pick<OpSpec<AttrSchema>, "infer"> = OPS[node.op];
  const fail = (message: string): never => {
    throw new TypeIssue(message);
  };
  const types = spec.infer({
    types: node.inputs.map((v) => v.type),
    inputs: node.inputs,
    attrs: node.attrs,
    regions: node.regions,
    fail,
    unify: (a, b, what) => {
      if (!provenEqual(a, b)) {
        if (typeof a === "number" && typeof b === "number") fail(`${what}: ${a} and ${b} differ`);
        assumed.push({ left: a, right: b, reason: what });
      }
      return typeof b === "number" ? b : a;
    },
  });
  return { types, assumed };
}

/** Symbols that some input's shape gives at run time: those in which an axis is linear. */
export function inputSymbols(inputs: readonly Value[]): ReadonlySet<Dim> {
  const out = new Set<Dim>();
  for (const v of inputs)
    for (const d of v.type.shape)
      for (const s of symsOf(d)) {
        const parts = linearIn(d, s);
        if (parts !== null && typeof parts.coeff === "number" && parts.coeff !== 0 && typeof parts.rest === "number")
          out.add(atomExpr(s));
      }
  return out;
}

function isSymbolic(node: Node): boolean {
  const symbolic = (v: Value): boolean => v.type.shape.some((d) => typeof d !== "number");
  return node.outputs.some(symbolic) || node.inputs.some(symbolic);
}

function sameConstraint(a: Constraint, b: Constraint): boolean {
  return (a.left === b.left && a.right === b.right) || (a.left === b.right && a.right === b.left);
}

/** The graph with the bindings that are live and the constraints that hold it together. */
export function settle(graph: Graph): Graph {
  const roots = [
    ...graph.inputs,
    ...graph.outputs.map((o) => o.value),
    ...graph.states.flatMap((s) => [s.current, s.next]),
  ];
  const bindings: readonly Binding[] = graph.bindings.length === 0 ? [] : liveBindings(roots, graph.bindings);
  const sourced = new Set<Dim>([...inputSymbols(graph.inputs), ...bindings.map((x) => x.symbol)]);
  const known = (d: Dim): boolean => [...symsOf(d)].every((s) => sourced.has(atomExpr(s)));
  const constraints: Constraint[] = [];
  const add = (c: Constraint): void => {
    if (!provenEqual(c.left, c.right) && !constraints.some((have) => sameConstraint(have, c))) constraints.push(c);
  };
  for (const c of graph.constraints) if (known(c.left) && known(c.right)) add(c);
  for (const node of reachable([...roots, ...bindings.map((x) => x.value)]))
    if (isSymbolic(node)) for (const c of inferNode(node).assumed) add(c);
  return { ...graph, bindings, constraints };
}
