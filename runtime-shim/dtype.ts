// Element types at the shim's border: how many bytes one element takes in memory, which typed array holds them, and for
// types with fewer values than their storage (bool, 4-bit, 2-bit) the values that are allowed. 16-bit and 8-bit floats
// are their raw bits; 4-bit and 2-bit types are one element per byte.

export const ARRAYS = {
  f64: Float64Array,
  f32: Float32Array,
  f16: Uint16Array,
  bf16: Uint16Array,
  f8e4m3fn: Uint8Array,
  f8e4m3fnuz: Uint8Array,
  f8e5m2: Uint8Array,
  f8e5m2fnuz: Uint8Array,
  f8e8m0: Uint8Array,
  f4e2m1: Uint8Array,
  i64: BigInt64Array,
  i32: Int32Array,
  i16: Int16Array,
  i8: Int8Array,
  i4: Int8Array,
  i2: Int8Array,
  u64: BigUint64Array,
  u32: Uint32Array,
  u16: Uint16Array,
  u8: Uint8Array,
  u4: Uint8Array,
  u2: Uint8Array,
  bool: Uint8Array,
  /** Places in a StringTable. Callers see strings. */
  str: Int32Array,
} as const;

/** A dtype that can cross the border; the compiler's complex types cannot. */
export type DType = keyof typeof ARRAYS;
export type ArrayOf<D extends DType> = (typeof ARRAYS)[D]["prototype"];
export type TypedArray = ArrayOf<DType>;

/** Dtypes whose elements fill only part of a byte, with their least and greatest stored value. */
export const NARROW: Readonly<Partial<Record<DType, readonly [number, number]>>> = {
  bool: [0, 1],
  i4: [-8, 7],
  i2: [-2, 1],
  u4: [0, 15],
  u2: [0, 3],
  f4e2m1: [0, 15],
};

export function isDType(name: string): name is DType {
  return Object.hasOwn(ARRAYS, name);
}

/** Bytes of one element in memory. */
export function bytesOf(dtype: DType): number {
  return ARRAYS[dtype].BYTES_PER_ELEMENT;
}

/** True for dtypes whose typed array holds bits, not values: plain numbers cannot be given for them. */
export function isRawBits(dtype: DType): boolean {
  return dtype === "bf16" || (dtype.startsWith("f") && dtype !== "f32" && dtype !== "f64");
}

/** A typed array over memory, without copying. `offset` is aligned to the element. */
export function viewOf(dtype: DType, buffer: ArrayBufferLike, offset: number, elems: number): TypedArray {
  // The union of constructors has no signature for shared memory, which is as good.
  return new ARRAYS[dtype](buffer as ArrayBuffer, offset, elems);
}

/** The elements once more, in memory of their own. slice() would have that memory zeroed first. */
export function copyOf(dtype: DType, view: TypedArray): TypedArray {
  // The union of constructors has no signature for arrays of numbers or bigints; those of a dtype are of one kind.
  const copied = ARRAYS[dtype] as new (from: TypedArray) => TypedArray;
  return new copied(view);
}
