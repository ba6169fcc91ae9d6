// Who reads what, and what each reader asks of its operands: to be in a buffer, or anything that can be computed in
// place.

import { type Dim, provenEqual, provenLessEqual } from "../ir/dim.js";
import { type Graph, type Node, nodesOf, type Value } from "../ir/graph.js";
import { isScalarName } from "../ir/ops/scalar.js";
import { elementCount } from "../ir/types.js";
import { isView } from "./views.js";

/** Computed at the place of use, element by element. */
export function isElementwise(node: Node): boolean {
  return isScalarName(node.op) || node.op === "select" || node.op === "cast" || node.op === "bitcast";
}

/** Can be computed inside the kernel that reads it. */
export function isInlinable(node: Node): boolean {
  return (
    isElementwise(node) ||
    isView(node.op) ||
    node.op === "iota" ||
    node.op === "dims" ||
    node.op === "gather" ||
    node.op === "take"
  );
}

/** Rough cost of one element, in simple operations. Views and indices are free. */
export function costOf(node: Node): number {
  switch (node.op) {
    case "exp":
    case "log":
    case "sigmoid":
    case "tanh":
    case "erf":
    case "sin":
    case "cos":
      return 15;
    case "pow":
    case "atan2":
    case "tan":
    case "rem":
    case "mod":
      return 40;
    case "div":
    case "sqrt":
      return 4;
    default:
      return isElementwise(node) ? 1 : 0;
  }
}

export interface Use {
  readonly node: Node;
  readonly operand: number;
}

export interface Uses {
  readonly of: ReadonlyMap<Value, readonly Use[]>;
  /** Values that something outside kernels reads: outputs, states, bindings, region results, control operands. */
  readonly rooted: ReadonlySet<Value>;
  /** All nodes, users before what they use. */
  readonly usersFirst: readonly Node[];
}

export function usesOf(graph: Graph): Uses {
  const of = new Map<Value, Use[]>();
  const rooted = new Set<Value>();
  const nodes = nodesOf(graph);
  for (const node of nodes) {
    for (const [operand, v] of node.inputs.entries()) {
      const list = of.get(v);
      if (list === undefined) of.set(v, [{ node, operand }]);
      else list.push({ node, operand });
      if (node.op === "if" || node.op === "loop") rooted.add(v);
    }
    for (const r of node.regions) for (const v of r.results) rooted.add(v);
  }
  for (const o of graph.outputs) rooted.add(o.value);
  for (const s of graph.states) rooted.add(s.next);
  for (const b of graph.bindings) if (b.from === "element") rooted.add(b.value);
  return { of, rooted, usersFirst: nodes.toReversed() };
}

/** Whether a reader may read an operand's elements more than once: the operand is better in a buffer. */
export function repeats(node: Node, operand: number): boolean {
  const out = node.outputs[0];
  const from = node.inputs[operand];
  if (out === undefined || from === undefined) return true;
  if (node.op === "take" || node.op === "gather") {
    if (operand === 0) return true;
    return !countAtMost(out.type.shape, from.type.shape);
  }
  if (isElementwise(node) || isView(node.op)) return !countAtMost(out.type.shape, from.type.shape);
  return false;
}

function countAtMost(a: readonly Dim[], b: readonly Dim[]): boolean {
  return provenLessEqual(elementCount(a), elementCount(b));
}

export function sameCount(a: readonly Dim[], b: readonly Dim[]): boolean {
  return provenEqual(elementCount(a), elementCount(b));
}
