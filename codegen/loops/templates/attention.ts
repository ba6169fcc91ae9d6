// attention: for every head and block of queries, a strip of scores (queries by keys) from register tiles, the rows'
// normalization in the strip, and the strip times the values. The strip lies in scratch and stays in cache; its rows are
// whole, so maxima and sums are taken as a kernel of rows takes them, and every sum has the order that it has in kernels
// of their own: the same bits. Keys that lie row by row are turned in registers into a panel of a few, which stays in the
// first-level cache while the block's queries pass by.

import {
  add,
  ceildiv,
  type Dim,
  indexVar,
  linearIn,
  mul,
  provenLessEqual,
  range,
  sub,
} from "../../../compiler/ir/dim.js";
import { Bug } from "../../../compiler/ir/errors.js";
import { isOp, type Node, type NodeOf, type Value } from "../../../compiler/ir/graph.js";
import { sameShape } from "../../../compiler/ir/types.js";
import {
  type Attention,
  type AttentionForm,
  type AttentionScratch,
  attentionForm,
  attentionScratch,
  panelKeys,
  readsKeysInPlace,
} from "../../../compiler/schedule/attention.js";
import { fitTile } from "../../../compiler/schedule/tiles.js";
import { locate, ravel } from "../../../compiler/schedule/views.js";
import type { Expr } from "../expr.js";
import type { Frame } from "../frame.js";
import { forLoop, inOrder, parallelLoop, symbolOf } from "../nest.js";
import type { Stmt } from "../stmt.js";
import { packPanel } from "./key-panel.js";
import { rowPasses } from "./rows.js";
import {
  accumulate,
  accumulators,
  clearTile,
  type Element,
  rowsAt,
  rowTiles,
  storeElement,
  storeTile,
  type Target,
  tiles,
  whenAtLeast,
} from "./tile.js";

const BYTES = 4;
const ELEMENT: Element = { a: "f32", b: "f32", sum: "f32" };

/** What every part of the kernel works on. */
interface Context {
  readonly frame: Frame;
  readonly attention: Attention;
  readonly form: AttentionForm;
  readonly layout: AttentionScratch;
  readonly outer: readonly Dim[];
  /** Rows of a block, at most. */
  readonly strip: number;
  /** Columns of tiles of several rows. */
  readonly nr: number;
}

/** Rows base .. base + count of the head's queries, which are rows 0 .. count of the strip; tiles of `mr` of them. */
interface Block {
  readonly base: Dim;
  readonly count: Dim;
  readonly mr: number;
}

export function lowerAttention(frame: Frame): Stmt[] {
  const { kernel } = frame;
  const { attention, choices } = kernel;
  if (attention === null) throw new Bug("loops", "attention without its parts");
  const form = attentionForm(attention, kernel.anchor);
  const outer = form.outer.map((size, axis) => indexVar(`head${axis}`, size));
  const strip = Number(choices["strip"]);
  const chosen = { mr: Number(choices["mr"]), nr: Number(choices["nr"]) };
  const shape = { rows: strip, columns: range(form.keys).hi };
  const { mr, nr } = fitTile(frame.unit, chosen, shape);
  const cx: Context = { frame, attention, form, layout: attentionScratch(form, choices), outer, strip, nr };
  let body = rowTiles(frame, form.rows, mr, (rows) => blocks(cx, rows));
  for (let axis = outer.length - 1; axis >= 0; axis--)
    body = [parallelLoop(outer[axis] ?? 0, form.outer[axis] ?? 1, body)];
  return body;
}

/** The last block may start before its place, so that it has a whole tile. */
function blocks(cx: Context, mr: number): Stmt[] {
  const { frame, form, strip } = cx;
  const { pool, reader } = frame;
  const { rows } = form;
  if (provenLessEqual(rows, strip)) return blockOf(cx, { base: 0, count: rows, mr });
  const size = ceildiv(rows, strip);
  const block = indexVar("block", size);
  const start = mul(block, strip);
  if (typeof rows === "number" && rows % strip === 0)
    return [parallelLoop(block, size, blockOf(cx, { base: start, count: strip, mr }))];
  const base = reader.dynamicIndex(pool.same("minS", pool.index(start), pool.index(sub(rows, mr))), sub(rows, mr - 1));
  const end = pool.same("minS", pool.index(add(start, strip)), pool.index(rows));
  const count = reader.dynamicIndex(pool.same("sub", end, pool.index(base)), strip + 1);
  return [parallelLoop(block, size, blockOf(cx, { base, count, mr }))];
}

