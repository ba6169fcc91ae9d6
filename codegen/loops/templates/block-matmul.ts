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
import { integerRow, integerTile } from "./block-integers.js";
import { type Rows, rowAddresses, start, widthOf } from "./block-rows.js";
import {
  floatsOf,
  type PanelPart,
  type Pointer,
  type Reader,
  readWeights,
  set,
  vectorAt,
  zeroBytesOf,
} from "./block-words.js";
import { unpackedShared } from "./shared-sums.js";
import {
  accumulate,
  accumulators,
  blockedTiles,
  clearTile,
  storeTile,
  tileLanes,
  tileParts,
  tiles,
  whenAtLeast,
} from "./tile.js";

const WORD_BYTES = 4;
/** Vectors of columns that a single row sums at a time, the first of these that divides a panel: there are as many words, weights and sums. */
const ROW_VECTORS = [4, 3, 2, 1];

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
    inPlace: false,
    perRow: [[x, bytesOf("f32")]],
    perBlock: [],
  };
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
    inPlace: false,
    perRow: [[to, isReal ? rowBytes : rowBytes / group]],
    perBlock: [],
  };
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
