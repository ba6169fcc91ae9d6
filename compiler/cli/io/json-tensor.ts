// Tensors as JSON: nested arrays of numbers or strings, read for a stated dtype. Nothing is rounded or wrapped silently: an
// integer out of range, a fraction for an integer, or an integer that JSON has already rounded is an error. Not-finite
// numbers are the strings "NaN", "Infinity" and "-Infinity"; integers beyond 2^53 are strings of digits.

import { DTYPES, type DType, intRange, isDType, isFloat, isInteger, isWide } from "../../ir/dtype.js";
import { decodeMinifloat, encodeMinifloats } from "../../ir/minifloat.js";
import { sizeOf, Tensor, tensorFrom } from "../../ir/tensor.js";
import { texts } from "./texts.js";

export type Nested = number | string | boolean | readonly Nested[];

const NARROW: ReadonlySet<DType> = new Set(
  Object.keys(DTYPES).filter((d) => isDType(d) && isFloat(d) && DTYPES[d].bits <= 16),
) as ReadonlySet<DType>;

const NOT_FINITE: Readonly<Record<string, number>> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  "-Infinity": Number.NEGATIVE_INFINITY,
};

/** A tensor from parsed JSON. Throws a RangeError that names the element. */
export function tensorFromJson(value: unknown, dtype: DType): Tensor {
  const shape = shapeOf(value);
  const values: (number | bigint)[] = [];
  const walk = (v: unknown, axis: number, path: string): void => {
    if (axis === shape.length) {
      values.push(element(v, dtype, path));
      return;
    }
    const want = shape[axis] ?? 0;
    if (!Array.isArray(v)) throw new RangeError(`${label(path)} is ${describe(v)}, want a list of ${want}`);
    if (v.length !== want)
      throw new RangeError(`${label(path)} has ${v.length} elements, want ${want} as its neighbours`);
    for (const [i, item] of v.entries()) walk(item, axis + 1, `${path}[${i}]`);
  };
  walk(value, 0, "");
  // Straight from doubles: by way of float32, a narrow float would be rounded twice.
  if (NARROW.has(dtype)) return new Tensor(dtype, shape, encodeMinifloats(dtype, values));
  return tensorFrom(dtype, shape, values);
}

/** Nested arrays that `tensorFromJson` reads back to the same values. */
export function tensorToJson(t: Tensor): Nested {
  const { elements } = t;
  const plain = (i: number): Nested => {
    const v = elements[i] ?? 0;
    if (t.dtype === "str") return texts.string(Number(v));
    if (t.dtype === "bool") return v !== 0;
    if (typeof v === "bigint") return Number.isSafeInteger(Number(v)) ? Number(v) : String(v);
    // JSON has no -0: JSON.stringify writes 0. It is kept as a string of digits would be.
    if (Object.is(v, -0)) return "-0";
    return Number.isFinite(v) ? v : String(v);
  };
  const nest = (axis: number, from: number): Nested => {
    const size = t.shape[axis];
    if (size === undefined) return plain(from);
    const stride = sizeOf(t.shape.slice(axis + 1));
    return Array.from({ length: size }, (_, i) => nest(axis + 1, from + i * stride));
  };
  return nest(0, 0);
}

function shapeOf(value: unknown): number[] {
  const shape: number[] = [];
  for (let v: unknown = value; Array.isArray(v); v = v[0]) shape.push(v.length);
  return shape;
}

function element(v: unknown, dtype: DType, path: string): number | bigint {
  if (dtype === "bool") {
    if (v === true || v === 1) return 1;
    if (v === false || v === 0) return 0;
  } else if (dtype === "str") {
    if (typeof v === "string") return texts.number(v);
    throw new RangeError(`${label(path)} is ${describe(v)}, want a string`);
  } else if (isInteger(dtype)) {
    if (typeof v === "number" || (typeof v === "string" && /^-?\d+$/.test(v))) return integer(v, dtype, path);
  } else if (isFloat(dtype)) {
    if (v === "-0") return -0;
    if (typeof v === "string" && Object.hasOwn(NOT_FINITE, v)) return NOT_FINITE[v] ?? Number.NaN;
    if (typeof v === "number") return finite(v, dtype, path);
  } else throw new RangeError(`${dtype} has no JSON form; use a .npy file`);
  throw new RangeError(
    `${label(path)} is ${describe(v)}, want ${dtype === "bool" ? "true or false" : `a number (${dtype})`}`,
  );
}

function integer(v: number | string, dtype: DType, path: string): number | bigint {
  if (typeof v === "number" && !Number.isInteger(v))
    throw new RangeError(`${label(path)} is ${v}, want a whole number (${dtype})`);
  if (typeof v === "number" && !Number.isSafeInteger(v))
    throw new RangeError(
      `${label(path)} is beyond 2^53, where JSON numbers are rounded; write it as a string: "${BigInt(v)}"`,
    );
  const exact = BigInt(v);
  const { min, max } = intRange(dtype);
  if (exact < min || exact > max) throw new RangeError(`${label(path)} is ${exact}, want ${min} to ${max} (${dtype})`);
  return isWide(dtype) ? exact : Number(exact);
}

function finite(v: number, dtype: DType, path: string): number {
  const held = dtype === "f64" ? v : dtype === "f32" ? Math.fround(v) : throughNarrow(v, dtype);
  if (!Number.isFinite(held)) throw new RangeError(`${label(path)} is ${v}, which ${dtype} cannot hold`);
  return v;
}

function throughNarrow(v: number, dtype: DType): number {
  const bytes = encodeMinifloats(dtype, Float64Array.of(v));
  return decodeMinifloat(dtype, (bytes[0] ?? 0) | ((bytes[1] ?? 0) << 8));
}

function label(path: string): string {
  return path === "" ? "the value" : `element ${path}`;
}

function describe(v: unknown): string {
  if (v === null) return "null";
  if (Array.isArray(v)) return "a list";
  return typeof v === "object" ? "an object" : JSON.stringify(v);
}
