// The integers of blockMatmul: dot products of a block in whole numbers, from which its zeros take away, scaled and added to the
// sums in f32 at the block's end. A row takes weights as they come out of their words, a tile those that were unpacked.

import { bytesOf } from "../../../compiler/ir/dtype.js";
import { Bug } from "../../../compiler/ir/errors.js";
import { type BlockForm, ROW_SCALE, rowScales, SHARED_SUMS } from "../../../compiler/schedule/blocks.js";
import { type Expr, I32 } from "../expr.js";
import type { Frame } from "../frame.js";
import type { Stmt } from "../stmt.js";
import { type Rows, rowAddresses, start, widthOf } from "./block-rows.js";
import {
  advance,
  floatsOf,
  type PanelPart,
  type Pointer,
  placeOf,
  type Reader,
  repeat,
  set,
  vectorAt,
  wordsReg,
  zeroBytesOf,
  zeroOf,
} from "./block-words.js";
import { closeDots, startsAtRows, sumDots, sumRows } from "./dot-sums.js";
import { sharedSums } from "./shared-sums.js";
import { clearTile, type Element } from "./tile.js";

const WORD_BYTES = 4;

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

/** Sums that are 2^ROW_SCALE times what they stand for, as they are, less what the zeros take away. */
function unscale(frame: Frame, part: PanelPart, rows: Rows, dots: readonly (readonly Expr[])[]): Stmt[] {
  const { pool } = frame;
  return [
    ...dots.flat().map((dot) => set(dot, pool.same("shrS", dot, pool.i32(ROW_SCALE)))),
    ...takeZeros(frame, part, rows, dots, "end"),
  ];
}

/** dots += x . q for a group of rows of k at a time; at the block's end the sums take it scaled. */
export function integerRow(frame: Frame, part: PanelPart, rows: Rows): Reader {
  const { pool } = frame;
  const { x, xStride, quantized } = rows;
  const { form } = part;
  const bytes = bytesOf(form.x.type.dtype);
  const dots = dotsOf(frame, part, rows.sums.length);
  const a = pool.variable(wordsReg(part), "a");
  const inPlace = rowScales(form);
  /** Groups of x, times what brings their products with weights in place to 2^ROW_SCALE. */
  const scaled = (i: number, v: Expr): Expr => {
    const shift = inPlace ? ROW_SCALE - placeOf(i, form) : 0;
    return shift === 0 ? v : pool.same("shlHalves", v, pool.i32(shift));
  };
  return {
    inPlace,
    blockStart: inPlace ? clearTile(frame, dots) : takeZeros(frame, part, rows, dots, "start"),
    use: (i, weights) =>
      dots.flatMap((row, r) => [
        // Behind the end stand weights of 0.
        set(a, scaled(i, pool.loadAt(x.at, r * xStride + i * bytes, "i32", wordsReg(part), true))),
        ...row.map((dot, j) => set(dot, dotProduct(frame, form, a, weights[j] ?? a, dot))),
      ]),
    blockEnd: [...(inPlace ? unscale(frame, part, rows, dots) : []), ...scaleBlock(frame, part, rows, dots)],
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

/** What tiles multiply over unpacked weights. */
function elementOf({ bits, group }: BlockForm): Element {
  if (group === 2) return { a: "i16", b: "i16", sum: "i32" };
  return { a: "i8", b: bits < 8 ? "u4" : "u8", sum: "i32" };
}

export function integerTile(frame: Frame, part: PanelPart, rows: Rows, weights: Expr, isShared: boolean): Stmt[] {
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
