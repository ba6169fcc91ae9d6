// Rows of the left operand of blockMatmul: what a row and a tile keep beside the weights.

import type { Expr } from "../expr.js";
import type { Stmt } from "../stmt.js";
import { type Pointer, set } from "./block-words.js";
import type { RowAt } from "./tile.js";

/** Rows of x and their sums: what is kept beside the weights. */
export interface Rows {
  readonly x: Pointer;
  /** Bytes from one row to the next, of x and of its scales and sums per block. */
  readonly xStride: number;
  readonly blockStride: number;
  /** null where x holds real numbers. */
  readonly quantized: { readonly scales: Pointer; readonly sums: Pointer } | null;
  /** Sums in f32, rows by vectors of columns. */
  readonly sums: readonly (readonly Expr[])[];
}

export function start(pointers: readonly Pointer[]): Stmt[] {
  return pointers.map((p) => set(p.at, p.start));
}

/** Rows of x that share one pointer. */
export function rowAddresses({ sums, xStride }: Rows, address: Expr): RowAt[] {
  return sums.map((_, r) => ({ address, offset: r * xStride }));
}

/** Columns of a tile. */
export function widthOf({ sums }: Rows): number {
  return (sums[0] ?? []).reduce((n, { type }) => n + type.lanes, 0);
}
