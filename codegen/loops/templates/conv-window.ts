// conv-window: which taps of a window's last axis the pixels of a tile have inside the image. A tile at an edge has some
// taps outside for its first or last pixels. Where that is settled at compile time, those pixels sit out these taps, and
// the others share what they have inside the image: one pointer, and one run over taps and channels.

import { add, type Dim, mul, provenLessEqual, sub } from "../../../compiler/ir/dim.js";
import type { Expr, ExprPool } from "../expr.js";
import type { Stmt } from "../stmt.js";

/** The last axis of a convolution: the sizes of image and result, and where the taps of a pixel lie. */
export interface LastAxis {
  readonly image: Dim;
  readonly size: Dim;
  readonly taps: number;
  readonly stride: number;
  readonly dilation: number;
  readonly low: number;
  /** Whether taps may lie outside the image. */
  readonly isPadded: boolean;
}

/** Taps from..to-1 for the pixels first..end-1 of a tile. */
export interface TapSpan {
  readonly from: number;
  readonly to: number;
  readonly first: number;
  readonly end: number;
}

/** The column of the image that a tap of a pixel reads. */
function columnOf({ stride, dilation, low }: LastAxis, pixel: Dim, tap: number): Dim {
  return add(mul(pixel, stride), tap * dilation - low);
}

/** Whether a column lies in the image; null where that depends on the run. */
function isInside({ image }: LastAxis, column: Dim): boolean | null {
  if (provenLessEqual(0, column) && provenLessEqual(add(column, 1), image)) return true;
  return provenLessEqual(column, -1) || provenLessEqual(image, column) ? false : null;
}

/** What the `rows` pixels from `start` on have inside the image, taps in order; null where it is not settled. */
export function tapSpans(axis: LastAxis, rows: number, start: Dim): TapSpan[] | null {
  const spans: TapSpan[] = [];
  for (let tap = 0; tap < axis.taps; tap++) {
    const inside = Array.from({ length: rows }, (_, i) => isInside(axis, columnOf(axis, add(start, i), tap)));
    if (inside.includes(null)) return null;
    const [first, end] = [inside.indexOf(true), inside.lastIndexOf(true) + 1];
    const before = spans.at(-1);
    if (before !== undefined && before.to === tap && before.first === first && before.end === end)
      spans[spans.length - 1] = { ...before, to: tap + 1 };
    else if (first >= 0) spans.push({ from: tap, to: tap + 1, first, end });
  }
  return spans;
}

/** Whether all tiles of a row but its first and its last have all their taps inside the image. */
function isMiddleInside(axis: LastAxis, rows: number): boolean {
  const { size, taps, image } = axis;
  const last = typeof size === "number" ? (Math.ceil(size / rows) - 2) * rows : sub(size, rows + 1);
  const begin = columnOf(axis, rows, 0);
  const end = columnOf(axis, add(last, rows - 1), taps - 1);
  return provenLessEqual(0, begin) && provenLessEqual(add(end, 1), image);
}

/**
 * The tile of `rows` pixels from `start` on, which is one of those that cover the axis: `of` gives it for the taps that
 * its pixels have inside the image, `tested` where each tap of each pixel has to be looked at.
 */
export function atEdges(
  pool: ExprPool,
  axis: LastAxis,
  rows: number,
  start: Dim,
  of: (spans: readonly TapSpan[]) => Stmt[],
  tested: () => Stmt[],
): Stmt[] {
  const { size, taps } = axis;
  const all: TapSpan[] = [{ from: 0, to: taps, first: 0, end: rows }];
  const isAll = (spans: readonly TapSpan[]): boolean => {
    const [span] = spans;
    return span?.from === 0 && span.to === taps && span.first === 0 && span.end === rows;
  };
  if (!axis.isPadded) return of(all);
  const [first, last] = [tapSpans(axis, rows, 0), tapSpans(axis, rows, sub(size, rows))];
  if (size === rows) return first === null ? tested() : of(first);
  const isPair = typeof size === "number" && size <= 2 * rows;
  const others = isPair ? last : isMiddleInside(axis, rows) ? all : null;
  const isSettled = first !== null && last !== null && others !== null;
  let stmts: Stmt[] = isSettled
    ? of(others)
    : [{ kind: "if", mask: insideMask(pool, axis, rows, start), yes: of(all), no: tested() }];
  const whereAt = (tile: Dim, spans: readonly TapSpan[] | null): void => {
    if (spans === null || (isAll(spans) && (!isSettled || isAll(others)))) return;
    stmts = [{ kind: "if", mask: pool.compare("eq", pool.index(start), pool.index(tile)), yes: of(spans), no: stmts }];
  };
  if (!isPair) whereAt(sub(size, rows), last);
  whereAt(0, first);
  return stmts;
}

/** Whether all taps of all pixels lie in the image. */
function insideMask(pool: ExprPool, axis: LastAxis, rows: number, start: Dim): Expr {
  const begin = columnOf(axis, start, 0);
  const end = columnOf(axis, add(start, rows - 1), axis.taps - 1);
  return pool.op(
    "and",
    { kind: "mask32", lanes: 1 },
    pool.compare("le", pool.i32(0), pool.index(begin)),
    pool.compare("lt", pool.index(end), pool.index(axis.image)),
  );
}
