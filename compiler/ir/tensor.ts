// A concrete tensor: dtype, sizes and its bytes in row-major order, little-endian. What constants hold, what the
// reference interpreter computes with, and what goes in and out of bundles at compile time.

import { createHash } from "node:crypto";
import { bytesOf, type DType } from "./dtype.js";
import { decodeMinifloats, encodeMinifloats, isMinifloat } from "./minifloat.js";

/** Decoded elements: numbers for everything up to 32 bits and floats, bigints for i64 and u64. */
export type Elements =
  | Float64Array
  | Float32Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint32Array
  | Uint16Array
  | Uint8Array
  | BigInt64Array
  | BigUint64Array;

export class Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
  #digest: string | undefined;
  #elements: Elements | undefined;

  constructor(dtype: DType, shape: readonly number[], bytes: Uint8Array) {
    const want = sizeOf(shape) * bytesOf(dtype);
    if (bytes.byteLength !== want)
      throw new RangeError(`tensor ${dtype}[${shape.join(",")}] takes ${want} bytes, has ${bytes.byteLength}`);
    this.dtype = dtype;
    this.shape = shape;
    this.bytes = bytes;
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** SHA-256 over dtype, shape and bytes, in hex. */
  get digest(): string {
    this.#digest ??= createHash("sha256")
      .update(`${this.dtype}[${this.shape.join(",")}]`)
      .update(this.bytes)
      .digest("hex");
    return this.#digest;
  }

  /** Elements decoded to a typed array (f16, bf16, f8 and f4 become Float32Array). Read only. */
  get elements(): Elements {
    this.#elements ??= decode(this.dtype, this.bytes);
    return this.#elements;
  }

  /** Element `i` as a number; i64 and u64 are rounded to the nearest double. */
  at(i: number): number {
    const v = this.elements[i];
    if (v === undefined) throw new RangeError(`element ${i} of ${this.size}`);
    return Number(v);
  }

  /** All elements as numbers (i64 and u64 rounded to doubles). */
  numbers(): number[] {
    return Array.from(this.elements, Number);
  }

  reshaped(shape: readonly number[]): Tensor {
    return new Tensor(this.dtype, shape, this.bytes);
  }
}

export function sizeOf(shape: readonly number[]): number {
  let n = 1;
  for (const d of shape) n *= d;
  return n;
}

/** A fresh typed array that `tensorOf` accepts for this dtype. */
export function allocate(dtype: DType, size: number): Elements {
  switch (dtype) {
    case "f64":
      return new Float64Array(size);
    case "f32":
    case "f16":
    case "bf16":
    case "f8e4m3fn":
    case "f8e4m3fnuz":
    case "f8e5m2":
    case "f8e5m2fnuz":
    case "f8e8m0":
    case "f4e2m1":
      return new Float32Array(size);
    case "i64":
      return new BigInt64Array(size);
    case "u64":
      return new BigUint64Array(size);
    case "i32":
    case "str":
      return new Int32Array(size);
    case "u32":
      return new Uint32Array(size);
    case "i16":
      return new Int16Array(size);
    case "u16":
      return new Uint16Array(size);
    case "i8":
    case "i4":
    case "i2":
      return new Int8Array(size);
    case "u8":
    case "u4":
    case "u2":
    case "bool":
      return new Uint8Array(size);
    case "c64":
      return new Float32Array(size * 2);
    case "c128":
      return new Float64Array(size * 2);
  }
}

/** A tensor from decoded elements (the kind that `allocate` gives for this dtype): rounds narrow floats to nearest even. */
export function tensorOf(dtype: DType, shape: readonly number[], elements: Elements): Tensor {
  return new Tensor(dtype, shape, encode(dtype, elements));
}

/** A tensor from plain numbers or bigints, wrapped to the dtype as a typed array does. */
export function tensorFrom(dtype: DType, shape: readonly number[], values: Iterable<number | bigint>): Tensor {
  const list = Array.from(values);
  // Before anything is allocated: a shape may be what a file says.
  const takes = sizeOf(shape) * (dtype === "c64" || dtype === "c128" ? 2 : 1);
  if (list.length !== takes)
    throw new RangeError(`${dtype}[${shape.join(",")}] takes ${takes} values, have ${list.length}`);
  const elements = allocate(dtype, sizeOf(shape));
  if (elements instanceof BigInt64Array || elements instanceof BigUint64Array) {
    for (const [i, v] of list.entries()) elements[i] = typeof v === "bigint" ? v : BigInt(Math.trunc(v));
  } else {
    for (const [i, v] of list.entries()) elements[i] = Number(v);
  }
  return tensorOf(dtype, shape, elements);
}

export function scalarTensor(dtype: DType, value: number | bigint): Tensor {
  return tensorFrom(dtype, [], [value]);
}

function decode(dtype: DType, bytes: Uint8Array): Elements {
  if (isMinifloat(dtype)) return decodeMinifloats(dtype, bytes);
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes); // a Buffer's slice() would share
  const { buffer, byteOffset } = aligned;
  const sample = allocate(dtype, 0);
  const length = bytes.byteLength / sample.BYTES_PER_ELEMENT;
  const view = sample.constructor as new (b: ArrayBufferLike, o: number, n: number) => Elements;
  return new view(buffer, byteOffset, length);
}

function encode(dtype: DType, elements: Elements): Uint8Array {
  if (isMinifloat(dtype)) return encodeMinifloats(dtype, elements);
  return new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength);
}
