// Groups around an anchor: a contraction or a reduction takes in the elementwise nodes that follow it, as long as the
// whole has one value that the rest of the graph reads. A reduction over trailing axes also takes in the maps over its
// input's shape and further reductions over the same axes: softmax and normalizations become one kernel, row by row.

import type { Dim } from "../ir/dim.js";
import { isOp, type Node, type NodeOf, type Value } from "../ir/graph.js";
import { sameShape } from "../ir/types.js";
import type { Attention } from "./attention.js";
import { type Pooling, poolingOf } from "./pooling.js";
import { isElementwise, sameCount, type Uses } from "./uses.js";

export interface Group {
  readonly anchor: Node;
  /** In dependency order, the anchor first. */
  readonly nodes: readonly Node[];
  /** The one value that others read. */
  readonly exit: Value;
  readonly rows: boolean;
  /** The parts of a group that is an attention; its anchor is the second product. */
  readonly attention: Attention | null;
  /** The windows of a reduction that is a pool. */
  readonly pooling: Pooling | null;
}

const MAX_NODES = 48;

/** Whether a reduction is over the last axes of its operand: each result is a reduction of contiguous elements. */
function isTrailing(node: NodeOf<"reduce">): boolean {
  const rank = node.inputs[0]?.type.shape.length ?? 0;
  const { axes } = node.attrs;
  return axes.length > 0 && axes.every((axis) => axis >= rank - axes.length);
}

/**
 * Grows a group from its anchor through users in `order` (dependency order of one scope). `taken` are nodes that other
 * groups hold.
 */
export function growGroup(anchor: Node, order: readonly Node[], uses: Uses, taken: (n: Node) => boolean): Group | null {
  const first = anchor.outputs[0];
  if (first === undefined || anchor.outputs.length !== 1) return null;
  const pooling = isOp(anchor, "reduce") ? poolingOf(anchor) : null;
  const rows = isOp(anchor, "reduce") && pooling === null && isTrailing(anchor) ? anchor : null;
  const members = new Set<Node>([anchor]);
  const nodes: Node[] = [anchor];
  let best: Group = { anchor, nodes: [anchor], exit: first, rows: false, attention: null, pooling };
  const start = order.indexOf(anchor);
  for (const node of order.slice(start + 1)) {
    if (!node.inputs.some((v) => members.has(v.node))) continue;
    const fits = rows === null ? followsFlat(node, first) : followsRows(node, rows, members);
    if (!fits || taken(node) || nodes.length >= MAX_NODES) {
      if (soleExit(nodes, members, uses) === null && !canStillClose(node, nodes, members, uses)) break;
      continue;
    }
    members.add(node);
    nodes.push(node);
    const exit = soleExit(nodes, members, uses);
    // A reshape cannot be the exit: what it views has the elements.
    if (exit !== null && exit.node.op !== "reshape")
      best = {
        anchor,
        nodes: [...nodes],
        exit,
        rows: rows !== null && needsRows(nodes, rows),
        attention: null,
        pooling,
      };
  }
  return best;
}

/** The only value of the group that something outside reads; null where there are several. */
function soleExit(nodes: readonly Node[], members: ReadonlySet<Node>, uses: Uses): Value | null {
  let exit: Value | null = null;
  for (const node of nodes) {
    for (const v of node.outputs) {
      const outside = uses.rooted.has(v) || (uses.of.get(v) ?? []).some((u) => !members.has(u.node));
      if (!outside) continue;
      if (exit !== null) return null;
      exit = v;
    }
  }
  return exit;
}

/** After a user that cannot join, the group can only end at the value this user reads. */
function canStillClose(user: Node, nodes: readonly Node[], members: ReadonlySet<Node>, uses: Uses): boolean {
  const pinned = new Set(user.inputs.filter((v) => members.has(v.node)));
  for (const node of nodes)
    for (const v of node.outputs)
      if (uses.rooted.has(v) || (uses.of.get(v) ?? []).some((u) => u.node === user)) pinned.add(v);
  return pinned.size <= 1;
}

function followsFlat(node: Node, anchor: Value): boolean {
  const out = node.outputs[0];
  if (out === undefined || !(isElementwise(node) || node.op === "reshape")) return false;
  return sameCount(out.type.shape, anchor.type.shape);
}

function keptShape(shape: readonly Dim[], axes: readonly number[]): Dim[] {
  return shape.map((d, i) => (axes.includes(i) ? 1 : d));
}

function followsRows(node: Node, anchor: NodeOf<"reduce">, members: ReadonlySet<Node>): boolean {
  const full = anchor.inputs[0]?.type.shape ?? [];
  const kept = keptShape(full, anchor.attrs.axes);
  const out = node.outputs[0];
  if (out === undefined) return false;
  const { shape } = out.type;
  const isRow = (s: readonly Dim[]): boolean => sameCount(s, kept);
  if (isOp(node, "reduce")) {
    const from = node.inputs[0];
    return from !== undefined && sameShape(from.type.shape, full) && sameAxes(node.attrs.axes, anchor.attrs.axes);
  }
  if (node.op === "reshape") return isRow(shape) && node.inputs.every((v) => isRow(v.type.shape));
  if (node.op !== "broadcast" && !isElementwise(node)) return false;
  const inside = node.inputs.filter((v) => members.has(v.node));
  if (sameShape(shape, full))
    return inside.every((v) => sameShape(v.type.shape, full) || sameShape(v.type.shape, kept));
  // A row value: its group operands must be the same rows, element for element.
  return isRow(shape) && inside.every((v) => sameShape(v.type.shape, shape));
}

function sameAxes(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((axis) => b.includes(axis));
}

/** Whether a group is more than one reduction and what follows each of its results. */
function needsRows(nodes: readonly Node[], anchor: NodeOf<"reduce">): boolean {
  const full = anchor.inputs[0]?.type.shape ?? [];
  return nodes.some((n) => n !== anchor && (n.op === "reduce" || sameShape(n.outputs[0]?.type.shape ?? [], full)));
}
