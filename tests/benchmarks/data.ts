// Inputs and weights of the rows: the same pseudo-random numbers in every process.

import type { Elements } from "../support/onnx-writer.js";

/** Uniform numbers in [0, 1): a 32-bit linear congruential generator. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** f32 in [-scale, scale). */
export function floats(shape: readonly number[], scale = 1, seed = 1): Elements {
  const next = generator(seed + sizeOf(shape));
  return { dtype: "f32", shape, data: Float32Array.from({ length: sizeOf(shape) }, () => (next() * 2 - 1) * scale) };
}

export function bytes(dtype: "u8" | "i8", shape: readonly number[], seed = 1): Elements {
  const next = generator(seed + sizeOf(shape));
  const length = sizeOf(shape);
  if (dtype === "u8") return { dtype, shape, data: Uint8Array.from({ length }, () => Math.floor(next() * 256)) };
  return { dtype, shape, data: Int8Array.from({ length }, () => Math.floor(next() * 256) - 128) };
}

export function longs(shape: readonly number[], value: number): Elements {
  return { dtype: "i64", shape, data: new BigInt64Array(sizeOf(shape)).fill(BigInt(value)) };
}
