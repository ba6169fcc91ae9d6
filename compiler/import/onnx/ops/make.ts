// Constants, casts, ranges, masks: values made from little, and what passes values on.

import * as ir from "../../../ir/build.js";
import { ceildiv, type Dim, max, sub } from "../../../ir/dim.js";
import { bytesOf, type DType, isFloat } from "../../../ir/dtype.js";
import type { Value } from "../../../ir/graph.js";
import type { NodeContext, Result, Translator, Translators } from "../context.js";
import { readSparse } from "../tensor-data.js";
import { dropped } from "./random.js";

const constantOp: Translator = (cx): Result => {
  const { b } = cx;
  const [name, ...rest] = cx.attributeNames;
  if (name === undefined || rest.length > 0)
    return cx.malformed(`takes one attribute, has ${cx.attributeNames.length}`);
  switch (name) {
    case "value": {
      const t = cx.optTensor(name);
      return t === undefined ? cx.malformed("has no tensor") : ir.constant(b, t);
    }
    case "sparse_value": {
      const sparse = cx.attribute(name)?.sparseTensor;
      return sparse === undefined
        ? cx.malformed("has no sparse tensor")
        : ir.constant(b, readSparse(sparse, cx.session.readExternal));
    }
    case "value_float":
      return ir.scalar(b, "f32", cx.float(name));
    case "value_floats":
      return ir.vector(b, "f32", cx.optFloats(name) ?? []);
    case "value_int":
      return ir.scalar(b, "i64", cx.attribute(name)?.i ?? 0n);
    case "value_ints":
      return ir.vector(b, "i64", cx.attribute(name)?.ints ?? []);
    case "value_string":
      return ir.constant(b, cx.strings([cx.str(name)], []));
    case "value_strings":
      return ir.constant(b, cx.strings(cx.optStrings(name) ?? []));
    default:
      return cx.malformed(`attribute "${name}" is not one of Constant's`);
  }
};

const constantOfShape: Translator = (cx) => {
  const shape = cx.dims(cx.in(0), "the shape", (i) => cx.declaredSize(0, i));
  const t = cx.optTensor("value");
  const value = t === undefined ? ir.scalar(cx.b, "f32", 0) : ir.constant(cx.b, t.reshaped([]));
  return ir.broadcast(cx.b, value, shape);
};

const castOp: Translator = (cx): Result => {
  const to = cx.dtype("to");
  return castTo(cx, cx.in(0), to);
};

/** Numbers that constant strings spell. */
function parsed(cx: NodeContext, x: Value, to: DType): Value {
  const values = cx.texts(x);
  if (values === null)
    return cx.fail("unsupported_dtype", `casts strings of a run to ${to}`, "parse them before the model");
  const numbers = values.map((s) => {
    const text = s.trim().toLowerCase();
    if (/^[+-]?nan$/u.test(text)) return Number.NaN;
    if (/^[+-]?inf(inity)?$/u.test(text))
      return text.startsWith("-") ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    const n = text === "" ? Number.NaN : Number(text);
    return Number.isNaN(n) ? cx.malformed(`casts the string ${JSON.stringify(s)} to ${to}`) : n;
  });
  return ir.reshape(cx.b, ir.cast(cx.b, ir.vector(cx.b, "f64", numbers), to), x.type.shape);
}

/** Float8 saturates by default. */
function castTo(cx: NodeContext, x: Value, to: DType): Value {
  if (x.type.dtype === to) return x;
  if (to === "str")
    return cx.fail(
      "unsupported_dtype",
      `casts ${x.type.dtype} to strings`,
      "write the numbers as text after the model",
    );
  if (x.type.dtype === "str") return parsed(cx, x, to);
  if (to === "f8e8m0") return castToPowers(cx, x);
  const narrow = to.startsWith("f8") || to.startsWith("f4");
  return ir.cast(cx.b, x, to, narrow && cx.flag("saturate", true));
}

/** Powers of two: the float's exponent, rounded as `round_mode` says before the mantissa is dropped. */
function castToPowers(cx: NodeContext, x: Value): Value {
  const { b } = cx;
  const mode = cx.word("round_mode", ["up", "down", "nearest"], "up");
  if (mode === "nearest") return ir.cast(b, x, "f8e8m0");
  const single = ir.abs(b, ir.cast(b, x, "f32"));
  const bits = ir.bitcast(b, single, "u32");
  const raised = mode === "up" ? ir.add(b, bits, 0x7fffff) : bits;
  const whole = ir.bitcast(b, ir.and(b, raised, 0x7f800000), "f32");
  return ir.cast(b, ir.select(b, ir.isnan(b, single), single, whole), "f8e8m0");
}

