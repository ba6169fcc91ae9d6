// Decides which values get a buffer and which are computed where they are read. In: a functional graph in the layout
// its kernels read. Out: the set of values in buffers, and the group that each contraction or reduction grew into.
//
// A value gets a buffer when something outside kernels reads it, when a reader needs its elements in memory (a
// contraction's operand, a sort, ...), when two kernels would compute it twice, or when one kernel would compute an
// element of it more than once. Views are free and always followed.

import type { Dim } from "../ir/dim.js";
import { constantOf, type Node, type Value } from "../ir/graph.js";
import type { Scope, Scopes } from "../ir/scope.js";
import { attentionOperands, joinAttention } from "./attention.js";
import { blockForm } from "./blocks.js";
import { type ByteRows, byteRowsOf } from "./byte-rows.js";
import { matmulForm, readsInPlaceA, readsInPlaceB } from "./contraction.js";
import { type Group, growGroup } from "./groups.js";
import { isReadByPools } from "./pooling.js";
import type { TileChooser } from "./tiles.js";
import { isElementwise, isInlinable, repeats, type Uses } from "./uses.js";
import { holder, isView, locate } from "./views.js";

export interface Fusion {
  /** Values that have a buffer of their own, sources not included. */
  readonly buffered: ReadonlySet<Value>;
  /** Group of every node that is in one. */
  readonly groupOf: ReadonlyMap<Node, Group>;
  readonly byteRows: ByteRows;
}

const MAX_INLINE_NODES = 64;

/** Ops that what follows them elementwise joins. */
const ANCHORS: ReadonlySet<string> = new Set(["matmul", "blockMatmul", "conv", "reduce"]);

/** Ops whose kernels are one op each and read some operands from memory. */
function needsBuffer(node: Node, operand: number): boolean {
  switch (node.op) {
    case "sort":
    case "cumulate":
    case "blockMatmul":
      return true;
    case "scatter":
      return operand === 0;
    default:
      return false;
  }
}

export function fuse(scopes: Scopes, uses: Uses, attention: boolean, tiles: TileChooser): Fusion {
  const byteRows = byteRowsOf(uses, tiles);
  const groupOf = new Map<Node, Group>();
  const walk = (scope: Scope): void => {
    for (const node of scope.nodes) {
      if (!ANCHORS.has(node.op) || groupOf.has(node)) continue;
      const group = growGroup(node, scope.nodes, uses, (n) => groupOf.has(n) || byteRows.widenings.has(n));
      if (group !== null) for (const n of group.nodes) groupOf.set(n, group);
    }
    if (attention)
      for (const node of scope.nodes) {
        const joined = joinAttention(node, groupOf, uses);
        if (joined !== null) for (const n of joined.nodes) groupOf.set(n, joined);
      }
    for (const children of scope.children.values()) for (const child of children) walk(child);
  };
  walk(scopes.root);
  return { buffered: chooseBuffers(scopes, uses, groupOf, byteRows), groupOf, byteRows };
}

/**
 * Operands of a contraction that must lie in memory: the values that its views lead to, or the operands themselves. `a`: what
 * is read as its rows.
 */
export function contractionOperands(node: Node, a = node.inputs[0]): Value[] {
  const [, b] = node.inputs;
  if (a === undefined || b === undefined) return [];
  if (blockForm(node) !== null) return [holder(a)];
  const form = matmulForm(node);
  if (form === null) return [holder(a), holder(b)];
  const zero = (v: Value): Dim[] => v.type.shape.map(() => 0);
  const lies = (v: Value, inPlace: boolean): Value => (inPlace ? locate(v, zero(v)).source : holder(v));
  return [lies(a, readsInPlaceA({ ...form, a })), lies(b, constantOf(b) !== undefined || readsInPlaceB(form))];
}

/** Values that a group's kernel reads from memory. */
function operandsOf({ anchor, attention, pooling }: Group, { rows }: ByteRows): Value[] {
  if (attention !== null) return attentionOperands(attention, anchor);
  if (pooling !== null) return [pooling.from];
  if (anchor.op !== "matmul" && anchor.op !== "conv") return [];
  const bytes = rows.get(anchor);
  return bytes === undefined
    ? contractionOperands(anchor)
    : [...contractionOperands(anchor), ...contractionOperands(anchor, bytes)];
}

function chooseBuffers(scopes: Scopes, uses: Uses, groupOf: ReadonlyMap<Node, Group>, byteRows: ByteRows): Set<Value> {
  const buffered = new Set<Value>();
  /** Kernels (by the node of what they write) in which a node is computed. */
  const kernelsOf = new Map<Node, ReadonlySet<Node>>();
  const weight = new Map<Node, number>();
  const repeated = new Set<Value>();
  const need = (v: Value): void => {
    const at = holder(v);
    if (!isSource(at.node)) buffered.add(at);
  };
  for (const v of uses.rooted) need(v);

  for (const node of uses.usersFirst) {
    if (isSource(node)) continue;
    const group = groupOf.get(node);
    if (group !== undefined) {
      kernelsOf.set(node, new Set([group.exit.node]));
      if (node === group.exit.node) need(group.exit);
      if (node === group.anchor) for (const v of operandsOf(group, byteRows)) need(v);
    } else if (!isInlinable(node) && !isOutside(node)) {
      kernelsOf.set(node, new Set([node]));
      for (const v of node.outputs) buffered.add(v);
    } else decide(node);
    for (const [operand, v] of node.inputs.entries()) if (needsBuffer(node, operand)) need(v);
    propagate(node, group);
  }
  return buffered;

  /** Whether a node is a pad around what is pooled: pools know where the image ends. */
  function isOutside(node: Node): boolean {
    const isPool = (n: Node): boolean => groupOf.get(n)?.anchor === n && groupOf.get(n)?.pooling !== null;
    return node.op === "pad" && isReadByPools(node, uses, isPool);
  }

  function decide(node: Node): void {
    const v = node.outputs[0];
    if (v === undefined) return;
    const readers = new Set<Node>();
    let nodes = 1;
    const scope = scopes.scopeOf(node);
    let crosses = false;
    for (const use of uses.of.get(v) ?? []) {
      for (const k of kernelsOf.get(use.node) ?? []) readers.add(k);
      nodes += weight.get(use.node) ?? 0;
      if (scopes.scopeOf(use.node) !== scope) crosses = true;
    }
    const free = isView(node.op) || node.op === "iota" || node.op === "dims" || isOutside(node);
    const apart = isElementwise(node) ? readers.size > 1 || repeated.has(v) || crosses : readers.size > 1 && !free;
    if (!buffered.has(v) && (free || !(apart || nodes > MAX_INLINE_NODES))) {
      kernelsOf.set(node, readers);
      weight.set(node, nodes);
      return;
    }
    // A reshape has no elements of its own: what it views gets the buffer.
    if (node.op === "reshape") need(v);
    else buffered.add(v);
    kernelsOf.set(node, new Set([node]));
    weight.set(node, 1);
  }

  /** Marks operands whose elements would be computed more than once. */
  function propagate(node: Node, group: Group | undefined): void {
    for (const [operand, v] of node.inputs.entries()) {
      if (group !== undefined && groupOf.get(v.node) === group) continue;
      const inherits = isInlinable(node) && node.outputs.some((o) => repeated.has(o) && !buffered.has(o));
      if (inherits || repeats(node, operand)) repeated.add(v);
    }
  }
}

/** Values that are in memory, or constants, without any kernel. */
export function isSource(node: Node): boolean {
  return node.op === "input" || node.op === "const" || node.op === "state" || node.op === "param";
}
