// What a kernel's arguments are, and how constants lie in the weights.

import type { Value } from "../ir/graph.js";

/** How a constant operand lies in memory: as it is, or packed. */
export type Layout = "plain" | Panels | BitPanels;

/**
 * A matrix b[batch][k][n] as panels of `nr` columns: [batch][ceil(n / nr)][k][nr]. The last panel starts at column
 * n - nr, so it may repeat columns of the one before; columns behind the last of fewer than nr are 0. Element (g, i, j) of the source is at
 * g * batchStride + i * rowStride + j.
 */
export interface Panels {
  readonly nr: number;
  readonly batch: number;
  readonly k: number;
  readonly n: number;
  readonly batchStride: number;
  readonly rowStride: number;
  /**
   * Rows of k that stand side by side, column by column: 2 or 4 for dot products of so many, [k / 2][nr][2]. They stay
   * within runs of `run` rows; what is missing at a run's end are zeros.
   */
  readonly pair: 1 | 2 | 4;
  readonly run: number;
}

/**
 * A matrix b[k][n] of integers of `bits` bits (2, 4 or 8) or floats of 16, in panels of `nr` columns as above: [ceil(n / nr)][words][nr]
 * words of 32 bits. A word holds neighbours along k of one column, as unsigned numbers: signed ones have half their range
 * added.
 */
export interface BitPanels {
  readonly bits: number;
  /** Neighbours that lie at the same place of a word's parts: 2 in its halves, or 4 in its bytes, for dot products of so many. */
  readonly group: 2 | 4;
  readonly nr: number;
  readonly k: number;
  readonly n: number;
}

/** An argument of a kernel. `scratch`: bytes of its own. `zeros`: at least `bytes` zero bytes that nothing writes. */
export type BufferUse =
  | { readonly role: "value"; readonly value: Value; readonly written: boolean; readonly layout: Layout }
  | { readonly role: "scratch"; readonly written: true }
  | { readonly role: "zeros"; readonly written: false; readonly bytes: number };