/** The parts of a block, which follow each other: blocks are parallel, what is in them is not. */
function blockOf(cx: Context, block: Block): Stmt[] {
  const parts = [scores, normalize, mix].flatMap((part) => {
    const held = new Map(cx.frame.reader.held);
    const body = part(cx, block);
    cx.frame.reader.held.clear();
    for (const [v, read] of held) cx.frame.reader.held.set(v, read);
    cx.frame.reader.reset();
    return body;
  });
  return inOrder(parts);
}

/** A row of the block as a row of its head, and as a row of all heads. */
function rowAt({ frame, form }: Context, { base }: Block, local: Dim, length: number): Dim {
  if (base === 0) return local;
  return frame.reader.dynamicIndex(frame.pool.index(add(base, local)), sub(form.rows, length - 1));
}

function rowOfAll({ form, outer }: Context, row: Dim): Dim {
  return add(mul(ravel(outer, form.outer), form.rows), row);
}

function stripAt({ layout }: Context, local: Dim, key: Dim): Dim {
  return add(layout.strip, mul(local, layout.stride), key);
}

/** The first product, through its epilogue, into the strip. */
function scores(cx: Context, block: Block): Stmt[] {
  const { frame, form, attention, outer } = cx;
  const { pool } = frame;
  const result = outputOf(attention.product);
  const inPlace = readsKeysInPlace(attention);
  const nr = block.mr === 1 ? panelKeys(frame.kernel.choices) : cx.nr;
  const element = indexVar("element", form.depth);
  const flat = (row: Dim, key: Dim): Dim => add(mul(rowOfAll(cx, row), form.keys), key);
  const target = (local: Dim): Target => ({
    value: attention.scores,
    buffer: frame.scratch,
    index: (_, i, key) => stripAt(cx, add(local, i), key),
  });
  const strideOf = (v: Value, position: readonly Dim[]): Expr =>
    pool.index(mul(linearIn(sourceOf(frame, v, position).offset, symbolOf(element))?.coeff ?? 0, BYTES));
  const panelOf = (key: Dim): Expr =>
    inPlace ? addressOf(frame, form.k, form.positionK(outer, 0, key)) : pool.address(frame.scratch, 0, BYTES);
  const tile = (local: Dim, key: Dim): Stmt[] => {
    const row = rowAt(cx, block, local, block.mr);
    const acc = accumulators(frame, "f32", { mr: block.mr, nr });
    const starts = acc.map((_, i) => sourceOf(frame, form.q, form.positionQ(outer, add(row, i), 0)));
    const queries = frame.buffer(starts[0]?.source ?? form.q);
    const rows = rowsAt(
      frame,
      queries,
      starts.map((s) => s.offset),
      BYTES,
    );
    const strideQ = strideOf(form.q, form.positionQ(outer, row, element));
    const strideK = inPlace ? strideOf(form.k, form.positionK(outer, element, key)) : pool.i32(nr * BYTES);
    return [
      ...clearTile(frame, acc),
      ...accumulate(frame, ELEMENT, acc, rows, panelOf(key), form.depth, strideQ, strideK),
      ...storeTile(frame, result, acc, key, (i, c) => flat(add(row, i), c), target(local)),
    ];
  };
  const single = (): Stmt[] => {
    const local = indexVar("line", block.count);
    const key = indexVar("key", form.keys);
    const row = rowAt(cx, block, local, 1);
    const sum = pool.variable({ kind: "f32", lanes: 1 }, "sum");
    const [q, k] = [
      frame.reader.at(form.q, form.positionQ(outer, row, element)),
      frame.reader.at(form.k, form.positionK(outer, element, key)),
    ];
    const body: Stmt[] = [
      { kind: "set", target: sum, value: pool.constant(sum.type, 0) },
      forLoop(element, form.depth, [{ kind: "set", target: sum, value: pool.same("madd", q, k, sum) }]),
      storeElement(frame, result, sum, flat(row, key), 0, key, target(local)),
    ];
    return [forLoop(local, block.count, [forLoop(key, form.keys, body)])];
  };
  const panels = (): Stmt[] =>
    tiles(frame, "panel", nr, form.keys, (key) => [
      ...(inPlace ? [] : packPanel(frame, form.k, form.depth, nr, key, (at, k) => form.positionK(outer, at, k))),
      ...tiles(frame, "tile", block.mr, block.count, (local) => tile(local, key)),
    ]);
  return whenAtLeast(frame, form.keys, nr, panels, single);
}

