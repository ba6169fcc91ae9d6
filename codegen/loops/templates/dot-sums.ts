// Sums of products of bytes, in the form that the machine multiplies them in. `lanes`: dot products of four bytes, unsigned by
// signed, a column's sum in each lane. `signed`: such of signed bytes alone; unsigned rows are multiplied less 128, and a row
// of sums beside the tile's gathers what that takes away, once for all rows. `squares`: squares.ts. Sums are exact, so a form
// changes no bit. All forms read the same panels.

import type { Dim } from "../../../compiler/ir/dim.js";
import { Bug } from "../../../compiler/ir/errors.js";
import type { VectorUnit } from "../../../compiler/schedule/tiles.js";
import type { Expr } from "../expr.js";
import type { Frame } from "../frame.js";
import type { Stmt } from "../stmt.js";
import { accumulateSigned } from "./signed-dots.js";
import { accumulateSquares, turnSquares } from "./squares.js";
import { type Ahead, accumulateDots, dotWidth, type Element, type RowAt } from "./tile.js";

type Form = "lanes" | "signed" | "squares";

function formOf({ unit }: Frame, element: Element, rows: number): Form {
  const { a, b } = element;
  if (unit.bytes === undefined || unit.bytes === "pairs" || rows === 1 || dotWidth(element, true) !== 4) return "lanes";
  if (unit.bytes === "signed") return a === "u8" ? "signed" : "lanes";
  // Columns are signed, or of so few bits that they are both.
  return a === "u8" || b === "u4" ? "squares" : "lanes";
}

/** The registers as a tile fills them: beside the panel's columns stand interleaved ones, or a row of sums. */
export function dotUnit(frame: Frame, element: Element, packed: boolean): VectorUnit {
  return packed && formOf(frame, element, 2) !== "lanes" ? { ...frame.unit, perColumn: 2 } : frame.unit;
}

/** Whether a tile's sums may start at rows of numbers, where others start at 0. */
export function startsAtRows(frame: Frame, element: Element, rows: number): boolean {
  return formOf(frame, element, rows) === "lanes";
}

/** Rows of sums that a tile of so many rows keeps. */
export function sumRows(frame: Frame, element: Element, rows: number): number {
  const form = formOf(frame, element, rows);
  return form === "squares" ? Math.ceil(rows / 2) * 2 : form === "signed" ? rows + 1 : rows;
}

/**
 * As accumulateDots, into sums of sumRows(rows). What is null is a row of zeros; the others follow each other.
 * Sums of the form `lanes` ask for memory ahead.
 */
export function sumDots(
  frame: Frame,
  element: Element,
  acc: readonly (readonly Expr[])[],
  rows: readonly (RowAt | null)[],
  panel: Expr,
  steps: Dim,
  width: number,
  ahead: Ahead | null = null,
): Stmt[] {
  const form = formOf(frame, element, rows.length);
  if (form === "lanes") {
    const own = rows.filter((row) => row !== null);
    const sums = acc.filter((_, i) => rows[i] !== null);
    return accumulateDots(frame, element, sums, own, panel, steps, width, ahead);
  }
  if (form === "signed") return accumulateSigned(frame, acc, rows, panel, steps, width);
  if (typeof steps !== "number") throw new Bug("loops", "squares of a panel whose depth is not known");
  return accumulateSquares(frame, element.a === "u8" ? "squareU" : "squareS", acc, rows, panel, steps, width);
}

/** The first `rows` rows of sums become what a tile stores. */
export function closeDots(frame: Frame, element: Element, acc: readonly (readonly Expr[])[], rows: number): Stmt[] {
  const form = formOf(frame, element, rows);
  if (form === "lanes") return [];
  if (form === "squares") return turnSquares(frame, acc);
  return acc
    .slice(0, rows)
    .flatMap((row) =>
      row.map(
        (sum, j): Stmt => ({ kind: "set", target: sum, value: frame.pool.same("sub", sum, acc[rows]?.[j] ?? sum) }),
      ),
    );
}
