// Attention as one kernel: a product of queries and keys whose rows are normalized and then multiplied with values. In:
// the groups that contractions and reductions grew into. Out: three of them as one, where the first product is read by
// nothing but the rows, and the rows by nothing but the second product. The scores then need no buffer of queries by
// keys: the kernel holds a strip of a few rows in scratch. Every sum keeps the order that it has in kernels of its own.

import { add, type Dim, dependsOn, floordiv, indexVar, mul, range, symOf } from "../ir/dim.js";
import { Bug } from "../ir/errors.js";
import { constantOf, isOp, type Node, type NodeOf, type Value } from "../ir/graph.js";
import { sameShape } from "../ir/types.js";
import { matmulForm, readsInPlaceA, readsInPlaceB } from "./contraction.js";
import type { Group } from "./groups.js";
import type { Choices } from "./schedule.js";
import { stageElements } from "./stages.js";
import type { TileChooser } from "./tiles.js";
import { costOf, sameCount, type Uses } from "./uses.js";
import { holder, locate, unravel } from "./views.js";

type Matmul = NodeOf<"matmul"> & Node;

/** The values between the parts of an attention kernel. */
export interface Attention {
  /** Queries by keys. */
  readonly product: Matmul;
  /** The product after what follows it element by element: scale, mask, cap. */
  readonly scores: Value;
  /** The normalized scores, left operand of the second product. */
  readonly weights: Value;
  /** Neighbouring heads of queries that read the same keys and values. */
  readonly shared: number;
}

export interface AttentionForm {
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
  /** Elements of a query or key. */
  readonly depth: number;
  /** Elements of a value. */
  readonly width: number;
  readonly keys: Dim;
  /** Loops around: each has keys and values of its own. */
  readonly outer: readonly Dim[];
  /** Queries that read the same keys: those of one head, then of the next that shares them. */
  readonly rows: Dim;
  positionQ(outer: readonly Dim[], row: Dim, at: Dim): Dim[];
  positionK(outer: readonly Dim[], at: Dim, key: Dim): Dim[];
  positionV(outer: readonly Dim[], key: Dim, column: Dim): Dim[];
}

/** Keys of the panel that single rows are multiplied with, at least: it is turned for one row only. */
const LEAST_PANEL = 16;
/** Elements between the end of a strip's row and the next: rows of a power of two would share few lines of a cache. */
const STRIP_GAP = 16;
/** Bytes of a strip: where it has fewer rows than tiles like, keys are turned for fewer queries at a time. */
const STRIP_BYTES = 512 * 1024;
const MAX_ROWS = 64;
/** Columns of a tile, at most: one width serves keys and values. */
const WIDEST = 32;

/** Joins the groups of an attention whose second product is `anchor`; null where they are none. */
export function joinAttention(anchor: Node, groupOf: ReadonlyMap<Node, Group>, uses: Uses): Group | null {
  const second = groupOf.get(anchor);
  const weights = anchor.inputs[0];
  if (second === undefined || !isOp(anchor, "matmul") || weights === undefined) return null;
  const rows = groupOf.get(weights.node);
  if (rows === undefined || !rows.rows || rows.exit !== weights || !normalizesLastAxis(rows, weights)) return null;
  if (uses.rooted.has(weights) || (uses.of.get(weights) ?? []).some((u) => u.node !== anchor || u.operand !== 0))
    return null;
  const first = scoresOf(rows, groupOf, uses);
  if (first === null || !isOp(first.anchor, "matmul") || !isSingle(first.exit) || !isSingle(weights)) return null;
  const parts = { product: first.anchor, scores: first.exit, weights };
  if (!hasTiles(parts.product, anchor)) return null;
  const attention = { ...parts, shared: sharedHeads(parts.product, anchor) };
  return { ...second, nodes: [...first.nodes, ...rows.nodes, ...second.nodes], attention };
}

function isSingle(v: Value): boolean {
  return v.type.dtype === "f32";
}

