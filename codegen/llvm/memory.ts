// Loads and stores of each element type, one element or neighbours. Pointers are aligned to elements only. What the
// kernel does not write is marked: its loads move freely across the kernel's stores.

import { bytesOf, DTYPES, type DType } from "../../compiler/ir/dtype.js";
import type { Reg } from "../loops/expr.js";
import type { FunctionText } from "./text.js";
import { scalarType, typeOf, vectorOf } from "./types.js";

/** Metadata of an access: what it touches, and what it cannot. */
export const WRITTEN = ", !alias.scope !2";
export const UNWRITTEN = ", !noalias !2";
export const ANY = "";

/** The nodes that the metadata above names: one scope for all that a kernel writes. */
export const ALIAS_NODES = ['!0 = distinct !{!0, !"kernel"}', '!1 = distinct !{!1, !0, !"written"}', "!2 = !{!1}"];

const isSigned = (dtype: DType): boolean => DTYPES[dtype].kind === "int";

/** `splat`: one element in every lane. */
export function loadFrom(
  out: FunctionText,
  dtype: DType,
  type: Reg,
  address: string,
  splat: boolean,
  scope: string,
): string {
  const bytes = bytesOf(dtype);
  const count = splat ? 1 : type.lanes;
  const own = scalarType(type.kind);
  const isWhole = bytes === (own === "i64" || own === "double" ? 8 : 4);
  const stored = vectorOf(isWhole ? own : `i${bytes * 8}`, count);
  const raw = out.value(`load ${stored}, ptr ${address}, align ${bytes}${scope}`);
  const wide = vectorOf(own, count);
  const value = isWhole ? raw : out.value(`${isSigned(dtype) ? "sext" : "zext"} ${stored} ${raw} to ${wide}`);
  if (!splat || type.lanes === 1) return value;
  const vector = typeOf(type);
  const one = out.value(`insertelement ${vector} undef, ${own} ${value}, i32 0`);
  return out.value(`shufflevector ${vector} ${one}, ${vector} undef, <${type.lanes} x i32> zeroinitializer`);
}

/** Bytes widened to 16-bit halves, two to a lane: operands of dot products of pairs. */
export function loadHalves(out: FunctionText, dtype: DType, lanes: number, address: string): string {
  const raw = out.value(`load <${2 * lanes} x i8>, ptr ${address}, align 1`);
  const halves = out.value(`${isSigned(dtype) ? "sext" : "zext"} <${2 * lanes} x i8> ${raw} to <${2 * lanes} x i16>`);
  return out.value(`bitcast <${2 * lanes} x i16> ${halves} to <${lanes} x i32>`);
}

export function storeTo(
  out: FunctionText,
  dtype: DType,
  type: Reg,
  address: string,
  value: string,
  scope: string,
): void {
  const bytes = bytesOf(dtype);
  const own = scalarType(type.kind);
  const isWhole = bytes === (own === "i64" || own === "double" ? 8 : 4);
  const stored = vectorOf(isWhole ? own : `i${bytes * 8}`, type.lanes);
  const text = isWhole ? value : out.value(`trunc ${typeOf(type)} ${value} to ${stored}`);
  out.line(`store ${stored} ${text}, ptr ${address}, align ${bytes}${scope}`);
}

/** Asks for a line to be read into the second-level cache. */
export function prefetch(out: FunctionText, address: string): void {
  out.declarations.add("declare void @llvm.prefetch.p0(ptr, i32 immarg, i32 immarg, i32 immarg)");
  out.line(`call void @llvm.prefetch.p0(ptr ${address}, i32 0, i32 1, i32 1)`);
}
