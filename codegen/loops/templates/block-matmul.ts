// blockMatmul: a product with packed weights of few bits (or floats of 16). A row alone multiplies them as they come out of their words, so
// that a matrix-vector product reads no more than the bits. Tiles of rows share a panel's weights: they are unpacked to
// scratch, which stays in cache, and the tiles run over that. Sums of real numbers run over k in order, as in every
// product; integers are summed exactly inside a block and the blocks scaled and added in order: both forms give the same
// bits.

import { add, type Dim, floordiv, indexVar, mul } from "../../../compiler/ir/dim.js";
import { bytesOf } from "../../../compiler/ir/dtype.js";
import { Bug } from "../../../compiler/ir/errors.js";
import type { Value } from "../../../compiler/ir/graph.js";
import { wordsOf } from "../../../compiler/plan/pack-bits.js";
import {
  type BlockForm,
  blockForm,
  SHARED_COLUMNS,
  SHARED_SUMS,
  tilesShareSums,
  unpackedRows,
} from "../../../compiler/schedule/blocks.js";
import { choiceOf } from "../../../compiler/schedule/choices.js";
import { blockRows, blockWidth } from "../../../compiler/schedule/tiles.js";
import { holder } from "../../../compiler/schedule/views.js";
import { type Expr, I32 } from "../expr.js";
import type { Frame } from "../frame.js";
import type { BitPanels, Panels, Stmt } from "../stmt.js";
import {
  advance,
  floatsOf,
  type PanelPart,
  type Pointer,
  type Reader,
  readWeights,
  repeat,
  set,
  vectorAt,
  wordsReg,
  zeroBytesOf,
  zeroOf,
} from "./block-words.js";
import { closeDots, startsAtRows, sumDots, sumRows } from "./dot-sums.js";
import { sharedSums, unpackedShared } from "./shared-sums.js";
import {
  accumulate,
  accumulators,
  blockedTiles,
  clearTile,
  type Element,
  type RowAt,
  storeTile,
  tileLanes,
  tileParts,
  tiles,
  whenAtLeast,
} from "./tile.js";

const WORD_BYTES = 4;
/** Vectors of columns that a single row sums at a time, the first of these that divides a panel: there are as many words, weights and sums. */
const ROW_VECTORS = [4, 3, 2, 1];

/** Rows of x and their sums: what a tile keeps beside the weights. */
interface Rows {
  readonly x: Pointer;
  /** Bytes from one row to the next, of x and of its scales and sums per block. */
  readonly xStride: number;
  readonly blockStride: number;
  /** null where x holds real numbers. */
  readonly quantized: { readonly scales: Pointer; readonly sums: Pointer } | null;
  /** Sums in f32, rows by vectors of columns. */
  readonly sums: readonly (readonly Expr[])[];
}

