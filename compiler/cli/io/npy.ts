// .npy files (numpy.lib.format 1.0 to 3.0): a tensor in, a tensor out. The npm packages for it were judged and left:
// none reads bool, float16, big-endian and Fortran-order arrays, and a silent misreading is the worst outcome here.
// numpy has no bfloat16 and no 8-bit floats; ml_dtypes stores them as V2 and V1, which are read where the caller
// says which dtype it expects.

import { bytesOf, type DType } from "../../ir/dtype.js";
import { sizeOf, Tensor } from "../../ir/tensor.js";
import { formatHeader, type NpyHeader, parseHeader } from "./npy-header.js";
import { decodeText, encodeText } from "./npy-text.js";
import { texts } from "./texts.js";

const MAGIC = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59);
const HEADER_ALIGNMENT_BYTES = 64;
const GROWTH_DIGITS = 21;

const BY_CODE: Readonly<Record<string, DType>> = {
  b1: "bool",
  i1: "i8",
  i2: "i16",
  i4: "i32",
  i8: "i64",
  u1: "u8",
  u2: "u16",
  u4: "u32",
  u8: "u64",
  f2: "f16",
  f4: "f32",
  f8: "f64",
  c8: "c64",
  c16: "c128",
};

const CODES: ReadonlyMap<DType, string> = new Map(Object.entries(BY_CODE).map(([code, dtype]) => [dtype, code]));

/** True where the bytes begin as a .npy file does. */
export function isNpy(bytes: Uint8Array): boolean {
  return MAGIC.every((b, i) => bytes[i] === b);
}

/**
 * The array of a .npy file, in row-major order and little-endian. `expect` is the dtype that untyped bytes (V1, V2)
 * are read as. Throws a RangeError that continues "this file is no array: ...".
 */
export function readNpy(bytes: Uint8Array, expect?: DType): Tensor {
  const { header, start } = readHeader(bytes);
  if (/^[<>=|]?U\d+$/.test(header.descr)) return readText(header, bytes.slice(start));
  const { dtype, swapBytes } = dtypeOf(header.descr, expect);
  const want = sizeOf(header.shape) * bytesOf(dtype);
  const have = bytes.byteLength - start;
  if (have !== want)
    throw new RangeError(
      `${header.descr} of shape [${header.shape.join(", ")}] takes ${want} bytes, the file has ${have}`,
    );
  let data: Uint8Array = bytes.slice(start);
  if (swapBytes > 1) reverseEach(data, swapBytes);
  if (dtype === "bool" && data.some((b) => b > 1)) throw new RangeError("a bool array holds bytes other than 0 and 1");
  if (header.fortranOrder) data = toRowMajor(data, header.shape, bytesOf(dtype));
  return new Tensor(dtype, header.shape, data);
}

/** A .npy file that numpy reads back. Dtypes numpy lacks are written as ml_dtypes does (V2, V1). */
export function writeNpy(t: Tensor): Uint8Array {
  if (t.dtype === "str") {
    const { descr, bytes } = encodeText(texts.stringsOf(t));
    return withHeader(descr, t.shape, bytes);
  }
  const width = bytesOf(t.dtype);
  const code = CODES.get(t.dtype) ?? `V${width}`;
  return withHeader(`${width === 1 ? "|" : "<"}${code}`, t.shape, t.bytes);
}

function withHeader(descr: string, shape: readonly number[], content: Uint8Array): Uint8Array {
  const header = formatHeader({ descr, fortranOrder: false, shape });
  // numpy leaves room for the first axis to grow in place; with it the file has numpy's own bytes.
  const growth = shape.length === 0 ? 0 : Math.max(0, GROWTH_DIGITS - String(shape[0]).length);
  const text = header.padEnd(header.length + growth);
  const wide = text.length + 1 + HEADER_ALIGNMENT_BYTES > 0xffff;
  const fixed = MAGIC.length + 2 + (wide ? 4 : 2);
  const start = Math.ceil((fixed + text.length + 1) / HEADER_ALIGNMENT_BYTES) * HEADER_ALIGNMENT_BYTES;
  const out = new Uint8Array(start + content.byteLength);
  const view = new DataView(out.buffer);
  out.set(MAGIC);
  out[6] = wide ? 2 : 1;
  if (wide) view.setUint32(8, start - fixed, true);
  else view.setUint16(8, start - fixed, true);
  out.set(new TextEncoder().encode(`${text.padEnd(start - fixed - 1)}\n`), fixed);
  out.set(content, start);
  return out;
}

