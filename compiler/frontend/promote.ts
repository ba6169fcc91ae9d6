// Type promotion as PyTorch does it: bool < integers < floats; tensors with axes outrank scalars tensors, which outrank
// JavaScript numbers, and a lower rank only counts where its kind is higher. A JavaScript number that is whole is an
// integer (so x.mul(2) keeps an integer x), any other is a float; a literal adopts the tensor's dtype.

import { cast, scalar } from "../ir/build.js";
import { DTYPES, type DType, intRange, isFloat, isInteger } from "../ir/dtype.js";
import type { Builder, Value } from "../ir/graph.js";
import { Handle } from "./handle.js";
import { refuseTrace } from "./site.js";
import type { Tensor } from "./tensor.js";

/** A JavaScript number beside tensors. */
export type Scalar = number | bigint | boolean;
export type Operand = Tensor | Scalar;

export function isTensor(x: unknown): x is Tensor {
  return x instanceof Handle;
}

type Kind = "bool" | "int" | "float";

function kindOf(dtype: DType): Kind | null {
  if (dtype === "bool") return "bool";
  if (isFloat(dtype)) return "float";
  return isInteger(dtype) ? "int" : null;
}

function kindOfScalar(x: Scalar): Kind {
  if (typeof x === "boolean") return "bool";
  if (typeof x === "bigint") return "int";
  return Number.isSafeInteger(x) ? "int" : "float";
}

const DEFAULT: Readonly<Record<Kind, DType>> = { bool: "bool", int: "i64", float: "f32" };
const ORDER: readonly Kind[] = ["bool", "int", "float"];
const above = (a: Kind, b: Kind): boolean => ORDER.indexOf(a) > ORDER.indexOf(b);

/** The smallest dtype that both fit, by PyTorch's table. */
function promoteDTypes(a: DType, b: DType, subject: string): DType {
  if (a === b) return a;
  const kindA = kindOf(a);
  const kindB = kindOf(b);
  if (kindA === null || kindB === null) return noPromotion(a, b, subject);
  if (kindA !== kindB) return above(kindA, kindB) ? a : b;
  const [bitsA, bitsB] = [DTYPES[a].bits, DTYPES[b].bits];
  if (kindA === "float") {
    if (bitsA < 16 || bitsB < 16) return noPromotion(a, b, subject);
    return bitsA === bitsB ? "f32" : bitsA > bitsB ? a : b;
  }
  if (DTYPES[a].kind === DTYPES[b].kind) return bitsA > bitsB ? a : b;
  const [signed, unsigned] = DTYPES[a].kind === "int" ? [a, b] : [b, a];
  if (DTYPES[signed].bits > DTYPES[unsigned].bits) return signed;
  const wider = (["i16", "i32", "i64"] as const).find((t) => DTYPES[t].bits > DTYPES[unsigned].bits);
  return wider ?? noPromotion(a, b, subject);
}

function noPromotion(a: DType, b: DType, subject: string): never {
  return refuseTrace(
    "unsupported_dtype",
    subject,
    `${subject}: ${a} and ${b} have no common dtype`,
    "convert one of them with to(dtype)",
  );
}

/** The dtype that these operands are computed in. */
export function resultType(operands: readonly Operand[], subject: string): DType {
  const ranked: (DType | null)[] = [null, null, null];
  for (const x of operands) {
    const level = !isTensor(x) ? 2 : x.rank === 0 ? 1 : 0;
    const dtype = isTensor(x) ? x.dtype : DEFAULT[kindOfScalar(x)];
    const have = ranked[level];
    ranked[level] = have === null || have === undefined ? dtype : promoteDTypes(have, dtype, subject);
  }
  const [axes = null, scalars = null, numbers = null] = ranked;
  return combine(combine(axes, scalars, subject), numbers, subject) ?? "f32";
}

/** A lower rank counts only where its kind is higher. */
function combine(higher: DType | null, lower: DType | null, subject: string): DType | null {
  if (higher === null || lower === null) return higher ?? lower;
  const [kindHigh, kindLow] = [kindOf(higher), kindOf(lower)];
  if (kindHigh === null || kindLow === null) return promoteDTypes(higher, lower, subject);
  return above(kindLow, kindHigh) ? promoteDTypes(higher, lower, subject) : higher;
}

/** The dtype of a result that is always a float: integers become f32. */
export function floatType(dtype: DType): DType {
  return isFloat(dtype) ? dtype : "f32";
}

/** An operand's value in `dtype`; a JavaScript number is a scalar constant. */
export function operandValue(b: Builder, x: Operand, dtype: DType, subject: string): Value {
  if (isTensor(x)) return cast(b, x.valueFor(subject), dtype);
  wantInRange(x, dtype, subject);
  return scalar(b, dtype, dtype === "bool" ? Boolean(x) : x);
}

/** A literal that the dtype does not hold would wrap around unseen. */
export function wantInRange(x: Scalar, dtype: DType, subject: string): void {
  if (typeof x === "boolean" || !isInteger(dtype)) return;
  const { min, max } = intRange(dtype);
  const fits = typeof x === "bigint" ? x >= min && x <= max : x >= Number(min) && x <= Number(max);
  if (!fits)
    refuseTrace(
      "unsupported_dtype",
      subject,
      `${subject}: ${x} is not a value of ${dtype}`,
      "convert the tensor to a wider dtype, or to a float",
    );
}
