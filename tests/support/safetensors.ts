// A reader of safetensors files: an 8-byte length, a JSON header of dtypes, shapes and byte ranges, then the data.

import { readFileSync } from "node:fs";
import type { DType } from "../../compiler/ir/dtype.js";
import { Tensor } from "../../compiler/ir/tensor.js";

const DTYPES: Readonly<Record<string, DType>> = {
  F64: "f64",
  F32: "f32",
  F16: "f16",
  BF16: "bf16",
  I64: "i64",
  I32: "i32",
  I16: "i16",
  I8: "i8",
  U8: "u8",
  BOOL: "bool",
};

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** Every tensor of a file, by name. */
export function readSafetensors(path: string): ReadonlyMap<string, Tensor> {
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, 8 + length).toString("utf8")) as Record<string, Entry>;
  const out = new Map<string, Tensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const dtype = DTYPES[entry.dtype];
    if (dtype === undefined) throw new RangeError(`${path}: ${name} has dtype ${entry.dtype}`);
    const [from, to] = entry.data_offsets;
    out.set(name, new Tensor(dtype, entry.shape, new Uint8Array(file.subarray(8 + length + from, 8 + length + to))));
  }
  return out;
}
