// TensorProto to Tensor: every encoding that onnx.proto allows (typed fields, raw bytes, packed 4-bit and 2-bit, files
// beside the model). Sizes are checked before anything is allocated; raw data is a view of the file where the layout
// is already ours.

import { bytesOf, DTYPES, type DType } from "../../ir/dtype.js";
import { Tensor, tensorFrom } from "../../ir/tensor.js";
import type { SparseTensorProto, TensorProto } from "./proto.js";

/** TensorProto.DataType, by number. */
const ELEMENT_TYPES: readonly (DType | null)[] = [
  null,
  "f32",
  "u8",
  "i8",
  "u16",
  "i16",
  "i32",
  "i64",
  "str",
  "bool",
  "f16",
  "f64",
  "u32",
  "u64",
  "c64",
  "c128",
  "bf16",
  "f8e4m3fn",
  "f8e4m3fnuz",
  "f8e5m2",
  "f8e5m2fnuz",
  "u4",
  "i4",
  "f4e2m1",
  "f8e8m0",
  "u2",
  "i2",
];

/** The dtype of a TensorProto.DataType number, or null. */
export function dtypeOf(elementType: number): DType | null {
  return ELEMENT_TYPES[elementType] ?? null;
}

/** The TensorProto.DataType number of a dtype. */
export function elementTypeOf(dtype: DType): number {
  return ELEMENT_TYPES.indexOf(dtype);
}

/** Constant strings, which no tensor holds: they exist while a model is imported. */
export interface Strings {
  readonly shape: readonly number[];
  readonly values: readonly string[];
}

/** Reads `length` bytes (to the end where it is undefined) of a file beside the model. */
export type ReadExternal = (path: string, offset: number, length: number | undefined) => Uint8Array;

export interface DataFault {
  readonly code: "malformed_input" | "unsupported_dtype" | "sandbox_policy_denied";
  readonly detail: string;
  readonly hint: string;
}

/** Thrown by the functions here; the importer adds where it was. */
export class TensorFault extends Error {
  override readonly name = "TensorFault";
  readonly fault: DataFault;
  constructor(code: DataFault["code"], detail: string, hint = "") {
    super(detail);
    this.fault = { code, detail, hint };
  }
}

function malformed(detail: string): never {
  throw new TensorFault("malformed_input", detail);
}

/** Sizes as numbers, and their product. */
function sizesOf(dims: readonly bigint[]): { readonly shape: number[]; readonly size: number } {
  let size = 1;
  const shape = dims.map((d) => {
    if (d < 0n || d > BigInt(Number.MAX_SAFE_INTEGER)) malformed(`dimension ${d}`);
    return Number(d);
  });
  if (shape.length > 64) malformed(`rank ${shape.length}`);
  if (shape.includes(0)) return { shape, size: 0 };
  for (const d of shape) size *= d;
  return Number.isSafeInteger(size) ? { shape, size } : malformed(`${size} elements`);
}

/** The dtype of a tensor, or a fault where ONNX has no such number. */
export function dtypeOfTensor(t: TensorProto): DType {
  return dtypeOf(t.dataType ?? 0) ?? malformed(`data type ${t.dataType ?? 0} is not one of ONNX's`);
}

export function stringsOf(t: TensorProto): Strings {
  const { shape, size } = sizesOf(t.dims);
  if (t.stringData.length !== size) malformed(`${size} strings declared, ${t.stringData.length} given`);
  return { shape, values: t.stringData.map(textOf) };
}

/** Strings are compared byte by byte, so nothing is replaced or dropped on the way. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function textOf(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    return malformed("has a string that is not UTF-8");
  }
}

export function readTensor(t: TensorProto, readExternal: ReadExternal | undefined): Tensor {
  const dtype = dtypeOfTensor(t);
  if (dtype === "str") throw new TensorFault("unsupported_dtype", "string tensors have no numeric elements");
  const { shape, size } = sizesOf(t.dims);
  if (t.dataLocation === 1) return fromRaw(dtype, shape, size, externalBytes(t, dtype, size, readExternal));
  if (t.rawData !== undefined) return fromRaw(dtype, shape, size, t.rawData);
  return fromFields(t, dtype, shape, size);
}

function packedBytes(dtype: DType, size: number): number {
  const { bits } = DTYPES[dtype];
  return bits < 8 ? Math.ceil((size * bits) / 8) : size * bytesOf(dtype);
}

function fromRaw(dtype: DType, shape: readonly number[], size: number, raw: Uint8Array): Tensor {
  const want = packedBytes(dtype, size);
  if (raw.byteLength !== want)
    malformed(`${dtype}[${shape.join(",")}] takes ${want} bytes of raw data, has ${raw.byteLength}`);
  if (DTYPES[dtype].bits < 8)
    return new Tensor(
      dtype,
      shape,
      unpack(dtype, size, (i) => raw[i] ?? 0),
    );
  if (dtype === "bool" && raw.some((v) => v > 1))
    return new Tensor(
      dtype,
      shape,
      raw.map((v) => (v === 0 ? 0 : 1)),
    );
  return new Tensor(dtype, shape, raw);
}

/** 4-bit and 2-bit elements, lowest bits first, to one byte each (sign-extended where signed). */
function unpack(dtype: DType, size: number, byte: (i: number) => number): Uint8Array {
  const { bits, kind } = DTYPES[dtype];
  const per = 8 / bits;
  const out = new Uint8Array(size);
  for (let i = 0; i < size; i++) {
    const v = (byte(Math.floor(i / per)) >>> ((i % per) * bits)) & ((1 << bits) - 1);
    out[i] = kind === "int" && v >= 1 << (bits - 1) ? v - (1 << bits) : v;
  }
  return out;
}

