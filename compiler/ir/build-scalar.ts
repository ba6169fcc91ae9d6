// Elementwise ops as plain functions over a Builder. Values broadcast as NumPy's do; where one operand of a binary op
// is a plain number it becomes a scalar constant of the other's dtype. Every function throws TypeIssue where the
// operands do not fit.

import type { DType } from "./dtype.js";
import { DTYPES } from "./dtype.js";
import type { Builder, Value } from "./graph.js";
import type { ScalarName } from "./ops/scalar.js";
import { allocate, scalarTensor, type Tensor, tensorFrom, tensorOf } from "./tensor.js";

/** A value, or a number that takes the dtype of the operand beside it. */
export type Operand = Value | number;

/** A tensor known at compile time. */
export function constant(b: Builder, value: Tensor): Value {
  return b.one("const", [], { value });
}

/** A constant of rank 0. Floats are rounded to the dtype, integers wrapped. */
export function scalar(b: Builder, dtype: DType, value: number | bigint | boolean): Value {
  return constant(b, scalarTensor(dtype, typeof value === "boolean" ? Number(value) : value));
}

/** A constant vector. */
export function vector(b: Builder, dtype: DType, values: readonly (number | bigint)[]): Value {
  return constant(b, tensorFrom(dtype, [values.length], values));
}

/** A constant tensor from typed elements, of the kind that `allocate(dtype)` gives. */
export function filled(dtype: DType, shape: readonly number[], value: number | bigint): Tensor {
  const one = scalarTensor(dtype, value);
  const size = shape.reduce((n, d) => n * d, 1);
  const elements = allocate(dtype, size);
  const v = one.elements[0];
  if (elements instanceof BigInt64Array || elements instanceof BigUint64Array) elements.fill(BigInt(v ?? 0));
  else elements.fill(Number(v ?? 0));
  return tensorOf(dtype, shape, elements);
}

/** A scalar 0 or 1 of a value's dtype. */
export const zeroOf = (b: Builder, x: Value): Value => scalar(b, x.type.dtype, 0);
export const oneOf = (b: Builder, x: Value): Value => scalar(b, x.type.dtype, 1);

type Unary = (b: Builder, x: Value) => Value;
type Binary = (b: Builder, x: Operand, y: Operand) => Value;

const unary =
  (op: ScalarName): Unary =>
  (b, x) =>
    b.one(op, [x], {});

const binary =
  (op: ScalarName): Binary =>
  (b, x, y) =>
    b.one(op, [operand(b, x, y), operand(b, y, x)], {});

function operand(b: Builder, x: Operand, beside: Operand): Value {
  if (typeof x !== "number") return x;
  return scalar(b, typeof beside === "number" ? "f32" : beside.type.dtype, x);
}

/** A scalar op by name. */
export function scalarOp(b: Builder, op: ScalarName, ...inputs: readonly Value[]): Value {
  return b.one(op, inputs, {});
}

export const add = binary("add");
export const sub = binary("sub");
export const mul = binary("mul");
export const div = binary("div");
export const rem = binary("rem");
export const mod = binary("mod");
export const pow = binary("pow");
export const max = binary("max");
export const min = binary("min");
export const atan2 = binary("atan2");
export const and = binary("and");
export const or = binary("or");
export const xor = binary("xor");
export const shl = binary("shl");
export const shr = binary("shr");
export const eq = binary("eq");
export const ne = binary("ne");
export const lt = binary("lt");
export const le = binary("le");
export const gt: Binary = (b, x, y) => lt(b, y, x);
export const ge: Binary = (b, x, y) => le(b, y, x);

export const not = unary("not");
export const neg = unary("neg");
export const abs = unary("abs");
export const sign = unary("sign");
export const floor = unary("floor");
export const ceil = unary("ceil");
export const trunc = unary("trunc");
export const round = unary("round");
export const sqrt = unary("sqrt");
export const exp = unary("exp");
export const log = unary("log");
export const sin = unary("sin");
export const cos = unary("cos");
export const tan = unary("tan");
export const asin = unary("asin");
export const acos = unary("acos");
export const atan = unary("atan");
export const sinh = unary("sinh");
export const cosh = unary("cosh");
export const tanh = unary("tanh");
export const asinh = unary("asinh");
export const acosh = unary("acosh");
export const atanh = unary("atanh");
export const erf = unary("erf");
export const sigmoid = unary("sigmoid");
export const log1p = unary("log1p");
export const expm1 = unary("expm1");
export const isnan = unary("isnan");
export const isinf = unary("isinf");

/** max(x, 0). */
export const relu: Unary = (b, x) => max(b, x, 0);
/** x * x. */
export const square: Unary = (b, x) => mul(b, x, x);
/** 1 / x. */
export const reciprocal: Unary = (b, x) => div(b, 1, x);

/** Where the bool `condition` holds `yes`, else `no`; a number takes the other branch's dtype. */
export function select(b: Builder, condition: Value, yes: Operand, no: Operand): Value {
  return b.one("select", [condition, operand(b, yes, no), operand(b, no, yes)], {});
}

/** To another dtype (see the row's meaning in ops/schemas.ts); the value itself where the dtype is the same. */
export function cast(b: Builder, x: Value, to: DType, saturate = false): Value {
  return x.type.dtype === to ? x : b.one("cast", [x], { to, saturate });
}

/** The same bytes as another dtype of the same width; the value itself where the dtype is the same. */
export function bitcast(b: Builder, x: Value, to: DType): Value {
  return x.type.dtype === to ? x : b.one("bitcast", [x], { to });
}

/** The dtype that sums of a dtype's products are kept in by default: i32 for 8-bit and narrower integers. */
export function accumulatorOf(dtype: DType): DType {
  const { kind, bits } = DTYPES[dtype];
  return (kind === "int" || kind === "uint") && bits <= 8 ? "i32" : dtype;
}
