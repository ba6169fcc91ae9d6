// The reference meaning of elementwise ops: floats in double precision and rounded once, integers exactly and wrapped.

import type { AttrValues } from "../attrs.js";
import { bytesOf, DTYPES, type DType, intRange, isFloat, isWide } from "../dtype.js";
import { encodeMinifloat } from "../minifloat.js";
import type { EvalContext } from "../op-spec.js";
import { RunIssue } from "../run-issue.js";
import { allocate, type Elements, sizeOf, Tensor, tensorOf } from "../tensor.js";
import { SCALAR, type ScalarRow } from "./scalar.js";
import type { convertAttrs } from "./schemas.js";
import { broadcastPositions, commonShape, move } from "./strided.js";

type Attrs = typeof convertAttrs;

/** Input i of a node; arity was checked when the node was made. */
export function inputOf(cx: { readonly inputs: readonly Tensor[] }, i: number): Tensor {
  const t = cx.inputs[i];
  if (t === undefined) throw new RangeError(`no input ${i}`);
  return t;
}

/** Room for results before their one rounding: doubles for narrow floats, the dtype's own elements otherwise. */
export function workspace(dtype: DType, size: number): Elements {
  return isNarrowFloat(dtype) ? new Float64Array(size) : allocate(dtype, size);
}

export function isNarrowFloat(dtype: DType): boolean {
  return isFloat(dtype) && DTYPES[dtype].bits < 32;
}

export function wantNumeric(dtype: DType, what: string): void {
  const { kind } = DTYPES[dtype];
  if (kind === "complex" || kind === "string")
    throw new RunIssue("unsupported_dtype", `${what} takes numbers, has ${dtype}`);
}

/** An integer of at most 32 bits wrapped to its dtype; doubles below 2^53 wrap exactly. */
export function wrapSmall(dtype: DType, value: number): number {
  switch (dtype) {
    case "i4":
      return (value << 28) >> 28;
    case "i2":
      return (value << 30) >> 30;
    case "u4":
      return value & 15;
    case "u2":
      return value & 3;
    case "bool":
      return value === 0 ? 0 : 1;
    default:
      return value;
  }
}

// Integer meanings in doubles, for operands and results within 53 bits. Products of 32-bit integers are not.
const SMALL = new Map<ScalarRow, (a: number, b: number) => number | boolean>([
  [SCALAR.add, (a, b) => a + b],
  [SCALAR.sub, (a, b) => a - b],
  [SCALAR.mul, Math.imul],
  [SCALAR.max, Math.max],
  [SCALAR.min, Math.min],
  [SCALAR.eq, (a, b) => a === b],
  [SCALAR.ne, (a, b) => a !== b],
  [SCALAR.lt, (a, b) => a < b],
  [SCALAR.le, (a, b) => a <= b],
  [SCALAR.neg, (a) => -a],
  [SCALAR.abs, Math.abs],
  [SCALAR.sign, Math.sign],
  [SCALAR.and, (a, b) => a & b],
  [SCALAR.or, (a, b) => a | b],
  [SCALAR.xor, (a, b) => a ^ b],
]);

export function evaluateScalar(row: ScalarRow, cx: EvalContext<unknown>): Tensor {
  const x = inputOf(cx, 0);
  const y = row.arity > 1 ? inputOf(cx, 1) : x;
  const shape = commonShape([x.shape, y.shape]);
  const size = sizeOf(shape);
  const dtype = row.result === "bool" ? "bool" : x.dtype;
  const px = broadcastPositions(x.shape, shape);
  const py = broadcastPositions(y.shape, shape);
  const out = workspace(dtype, size);
  if (isFloat(x.dtype)) applyFloat(row, x.elements, px, y.elements, py, out);
  else if (isWide(x.dtype)) applyWide(row, x.elements, px, y.elements, py, out);
  else applySmall(row, x.dtype, dtype, [x.elements, px, y.elements, py], out);
  return tensorOf(dtype, shape, out);
}