export function lowerBlockMatmul(frame: Frame): Stmt[] {
  const { kernel, pool } = frame;
  const form = blockForm(kernel.anchor);
  const result = kernel.anchor.outputs[0];
  if (form === null || result === undefined) throw new Bug("loops", "blockMatmul without its operands");
  const { m, k, n, groups, bits } = form;
  const nr = choiceOf(kernel, "nr");
  const lanes = tileLanes(frame, nr);
  const isShared = tilesShareSums(form, nr, lanes);
  const width = isShared ? SHARED_COLUMNS * lanes : blockWidth({ ...frame.unit, lanes }, nr);
  const mr = Math.min(choiceOf(kernel, "mr"), blockRows(frame.unit, width, form.quantized !== null));
  const words: BitPanels = { bits, group: form.group, nr, k, n };
  const perBlock: Panels = { nr, batch: 1, k: groups, n, batchStride: groups * n, rowStride: n, pair: 1, run: groups };
  frame.pack(form.w, words);
  const { affine } = form;
  const zeros = affine === null || affine.zero.type.shape.length === 0 ? null : affine.zero;
  if (affine !== null) frame.pack(affine.scale, perBlock);
  if (zeros !== null) frame.pack(zeros, perBlock);
  const pointer = (name: string, start: Expr): Pointer => ({ at: pool.variable(I32, name), start });
  const into = (name: string, v: Value, index: Dim, bytes: number): Pointer =>
    pointer(name, pool.address(frame.buffer(v), index, bytes));

  /** `count` columns of a panel, from column `from` of it on. */
  const panelPart = (column: Dim, from: Dim = 0, count = nr): PanelPart => {
    const t = typeof column === "number" ? 0 : indexVar("panel", Math.ceil(n / nr));
    const at = (rows: number): Dim => add(mul(t, rows * nr), from);
    return {
      form,
      nr,
      lanes,
      vectors: count / lanes,
      words: into("pw", form.w, at(wordsOf(words)), WORD_BYTES),
      scales: affine === null ? null : into("ps", affine.scale, at(groups), bytesOf("f32")),
      zeros: zeros === null ? null : into("pz", zeros, at(groups), zeroBytesOf(form)),
    };
  };
  /** The column of the result that column `part` of a panel is. */
  const columnOf = (column: Dim, part: Dim): Dim =>
    part === 0 ? column : frame.reader.dynamicIndex(pool.index(add(column, part)), n);
  const rowsFrom = (row: Dim, count: number, columns: number): Rows => {
    const { quantized } = form;
    return {
      x: into("px", holder(form.x), mul(row, k), bytesOf(form.x.type.dtype)),
      xStride: k * bytesOf(form.x.type.dtype),
      blockStride: groups * 4,
      quantized:
        quantized === null
          ? null
          : {
              scales: into("pxs", holder(quantized.scale), mul(row, groups), 4),
              sums: into("pxz", holder(quantized.sum), mul(row, groups), 4),
            },
      sums: accumulators(frame, "f32", { mr: count, nr: columns }, lanes),
    };
  };
  const store = (row: Dim, { sums }: Rows, column: Dim): Stmt[] =>
    storeTile(frame, result, sums, column, (i, c) => add(mul(add(row, i), n), c));

  const rowWidth = lanes * (ROW_VECTORS.find((v) => nr % (v * lanes) === 0) ?? 1);
  const oneRow = (row: Dim, first: Dim, from: Dim): Stmt[] => {
    const part = panelPart(first, from, rowWidth);
    const rows = rowsFrom(row, 1, rowWidth);
    const column = columnOf(first, from);
    return [
      ...start([...pointersOf(part), ...pointersOfRows(rows)]),
      ...clearTile(frame, rows.sums),
      ...readWeights(frame, part, form.quantized === null ? realRow(frame, part, rows) : integerRow(frame, part, rows)),
      ...store(row, rows, column),
    ];
  };

  /** Words of a row of `width` columns in scratch, and bytes of all its rows. */
  const rowWords = isShared ? SHARED_SUMS * lanes : width;
  const partBytes = unpackedRows(form) * rowWords * WORD_BYTES;
  const unpack = (column: Dim): Stmt[] => {
    const part = panelPart(column);
    const to = pointer("pd", pool.address(frame.scratch, 0, 1));
    const reader = isShared ? unpackedShared(frame, part, to, partBytes) : unpacked(part, to, width, partBytes);
    return [...start([...pointersOf(part), to]), ...readWeights(frame, part, reader)];
  };
  const tile = (row: Dim, first: Dim, part: Dim): Stmt[] => {
    const rows = rowsFrom(row, mr, width);
    // Parts lie one after another.
    const from = pool.address(frame.scratch, mul(floordiv(part, width), partBytes), 1);
    const columns = columnOf(first, part);
    return [
      ...clearTile(frame, rows.sums),
      ...(form.quantized === null
        ? realTile(frame, form, rows, from)
        : integerTile(frame, panelPart(first, part, width), rows, from, isShared)),
      ...store(row, rows, columns),
    ];
  };

  const rowBytes = k * bytesOf(form.x.type.dtype);
  const tiled = (): Stmt[] =>
    blockedTiles(frame, "tile", mr, m, mr * rowBytes, (overRows) =>
      tiles(frame, "panel", nr, n, (column) => [
        ...unpack(column),
        ...tileParts(nr, width, (part) => overRows((row) => tile(row, column, part))),
      ]),
    );
  const single = (): Stmt[] =>
    blockedTiles(frame, "row", 1, m, rowBytes, (overRows) =>
      tiles(frame, "panel", nr, n, (column) =>
        tileParts(nr, rowWidth, (part) => overRows((row) => oneRow(row, column, part))),
      ),
    );
  return mr === 1 ? single() : whenAtLeast(frame, m, mr, tiled, single);
}

function start(pointers: readonly Pointer[]): Stmt[] {
  return pointers.map((p) => set(p.at, p.start));
}

function pointersOf({ words, scales, zeros }: PanelPart): Pointer[] {
  return [words, scales, zeros].filter((p) => p !== null);
}

function pointersOfRows({ x, quantized }: Rows): Pointer[] {
  return [x, ...(quantized === null ? [] : [quantized.scales, quantized.sums])];
}

