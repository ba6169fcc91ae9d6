// Values at the border. TensorView is what comes out. A Feed is what goes in: a typed array or plain numbers where the
// shape can be told from the signature, else { data, shape }; it becomes a typed array of the port's type here, or an
// InputError: no value is rounded, wrapped or reinterpreted on the way.

import { ARRAYS, type ArrayOf, type DType, isRawBits, NARROW, type TypedArray, viewOf } from "./dtype.js";
import { InputError, type InputErrorCode, show } from "./errors.js";
import type { StringTable } from "./strings.js";

/** What holds the elements of a dtype for a caller. */
export type DataOf<D extends DType> = D extends "str" ? readonly string[] : ArrayOf<D>;

/** Elements in row-major order with their shape. */
export class TensorView<D extends DType = DType> {
  readonly dtype: D;
  readonly shape: readonly number[];
  readonly data: DataOf<D>;
  constructor(dtype: D, shape: readonly number[], data: DataOf<D>) {
    this.dtype = dtype;
    this.shape = shape;
    this.data = data;
  }
}

type Plain = number | bigint | boolean;
export type FeedData<A extends TypedArray | string = TypedArray | string> = A extends string
  ? string | readonly string[]
  : A | readonly Plain[] | Plain;
/**
 * A is the typed array of the input's dtype; f16 also takes a Float16Array and u8 a Uint8ClampedArray. It is `string` for
 * an input of strings.
 */
export type Feed<A extends TypedArray | string = TypedArray | string> =
  | FeedData<A>
  | { readonly data: FeedData<A>; readonly shape: readonly number[]; readonly dtype?: string };

export interface Fed {
  readonly data: TypedArray;
  /** The shape that the caller gave, if any. */
  readonly shape: readonly number[] | null;
}

type Fail = (code: InputErrorCode, have: string, want: string, hint?: string) => never;

/** The feed's elements as the dtype's typed array, copied only where they are not one yet. */
export function feedOf(value: unknown, dtype: DType, where: string, strings: StringTable | null = null): Fed {
  const fail: Fail = (code, have, want, hint = "") => {
    throw new InputError(code, where, have, want, hint);
  };
  if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value) && !Array.isArray(value)) {
    const { data, shape, dtype: given } = value as { data?: unknown; shape?: unknown; dtype?: unknown };
    if (data === undefined || !isShape(shape)) fail("type", "an object", "an array, or { data, shape }");
    if (given !== undefined && given !== dtype) fail("type", `dtype ${show(given)}`, dtype);
    return { data: elements(data, dtype, fail, strings), shape };
  }
  return { data: elements(value, dtype, fail, strings), shape: null };
}

function isShape(shape: unknown): shape is readonly number[] {
  return Array.isArray(shape) && shape.every((d) => Number.isSafeInteger(d) && d >= 0);
}

function elements(value: unknown, dtype: DType, fail: Fail, strings: StringTable | null): TypedArray {
  if (dtype === "str") return places(value, fail, strings);
  const Type = ARRAYS[dtype];
  if (value instanceof Type) return value;
  if (ArrayBuffer.isView(value)) {
    const kind = Object.prototype.toString.call(value).slice(8, -1);
    const isSame = kind === Type.name || (kind === "Float16Array" && dtype === "f16");
    if (!isSame && !(kind === "Uint8ClampedArray" && dtype === "u8"))
      fail("type", `a ${kind}`, `a ${Type.name} for ${dtype}`);
    // The same elements: of another realm, or of the kind with the same bits. Shared buffers are as good here.
    return viewOf(dtype, value.buffer, value.byteOffset, value.byteLength / Type.BYTES_PER_ELEMENT);
  }
  if (isRawBits(dtype)) fail("type", show(value), `a ${Type.name} with the raw bits of ${dtype}`);
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  const out = new Type(items.length);
  for (let i = 0; i < items.length; i++) {
    const item = items[i];
    if (typeof item !== "number" && typeof item !== "bigint" && typeof item !== "boolean") {
      fail("type", show(item), `a ${Type.name}, numbers, or { data, shape }`);
    }
    write(out, i, item, dtype, fail);
  }
  return out;
}

function places(value: unknown, fail: Fail, strings: StringTable | null): Int32Array {
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  return Int32Array.from(items, (s, i) =>
    typeof s === "string" && strings !== null ? strings.place(s) : fail("type", show(s), `a string at element ${i}`),
  );
}

function write(out: TypedArray, i: number, item: Plain, dtype: DType, fail: Fail): void {
  const want = `a value of ${dtype} at element ${i}`;
  if (out instanceof BigInt64Array || out instanceof BigUint64Array) {
    if (typeof item === "number" && !Number.isSafeInteger(item)) fail("value", show(item), want);
    const big = BigInt(item);
    out[i] = big;
    if (out[i] !== big) fail("value", show(item), want);
    return;
  }
  const number = Number(item);
  out[i] = number;
  const isFloat = dtype === "f32" || dtype === "f64";
  const isExact = out[i] === number && (typeof item !== "bigint" || BigInt(number) === item);
  if (isFloat ? typeof item === "bigint" && !isExact : !isExact) fail("value", show(item), want);
}

/** Elements of narrow types (bool, 4-bit, 2-bit) must be values of the type: kernels rely on it. */
export function checkNarrow(data: TypedArray, dtype: DType, where: string): void {
  const range = NARROW[dtype];
  if (range === undefined) return;
  const [lo, hi] = range;
  for (let i = 0; i < data.length; i++) {
    const v = Number(data[i]);
    if (v < lo || v > hi) throw new InputError("value", where, `${v} at element ${i}`, `${dtype} in ${lo}..${hi}`);
  }
}

/** Writes `data` to the start of `into`, which has at least as many elements of the same type. */
export function copyInto(into: TypedArray, data: TypedArray): void {
  // One type on both sides: the union's set() has no signature that says so.
  (into as Uint8Array).set(data as Uint8Array);
}
