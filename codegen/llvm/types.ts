// Registers as LLVM types, and constants as LLVM text. Masks are i1; byte addresses are pointers.

import type { Expr, Reg, RegKind } from "../loops/expr.js";

const SCALARS: Readonly<Record<RegKind, string>> = {
  i32: "i32",
  i64: "i64",
  f32: "float",
  f64: "double",
  mask32: "i1",
  mask64: "i1",
};

/** `count` of a scalar type: itself, or a vector. */
export function vectorOf(scalar: string, count: number): string {
  return count === 1 ? scalar : `<${count} x ${scalar}>`;
}

export function scalarType(kind: RegKind): string {
  return SCALARS[kind];
}

export function typeOf({ kind, lanes }: Reg): string {
  return vectorOf(SCALARS[kind], lanes);
}

/** The integer type of a register's bits. */
export function bitsType({ kind, lanes }: Reg): string {
  return vectorOf(kind === "f64" || kind === "i64" ? "i64" : kind === "f32" || kind === "i32" ? "i32" : "i1", lanes);
}

/** The name of a type in an intrinsic: `f32`, `v4f32`, `i64`. */
export function intrinsicType({ kind, lanes }: Reg): string {
  const scalar = kind === "mask32" || kind === "mask64" ? "i1" : kind;
  return lanes === 1 ? scalar : `v${lanes}${scalar}`;
}

/** `value` in every lane of a vector type. */
export function repeated(scalar: string, value: string, lanes: number): string {
  return lanes === 1 ? value : `<${new Array<string>(lanes).fill(`${scalar} ${value}`).join(", ")}>`;
}

/** A float as LLVM reads it without rounding: the bits of the double of the same value. */
export function floatText(kind: "f32" | "f64", value: number): string {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, kind === "f32" ? Math.fround(value) : value);
  return `0x${view.getBigUint64(0).toString(16).toUpperCase().padStart(16, "0")}`;
}

export function constantText({ type, value }: Expr & { kind: "const" }): string {
  const { kind, lanes } = type;
  const scalar = ((): string => {
    switch (kind) {
      case "f32":
      case "f64":
        return floatText(kind, Number(value));
      case "i64":
        return String(BigInt.asIntN(64, BigInt(value)));
      case "i32":
        return String(Number(value) | 0);
      default:
        return Number(value) === 0 ? "false" : "true";
    }
  })();
  return repeated(SCALARS[kind], scalar, lanes);
}