/** Whether a group of rows runs along the last axis and gives a value for each element. */
function normalizesLastAxis({ anchor }: Group, weights: Value): boolean {
  const shape = anchor.inputs[0]?.type.shape ?? [];
  const axes = isOp(anchor, "reduce") ? anchor.attrs.axes : [];
  return axes.length === 1 && axes[0] === shape.length - 1 && sameShape(shape, weights.type.shape);
}

/** The group of a product that only these rows read, element by element. */
function scoresOf(rows: Group, groupOf: ReadonlyMap<Node, Group>, uses: Uses): Group | null {
  const members = new Set(rows.nodes);
  const isInside = (v: Value): boolean =>
    !uses.rooted.has(v) &&
    (uses.of.get(v) ?? []).every(
      (u) => members.has(u.node) || (u.node.op === "reshape" && u.node.outputs.every(isInside)),
    );
  for (const node of rows.nodes) {
    for (const operand of node.inputs) {
      const v = holder(operand);
      const group = groupOf.get(v.node);
      if (group === undefined || group === rows || group.exit !== v || group.attention !== null) continue;
      const product = group.anchor.outputs[0];
      if (group.anchor.op !== "matmul" || product === undefined || !isInside(v)) continue;
      if (sameShape(product.type.shape, rows.exit.type.shape) && sameCount(v.type.shape, rows.exit.type.shape))
        return group;
    }
  }
  return null;
}

/** Whether register tiles cover both products: 32-bit floats in memory, head sizes that are known. */
function hasTiles(product: Matmul, second: Matmul): boolean {
  const operands = [...product.inputs, ...second.inputs];
  if (!operands.every(isSingle) || product.attrs.dtype !== "f32" || second.attrs.dtype !== "f32") return false;
  const depth = product.inputs[1]?.type.shape.at(-2);
  const width = second.inputs[1]?.type.shape.at(-1);
  if (typeof depth !== "number" || typeof width !== "number" || width < 4) return false;
  const memory = [...product.inputs, ...second.inputs.slice(1)].map((v) => sourceOf(v));
  return memory.every((v) => constantOf(v) === undefined);
}

/** The value that a chain of views leads to. */
function sourceOf(v: Value): Value {
  return locate(
    v,
    v.type.shape.map(() => 0),
  ).source;
}

/** Values that the kernel reads from memory. */
export function attentionOperands({ product }: Attention, second: Node): Value[] {
  const [q, k] = product.inputs;
  const v = second.inputs[1];
  const [first, last] = [matmulForm(product), matmulForm(second)];
  if (q === undefined || k === undefined || v === undefined || first === null || last === null) return [];
  // Keys are read element by element into panels, through whatever views they have.
  return [readsInPlaceA(first) ? sourceOf(q) : holder(q), sourceOf(k), readsInPlaceB(last) ? sourceOf(v) : holder(v)];
}

/** Most neighbouring heads for which neither keys nor values change. */
function sharedHeads(product: Matmul, second: Matmul): number {
  const heads = product.outputs[0]?.type.shape.at(-3);
  const [k, v] = [product.inputs[1], second.inputs[1]];
  if (typeof heads !== "number" || k === undefined || v === undefined) return 1;
  const batch = batchOf(product).map((size, axis) => indexVar(`?b${axis}`, size));
  const changes = (x: Value, shared: number): boolean => {
    const member = indexVar("?member", shared);
    const head = add(mul(indexVar("?shared", heads / shared), shared), member);
    const [row, column] = x.type.shape.slice(-2).map((size, i) => indexVar(`?at${i}`, size));
    const { offset } = locate(x, [...clip(x, [...batch.slice(0, -1), head]), row ?? 0, column ?? 0]);
    const symbol = symOf(member);
    return symbol === undefined || dependsOn(offset, symbol);
  };
  for (let shared = heads; shared > 1; shared--)
    if (heads % shared === 0 && !changes(k, shared) && !changes(v, shared)) return shared;
  return 1;
}

function batchOf(product: Matmul): readonly Dim[] {
  return product.outputs[0]?.type.shape.slice(0, -2) ?? [];
}

