// Row-major positions for the reference evaluations: strides, strided views as lists of source positions, and moving
// elements by position without looking at what they are (so that every dtype, NaN payload and -0 survives).

import { bytesOf } from "../dtype.js";
import { RunIssue } from "../run-issue.js";
import { sizeOf, Tensor } from "../tensor.js";

/** Row-major strides in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides: number[] = [];
  let stride = 1;
  for (const d of shape.toReversed()) {
    strides.unshift(stride);
    stride *= d;
  }
  return strides;
}

/** Source position of every element of a view in row-major order: base + sum of index[i] * strides[i]. */
export function viewPositions(shape: readonly number[], strides: readonly number[], base = 0): Int32Array {
  const out = new Int32Array(sizeOf(shape));
  if (out.length === 0) return out;
  const rank = shape.length;
  const inner = shape[rank - 1] ?? 1;
  const step = strides[rank - 1] ?? 0;
  const index = new Array<number>(Math.max(0, rank - 1)).fill(0);
  let at = base;
  for (let i = 0; i < out.length; ) {
    for (let j = 0, p = at; j < inner; j++, p += step) out[i++] = p;
    for (let axis = rank - 2; axis >= 0; axis--) {
      const next = (index[axis] ?? 0) + 1;
      const stride = strides[axis] ?? 0;
      at += stride;
      if (next < (shape[axis] ?? 1)) {
        index[axis] = next;
        break;
      }
      at -= next * stride;
      index[axis] = 0;
    }
  }
  return out;
}

/** Strides that read `from` as if it had the shape `to` (NumPy broadcasting). */
export function broadcastStrides(from: readonly number[], to: readonly number[]): number[] {
  const own = stridesOf(from);
  const offset = to.length - from.length;
  return to.map((d, i) => {
    const have = from[i - offset];
    if (i < offset || have === undefined) return 0;
    if (have === d) return own[i - offset] ?? 0;
    if (have === 1) return 0;
    throw new RunIssue(
      "size_mismatch",
      `axis ${i - offset} of [${from.join(", ")}] does not broadcast to [${to.join(", ")}]`,
    );
  });
}

/** Positions that broadcast `from` to `to`; null where every element is at its own position. */
export function broadcastPositions(from: readonly number[], to: readonly number[]): Int32Array | null {
  const strides = broadcastStrides(from, to);
  return sizeOf(from) === sizeOf(to) ? null : viewPositions(to, strides);
}

/** Common shape of operands, by NumPy's rule. */
export function commonShape(shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(0, ...shapes.map((s) => s.length));
  return Array.from({ length: rank }, (_, axis) => {
    let common = 1;
    for (const shape of shapes) {
      const d = shape[axis - (rank - shape.length)] ?? 1;
      if (d === 1 || d === common) continue;
      if (common !== 1) throw new RunIssue("size_mismatch", `axis ${axis}: sizes ${common} and ${d} do not broadcast`);
      common = d;
    }
    return common;
  });
}

/** 32-, 16- or 8-bit words of a tensor, with the number of words per element. */
export interface Words {
  readonly words: Uint8Array | Uint16Array | Uint32Array;
  readonly perElement: number;
}

/** A tensor's bytes as words; a copy where they do not lie at a multiple of four. */
export function wordsOf(width: number, bytes: Uint8Array): Words {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  if (width === 1) return { words: bytes, perElement: 1 };
  if (width === 2) return { words: new Uint16Array(buffer, byteOffset, byteLength / 2), perElement: 1 };
  return { words: new Uint32Array(buffer, byteOffset, byteLength / 4), perElement: width / 4 };
}

/** A tensor whose element i is x's element positions[i]. Positions must be in range. */
export function pick(x: Tensor, shape: readonly number[], positions: Int32Array): Tensor {
  const width = bytesOf(x.dtype);
  const bytes = new Uint8Array(positions.length * width);
  move(x.bytes, positions, bytes, null, width);
  return new Tensor(x.dtype, shape, bytes);
}

/** to[toAt[i]] = from[fromAt[i]] for elements of `width` bytes; null positions are 0, 1, 2, ... */
export function move(
  from: Uint8Array,
  fromAt: Int32Array | null,
  to: Uint8Array,
  toAt: Int32Array | null,
  width: number,
): void {
  const { words: source, perElement: lanes } = wordsOf(width, from);
  const { words: target } = wordsOf(width, to);
  const count = fromAt?.length ?? toAt?.length ?? from.byteLength / width;
  for (let i = 0; i < count; i++) {
    const s = (fromAt === null ? i : (fromAt[i] ?? 0)) * lanes;
    const t = (toAt === null ? i : (toAt[i] ?? 0)) * lanes;
    for (let lane = 0; lane < lanes; lane++) target[t + lane] = source[s + lane] ?? 0;
  }
}
