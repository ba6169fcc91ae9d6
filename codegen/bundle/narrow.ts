// Elements of one dtype as elements of a shorter one that stand for the same bits, where there is one: what the runtime's
// widen() gives back, negative zero and the payloads of NaN with it.

import type { DType as AnyDType } from "../../compiler/ir/dtype.js";
import {
  bytesOf,
  canAdd,
  type DType,
  isDType,
  STORED,
  type StoredSpec,
  viewOf,
  widen,
} from "../../runtime-shim/format.js";

export interface Narrowed extends StoredSpec {
  readonly bytes: Uint8Array;
}

/** Most constants show in their first block that they are not narrow. */
const BLOCK_BYTES = 1 << 16;

/** The shortest form of whole blocks of a bundle's alignment, or null where only their own dtype has their bits. */
export function narrowest(bytes: Uint8Array, dtype: AnyDType): Narrowed | null {
  if (!isDType(dtype)) return null;
  for (const form of formsOf(bytes, dtype)) {
    const narrow = narrowAs(bytes, form);
    if (narrow !== null) return { ...form, bytes: narrow };
  }
  return null;
}

/** What may do: the shortest first, and of these first what is stored without anything to add. */
function* formsOf(bytes: Uint8Array, dtype: DType): Generator<StoredSpec> {
  const forms = STORED[dtype] ?? [];
  const range = canAdd(dtype) && forms.length > 0 ? rangeOf(bytes, dtype) : null;
  for (const size of [1, 2]) {
    const ofSize = forms.filter((stored) => bytesOf(stored) === size);
    for (const stored of ofSize) yield { dtype, stored, add: 0 };
    const unsigned = ofSize.find((stored) => stored.startsWith("u"));
    if (unsigned !== undefined && range !== null && range.hi - range.lo < 2 ** (8 * size))
      yield { dtype, stored: unsigned, add: range.lo };
  }
}

/** The least and the greatest of integers. */
function rangeOf(bytes: Uint8Array, dtype: DType): { readonly lo: number; readonly hi: number } {
  const aligned = bytes.byteOffset % bytesOf(dtype) === 0 ? bytes : bytes.slice();
  const elements = numbersOf(dtype, aligned, bytes.length / bytesOf(dtype));
  let [lo, hi] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const element of elements) {
    if (element < lo) lo = element;
    if (element > hi) hi = element;
  }
  return { lo, hi };
}

/** Narrows each element somehow, and takes the result where widening it gives the same bits again. */
function narrowAs(bytes: Uint8Array, form: StoredSpec): Uint8Array | null {
  const ratio = bytesOf(form.dtype) / bytesOf(form.stored);
  const out = new Uint8Array(bytes.length / ratio);
  const wide = new Uint8Array(Math.min(BLOCK_BYTES, bytes.length));
  const again = new Uint8Array(wide.length);
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
    const length = Math.min(BLOCK_BYTES, bytes.length - at);
    const narrow = out.subarray(at / ratio, (at + length) / ratio);
    wide.set(bytes.subarray(at, at + length));
    narrowBlock(wide, narrow, form);
    widen(narrow, again, form);
    if (Buffer.compare(again.subarray(0, length), wide.subarray(0, length)) !== 0) return null;
  }
  return out;
}

/** Sets `to` to what elements of `from` may be as `stored`: right for those that it can hold, anything for others. */
function narrowBlock(from: Uint8Array, to: Uint8Array, { dtype, stored, add }: StoredSpec): void {
  const elems = to.length / bytesOf(stored);
  if (stored === "bf16" || stored === "f16") {
    const halves = numbersOf("u16", to, elems);
    const words = numbersOf("u32", from, elems);
    const halfOf = stored === "bf16" ? (word: number): number => word >>> 16 : toHalf;
    for (let i = 0; i < elems; i++) halves[i] = halfOf(words[i] ?? 0);
    return;
  }
  const values = numbersOf(dtype, from, elems);
  numbersOf(stored, to, elems).set(add === 0 ? values : values.map((value) => value - add));
}

/** The f16 of an f32 that has one, by their bits. */
function toHalf(word: number): number {
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude >= 0x7f800000) return sign | 0x7c00 | ((magnitude >>> 13) & 0x3ff);
  // 2 ** -14, the least that is normal.
  if (magnitude >= 0x38800000) return sign | ((magnitude - (112 << 23)) >>> 13);
  if (magnitude < 0x33800000) return sign;
  // Below it, all have the exponent of 2 ** -24.
  const fraction = 0x800000 | (magnitude & 0x7fffff);
  return sign | (fraction >>> (126 - (magnitude >>> 23)));
}

/** Elements as a typed array of numbers; no dtype that is stored as another has bigints. */
function numbersOf(dtype: DType, { buffer, byteOffset }: Uint8Array, elems: number): Float64Array {
  return viewOf(dtype, buffer, byteOffset, elems) as Float64Array;
}
