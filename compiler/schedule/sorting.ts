// What sorting keeps in scratch memory while it is at one line, and which sizes are selected and sorted how.
//
// Items are pairs of a key, whose order as an unsigned number is the one wanted, and an index, so that no two are equal. A
// register of up to 32 bits makes both one number of 64 bits; longer ones take two.

import { add, type Dim, mul, range } from "../ir/dim.js";
import { bytesOf } from "../ir/dtype.js";
import { Bug } from "../ir/errors.js";
import type { NodeOf } from "../ir/graph.js";

/** The values of a digit of the keys that are sorted digit by digit. */
export const DIGITS = 256;
/** Items that are sorted digit by digit at least; fewer are merged. */
export const RADIX_LEAST = 256;
/** Elements that a line has at least for its first ones to be selected before they are sorted. */
const SELECT_LEAST = 64;
/** Items that may be written behind a line's. */
export const SPARE = 4;

export interface SortScratch {
  readonly bytes: Dim;
  /** Bytes of an item, and of its key. */
  readonly itemBytes: number;
  readonly keyBytes: number;
  /** Whether a line's first elements may be selected. */
  readonly selects: boolean;
  /** Whether lines can be long enough to be sorted digit by digit. */
  readonly isLong: boolean;
  /** Where the other items, the counts of digits and the keys begin, in elements of 32 bits. */
  readonly other: Dim;
  readonly counts: Dim;
  readonly keys: Dim;
}

export function sortScratch({ inputs, attrs }: NodeOf<"sort">): SortScratch {
  const [x] = inputs;
  if (x === undefined) throw new Bug("schedule", "sort without an operand");
  const size = x.type.shape[attrs.axis] ?? 1;
  const isWide = bytesOf(x.type.dtype) === 8;
  const itemBytes = isWide ? 16 : 8;
  const keyBytes = isWide ? 8 : 4;
  const isLong = range(size).hi >= RADIX_LEAST;
  const selects = !isWide && attrs.count !== size && range(size).hi >= SELECT_LEAST;
  const other = mul(itemBytes / 4, add(size, SPARE));
  const counts = mul(2, other);
  const keys = add(counts, isLong ? keyBytes * DIGITS : 0);
  const end = add(keys, selects ? size : 0);
  return { bytes: mul(4, end), itemBytes, keyBytes, selects, isLong, other, counts, keys };
}
