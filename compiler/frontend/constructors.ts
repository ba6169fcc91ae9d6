// Tensors from data and from nothing, and tensors joined: tensor, zeros, ones, full, arange, linspace, eye, cat, stack.

import * as ir from "../ir/build.js";
import { ceildiv, type Dim, sub } from "../ir/dim.js";
import { type DType, isFloat } from "../ir/dtype.js";
import { type Elements, sizeOf, Tensor as TensorData, tensorFrom, tensorOf } from "../ir/tensor.js";
import { makeTensor, wrap } from "./handle.js";
import { resultType, type Scalar, wantInRange } from "./promote.js";
import { sizeScalar } from "./reduction.js";
import { record } from "./session.js";
import { resolveSizes, type Size } from "./shaping.js";
import { refuseTrace } from "./site.js";
import { Storage } from "./storage.js";
import "./tensor.js";
import type { Tensor } from "./tensor.js";

export interface DTypeOption {
  readonly dtype?: DType;
}

type Nested = number | bigint | boolean | readonly Nested[];

/**
 * A constant: a typed array (its dtype follows) or nested lists of numbers, with a shape where it is not the list's.
 * Lists are f32 where a number has a fraction, else i64; bool for truth values. Can be made outside of a trace.
 */
export function tensor(
  data: Elements | Nested | TensorData,
  shape?: readonly number[],
  { dtype }: DTypeOption = {},
): Tensor {
  return makeTensor(Storage.ofData(dataOf(data, shape, dtype)));
}

function dataOf(
  data: Elements | Nested | TensorData,
  shape: readonly number[] | undefined,
  dtype: DType | undefined,
): TensorData {
  if (data instanceof TensorData) return shape === undefined ? data : data.reshaped(shape);
  if (ArrayBuffer.isView(data)) {
    const as = dtype ?? elementType(data);
    const sizes = shape ?? [data.length];
    wantCount(data.length, sizes);
    return as === elementType(data) ? tensorOf(as, sizes, data.slice()) : tensorFrom(as, sizes, data);
  }
  const flat: (number | bigint | boolean)[] = [];
  const own = shapeOfList(data, flat);
  const as = dtype ?? listType(flat);
  wantCount(flat.length, shape ?? own);
  return tensorFrom(
    as,
    shape ?? own,
    flat.map((v) => (typeof v === "boolean" ? Number(v) : v)),
  );
}

function wantCount(have: number, shape: readonly number[]): void {
  if (have !== sizeOf(shape))
    refuseTrace(
      "malformed_input",
      "tensor",
      `tensor: ${have} elements for the shape [${shape.join(", ")}]`,
      "give one element per place",
    );
}

function elementType(data: Elements): DType {
  if (data instanceof Float32Array) return "f32";
  if (data instanceof Float64Array) return "f64";
  if (data instanceof BigInt64Array) return "i64";
  if (data instanceof BigUint64Array) return "u64";
  if (data instanceof Int32Array) return "i32";
  if (data instanceof Int16Array) return "i16";
  if (data instanceof Int8Array) return "i8";
  if (data instanceof Uint32Array) return "u32";
  return data instanceof Uint16Array ? "u16" : "u8";
}

function shapeOfList(data: Nested, flat: (number | bigint | boolean)[]): number[] {
  if (typeof data !== "object") {
    flat.push(data);
    return [];
  }
  const inner = data.map((d) => shapeOfList(d, flat));
  const [first = []] = inner;
  if (inner.some((s) => s.join() !== first.join()))
    refuseTrace("malformed_input", "tensor", "tensor: the lists have different lengths", "give a full grid of numbers");
  return [data.length, ...first];
}

function listType(flat: readonly (number | bigint | boolean)[]): DType {
  if (flat.length > 0 && flat.every((v) => typeof v === "boolean")) return "bool";
  if (flat.length === 0) return "f32";
  return flat.every((v) => typeof v !== "number" || Number.isSafeInteger(v)) ? "i64" : "f32";
}

/** `value` everywhere. The dtype is f32 unless asked for. */
export function full(sizes: readonly Size[], value: Scalar, { dtype = "f32" }: DTypeOption = {}): Tensor {
  return record("full", (b) => {
    const number = typeof value === "boolean" ? Number(value) : value;
    wantInRange(number, dtype, "full");
    return wrap(ir.full(b, dtype, resolveSizes(sizes, "full"), dtype === "bool" ? Number(Boolean(value)) : number));
  });
}

export function zeros(sizes: readonly Size[], options: DTypeOption = {}): Tensor {
  return record("zeros", () => full(sizes, 0, options));
}

export function ones(sizes: readonly Size[], options: DTypeOption = {}): Tensor {
  return record("ones", () => full(sizes, 1, options));
}

