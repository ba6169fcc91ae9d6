// The type of a value: element type and shape. A dimension is a number, a named symbol or an expression of these.

import type { Dim } from "./dim.js";
import { formatDim, mul } from "./dim.js";
import { bytesOf, type DType } from "./dtype.js";

export interface TensorType {
  readonly dtype: DType;
  readonly shape: readonly Dim[];
}

export function tensorType(dtype: DType, shape: readonly Dim[]): TensorType {
  return { dtype, shape };
}

export function formatType(t: TensorType): string {
  return `${t.dtype}[${t.shape.map(formatDim).join(", ")}]`;
}

/** Dimensions are interned, so types compare by their parts' identity. */
export function sameType(a: TensorType, b: TensorType): boolean {
  return a.dtype === b.dtype && sameShape(a.shape, b.shape);
}

export function sameShape(a: readonly Dim[], b: readonly Dim[]): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i]);
}

/** What is wrong with its sizes where no array can have them: negative, or more elements than integers count; else null. */
export function sizeIssue(t: TensorType): string | null {
  let elems = 1;
  for (const [axis, d] of t.shape.entries()) {
    if (typeof d !== "number") continue;
    if (d < 0) return `axis ${axis} of ${formatType(t)} has a negative size`;
    elems *= d;
    if (!Number.isSafeInteger(elems)) return `${formatType(t)} has too many elements`;
  }
  return null;
}

/** Number of elements, as an expression. */
export function elementCount(shape: readonly Dim[]): Dim {
  return mul(1, ...shape);
}

/** Bytes of a value in memory, where every dimension is a number; else null. */
export function bytesOfType(t: TensorType): number | null {
  const sizes = staticShape(t.shape);
  return sizes === null ? null : sizes.reduce((n, d) => n * d, bytesOf(t.dtype));
}

/** Sizes, where every dimension is a number; else null. */
export function staticShape(shape: readonly Dim[]): number[] | null {
  const out: number[] = [];
  for (const d of shape) {
    if (typeof d !== "number") return null;
    out.push(d);
  }
  return out;
}
