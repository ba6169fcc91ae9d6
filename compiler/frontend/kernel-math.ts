// What a kernel computes with: JavaScript's operators and Math on values that are tensors or plain numbers. Plain
// numbers are folded by JavaScript itself; the rest means, on floats, what JavaScript means.

import * as ir from "../ir/build.js";
import type { DType } from "../ir/dtype.js";
import type { Builder, Value } from "../ir/graph.js";
import { binary, where } from "./arithmetic.js";
import { wrap } from "./handle.js";
import { floatType, isTensor, wantInRange } from "./promote.js";
import { record } from "./session.js";
import type { Tensor } from "./tensor.js";

export type Val = Tensor | number | boolean;

/** A bool as JavaScript counts it: 0 or 1 of the kernel's dtype. */
export function numeric(x: Val, dtype: DType): Tensor | number {
  if (typeof x === "boolean") return Number(x);
  return isTensor(x) && x.dtype === "bool" ? x.to(dtype) : x;
}

export function toTensor(x: Tensor | number, dtype: DType): Tensor {
  if (isTensor(x)) return x;
  const as = Number.isInteger(x) ? dtype : floatType(dtype);
  wantInRange(x, as, "kernel");
  return record("kernel", (b) => wrap(ir.scalar(b, as, x)));
}

/** JavaScript's truth: neither 0 nor NaN. */
export function truthOf(x: Val): Tensor | boolean {
  if (!isTensor(x)) return Boolean(x);
  return x.dtype === "bool" ? x : x.ne(0).logicalAnd(x.eq(x));
}

/** x where the condition holds, else y; of one kind each. */
export function choose(condition: Tensor, x: Val, y: Val, dtype: DType): Val {
  const truths = [x, y].every((v) => typeof v === "boolean" || (isTensor(v) && v.dtype === "bool"));
  if (truths) return where(condition, boolTensor(x), boolTensor(y));
  const [p, q] = [numeric(x, dtype), numeric(y, dtype)];
  if (p === q) return p;
  return where(condition, isTensor(q) ? p : toTensor(p, dtype), isTensor(p) ? q : toTensor(q, dtype));
}

export function boolTensor(x: Val): Tensor {
  if (isTensor(x)) return x;
  return record("kernel", (b) => wrap(ir.scalar(b, "bool", Boolean(x))));
}

type Fold = (a: number, b: number) => number | boolean;
type Apply = (a: Tensor, b: Tensor | number) => Tensor;

interface Operator {
  readonly fold: Fold;
  readonly apply: Apply;
}

/** 1 and -1 to infinite powers, and anything to NaN, are NaN in JavaScript. */
function power(a: Tensor, b: Tensor | number): Tensor {
  if (typeof b === "number" && Number.isFinite(b)) return a.pow(b);
  return binary(
    "kernel",
    a,
    b,
    (g, x, y) => {
      const one = ir.and(g, ir.eq(g, ir.abs(g, x), 1), ir.isinf(g, y));
      return ir.select(g, ir.or(g, one, ir.isnan(g, y)), Number.NaN, ir.pow(g, x, y));
    },
    floatType,
  );
}

export const OPERATORS: Readonly<Record<string, Operator>> = {
  "+": { fold: (a, b) => a + b, apply: (a, b) => a.add(b) },
  "-": { fold: (a, b) => a - b, apply: (a, b) => a.sub(b) },
  "*": { fold: (a, b) => a * b, apply: (a, b) => a.mul(b) },
  "/": { fold: (a, b) => a / b, apply: (a, b) => a.div(b) },
  "%": { fold: (a, b) => a % b, apply: (a, b) => a.fmod(b) },
  "**": { fold: (a, b) => a ** b, apply: power },
  "<": { fold: (a, b) => a < b, apply: (a, b) => a.lt(b) },
  "<=": { fold: (a, b) => a <= b, apply: (a, b) => a.le(b) },
  ">": { fold: (a, b) => a > b, apply: (a, b) => a.gt(b) },
  ">=": { fold: (a, b) => a >= b, apply: (a, b) => a.ge(b) },
  "==": { fold: (a, b) => a === b, apply: (a, b) => a.eq(b) },
  "===": { fold: (a, b) => a === b, apply: (a, b) => a.eq(b) },
  "!=": { fold: (a, b) => a !== b, apply: (a, b) => a.ne(b) },
  "!==": { fold: (a, b) => a !== b, apply: (a, b) => a.ne(b) },
};

/** Applies an operator; two plain numbers stay plain. */
export function operate(op: Operator, a: Val, b: Val, dtype: DType): Val {
  const [x, y] = [numeric(a, dtype), numeric(b, dtype)];
  if (typeof x === "number" && typeof y === "number") return op.fold(x, y);
  return op.apply(toTensor(x, dtype), y);
}