function fromFields(t: TensorProto, dtype: DType, shape: readonly number[], size: number): Tensor {
  const check = <T>(list: readonly T[], want: number): readonly T[] =>
    list.length === want ? list : malformed(`${dtype}[${shape.join(",")}] takes ${want} values, has ${list.length}`);
  switch (dtype) {
    case "f32":
      return tensorFrom(dtype, shape, check(t.floatData, size));
    case "c64":
    case "c128": {
      const values = check(dtype === "c64" ? t.floatData : t.doubleData, size * 2);
      const wide = dtype === "c64" ? Float32Array.from(values) : Float64Array.from(values);
      return new Tensor(dtype, shape, new Uint8Array(wide.buffer));
    }
    case "f64":
      return tensorFrom(dtype, shape, check(t.doubleData, size));
    case "i64":
      return tensorFrom(dtype, shape, check(t.int64Data, size));
    case "u64":
    case "u32":
      return tensorFrom(dtype, shape, check(t.uint64Data, size));
    case "i32":
    case "i16":
    case "i8":
    case "u16":
    case "u8":
      return tensorFrom(dtype, shape, check(t.int32Data, size));
    case "bool":
      return tensorFrom(
        dtype,
        shape,
        check(t.int32Data, size).map((v) => (v === 0 ? 0 : 1)),
      );
    case "u4":
    case "i4":
    case "u2":
    case "i2":
    case "f4e2m1": {
      const packed = check(t.int32Data, packedBytes(dtype, size));
      return new Tensor(
        dtype,
        shape,
        unpack(dtype, size, (i) => packed[i] ?? 0),
      );
    }
    case "f16":
    case "bf16": {
      const patterns = Uint16Array.from(check(t.int32Data, size));
      return new Tensor(dtype, shape, new Uint8Array(patterns.buffer));
    }
    case "f8e4m3fn":
    case "f8e4m3fnuz":
    case "f8e5m2":
    case "f8e5m2fnuz":
    case "f8e8m0":
      return new Tensor(dtype, shape, Uint8Array.from(check(t.int32Data, size)));
    case "str":
      return malformed("string tensors have no numeric elements");
  }
}

/** A location is relative, with forward slashes, and never climbs: else the file could be anything on this machine. */
function isInsideFolder(location: string): boolean {
  if (location === "" || location.startsWith("/") || /[\\:\0]/u.test(location)) return false;
  return !location.split("/").includes("..");
}

function externalBytes(t: TensorProto, dtype: DType, size: number, read: ReadExternal | undefined): Uint8Array {
  const entries = new Map(t.externalData.map((e) => [e.key ?? "", e.value ?? ""]));
  const location = entries.get("location") ?? malformed("external data without a location");
  if (!isInsideFolder(location))
    throw new TensorFault(
      "sandbox_policy_denied",
      `external data at ${JSON.stringify(location)} is outside the model's folder`,
      "put the file beside the model and name it by a relative path without ..",
    );
  const number = (key: string): number | undefined => {
    const text = entries.get(key);
    if (text === undefined || text === "") return undefined;
    const n = Number(text);
    return /^\d+$/u.test(text) && Number.isSafeInteger(n)
      ? n
      : malformed(`external data ${key} is ${JSON.stringify(text)}`);
  };
  const offset = number("offset") ?? 0;
  const length = number("length");
  const want = packedBytes(dtype, size);
  if (length !== undefined && length !== want) malformed(`external data is ${length} bytes, the tensor takes ${want}`);
  if (read === undefined)
    throw new TensorFault(
      "sandbox_policy_denied",
      `external data at ${JSON.stringify(location)}: this import reads no other files`,
      "give the model's folder to the importer",
    );
  return read(location, offset, length ?? want);
}

/** A sparse tensor as a dense one: zeros, with values at flat or per-axis indices. */
export function readSparse(t: SparseTensorProto, readExternal: ReadExternal | undefined): Tensor {
  if (t.values === undefined || t.indices === undefined) return malformed("a sparse tensor without values or indices");
  const values = readTensor(t.values, readExternal);
  const indices = readTensor(t.indices, readExternal);
  const { shape, size } = sizesOf(t.dims);
  if (size > 2 ** 30) malformed(`a sparse tensor of ${size} elements`);
  const count = values.size;
  const width = bytesOf(values.dtype);
  const perAxis = indices.shape.length === 2;
  if (indices.dtype !== "i64" || indices.size !== (perAxis ? count * shape.length : count))
    malformed("a sparse tensor's indices do not fit its values");
  const out = new Uint8Array(size * width);
  for (let i = 0; i < count; i++) {
    let at = 0;
    if (perAxis)
      for (const [axis, d] of shape.entries()) {
        const k = indices.at(i * shape.length + axis);
        if (k < 0 || k >= d) malformed(`sparse index ${k} on an axis of ${d}`);
        at = at * d + k;
      }
    else at = indices.at(i);
    if (at < 0 || at >= size) malformed(`sparse index ${at} of ${size} elements`);
    out.set(values.bytes.subarray(i * width, (i + 1) * width), at * width);
  }
  return new Tensor(values.dtype, shape, out);
}
