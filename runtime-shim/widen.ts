// Weights that a bundle stores in a shorter dtype than memory holds, widened in place while they arrive. Bit for bit: a
// wide element is what its stored one stands for, negative zero and the payloads of NaN with it.

import { bytesOf, type DType, viewOf } from "./dtype.js";
import type { RegionSpec, StoredSpec, WidenedSpec } from "./format.js";

/**
 * What the elements of a dtype may be stored as, the shortest first. No number that an engine reads of them is NaN, whose
 * bits it might change: 16-bit floats are widened by their bits.
 */
export const STORED: Readonly<Partial<Record<DType, readonly DType[]>>> = {
  f32: ["i8", "bf16", "f16"],
  i32: ["i8", "u8", "i16", "u16"],
  u32: ["u8", "u16"],
  i16: ["i8", "u8"],
  u16: ["u8"],
};

/** Whether something may be added to stored elements of this dtype: to integers, modulo what they hold. */
export function canAdd(dtype: DType): boolean {
  return !dtype.startsWith("f");
}

/** Bytes in the bundle for so many in memory. */
export function storedBytes(bytes: number, { dtype, stored }: StoredSpec): number {
  return (bytes / bytesOf(dtype)) * bytesOf(stored);
}

/**
 * Widens all of `from` to the start of `to`, in order. Bytes that begin at multiples of 4, and as many as make whole blocks
 * in memory; where they overlap, no element of `to` may begin before the one of `from` that it is made of has been read.
 */
export function widen(from: Uint8Array, to: Uint8Array, { dtype, stored, add }: StoredSpec): void {
  const elems = from.length / bytesOf(stored);
  if (stored === "bf16") widenTops(wordsOf(from), wordsOf(to));
  else if (stored === "f16") {
    const halves = new Uint16Array(from.buffer, from.byteOffset, elems);
    const words = wordsOf(to);
    singles ??= Int32Array.from({ length: 1 << 16 }, (_, half) => singleOf(half));
    for (let i = 0; i < elems; i++) words[i] = singles[halves[i] ?? 0] ?? 0;
  } else if (add === 0) {
    // The engine's own loop is faster than one here. It does as if what it reads had been copied before.
    numbersOf(dtype, to, elems).set(numbersOf(stored, from, elems));
  } else if (bytesOf(dtype) === 2 && stored === "u8")
    addToPairs(new Uint16Array(from.buffer, from.byteOffset, elems / 2), wordsOf(to), add);
  else {
    const wide = numbersOf(dtype, to, elems);
    const values = numbersOf(stored, from, elems);
    for (let i = 0; i < elems; i++) wide[i] = (values[i] ?? 0) + add;
  }
}

/** Halves of words to the tops of words: two at a time, which takes half the time. */
function widenTops(pairs: Int32Array, words: Int32Array): void {
  for (let i = 0; i < pairs.length; i++) {
    const pair = pairs[i] ?? 0;
    words[2 * i] = pair << 16;
    words[2 * i + 1] = pair & 0xffff0000;
  }
}

/** Adds to pairs of unsigned bytes, and writes words of two sums. */
function addToPairs(pairs: Uint16Array, words: Int32Array, add: number): void {
  for (let i = 0; i < pairs.length; i++) {
    const pair = pairs[i] ?? 0;
    words[i] = (((pair & 0xff) + add) & 0xffff) | (((pair >>> 8) + add) << 16);
  }
}

function wordsOf({ buffer, byteOffset, length }: Uint8Array): Int32Array {
  return new Int32Array(buffer, byteOffset, length >> 2);
}

/** Elements as a typed array of numbers; STORED has no bigints. */
function numbersOf(dtype: DType, { buffer, byteOffset }: Uint8Array, elems: number): Float64Array {
  return viewOf(dtype, buffer, byteOffset, elems) as Float64Array;
}

/** The bits of f32 for every f16. */
let singles: Int32Array | undefined;

function singleOf(half: number): number {
  const sign = (half & 0x8000) << 16;
  const [exponent, fraction] = [half & 0x7c00, half & 0x3ff];
  if (exponent === 0x7c00) return sign | 0x7f800000 | (fraction << 13);
  if (exponent !== 0) return sign | (((half & 0x7fff) << 13) + (112 << 23));
  return sign | (new Int32Array(Float32Array.of(fraction * 2 ** -24).buffer)[0] ?? 0);
}

/**
 * Says where the stored weights go: to the end of `weights`, the memory's region for them. Whoever reads them there calls
 * `arrived` with how many of their bytes are verified, a multiple of 8 or all; so many are then widened, from the front.
 *
 * No byte is overwritten before it is read. Stored and wide weights end at the same place, and what lies between an
 * element and the end takes no more bytes stored than wide: an element is read at or behind the place it is written to,
 * and what is written ends at or before the next to be read. So one pass needs no second copy. In memory all offsets and
 * sizes are multiples of 64, hence of 8 where they are stored: no dtype is more than 8 times as long as another.
 */
export function openWidening(
  weights: Uint8Array,
  region: RegionSpec,
  widened: readonly WidenedSpec[],
): { readonly place: Uint8Array; readonly arrived: (bytes: number) => void } {
  const saved = widened.reduce((sum, w) => sum + w.bytes - storedBytes(w.bytes, w), 0);
  const place = weights.subarray(saved);
  if (saved === 0) return { place, arrived: () => {} };
  const pieces = piecesOf(region, widened);
  let piece = pieces.next();
  /** Bytes of the piece that are widened. */
  let done = 0;
  let from = saved;
  let to = 0;
  const arrived = (bytes: number): void => {
    while (from < saved + bytes && !piece.done) {
      const { value } = piece;
      const length = Math.min(saved + bytes - from, storedBytes(value.bytes - done, value));
      const wide = (length / bytesOf(value.stored)) * bytesOf(value.dtype);
      if (value.dtype !== value.stored)
        widen(weights.subarray(from, from + length), weights.subarray(to, to + wide), value);
      else if (from !== to) weights.copyWithin(to, from, from + length);
      from += length;
      to += wide;
      done += wide;
      if (done < value.bytes) continue;
      piece = pieces.next();
      done = 0;
    }
  };
  return { place, arrived };
}

/** All of the region in order: what is widened, and the bytes between, which are as they are. */
function* piecesOf({ offset, bytes }: RegionSpec, widened: readonly WidenedSpec[]): Generator<WidenedSpec, undefined> {
  let at = offset;
  const plain = (end: number): WidenedSpec => ({ offset: at, bytes: end - at, dtype: "u8", stored: "u8", add: 0 });
  for (const w of widened) {
    if (w.offset > at) yield plain(w.offset);
    yield w;
    at = w.offset + w.bytes;
  }
  if (offset + bytes > at) yield plain(offset + bytes);
}