/** sums += x * w */
function realRow({ pool }: Frame, part: PanelPart, { x, xStride, sums }: Rows): Reader {
  const floats = floatsOf(part);
  const a = pool.variable(floats, "a");
  return {
    blockStart: [],
    use: (i, weights) =>
      sums.flatMap((row, r) => [
        set(a, pool.loadAt(x.at, r * xStride + i * bytesOf("f32"), "f32", floats, true)),
        ...row.map((sum, j) => set(sum, pool.same("madd", a, weights[j] ?? a, sum))),
      ]),
    blockEnd: [],
    perRow: [[x, bytesOf("f32")]],
    perBlock: [],
  };
}

/** Sums of a block in whole numbers, so many rows by vectors of columns. */
function dotsOf({ pool }: Frame, part: PanelPart, count: number): Expr[][] {
  const type = wordsReg(part);
  return Array.from({ length: count }, (_, r) =>
    Array.from({ length: part.vectors }, (_, j) => pool.variable(type, `dot${r}_${j}`)),
  );
}

/** What a block's zeros take away, -zero * xSum: its sums start there, or take it in the end. */
function takeZeros(
  frame: Frame,
  part: PanelPart,
  rows: Rows,
  dots: readonly (readonly Expr[])[],
  when: "start" | "end",
): Stmt[] {
  const { pool } = frame;
  const { quantized, blockStride } = rows;
  if (quantized === null) return [];
  const type = wordsReg(part);
  return dots.flatMap((row, r) => {
    const rowSum = pool.loadAt(quantized.sums.at, r * blockStride, "i32", type, true);
    const kept = pool.variable(type, `rowSum${r}`);
    // One zero for all columns: they lose alike.
    const zeros = row.map((_, j) => zeroOf(frame, part, type, j));
    const [zero] = zeros;
    const isOne = zero?.kind === "const";
    const first = isOne ? pool.same("mul", pool.constant(type, 0 - Number(zero.value)), rowSum) : rowSum;
    return [
      set(kept, first),
      ...row.map((dot, j) => {
        const taken = isOne ? kept : pool.same("mul", pool.op("neg", type, zeros[j] ?? kept), kept);
        return set(dot, when === "start" ? taken : pool.same("add", dot, taken));
      }),
    ];
  });
}

/** dot + x . q, of pairs or of bytes, of which the weights' are unsigned. */
function dotProduct({ pool }: Frame, { bits, group }: BlockForm, x: Expr, q: Expr, dot: Expr): Expr {
  if (group === 2) return pool.same("add", dot, pool.same("dot16", x, q));
  return pool.same(bits < 8 ? "dot7" : "dot8", q, x, dot);
}

/** dots += x . q for a group of rows of k at a time; at the block's end the sums take it scaled. */
function integerRow(frame: Frame, part: PanelPart, rows: Rows): Reader {
  const { pool } = frame;
  const { x, xStride, quantized } = rows;
  const { form } = part;
  const bytes = bytesOf(form.x.type.dtype);
  const dots = dotsOf(frame, part, rows.sums.length);
  const a = pool.variable(wordsReg(part), "a");
  return {
    blockStart: takeZeros(frame, part, rows, dots, "start"),
    use: (i, weights) =>
      dots.flatMap((row, r) => [
        // Behind the end stand weights of 0.
        set(a, pool.loadAt(x.at, r * xStride + i * bytes, "i32", wordsReg(part), true)),
        ...row.map((dot, j) => set(dot, dotProduct(frame, form, a, weights[j] ?? a, dot))),
      ]),
    blockEnd: scaleBlock(frame, part, rows, dots),
    perRow: [[x, bytes]],
    perBlock:
      quantized === null
        ? []
        : [
            [quantized.scales, 4],
            [quantized.sums, 4],
          ],
  };
}

/** sums += dots * (xScale * scale) */
function scaleBlock(frame: Frame, part: PanelPart, rows: Rows, dots: readonly (readonly Expr[])[]): Stmt[] {
  const { pool } = frame;
  const { quantized, blockStride } = rows;
  const { scales } = part;
  if (quantized === null || scales === null) return [];
  const floats = floatsOf(part);
  const rowScale = pool.variable(floats, "rowScale");
  return rows.sums.flatMap((row, r) => [
    set(rowScale, pool.loadAt(quantized.scales.at, r * blockStride, "f32", floats, true)),
    ...row.map((sum, j) => {
      const dot = dots[r]?.[j] ?? sum;
      const scale = pool.same("mul", rowScale, pool.loadAt(scales.at, vectorAt(part, j), "f32", floats));
      return set(sum, pool.same("madd", pool.op("toFloatS", floats, dot), scale, sum));
    }),
  ]);
}

