// Typed attributes. An op's row names its attributes and their kinds; interning, printing, parsing and substitution of
// dimensions read the kind and nothing else, so an attribute cannot be forgotten in one of them.

import { type Dim, formatDim } from "./dim.js";
import type { DType } from "./dtype.js";
import type { Tensor } from "./tensor.js";
import type { AttrReader } from "./text-reader.js";

export interface AttrKind<T> {
  /** Lossless text: also the interning key. */
  format(value: T): string;
  parse(reader: AttrReader): T;
  /** The same value with every dimension replaced; absent where the kind has none. */
  mapDims?(value: T, f: (d: Dim) => Dim): T;
}

export type AttrSchema = Readonly<Record<string, AttrKind<unknown>>>;

export type AttrValues<S> = { readonly [K in keyof S]: S[K] extends AttrKind<infer T> ? T : never };

function listOf<T>(item: AttrKind<T>): AttrKind<readonly T[]> {
  const { mapDims } = item;
  return {
    format: (vs) => `[${vs.map((v) => item.format(v)).join(", ")}]`,
    parse: (r) => r.list(() => item.parse(r)),
    ...(mapDims === undefined
      ? {}
      : { mapDims: (vs: readonly T[], f: (d: Dim) => Dim) => vs.map((v) => mapDims(v, f)) }),
  };
}

export const int: AttrKind<number> = { format: (v) => String(v), parse: (r) => r.int() };
export const ints: AttrKind<readonly number[]> = listOf(int);
/** Any double: -0, NaN and infinities keep their identity. */
export const float: AttrKind<number> = {
  format: (v) => (Object.is(v, -0) ? "-0" : String(v)),
  parse: (r) => r.float(),
};
export const bool: AttrKind<boolean> = { format: (v) => String(v), parse: (r) => r.bool() };
export const str: AttrKind<string> = { format: (v) => JSON.stringify(v), parse: (r) => r.string() };
export const dim: AttrKind<Dim> = { format: formatDim, parse: (r) => r.dim(), mapDims: (v, f) => f(v) };
export const dims: AttrKind<readonly Dim[]> = listOf(dim);
export const shapes: AttrKind<readonly (readonly Dim[])[]> = listOf(dims);
export const dtype: AttrKind<DType> = { format: (v) => v, parse: (r) => r.dtype() };
export const tensor: AttrKind<Tensor> = {
  format: (v) => `${v.dtype}[${v.shape.join(", ")}] sha256:${v.digest}`,
  parse: (r) => r.tensor(),
};

/** One of a fixed set of words. */
export function oneOf<const W extends readonly string[]>(...words: W): AttrKind<W[number]> {
  return { format: (v) => v, parse: (r) => r.word(words) };
}
