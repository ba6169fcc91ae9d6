// Constants whose elements a shorter dtype holds, of every pair of dtypes that a bundle can store, with what is hardest among
// them: negative zero, subnormals, infinities, payloads of NaN.

import { bytesOf } from "../../compiler/ir/dtype.js";
import { Tensor } from "../../compiler/ir/tensor.js";
import { canAdd, type DType, STORED, type StoredSpec, WIDENED_ALIGN, widen } from "../../runtime-shim/format.js";

/** Every pair, and for integers something to add. */
export const FORMS: readonly StoredSpec[] = Object.entries(STORED).flatMap(([name, forms]) => {
  const dtype = name as DType;
  return forms.flatMap((stored): StoredSpec[] => {
    const plain = { dtype, stored, add: 0 };
    return canAdd(dtype) ? [plain, { ...plain, add: dtype.startsWith("u") ? 300 : -100 }] : [plain];
  });
});

export function formName({ dtype, stored, add }: StoredSpec): string {
  return `${dtype} as ${stored}${add === 0 ? "" : ` + ${add}`}`;
}

/** `elems` elements of `stored`: random bits. */
export function storedElements({ stored }: StoredSpec, elems: number, random: () => number): Uint8Array {
  return Uint8Array.from({ length: elems * bytesOf(stored) }, () => random() * 256);
}

/** A constant of rank 1 that a bundle can store in this form. */
export function narrowConstant(form: StoredSpec, elems: number, random: () => number): Tensor {
  return new Tensor(form.dtype, [elems], widened(form, elems, random).slice(0, elems * bytesOf(form.dtype)));
}

/** So many elements, and some more to the end of a block. */
export function widened(form: StoredSpec, elems: number, random: () => number): Uint8Array {
  const blockElems = WIDENED_ALIGN / bytesOf(form.dtype);
  const whole = Math.ceil(elems / blockElems) * blockElems;
  const bytes = new Uint8Array(whole * bytesOf(form.dtype));
  widen(storedElements(form, whole, random), bytes, form);
  return bytes;
}

/** Numbers in 0..1 by a seed (Mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}