/** The rows of the strip, in place. */
function normalize(cx: Context, { base, count, ...block }: Block): Stmt[] {
  const { frame, attention, layout } = cx;
  const { pool, reader, kernel } = frame;
  const local = indexVar("line", count);
  const row = rowOfAll(cx, rowAt(cx, { base, count, ...block }, local, 1));
  const column = indexVar("column", cx.form.keys);
  const { weights } = attention;
  reader.held.set(attention.scores, () =>
    pool.load(frame.scratch, "f32", { kind: "f32", lanes: 1 }, stripAt(cx, local, column)),
  );
  reader.reset();
  const nodes = nodesBetween(kernel.nodes, weights, attention.scores);
  const anchor = nodes.find((n) => isRowReduction(n, weights));
  if (anchor === undefined || !isOp(anchor, "reduce")) throw new Bug("loops", "attention without a reduction");
  const index = (_: Dim, key: Dim): Dim => stripAt(cx, local, key);
  const target = { value: weights, buffer: frame.scratch, index };
  return [forLoop(local, count, rowPasses(frame, { anchor, nodes, row, kept: layout.kept, target }))];
}

/** Vectors of a single row's tile: as many sums as hide that each waits for the one before. */
const SINGLE_VECTORS = 4;

/** As many columns of the values as a tile takes: half of `most`, and half of that, while there are fewer. */
function mixedColumns(width: number, most: number): number {
  let nr = most;
  while (nr > 4 && nr > width) nr /= 2;
  return nr;
}

/** The second product, through the kernel's epilogue. */
function mix(cx: Context, block: Block): Stmt[] {
  const { frame, form, outer } = cx;
  const { pool } = frame;
  const { width } = form;
  const nr = mixedColumns(width, block.mr === 1 ? SINGLE_VECTORS * frame.pool.vectorLanes : cx.nr);
  const key = indexVar("key", form.keys);
  const result = outputOf(frame.kernel.anchor);
  return tiles(frame, "mixed", nr, width, (column) =>
    tiles(frame, "tile", block.mr, block.count, (local) => {
      const row = rowAt(cx, block, local, block.mr);
      const acc = accumulators(frame, "f32", { mr: block.mr, nr });
      const starts = acc.map((_, i) => stripAt(cx, add(local, i), 0));
      const rows = rowsAt(frame, frame.scratch, starts, BYTES);
      const { offset } = sourceOf(frame, form.v, form.positionV(outer, key, column));
      const strideV = pool.index(mul(linearIn(offset, symbolOf(key))?.coeff ?? 0, BYTES));
      const panel = addressOf(frame, form.v, form.positionV(outer, 0, column));
      return [
        ...clearTile(frame, acc),
        ...accumulate(frame, ELEMENT, acc, rows, panel, form.keys, pool.i32(BYTES), strideV),
        ...storeTile(frame, result, acc, column, (i, c) => add(mul(rowOfAll(cx, add(row, i)), width), c)),
      ];
    }),
  );
}

function outputOf(node: Node): Value {
  const [only] = node.outputs;
  if (only === undefined) throw new Bug("loops", `${node.op} without a result`);
  return only;
}

/** The buffer that views of an operand lead to, and the element in it. */
function sourceOf(frame: Frame, v: Value, position: readonly Dim[]): { source: Value; offset: Dim } {
  return locate(v, position, (at) => frame.kernel.inputs.includes(at));
}

function addressOf(frame: Frame, v: Value, position: readonly Dim[]): Expr {
  const { source, offset } = sourceOf(frame, v, position);
  return frame.pool.address(frame.buffer(source), offset, BYTES);
}

/** What computes `to` from `from`, in order. */
function nodesBetween(nodes: readonly Node[], to: Value, from: Value): Node[] {
  const inside = new Set<Node>();
  const visit = (v: Value): void => {
    if (v === from || inside.has(v.node) || !nodes.includes(v.node)) return;
    inside.add(v.node);
    for (const x of v.node.inputs) visit(x);
  };
  visit(to);
  return nodes.filter((n) => inside.has(n));
}

function isRowReduction(n: Node, weights: Value): n is NodeOf<"reduce"> & Node {
  const shape = n.inputs[0]?.type.shape ?? [];
  return isOp(n, "reduce") && sameShape(shape, weights.type.shape) && n.attrs.axes[0] === shape.length - 1;
}