function applyFloat(
  row: ScalarRow,
  x: Elements,
  px: Int32Array | null,
  y: Elements,
  py: Int32Array | null,
  out: Elements,
): void {
  const f = row.float;
  if (f === undefined) throw new RunIssue("unsupported_dtype", "op has no meaning on floats");
  for (let i = 0; i < out.length; i++)
    out[i] = Number(f(Number(x[px === null ? i : (px[i] ?? 0)]), Number(y[py === null ? i : (py[i] ?? 0)])));
}

function applyWide(
  row: ScalarRow,
  x: Elements,
  px: Int32Array | null,
  y: Elements,
  py: Int32Array | null,
  out: Elements,
): void {
  const f = row.int;
  if (f === undefined) throw new RunIssue("unsupported_dtype", "op has no meaning on integers");
  const at = (v: Elements, i: number): bigint => BigInt(v[i] ?? 0);
  for (let i = 0; i < out.length; i++) {
    const r = f(at(x, px === null ? i : (px[i] ?? 0)), at(y, py === null ? i : (py[i] ?? 0)));
    if (out instanceof BigInt64Array || out instanceof BigUint64Array) out[i] = BigInt(r);
    else out[i] = Number(r);
  }
}

function applySmall(
  row: ScalarRow,
  from: DType,
  to: DType,
  [x, px, y, py]: readonly [Elements, Int32Array | null, Elements, Int32Array | null],
  out: Elements,
): void {
  const quick = SMALL.get(row);
  const f = row.int;
  if (f === undefined) throw new RunIssue("unsupported_dtype", "op has no meaning on integers");
  const bits = DTYPES[from].bits;
  // `not` on bool is logical; every other op wraps to the dtype's bits.
  const wide =
    from === "bool" && row === SCALAR.not
      ? (a: number): number => 1 - a
      : (a: number, b: number): number => Number(BigInt.asIntN(bits, BigInt(f(BigInt(a), BigInt(b)))));
  const g = quick ?? wide;
  for (let i = 0; i < out.length; i++) {
    const r = g(Number(x[px === null ? i : (px[i] ?? 0)]), Number(y[py === null ? i : (py[i] ?? 0)]));
    out[i] = wrapSmall(to, Number(r));
  }
}

export function evaluateSelect(cx: EvalContext<unknown>): Tensor {
  const [c, x, y] = [inputOf(cx, 0), inputOf(cx, 1), inputOf(cx, 2)];
  const shape = commonShape([c.shape, x.shape, y.shape]);
  const [pc, px, py] = [c, x, y].map((t) => broadcastPositions(t.shape, shape));
  const size = sizeOf(shape);
  const width = bytesOf(x.dtype);
  const bytes = new Uint8Array(size * width);
  const lists = [new Int32Array(size), new Int32Array(size)] as const;
  const targets = [new Int32Array(size), new Int32Array(size)] as const;
  const counts: [number, number] = [0, 0];
  for (let i = 0; i < size; i++) {
    const which = c.bytes[pc?.[i] ?? i] === 0 ? 1 : 0;
    const n = counts[which]++;
    lists[which][n] = (which === 0 ? px : py)?.[i] ?? i;
    targets[which][n] = i;
  }
  for (const [which, t] of [x, y].entries()) {
    const k = which === 0 ? 0 : 1;
    move(t.bytes, lists[k].subarray(0, counts[k]), bytes, targets[k].subarray(0, counts[k]), width);
  }
  return new Tensor(x.dtype, shape, bytes);
}

export function evaluateCast(cx: EvalContext<AttrValues<Attrs["cast"]>>): Tensor {
  const x = inputOf(cx, 0);
  const { to, saturate } = cx.attrs;
  wantNumeric(x.dtype, "cast");
  wantNumeric(to, "cast");
  if (x.dtype === to) return x;
  if (to === "bool") return castToBool(x);
  return isFloat(to) ? castToFloat(x, to, saturate) : castToInteger(x, to, saturate && isFloat(x.dtype));
}

