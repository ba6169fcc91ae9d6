// The reference meaning of ops whose element positions are data.

import type { AttrValues } from "../attrs.js";
import { bytesOf, DTYPES, isFloat, isWide } from "../dtype.js";
import type { EvalContext } from "../op-spec.js";
import { RunIssue } from "../run-issue.js";
import { allocate, type Elements, sizeOf, Tensor, tensorOf } from "../tensor.js";
import { inputOf, wantNumeric, wrapSmall } from "./eval-scalar.js";
import type { indexAttrs } from "./schemas.js";
import { move, pick, stridesOf } from "./strided.js";

type Cx<K extends keyof typeof indexAttrs> = EvalContext<AttrValues<(typeof indexAttrs)[K]>>;

/** Indices as positions in [0, size). */
function positionsIn(indices: Tensor, size: number, what: string): Int32Array {
  const { elements } = indices;
  const out = new Int32Array(elements.length);
  for (let i = 0; i < out.length; i++) {
    const at = Number(elements[i]);
    if (at < 0 || at >= size)
      throw new RunIssue("index_out_of_range", `${what}: index ${at} at position ${i}, wants 0 to ${size - 1}`);
    out[i] = at;
  }
  return out;
}

export function gather(cx: Cx<"gather">): readonly Tensor[] {
  const x = inputOf(cx, 0);
  const indices = inputOf(cx, 1);
  const { axis } = cx.attrs;
  const size = x.shape[axis] ?? 1;
  const at = positionsIn(indices, size, `gather along axis ${axis}`);
  const outer = sizeOf(x.shape.slice(0, axis));
  const inner = sizeOf(x.shape.slice(axis + 1)) * bytesOf(x.dtype);
  const bytes = new Uint8Array(outer * at.length * inner);
  let to = 0;
  for (let i = 0; i < outer; i++)
    for (const j of at) {
      const from = (i * size + j) * inner;
      bytes.set(x.bytes.subarray(from, from + inner), to);
      to += inner;
    }
  return [new Tensor(x.dtype, [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)], bytes)];
}

export function take(cx: Cx<"take">): readonly Tensor[] {
  const x = inputOf(cx, 0);
  const indices = inputOf(cx, 1);
  return [pick(x, indices.shape, positionsIn(indices, x.size, "take"))];
}

/** Updates apply in row-major order; sums and products of floats are kept in double and rounded once. */
export function scatter(cx: Cx<"scatter">): readonly Tensor[] {
  const [x, indices, updates] = [inputOf(cx, 0), inputOf(cx, 1), inputOf(cx, 2)];
  const { mode } = cx.attrs;
  if (updates.size !== indices.size)
    throw new RunIssue("size_mismatch", `scatter has ${indices.size} indices and ${updates.size} updates`);
  const at = positionsIn(indices, x.size, "scatter");
  if (mode === "set") {
    const bytes = x.bytes.slice();
    move(updates.bytes, null, bytes, at, bytesOf(x.dtype));
    return [new Tensor(x.dtype, x.shape, bytes)];
  }
  wantNumeric(x.dtype, "scatter");
  if (isWide(x.dtype)) {
    const out = BigInt64Array.from(x.elements, BigInt);
    const signed = x.dtype === "i64";
    // The accumulator holds the low 64 bits; an unsigned order needs the unsigned value.
    const value = (v: bigint): bigint => (signed ? v : BigInt.asUintN(64, v));
    for (let i = 0; i < at.length; i++) {
      const a = value(out[at[i] ?? 0] ?? 0n);
      const u = BigInt(updates.elements[i] ?? 0);
      out[at[i] ?? 0] = mode === "add" ? a + u : mode === "mul" ? a * u : (mode === "max") === a > u ? a : u;
    }
    const result = allocate(x.dtype, out.length);
    for (let i = 0; i < out.length; i++) result[i] = out[i] ?? 0n;
    return [tensorOf(x.dtype, x.shape, result)];
  }
  const out = Float64Array.from(x.elements, Number);
  const combine = combineOf(mode, isFloat(x.dtype));
  for (let i = 0; i < at.length; i++) {
    const p = at[i] ?? 0;
    out[p] = combine(out[p] ?? 0, Number(updates.elements[i]));
  }
  return [roundedFrom(x, out)];
}

/** sum, prod, max or min on doubles, or on integers of at most 32 bits kept as doubles. */
export function combineOf(
  kind: "add" | "mul" | "sum" | "prod" | "max" | "min",
  float: boolean,
): (a: number, b: number) => number {
  switch (kind) {
    case "add":
    case "sum":
      return float ? (a, b) => a + b : (a, b) => (a + b) | 0;
    case "mul":
    case "prod":
      return float ? (a, b) => a * b : Math.imul;
    case "max":
      return Math.max;
    case "min":
      return Math.min;
  }
}

/** A tensor of x's dtype and `shape` from doubles: rounded once, or wrapped. */
export function roundedFrom(x: Tensor, values: Float64Array, shape: readonly number[] = x.shape): Tensor {
  if (isFloat(x.dtype) && DTYPES[x.dtype].bits !== 32) return tensorOf(x.dtype, shape, values);
  const out = allocate(x.dtype, values.length);
  for (let i = 0; i < values.length; i++) out[i] = wrapSmall(x.dtype, values[i] ?? 0);
  return tensorOf(x.dtype, shape, out);
}

export function sort(cx: Cx<"sort">): readonly Tensor[] {
  const x = inputOf(cx, 0);
  const { axis, descending } = cx.attrs;
  const size = x.shape[axis] ?? 1;
  const count = cx.size(cx.attrs.count);
  if (count < 0 || count > size) throw new RunIssue("size_mismatch", `sort of ${size} elements cannot give ${count}`);
  const inner = stridesOf(x.shape)[axis] ?? 1;
  const { elements } = x;
  const shape = x.shape.map((d, i) => (i === axis ? count : d));
  const from = new Int32Array(sizeOf(shape));
  const indices = new BigInt64Array(from.length);
  const order = (i: number, j: number): number => {
    const c = compare(elements, i, j);
    return (descending ? -c : c) || i - j;
  };
  for (let start = 0; start < x.size; start++) {
    if (Math.floor(start / inner) % size !== 0) continue;
    const line = Array.from({ length: size }, (_, k) => start + k * inner).sort(order);
    const to = Math.floor(start / (inner * size)) * inner * count + (start % inner);
    for (const [k, p] of line.slice(0, count).entries()) {
      from[to + k * inner] = p;
      indices[to + k * inner] = BigInt((p - start) / inner);
    }
  }
  return [pick(x, shape, from), tensorOf("i64", shape, indices)];
}

/** Order of two elements: NaN is the greatest. */
function compare(elements: Elements, i: number, j: number): number {
  const a = elements[i] ?? 0;
  const b = elements[j] ?? 0;
  if (a < b) return -1;
  if (a > b) return 1;
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
}

export function nonzero(cx: Cx<"nonzero">): readonly Tensor[] {
  const x = inputOf(cx, 0);
  wantNumeric(x.dtype, "nonzero");
  const { elements } = x;
  const found: number[] = [];
  for (let i = 0; i < elements.length; i++) if (Number(elements[i]) !== 0) found.push(i);
  const strides = stridesOf(x.shape);
  const out = new BigInt64Array(x.shape.length * found.length);
  let to = 0;
  for (const [axis, d] of x.shape.entries())
    for (const p of found) out[to++] = BigInt(Math.floor(p / (strides[axis] ?? 1)) % d);
  return [tensorOf("i64", [x.shape.length, found.length], out)];
}