const float =
  (f: (b: Builder, x: Value) => Value) =>
  (x: Tensor): Tensor =>
    record("kernel", (b) => wrap(f(b, ir.cast(b, x.value, floatType(x.dtype)))));

/** JavaScript rounds halves up. */
function round(x: Tensor): Tensor {
  const down = x.floor();
  return where(x.sub(down).ge(0.5), down.add(1), down);
}

interface MathFunction {
  readonly fold: (x: number) => number | boolean;
  readonly apply: (x: Tensor) => Tensor;
}

/** Functions of one number. */
export const MATH: Readonly<Record<string, MathFunction>> = {
  "Math.abs": { fold: Math.abs, apply: (x) => x.abs() },
  "Math.sign": { fold: Math.sign, apply: float(ir.sign) },
  "Math.floor": { fold: Math.floor, apply: (x) => x.floor() },
  "Math.ceil": { fold: Math.ceil, apply: (x) => x.ceil() },
  "Math.trunc": { fold: Math.trunc, apply: (x) => x.trunc() },
  "Math.round": { fold: Math.round, apply: round },
  "Math.fround": { fold: Math.fround, apply: (x) => x.to("f32").to(floatType(x.dtype)) },
  "Math.sqrt": { fold: Math.sqrt, apply: float(ir.sqrt) },
  "Math.exp": { fold: Math.exp, apply: float(ir.exp) },
  "Math.expm1": { fold: Math.expm1, apply: float(ir.expm1) },
  "Math.log": { fold: Math.log, apply: float(ir.log) },
  "Math.log1p": { fold: Math.log1p, apply: float(ir.log1p) },
  "Math.log2": { fold: Math.log2, apply: (x) => x.log2() },
  "Math.log10": { fold: Math.log10, apply: (x) => x.log10() },
  "Math.sin": { fold: Math.sin, apply: float(ir.sin) },
  "Math.cos": { fold: Math.cos, apply: float(ir.cos) },
  "Math.tan": { fold: Math.tan, apply: float(ir.tan) },
  "Math.asin": { fold: Math.asin, apply: float(ir.asin) },
  "Math.acos": { fold: Math.acos, apply: float(ir.acos) },
  "Math.atan": { fold: Math.atan, apply: float(ir.atan) },
  "Math.sinh": { fold: Math.sinh, apply: float(ir.sinh) },
  "Math.cosh": { fold: Math.cosh, apply: float(ir.cosh) },
  "Math.tanh": { fold: Math.tanh, apply: float(ir.tanh) },
  "Math.asinh": { fold: Math.asinh, apply: float(ir.asinh) },
  "Math.acosh": { fold: Math.acosh, apply: float(ir.acosh) },
  "Math.atanh": { fold: Math.atanh, apply: float(ir.atanh) },
  "Number.isNaN": { fold: Number.isNaN, apply: (x) => x.isnan() },
  "Number.isFinite": { fold: Number.isFinite, apply: (x) => x.isfinite() },
};

/** Functions of two numbers; those with an `empty` value take any count. */
export const MATH2: Readonly<Record<string, Operator & { readonly empty?: number }>> = {
  "Math.max": { fold: Math.max, apply: (a, b) => a.maximum(b), empty: Number.NEGATIVE_INFINITY },
  "Math.min": { fold: Math.min, apply: (a, b) => a.minimum(b), empty: Number.POSITIVE_INFINITY },
  "Math.hypot": { fold: Math.hypot, apply: (a, b) => a.hypot(b), empty: 0 },
  "Math.pow": { fold: (a, b) => a ** b, apply: power },
  "Math.atan2": { fold: Math.atan2, apply: (a, b) => a.atan2(b) },
};

export const CONSTANTS: Readonly<Record<string, number>> = {
  "Math.PI": Math.PI,
  "Math.E": Math.E,
  "Math.LN2": Math.LN2,
  "Math.LN10": Math.LN10,
  "Math.LOG2E": Math.LOG2E,
  "Math.LOG10E": Math.LOG10E,
  "Math.SQRT2": Math.SQRT2,
  "Math.SQRT1_2": Math.SQRT1_2,
  "Number.EPSILON": Number.EPSILON,
  "Number.MAX_VALUE": Number.MAX_VALUE,
  "Number.MIN_VALUE": Number.MIN_VALUE,
  "Number.POSITIVE_INFINITY": Number.POSITIVE_INFINITY,
  "Number.NEGATIVE_INFINITY": Number.NEGATIVE_INFINITY,
  "Number.NaN": Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  NaN: Number.NaN,
};