function castToBool(x: Tensor): Tensor {
  const out = new Uint8Array(x.size);
  const { elements } = x;
  for (let i = 0; i < out.length; i++) out[i] = Number(elements[i]) === 0 ? 0 : 1;
  return tensorOf("bool", x.shape, out);
}

function castToFloat(x: Tensor, to: DType, saturate: boolean): Tensor {
  const { elements, size } = x;
  const wide = elements instanceof BigInt64Array || elements instanceof BigUint64Array;
  // Below 53 bits the double keeps a sticky bit, so that the second rounding is the only one that counts.
  const number = wide && to !== "f64" ? stickyNumber : Number;
  const out = new Float64Array(size);
  for (let i = 0; i < size; i++) out[i] = number(elements[i] ?? 0);
  if (to === "f64") return tensorOf(to, x.shape, out);
  if (to === "f32") return tensorOf(to, x.shape, Float32Array.from(out));
  const width = bytesOf(to);
  const bytes = new Uint8Array(size * width);
  for (let i = 0; i < size; i++) {
    const pattern = encodeMinifloat(to, out[i] ?? 0, saturate);
    bytes[i * width] = pattern & 0xff;
    if (width === 2) bytes[i * width + 1] = pattern >>> 8;
  }
  return new Tensor(to, x.shape, bytes);
}

/** A 64-bit integer as a double rounded to odd: rounding that to fewer bits rounds the integer once. */
function stickyNumber(v: number | bigint): number {
  if (typeof v === "number") return v;
  const magnitude = v < 0n ? -v : v;
  if (magnitude < 1n << 53n) return Number(v);
  const kept = (magnitude >> 11n) | ((magnitude & 0x7ffn) === 0n ? 0n : 1n);
  const value = Number(kept) * 2048;
  return v < 0n ? -value : value;
}

/** Floats truncate; then clamp with `saturate` or wrap. Integers wrap. */
function castToInteger(x: Tensor, to: DType, saturate: boolean): Tensor {
  const { elements, size } = x;
  const out = allocate(to, size);
  const { min, max } = intRange(to);
  if (out instanceof BigInt64Array || out instanceof BigUint64Array) {
    for (let i = 0; i < size; i++) {
      const v = wholePart(elements[i] ?? 0);
      if (v === Number.POSITIVE_INFINITY || v === Number.NEGATIVE_INFINITY)
        out[i] = saturate ? (v > 0 ? max : min) : 0n;
      else {
        const exact = BigInt(v);
        out[i] = saturate && exact > max ? max : saturate && exact < min ? min : exact;
      }
    }
    return tensorOf(to, x.shape, out);
  }
  const [low, high] = [Number(min), Number(max)];
  for (let i = 0; i < size; i++) {
    const v = wholePart(elements[i] ?? 0);
    if (typeof v === "bigint") out[i] = Number(BigInt.asIntN(32, v));
    else out[i] = saturate ? Math.min(high, Math.max(low, v)) : wrapDouble(v);
    out[i] = wrapSmall(to, Number(out[i]));
  }
  return tensorOf(to, x.shape, out);
}

function wholePart(v: number | bigint): number | bigint {
  if (typeof v === "bigint") return v;
  return Number.isNaN(v) ? 0 : Math.trunc(v);
}

/** Modulo 2^32 as JavaScript's ToInt32 has it: exact for every finite double, 0 for infinities. */
function wrapDouble(v: number): number {
  return v | 0;
}

/** 4-bit and 2-bit types keep their bits, in the byte that holds them: sign-extended where they are signed. */
export function evaluateBitcast(cx: EvalContext<AttrValues<Attrs["bitcast"]>>): Tensor {
  const x = inputOf(cx, 0);
  const { to } = cx.attrs;
  const { bits, kind } = DTYPES[to];
  if (bits >= 8) return new Tensor(to, x.shape, x.bytes);
  const bytes = x.bytes.map((byte) =>
    kind === "int" ? (byte << (32 - bits)) >> (32 - bits) : byte & ((1 << bits) - 1),
  );
  return new Tensor(to, x.shape, bytes);
}
