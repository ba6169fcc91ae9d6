// blockMatmul: a product with packed weights of few bits (or floats of 16). A row alone multiplies them as they come out of their words, so
// that a matrix-vector product reads no more than the bits. Tiles of rows share a panel's weights: they are unpacked to
// scratch, which stays in cache, and the tiles run over that. Sums of real numbers run over k in order, as in every
// product; integers are summed exactly inside a block and the blocks scaled and added in order: both forms give the same
// bits.

import { add, type Dim, indexVar, mul } from "../../../compiler/ir/dim.js";
import { bytesOf } from "../../../compiler/ir/dtype.js";
import { Bug } from "../../../compiler/ir/errors.js";
import type { Value } from "../../../compiler/ir/graph.js";
import { wordsOf } from "../../../compiler/plan/pack-bits.js";
import { type BlockForm, blockForm, blockWidth } from "../../../compiler/schedule/blocks.js";
import { choiceOf } from "../../../compiler/schedule/choices.js";
import { holder } from "../../../compiler/schedule/views.js";
import { type Expr, I32 } from "../expr.js";
import type { Frame } from "../frame.js";
import { LANES, parallelLoop } from "../nest.js";
import type { BitPanels, Panels, Stmt } from "../stmt.js";
import {
  advance,
  F32X4,
  I32X4,
  type PanelPart,
  type Pointer,
  type Reader,
  readWeights,
  repeat,
  set,
  VECTOR_BYTES,
  zeroBytesOf,
  zeroOf,
} from "./block-words.js";
import {
  accumulate,
  accumulateDots,
  accumulators,
  blockedTiles,
  clearTile,
  type RowAt,
  storeTile,
  tiles,
  whenAtLeast,
} from "./tile.js";

