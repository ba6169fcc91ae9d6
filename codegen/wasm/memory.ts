// Loads and stores of each element type, one element or four neighbours.

import { bytesOf, DTYPES, type DType } from "../../compiler/ir/dtype.js";
import type { Reg } from "../loops/expr.js";
import type { Instruction } from "./tree.js";

function isSigned(dtype: DType): boolean {
  return DTYPES[dtype].kind === "int";
}

/** A scalar load into the dtype's register. */
function loadScalar(dtype: DType, type: Reg, address: Instruction, offset: number): Instruction {
  const bytes = bytesOf(dtype);
  if (type.kind === "f32" || type.kind === "f64" || type.kind === "i64")
    return [`${type.kind}.load`, offset, bytes, address];
  if (bytes === 4) return ["i32.load", offset, 4, address];
  return [`i32.load${bytes * 8}_${isSigned(dtype) ? "s" : "u"}`, offset, bytes, address];
}

/** `splat`: one element in every lane. */
export function loadFrom(dtype: DType, type: Reg, address: Instruction, offset: number, splat: boolean): Instruction {
  if (type.lanes === 1) return loadScalar(dtype, type, address, offset);
  const bytes = bytesOf(dtype);
  const sign = isSigned(dtype) ? "s" : "u";
  if (splat) {
    if (bytes === 4) return ["v128.load32_splat", offset, 4, address];
    return ["i32x4.splat", loadScalar(dtype, { kind: "i32", lanes: 1 }, address, offset)];
  }
  if (bytes === 4) return ["v128.load", offset, 4, address];
  // Eight bytes as eight 16-bit halves, for dot products of pairs.
  if (bytes === 1 && type.lanes === 8) return [`v128.load8x8_${sign}`, offset, 1, address];
  if (bytes === 2) return [`v128.load16x4_${sign}`, offset, 2, address];
  const four: Instruction = ["v128.load32_zero", offset, 1, address];
  return [`i32x4.extend_low_i16x8_${sign}`, [`i16x8.extend_low_i8x16_${sign}`, four]];
}

export function storeTo(
  dtype: DType,
  type: Reg,
  address: Instruction,
  offset: number,
  value: Instruction,
): Instruction {
  const bytes = bytesOf(dtype);
  if (type.lanes === 1) {
    if (type.kind === "f32" || type.kind === "f64" || type.kind === "i64")
      return [`${type.kind}.store`, offset, bytes, address, value];
    return bytes === 4
      ? ["i32.store", offset, 4, address, value]
      : [`i32.store${bytes * 8}`, offset, bytes, address, value];
  }
  if (bytes === 4) return ["v128.store", offset, 4, address, value];
  if (bytes === 2) return ["v128.store64_lane", offset, 2, 0, address, ["shuffle", "0,1,4,5,8,9,12,13", value]];
  return ["v128.store32_lane", offset, 1, 0, address, ["shuffle", "0,4,8,12", value]];
}
