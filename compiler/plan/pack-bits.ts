// Weights of 2 to 16 bits as kernels read them: words of 32 bits, one column each, side by side in panels.

import { DTYPES } from "../ir/dtype.js";
import type { Elements, Tensor } from "../ir/tensor.js";
import type { BitPanels } from "./buffers.js";

/** Where element `i` of a word's column lies: neighbours in its halves, or in its bytes, for dot products of so many. */
export function bitOf(i: number, { bits, group }: Pick<BitPanels, "bits" | "group">): number {
  return Math.floor(i / group) * bits + (i % group) * (32 / group);
}

/** Words that a column takes. */
export function wordsOf({ k, bits }: BitPanels): number {
  return Math.ceil((k * bits) / 32);
}

/** What is added to signed weights, so that words hold unsigned ones. */
export function offsetOf(tensor: Pick<Tensor, "dtype">): number {
  const { kind, bits } = DTYPES[tensor.dtype];
  return kind === "int" ? 2 ** (bits - 1) : 0;
}

/** The elements as integers: floats of 16 bits by their bits. */
function integersOf({ dtype, bytes, elements }: Tensor): Exclude<Elements, BigInt64Array | BigUint64Array> {
  if (DTYPES[dtype].kind === "float") return new Uint16Array(Uint8Array.from(bytes).buffer);
  if (elements instanceof BigInt64Array || elements instanceof BigUint64Array)
    throw new RangeError(`${dtype} does not fit words of 32 bits`);
  return elements;
}

/** [ceil(n / nr)][words][nr] words; elements behind the last of k are 0. */
export function packBits(tensor: Tensor, layout: BitPanels): Uint8Array {
  const { bits, nr, k, n } = layout;
  const per = 32 / bits;
  const words = wordsOf(layout);
  const offset = offsetOf(tensor);
  const panels = Math.ceil(n / nr);
  const out = new Uint8Array(panels * words * nr * 4);
  const view = new DataView(out.buffer);
  const elements = integersOf(tensor);
  for (let p = 0; p < panels; p++) {
    const column = Math.min(p * nr, n - nr);
    for (let word = 0; word < words; word++)
      for (let j = 0; j < nr; j++) {
        let value = 0;
        for (let i = 0; i < per && word * per + i < k; i++)
          value |= ((elements[(word * per + i) * n + column + j] ?? 0) + offset) << bitOf(i, layout);
        view.setInt32(((p * words + word) * nr + j) * 4, value, true);
      }
  }
  return out;
}
