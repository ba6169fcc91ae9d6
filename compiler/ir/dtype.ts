// Element types. `bits` is the size of one element at rest; 4-bit and 2-bit types are held one element per byte in
// memory (`bytesOf`) and only packed by kernels that ask for it. `bool` is one byte, 0 or 1.

export type DTypeKind = "float" | "int" | "uint" | "bool" | "complex" | "string";

export interface DTypeInfo {
  readonly bits: number;
  readonly kind: DTypeKind;
}

export const DTYPES = {
  f64: { bits: 64, kind: "float" },
  f32: { bits: 32, kind: "float" },
  f16: { bits: 16, kind: "float" },
  bf16: { bits: 16, kind: "float" },
  f8e4m3fn: { bits: 8, kind: "float" },
  f8e4m3fnuz: { bits: 8, kind: "float" },
  f8e5m2: { bits: 8, kind: "float" },
  f8e5m2fnuz: { bits: 8, kind: "float" },
  f8e8m0: { bits: 8, kind: "float" },
  f4e2m1: { bits: 4, kind: "float" },
  i64: { bits: 64, kind: "int" },
  i32: { bits: 32, kind: "int" },
  i16: { bits: 16, kind: "int" },
  i8: { bits: 8, kind: "int" },
  i4: { bits: 4, kind: "int" },
  i2: { bits: 2, kind: "int" },
  u64: { bits: 64, kind: "uint" },
  u32: { bits: 32, kind: "uint" },
  u16: { bits: 16, kind: "uint" },
  u8: { bits: 8, kind: "uint" },
  u4: { bits: 4, kind: "uint" },
  u2: { bits: 2, kind: "uint" },
  bool: { bits: 8, kind: "bool" },
  c64: { bits: 64, kind: "complex" },
  c128: { bits: 128, kind: "complex" },
  /** A string by its number in the graph's table (`strings.ts`). */
  str: { bits: 32, kind: "string" },
} as const satisfies Record<string, DTypeInfo>;

export type DType = keyof typeof DTYPES;

export function isDType(name: string): name is DType {
  return Object.hasOwn(DTYPES, name);
}

/** Bytes that one element takes in memory. */
export function bytesOf(dtype: DType): number {
  return Math.max(1, DTYPES[dtype].bits >> 3);
}

export function isFloat(dtype: DType): boolean {
  return DTYPES[dtype].kind === "float";
}

/** Signed or unsigned integer; bool is not one. */
export function isInteger(dtype: DType): boolean {
  const kind = DTYPES[dtype].kind;
  return kind === "int" || kind === "uint";
}

/** Integers whose values need a bigint. */
export function isWide(dtype: DType): boolean {
  return dtype === "i64" || dtype === "u64";
}

/** Inclusive value range of an integer dtype. */
export function intRange(dtype: DType): { readonly min: bigint; readonly max: bigint } {
  const { bits, kind } = DTYPES[dtype];
  if (dtype === "bool") return { min: 0n, max: 1n };
  return kind === "int"
    ? { min: -(1n << BigInt(bits - 1)), max: (1n << BigInt(bits - 1)) - 1n }
    : { min: 0n, max: (1n << BigInt(bits)) - 1n };
}