/** A position on the batch axes in an operand that may have fewer of them, or have them once. */
function clip(v: Value, batch: readonly Dim[]): Dim[] {
  const own = v.type.shape.slice(0, -2);
  return own.map((size, axis) => (size === 1 ? 0 : (batch[axis + batch.length - own.length] ?? 0)));
}

/** How the kernel walks its operands. */
export function attentionForm({ product, shared }: Attention, second: Node): AttentionForm {
  const [q, k] = product.inputs;
  const v = second.inputs[1];
  if (q === undefined || k === undefined || v === undefined) throw new Bug("schedule", "attention without operands");
  const batch = batchOf(product);
  const heads = batch.at(-1);
  const queries = q.type.shape.at(-2) ?? 1;
  const outer = heads === undefined ? [] : [...batch.slice(0, -1), shared === 1 ? heads : floordiv(heads, shared)];
  const batchAt = (at: readonly Dim[], member: Dim): Dim[] =>
    at.map((p, axis) => (axis === at.length - 1 ? add(mul(p, shared), member) : p));
  return {
    q,
    k,
    v,
    depth: Number(k.type.shape.at(-2)),
    width: Number(v.type.shape.at(-1)),
    keys: k.type.shape.at(-1) ?? 1,
    outer,
    rows: mul(shared, queries),
    positionQ: (at, row, element) => {
      const [member = 0, query = 0] = unravel(row, [shared, queries]);
      return [...clip(q, batchAt(at, member)), query, element];
    },
    positionK: (at, element, key) => [...clip(k, batchAt(at, 0)), element, key],
    positionV: (at, key, column) => [...clip(v, batchAt(at, 0)), key, column],
  };
}

/** Whether panels of keys are read where they lie: neighbouring keys are neighbours in memory. */
export function readsKeysInPlace({ product }: Attention): boolean {
  const form = matmulForm(product);
  return form !== null && readsInPlaceB(form);
}

/** Tile and strip of an attention kernel: a strip is of whole tiles. */
export function attentionChoices(attention: Attention, second: Node, tiles: TileChooser): Choices {
  const { rows, keys } = attentionForm(attention, second);
  const most = Math.min(MAX_ROWS, range(rows).hi);
  const { mr, nr } = tiles.matmul({ rows: Math.max(2, most), columns: Math.min(WIDEST, range(keys).hi) });
  const whole = (count: number): number => Math.max(1, Math.floor(count / mr)) * mr;
  const fit = whole(STRIP_BYTES / (4 * Math.max(1, range(keys).hi)));
  return { mr: Math.min(mr, most), nr, strip: Math.min(whole(MAX_ROWS), fit, most), shared: attention.shared };
}

/** Keys of the widest panel that a kernel turns at a time. */
export function panelKeys(choices: Choices): number {
  return Math.max(LEAST_PANEL, Number(choices["nr"]));
}

/** Where a kernel's scratch has what, in elements. */
export interface AttentionScratch {
  /** Elements from one row of the strip to the next. */
  readonly stride: Dim;
  /** The strip's start; a panel of keys lies before it. */
  readonly strip: Dim;
  /** Start of the rows that normalization keeps for itself. */
  readonly kept: Dim;
}

export function attentionScratch({ depth, keys }: AttentionForm, choices: Choices): AttentionScratch {
  const stride = add(keys, STRIP_GAP);
  const panel = depth * panelKeys(choices);
  return { stride, strip: panel, kept: add(panel, mul(Number(choices["strip"]), stride)) };
}

/** Bytes of scratch: `nodes` are those of the kernel. */
export function attentionScratchBytes(
  attention: Attention,
  second: Node,
  choices: Choices,
  nodes: readonly Node[],
): Dim {
  const form = attentionForm(attention, second);
  const keptRows = nodes.filter((n) => costOf(n) >= 4).length;
  const { kept } = attentionScratch(form, choices);
  return mul(4, add(kept, stageElements(nodes), mul(Math.min(keptRows, 8), form.keys)));
}