/** Stores weights in parts of `width` columns: [part][k][width] in f32, or [part][k / group][width][group] in integers. */
function unpacked(part: PanelPart, to: Pointer, width: number, partBytes: number): Reader {
  const perVector = width / part.lanes;
  const rowBytes = width * WORD_BYTES;
  const isReal = part.form.quantized === null;
  const { group } = part.form;
  return {
    blockStart: [],
    use: (i, weights) =>
      weights.map((value, j): Stmt => {
        const row = isReal ? i : i / group;
        const offset = Math.floor(j / perVector) * partBytes + row * rowBytes + vectorAt(part, j % perVector);
        return { kind: "storeAt", dtype: isReal ? "f32" : "i32", address: to.at, offset, value };
      }),
    blockEnd: [],
    perRow: [[to, isReal ? rowBytes : rowBytes / group]],
    perBlock: [],
  };
}

/** Rows of x that share one pointer. */
function rowAddresses({ sums, xStride }: Rows, address: Expr): RowAt[] {
  return sums.map((_, r) => ({ address, offset: r * xStride }));
}

/** Columns of a tile. */
function widthOf({ sums }: Rows): number {
  return (sums[0] ?? []).reduce((n, { type }) => n + type.lanes, 0);
}

function realTile(frame: Frame, form: BlockForm, rows: Rows, weights: Expr): Stmt[] {
  const { pool } = frame;
  const element = { a: "f32", b: "f32", sum: "f32" } as const;
  const stride = widthOf(rows) * WORD_BYTES;
  return accumulate(
    frame,
    element,
    rows.sums,
    rowAddresses(rows, rows.x.start),
    weights,
    form.k,
    pool.i32(bytesOf("f32")),
    pool.i32(stride),
  );
}

/** What tiles multiply over unpacked weights. */
function elementOf({ bits, group }: BlockForm): Element {
  if (group === 2) return { a: "i16", b: "i16", sum: "i32" };
  return { a: "i8", b: bits < 8 ? "u4" : "u8", sum: "i32" };
}

function integerTile(frame: Frame, part: PanelPart, rows: Rows, weights: Expr, isShared: boolean): Stmt[] {
  const { pool } = frame;
  const { form, nr } = part;
  const { quantized, x } = rows;
  const { scales, zeros } = part;
  if (quantized === null || scales === null) throw new Bug("loops", "integers without their scales");
  const element = elementOf(form);
  const count = rows.sums.length;
  const sums = dotsOf(frame, part, sumRows(frame, element, count));
  const dots = sums.slice(0, count);
  const starts = !isShared && startsAtRows(frame, element, count);
  const from: Pointer = { at: pool.variable(I32, "pu"), start: weights };
  const zeroBytes = zeroBytesOf(form);
  const shared = isShared ? sharedSums(frame, part, dots) : null;
  const width = shared === null ? widthOf(rows) : SHARED_SUMS * part.lanes;
  const added = shared?.sums ?? sums;
  const steps = (length: number): number => Math.ceil(length / form.group);
  const block = (length: number): Stmt[] => [
    ...(starts ? takeZeros(frame, part, rows, dots, "start") : clearTile(frame, added)),
    ...sumDots(frame, element, added, rowAddresses(rows, x.at), from.at, steps(length), width),
    ...(shared === null ? closeDots(frame, element, sums, count) : shared.close),
    ...(starts ? [] : takeZeros(frame, part, rows, dots, "end")),
    ...scaleBlock(frame, part, rows, dots),
    advance(frame, x, length * bytesOf(element.a)),
    advance(frame, from, steps(length) * width * WORD_BYTES),
    advance(frame, scales, nr * bytesOf("f32")),
    ...(zeros === null ? [] : [advance(frame, zeros, nr * zeroBytes)]),
    advance(frame, quantized.scales, 4),
    advance(frame, quantized.sums, 4),
  ];
  const rest = form.k % form.block;
  const pointers = [x, from, scales, ...(zeros === null ? [] : [zeros]), quantized.scales, quantized.sums];
  return [
    ...start(pointers),
    ...repeat(frame, "blocks", Math.floor(form.k / form.block), [scales, nr * bytesOf("f32")], block(form.block)),
    ...(rest > 0 ? block(rest) : []),
  ];
}