function readHeader(bytes: Uint8Array): { header: NpyHeader; start: number } {
  if (!isNpy(bytes)) throw new RangeError("it does not begin with \\x93NUMPY");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength < 12) throw new RangeError(`it ends after ${bytes.byteLength} bytes, inside the header`);
  const major = view.getUint8(6);
  const minor = view.getUint8(7);
  if (major < 1 || major > 3 || minor !== 0)
    throw new RangeError(`it is of version ${major}.${minor}, want 1.0 to 3.0`);
  const fixed = major === 1 ? 10 : 12;
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const start = fixed + length;
  if (start > bytes.byteLength)
    throw new RangeError(`its header says ${length} bytes, the file has ${bytes.byteLength - fixed} after that`);
  const text = new TextDecoder(major === 3 ? "utf-8" : "latin1").decode(bytes.subarray(fixed, start));
  return { header: parseHeader(text), start };
}

function dtypeOf(descr: string, expect: DType | undefined): { dtype: DType; swapBytes: number } {
  const [, order, code = ""] = /^([<>|=])?([a-zA-Z]\d*)$/.exec(descr) ?? [];
  const dtype = Object.hasOwn(BY_CODE, code) ? BY_CODE[code] : untyped(code, expect);
  if (dtype === undefined)
    throw new RangeError(`its dtype is ${descr}, want one of ${Object.keys(BY_CODE).join(", ")} with < or >`);
  // The two halves of a complex number are swapped each by itself.
  const unit = dtype === "c64" || dtype === "c128" ? bytesOf(dtype) / 2 : bytesOf(dtype);
  return { dtype, swapBytes: order === ">" ? unit : 1 };
}

function readText(header: NpyHeader, data: Uint8Array): Tensor {
  const [, order = "<", units = "0"] = /^([<>=|])?U(\d+)$/.exec(header.descr) ?? [];
  const width = Number(units) * 4;
  const want = sizeOf(header.shape) * width;
  if (data.byteLength !== want)
    throw new RangeError(
      `${header.descr} of shape [${header.shape.join(", ")}] takes ${want} bytes, the file has ${data.byteLength}`,
    );
  if (order === ">") reverseEach(data, 4);
  const rowMajor = header.fortranOrder ? toRowMajor(data, header.shape, width) : data;
  return texts.tensor(header.shape, decodeText(rowMajor, sizeOf(header.shape), width));
}

function untyped(code: string, expect: DType | undefined): DType | undefined {
  if (expect === undefined || CODES.has(expect) || expect === "str") return undefined;
  return code === `V${bytesOf(expect)}` ? expect : undefined;
}

function reverseEach(data: Uint8Array, width: number): void {
  for (let i = 0; i < data.length; i += width) data.subarray(i, i + width).reverse();
}

/** Elements of a column-major array (first axis fastest) in row-major order. */
function toRowMajor(data: Uint8Array, shape: readonly number[], width: number): Uint8Array {
  const out = new Uint8Array(data.length);
  const strides: number[] = [];
  let stride = width;
  for (const d of shape) {
    strides.push(stride);
    stride *= d;
  }
  const index = new Array<number>(shape.length).fill(0);
  let from = 0;
  for (let to = 0; to < out.length; to += width) {
    for (let b = 0; b < width; b++) out[to + b] = data[from + b] ?? 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const size = shape[axis] ?? 1;
      const step = strides[axis] ?? 0;
      const next = (index[axis] ?? 0) + 1;
      if (next < size) {
        index[axis] = next;
        from += step;
        break;
      }
      index[axis] = 0;
      from -= step * (size - 1);
    }
  }
  return out;
}