const bitCast: Translator = (cx) => {
  const x = cx.in(0);
  const to = cx.dtype("to");
  if (bytesOf(to) !== bytesOf(x.type.dtype))
    return cx.fail("unsupported_dtype", `${x.type.dtype} and ${to} differ in width`);
  return ir.bitcast(cx.b, x, to);
};

const rangeOp: Translator = (cx) => {
  const { b } = cx;
  const [start, limit, delta] = [0, 1, 2].map((i) => ir.reshape(b, cx.in(i), [])) as [Value, Value, Value];
  const { dtype } = start.type;
  const n = rangeCount(cx, start, limit, delta);
  return ir.add(b, ir.mul(b, ir.iota(b, dtype, [n]), delta), start);
};

function rangeCount(cx: NodeContext, start: Value, limit: Value, delta: Value): Dim {
  const { b } = cx;
  if (isFloat(start.type.dtype)) {
    const [from, to, by] = [start, limit, delta].map((v) => cx.known(v)?.at(0));
    if (from !== undefined && to !== undefined && by !== undefined) return Math.max(0, Math.ceil((to - from) / by));
  } else {
    const [from] = cx.ints(start) ?? [];
    const [to] = cx.ints(limit) ?? [];
    const [by] = cx.ints(delta) ?? [];
    if (from !== undefined && to !== undefined && typeof by === "number" && by !== 0)
      return ceildiv(max(0, by > 0 ? sub(to, from) : sub(from, to)), Math.abs(by));
  }
  const wide = (v: Value): Value => ir.cast(b, v, "f64");
  const count = ir.ceil(b, ir.div(b, ir.sub(b, wide(limit), wide(start)), wide(delta)));
  const length = ir.reshape(b, ir.cast(b, ir.max(b, count, 0), "i64", true), [1]);
  return cx.element(length, 0, "the number of elements", cx.declaredSize(0, 0));
}

const eyeLike: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  if (cx.rank(x) !== 2) cx.malformed("takes a matrix");
  const { shape } = x.type;
  const diagonal = ir.sub(b, ir.iota(b, "i64", shape, 1), ir.iota(b, "i64", shape, 0));
  return ir.cast(b, ir.eq(b, diagonal, cx.int("k", 0)), cx.dtype("dtype", x.type.dtype));
};

const trilu: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const rank = cx.rank(x);
  if (rank < 2) cx.malformed("takes rank 2 and up");
  const plane = x.type.shape.slice(-2);
  const diagonal = ir.sub(b, ir.iota(b, "i64", plane, 1), ir.iota(b, "i64", plane, 0));
  const k = cx.has(1) ? ir.reshape(b, cx.in(1), []) : ir.scalar(b, "i64", 0);
  const keep = cx.flag("upper", true) ? ir.ge(b, diagonal, k) : ir.le(b, diagonal, k);
  return ir.select(b, keep, x, x.type.dtype === "bool" ? ir.scalar(b, "bool", false) : 0);
};

/** Inference keeps every element; training draws which to drop. */
const dropout: Translator = (cx) => {
  const x = cx.in(0);
  const training = cx.opt(2);
  if (training !== undefined && cx.known(training)?.at(0) !== 0) {
    const ratio = cx.opt(1) ?? ir.scalar(cx.b, "f32", 0.5);
    if (cx.known(ratio)?.at(0) !== 0) return dropped(cx, x, ratio, training);
  }
  const mask = cx.opset < 10 ? ir.full(cx.b, x.type.dtype, x.type.shape, 1) : ir.full(cx.b, "bool", x.type.shape, 1);
  return [x, mask];
};

export const makeOps: Translators = {
  BitCast: bitCast,
  Cast: castOp,
  CastLike: (cx) => castTo(cx, cx.in(0), cx.in(1).type.dtype),
  Constant: constantOp,
  ConstantOfShape: constantOfShape,
  Dropout: dropout,
  EyeLike: eyeLike,
  Identity: (cx) => cx.item(0),
  Range: rangeOp,
  Trilu: trilu,
};
