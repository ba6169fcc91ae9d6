// Arithmetic, comparison and logic, element by element with NumPy broadcasting (and the `axis` broadcasting of operator
// sets before 7).

import * as ir from "../../../ir/build.js";
import { DTYPES, isFloat, isInteger } from "../../../ir/dtype.js";
import type { Value } from "../../../ir/graph.js";
import type { ScalarName } from "../../../ir/ops/scalar.js";
import type { NodeContext, Translator, Translators } from "../context.js";

export const unary =
  (op: ScalarName): Translator =>
  (cx) =>
    cx.b.one(op, [cx.in(0)], {});

/** Both operands; before operator set 7 the second is aligned at `axis` of the first, or at its end. */
function operands(cx: NodeContext): readonly [Value, Value] {
  const x = cx.in(0);
  const y = cx.in(1);
  if (cx.opset >= 7 || !cx.flag("broadcast")) return [x, y];
  const axis = cx.optInt("axis");
  if (axis === undefined) return [x, y];
  const trailing = cx.rank(x) - cx.axis(axis, cx.rank(x)) - cx.rank(y);
  if (trailing < 0) cx.malformed(`operand of rank ${cx.rank(y)} does not fit at axis ${axis} of rank ${cx.rank(x)}`);
  return [x, ir.reshape(cx.b, y, [...y.type.shape, ...Array.from({ length: trailing }, () => 1)])];
}

const binary =
  (op: ScalarName): Translator =>
  (cx) =>
    cx.b.one(op, operands(cx), {});

const swapped =
  (op: ScalarName): Translator =>
  (cx) => {
    const [x, y] = operands(cx);
    return cx.b.one(op, [y, x], {});
  };

/** One or more operands combined from the left. */
const variadic =
  (op: ScalarName): Translator =>
  (cx) => {
    const [first, ...rest] = cx.all();
    if (first === undefined) return cx.malformed("takes at least one input");
    return rest.reduce((x, y) => cx.b.one(op, [x, y], {}), first);
  };

const pow: Translator = (cx) => {
  const [x, y] = operands(cx);
  const [from, to] = [x.type.dtype, y.type.dtype];
  if (from === to) return ir.pow(cx.b, x, y);
  if (isFloat(from)) return ir.pow(cx.b, x, ir.cast(cx.b, y, from));
  if (isInteger(to) && !DTYPES[to].kind.startsWith("u")) {
    const wide = ir.pow(cx.b, ir.cast(cx.b, x, "i64"), ir.cast(cx.b, y, "i64"));
    return ir.cast(cx.b, wide, from);
  }
  return ir.cast(cx.b, ir.pow(cx.b, ir.cast(cx.b, x, "f64"), ir.cast(cx.b, y, "f64")), from);
};

const mod: Translator = (cx) => {
  const x = cx.in(0);
  const fmod = cx.flag("fmod");
  if (!fmod && isFloat(x.type.dtype)) cx.malformed("takes integers, or floats with fmod = 1");
  return cx.b.one(fmod ? "rem" : "mod", [x, cx.in(1)], {});
};

const bitShift: Translator = (cx) => {
  const op = cx.word("direction", ["LEFT", "RIGHT"]) === "LEFT" ? "shl" : "shr";
  return cx.b.one(op, [cx.in(0), cx.in(1)], {});
};

const clip: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  let low = cx.opt(1);
  let high = cx.opt(2);
  if (cx.opset < 11) {
    const [min, max] = [cx.optFloat("min"), cx.optFloat("max")];
    low = min === undefined ? undefined : ir.scalar(b, x.type.dtype, min);
    high = max === undefined ? undefined : ir.scalar(b, x.type.dtype, max);
  }
  // A bound of shape [1] must not add an axis.
  const bound = (v: Value): Value => ir.reshape(b, v, []);
  const lower = low === undefined ? x : ir.max(b, x, bound(low));
  return high === undefined ? lower : ir.min(b, lower, bound(high));
};

const isInf: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const negative = cx.flag("detect_negative", true);
  const positive = cx.flag("detect_positive", true);
  if (negative && positive) return ir.isinf(b, x);
  const sign = negative ? ir.lt(b, x, 0) : ir.gt(b, x, 0);
  return negative || positive ? ir.and(b, ir.isinf(b, x), sign) : ir.full(b, "bool", x.type.shape, 0);
};

const mean: Translator = (cx) => {
  const total = variadic("add")(cx) as Value;
  return ir.div(cx.b, total, cx.arity);
};

/** bool has no order of its own: Greater and Less are not defined on it. */
const compare =
  (op: "lt" | "le", swap: boolean): Translator =>
  (cx) =>
    (swap ? swapped(op) : binary(op))(cx);

export const elementwise: Translators = {
  Abs: unary("abs"),
  Acos: unary("acos"),
  Acosh: unary("acosh"),
  Add: binary("add"),
  And: binary("and"),
  Asin: unary("asin"),
  Asinh: unary("asinh"),
  Atan: unary("atan"),
  Atanh: unary("atanh"),
  BitShift: bitShift,
  BitwiseAnd: binary("and"),
  BitwiseNot: unary("not"),
  BitwiseOr: binary("or"),
  BitwiseXor: binary("xor"),
  Ceil: unary("ceil"),
  Clip: clip,
  Cos: unary("cos"),
  Cosh: unary("cosh"),
  Div: binary("div"),
  Equal: binary("eq"),
  Erf: unary("erf"),
  Exp: unary("exp"),
  Floor: unary("floor"),
  Greater: compare("lt", true),
  GreaterOrEqual: compare("le", true),
  IsInf: isInf,
  IsNaN: unary("isnan"),
  Less: compare("lt", false),
  LessOrEqual: compare("le", false),
  Log: unary("log"),
  Max: variadic("max"),
  Mean: mean,
  Min: variadic("min"),
  Mod: mod,
  Mul: binary("mul"),
  Neg: unary("neg"),
  Not: unary("not"),
  Or: binary("or"),
  Pow: pow,
  Reciprocal: (cx) => ir.reciprocal(cx.b, cx.in(0)),
  Round: unary("round"),
  Sigmoid: unary("sigmoid"),
  Sign: unary("sign"),
  Sin: unary("sin"),
  Sinh: unary("sinh"),
  Sqrt: unary("sqrt"),
  Sub: binary("sub"),
  Sum: variadic("add"),
  Tan: unary("tan"),
  Tanh: unary("tanh"),
  Where: (cx) => cx.b.one("select", [cx.in(0), cx.in(1), cx.in(2)], {}),
  Xor: binary("xor"),
};