const WORD_BYTES = 4;

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
  const [mr, nr] = [choiceOf(kernel, "mr"), choiceOf(kernel, "nr")];
  const width = blockWidth(nr);
  const words: BitPanels = { bits, nr, k, n };
  const perBlock: Panels = { nr, batch: 1, k: groups, n, batchStride: groups * n, rowStride: n, pair: 1, run: groups };
  frame.pack(form.w, words);
  const { affine } = form;
  const zeros = affine === null || affine.zero.type.shape.length === 0 ? null : affine.zero;
  if (affine !== null) frame.pack(affine.scale, perBlock);
  if (zeros !== null) frame.pack(zeros, perBlock);
  const pointer = (name: string, start: Expr): Pointer => ({ at: pool.variable(I32, name), start });
  const into = (name: string, v: Value, index: Dim, bytes: number): Pointer =>
    pointer(name, pool.address(frame.buffer(v), index, bytes));

  const panelPart = (column: Dim): PanelPart => {
    const t = typeof column === "number" ? 0 : indexVar("panel", Math.ceil(n / nr));
    return {
      form,
      nr,
      vectors: nr / LANES,
      words: into("pw", form.w, mul(t, wordsOf(words) * nr), WORD_BYTES),
      scales: affine === null ? null : into("ps", affine.scale, mul(t, groups * nr), bytesOf("f32")),
      zeros: zeros === null ? null : into("pz", zeros, mul(t, groups * nr), zeroBytesOf(form)),
    };
  };
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
      sums: accumulators(frame, "f32", { mr: count, nr: columns }, LANES),
    };
  };
  const store = (row: Dim, { sums }: Rows, column: Dim): Stmt[] =>
    storeTile(frame, result, sums, column, (i, c) => add(mul(add(row, i), n), c));

  const oneRow = (row: Dim, column: Dim): Stmt[] => {
    const part = panelPart(column);
    const rows = rowsFrom(row, 1, nr);
    return [
      ...start([...pointersOf(part), ...pointersOfRows(rows)]),
      ...clearTile(frame, rows.sums),
      ...readWeights(frame, part, form.quantized === null ? realRow(frame, rows) : integerRow(frame, part, rows)),
      ...store(row, rows, column),
    ];
  };

  /** Bytes of `width` columns in scratch. */
  const partBytes = (form.quantized === null ? k : Math.ceil(k / 2)) * width * 4;
  const unpack = (column: Dim): Stmt[] => {
    const part = panelPart(column);
    const to = pointer("pd", pool.address(frame.scratch, 0, 1));
    return [...start([...pointersOf(part), to]), ...readWeights(frame, part, unpacked(form, to, width, partBytes))];
  };
  const tile = (row: Dim, column: Dim, index: Dim): Stmt[] => {
    const part = panelPart(column);
    const rows = rowsFrom(row, mr, width);
    const from = pool.address(frame.scratch, mul(index, partBytes), 1);
    const shifted = pool.same("add", pool.index(column), pool.index(mul(index, width)));
    const base = index === 0 ? column : frame.reader.dynamicIndex(shifted, n);
    return [
      ...clearTile(frame, rows.sums),
      ...(form.quantized === null
        ? realTile(frame, form, rows, from)
        : integerTile(frame, { ...part, vectors: width / LANES }, rows, from, index)),
      ...store(row, rows, base),
    ];
  };

  const rowBytes = k * bytesOf(form.x.type.dtype);
  const tiled = (): Stmt[] =>
    blockedTiles(frame, "tile", mr, m, mr * rowBytes, (overRows) =>
      tiles(frame, "panel", nr, n, (column) => {
        const parts = nr / width;
        const index = parts === 1 ? 0 : indexVar("part", parts);
        const body = overRows((row) => tile(row, column, index));
        return [...unpack(column), ...(index === 0 ? body : [parallelLoop(index, parts, body)])];
      }),
    );
  const single = (): Stmt[] =>
    blockedTiles(frame, "row", 1, m, rowBytes, (overRows) =>
      tiles(frame, "panel", nr, n, (column) => overRows((row) => oneRow(row, column))),
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
function realRow({ pool }: Frame, { x, xStride, sums }: Rows): Reader {
  const a = pool.variable(F32X4, "a");
  return {
    blockStart: [],
    use: (i, weights) =>
      sums.flatMap((row, r) => [
        set(a, pool.loadAt(x.at, r * xStride + i * bytesOf("f32"), "f32", F32X4, true)),
        ...row.map((sum, j) => set(sum, pool.same("madd", a, weights[j] ?? a, sum))),
      ]),
    blockEnd: [],
    perRow: [[x, bytesOf("f32")]],
    perBlock: [],
  };
}

/** Sums of a block in whole numbers, rows by vectors of columns. */
function dotsOf({ pool }: Frame, { sums }: Rows): Expr[][] {
  return sums.map((row, r) => row.map((_, j) => pool.variable(I32X4, `dot${r}_${j}`)));
}

/** dots += x . q for two rows of k at a time; at the block's end the sums take it scaled. */
function integerRow(frame: Frame, part: PanelPart, rows: Rows): Reader {
  const { pool } = frame;
  const { x, xStride, quantized } = rows;
  const dots = dotsOf(frame, rows);
  const a = pool.variable(I32X4, "a");
  return {
    blockStart: clearTile(frame, dots),
    use: (i, pairs) =>
      dots.flatMap((row, r) => [
        // Behind an odd end stands a weight of 0.
        set(a, pool.loadAt(x.at, r * xStride + i * bytesOf("i16"), "i32", I32X4, true)),
        ...row.map((dot, j) => set(dot, pool.same("add", dot, pool.same("dot16", a, pairs[j] ?? a)))),
      ]),
    blockEnd: scaleBlock(frame, part, rows, dots),
    perRow: [[x, bytesOf("i16")]],
    perBlock:
      quantized === null
        ? []
        : [
            [quantized.scales, 4],
            [quantized.sums, 4],
          ],
  };
}

/** sums += (dots - zero * xSum) * (xScale * scale) */
function scaleBlock(frame: Frame, part: PanelPart, rows: Rows, dots: readonly (readonly Expr[])[]): Stmt[] {
  const { pool } = frame;
  const { quantized, blockStride } = rows;
  const { scales } = part;
  if (quantized === null || scales === null) return [];
  return rows.sums.flatMap((row, r) =>
    row.flatMap((sum, j) => {
      const dot = dots[r]?.[j] ?? sum;
      const rowSum = pool.loadAt(quantized.sums.at, r * blockStride, "i32", I32X4, true);
      const exact = pool.same("sub", dot, pool.same("mul", zeroOf(frame, part, I32X4, j), rowSum));
      const rowScale = pool.loadAt(quantized.scales.at, r * blockStride, "f32", F32X4, true);
      const scale = pool.same("mul", rowScale, pool.loadAt(scales.at, j * VECTOR_BYTES, "f32", F32X4));
      return [set(sum, pool.same("madd", pool.op("toFloatS", F32X4, exact), scale, sum))];
    }),
  );
}

/** Stores weights in parts of `width` columns: [part][k][width] in f32, or [part][k / 2][width][2] in i16. */
function unpacked(form: BlockForm, to: Pointer, width: number, partBytes: number): Reader {
  const perVector = width / LANES;
  const rowBytes = width * 4;
  const isReal = form.quantized === null;
  return {
    blockStart: [],
    use: (i, weights) =>
      weights.map((value, j): Stmt => {
        const row = isReal ? i : i / 2;
        const offset = Math.floor(j / perVector) * partBytes + row * rowBytes + (j % perVector) * VECTOR_BYTES;
        return { kind: "storeAt", dtype: isReal ? "f32" : "i32", address: to.at, offset, value };
      }),
    blockEnd: [],
    perRow: [[to, isReal ? rowBytes : rowBytes / 2]],
    perBlock: [],
  };
}

/** Rows of x that share one pointer. */
function rowAddresses({ sums, xStride }: Rows, address: Expr): RowAt[] {
  return sums.map((_, r) => ({ address, offset: r * xStride }));
}

function realTile(frame: Frame, form: BlockForm, rows: Rows, weights: Expr): Stmt[] {
  const { pool } = frame;
  const element = { a: "f32", b: "f32", sum: "f32" } as const;
  const stride = (rows.sums[0]?.length ?? 1) * VECTOR_BYTES;
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

function integerTile(frame: Frame, part: PanelPart, rows: Rows, weights: Expr, index: Dim): Stmt[] {
  const { pool } = frame;
  const { form, nr } = part;
  const { quantized, x } = rows;
  if (quantized === null || part.scales === null) throw new Bug("loops", "integers without their scales");
  const element = { a: "i16", b: "i16", sum: "i32" } as const;
  const dots = dotsOf(frame, rows);
  const from: Pointer = { at: pool.variable(I32, "pu"), start: weights };
  // Scales and zeros of this part's columns.
  const shifted = (p: Pointer, bytes: number): Pointer => ({
    at: p.at,
    start: pool.same("add", p.start, pool.index(mul(index, part.vectors * LANES * bytes))),
  });
  const zeroBytes = zeroBytesOf(form);
  const scales = shifted(part.scales, bytesOf("f32"));
  const zeros = part.zeros === null ? null : shifted(part.zeros, zeroBytes);
  const pairBytes = part.vectors * VECTOR_BYTES;
  const block = (length: number): Stmt[] => [
    ...clearTile(frame, dots),
    ...accumulateDots(
      frame,
      element,
      dots,
      rowAddresses(rows, x.at),
      from.at,
      Math.ceil(length / 2),
      part.vectors * LANES,
    ),
    ...scaleBlock(frame, part, rows, dots),
    advance(frame, x, length * bytesOf("i16")),
    advance(frame, from, Math.ceil(length / 2) * pairBytes),
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
