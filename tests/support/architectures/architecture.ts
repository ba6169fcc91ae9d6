// What a family of models is to tests and benchmarks: how its file is written, which dimensions are open and what it is
// fed at given sizes.

import type { DimSpec } from "../../../compiler/import/onnx/import.js";
import { noise } from "../noise.js";
import type { Value, Values } from "../oracle.js";

/** small: few layers and channels, for tests. full: the real sizes, for benchmarks. */
export type Preset = "small" | "full";

/** Sizes of the dynamic dimensions, by name. */
export type Sizes = Readonly<Record<string, number>>;

export interface Architecture {
  /** The ONNX file. */
  readonly write: (preset: Preset) => Uint8Array;
  /** Ranges that a test compiles the small preset for. */
  readonly dims: Readonly<Record<string, DimSpec>>;
  /** Sizes at which that one bundle is tested. */
  readonly sizes: readonly Sizes[];
  /** Sizes of a benchmark of the full preset. */
  readonly fullSizes: Sizes;
  readonly feeds: (sizes: Sizes, preset: Preset) => Values;
}

export function at(sizes: Sizes, name: string): number {
  const size = sizes[name];
  if (size === undefined) throw new Error(`no size for the dimension ${name}`);
  return size;
}

export function floats(shape: readonly number[], seed: number, lo = -1, hi = 1): Value {
  return { dtype: "f32", shape, data: Float32Array.from(noise(seed, product(shape), lo, hi)) };
}

/** Integers below a limit. */
export function ids(shape: readonly number[], seed: number, limit: number): Value {
  const data = noise(seed, product(shape), 0, limit).map((v) => BigInt(Math.floor(v)));
  return { dtype: "i64", shape, data: BigInt64Array.from(data) };
}

/** i64 elements by row and column. */
export function table(rows: number, columns: number, of: (row: number, column: number) => number): Value {
  const data = new BigInt64Array(rows * columns);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) data[r * columns + c] = BigInt(of(r, c));
  return { dtype: "i64", shape: [rows, columns], data };
}

function product(shape: readonly number[]): number {
  return shape.reduce((n, d) => n * d, 1);
}