export function zerosLike(t: Tensor, { dtype = t.dtype }: DTypeOption = {}): Tensor {
  return record("zerosLike", () => full(t.shape, 0, { dtype }));
}

export function onesLike(t: Tensor, { dtype = t.dtype }: DTypeOption = {}): Tensor {
  return record("onesLike", () => full(t.shape, 1, { dtype }));
}

export function fullLike(t: Tensor, value: Scalar, { dtype = t.dtype }: DTypeOption = {}): Tensor {
  return record("fullLike", () => full(t.shape, value, { dtype }));
}

/** arange(end), arange(start, end), arange(start, end, step): i64 for whole numbers, else f32. Sizes count as numbers. */
export function arange(start: Dim, end: Dim | null = null, step = 1, { dtype }: DTypeOption = {}): Tensor {
  return record("arange", (b) => {
    const [first, last] = end === null ? [0, start] : [start, end];
    const whole = [first, last, step].every((n) => typeof n !== "number" || Number.isInteger(n));
    const as = dtype ?? (whole ? "i64" : "f32");
    if (typeof first === "number" && typeof last === "number") {
      const length = Math.ceil((last - first) / step);
      if (step === 0 || length < 0)
        refuseTrace(
          "malformed_input",
          "arange",
          `arange: from ${first} to ${last} by ${step}`,
          "the step must lead to the end",
        );
      return tensor(
        Array.from({ length }, (_, i) => first + i * step),
        [length],
        { dtype: as },
      );
    }
    if (!whole || step < 1)
      refuseTrace(
        "unsupported_shape",
        "arange",
        `arange: a step of ${step} to a named size`,
        "use a whole step of 1 or more",
      );
    const steps = ir.iota(b, "i64", [ceildiv(sub(last, first), step)]);
    const scaled = step === 1 ? steps : ir.mul(b, steps, step);
    return wrap(ir.cast(b, first === 0 ? scaled : ir.add(b, scaled, sizeScalar(b, first, "i64")), as));
  });
}

/** `steps` numbers from start to end, both included. */
export function linspace(start: number, end: number, steps: number, { dtype = "f32" }: DTypeOption = {}): Tensor {
  return record("linspace", () => {
    const by = steps > 1 ? (end - start) / (steps - 1) : 0;
    // From both ends, so that they are exact.
    const at = (i: number): number => (i < steps / 2 ? start + i * by : end - (steps - 1 - i) * by);
    const values = Array.from({ length: steps }, (_, i) => (isFloat(dtype) ? at(i) : Math.trunc(at(i))));
    return tensor(values, [steps], { dtype });
  });
}

/** 1 on the diagonal. */
export function eye(rows: number, columns = rows, { dtype = "f32" }: DTypeOption = {}): Tensor {
  return record("eye", () => {
    const size = Array.from({ length: rows * columns }, (_, i) => Number(Math.floor(i / columns) === i % columns));
    return tensor(size, [rows, columns], { dtype });
  });
}

/** Joined along an axis; dtypes are promoted. Empty vectors are skipped, as in PyTorch. */
export function cat(tensors: readonly Tensor[], axis = 0): Tensor {
  return record("cat", (b) => {
    const some = tensors.filter((t) => !(t.rank === 1 && t.shape[0] === 0));
    const [first = tensors[0]] = some;
    if (first === undefined) return refuseTrace("malformed_input", "cat", "cat: no tensors", "give one or more");
    const dtype = resultType(tensors, "cat");
    const at = axis < 0 ? axis + first.rank : axis;
    if (first.rank === 0 || at < 0 || at >= first.rank)
      refuseTrace(
        "unsupported_shape",
        "cat",
        `cat: axis ${axis} of ${first.toString()}`,
        "scalars are joined with stack",
      );
    const values = (some.length === 0 ? [first] : some).map((t) => ir.cast(b, t.valueFor("cat"), dtype));
    return wrap(ir.concat(b, values, at));
  });
}

/** Joined along a new axis. */
export function stack(tensors: readonly Tensor[], axis = 0): Tensor {
  return record("stack", () => {
    const [first] = tensors;
    if (first === undefined) return refuseTrace("malformed_input", "stack", "stack: no tensors", "give one or more");
    const odd = tensors.find((t) => t.rank !== first.rank);
    if (odd !== undefined)
      refuseTrace(
        "unsupported_shape",
        "stack",
        `stack: ${first.toString()} and ${odd.toString()}`,
        "stack takes tensors of one shape",
      );
    return cat(
      tensors.map((t) => t.unsqueeze(axis)),
      axis < 0 ? axis + first.rank + 1 : axis,
    );
  });
}
