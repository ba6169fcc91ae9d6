// Quantized operators of com.microsoft. Products and sums of 8-bit values are exact in 32 bits; scales are applied in f32
// in the order that the operator's formula has, then values are rounded to nearest even and cut to the range.

import * as ir from "../../../ir/build.js";
import { mul as mulDim } from "../../../ir/dim.js";
import type { DType } from "../../../ir/dtype.js";
import { intRange } from "../../../ir/dtype.js";
import type { Value } from "../../../ir/graph.js";
import type { NodeContext, Translator, Translators } from "../context.js";
import { leakyRelu } from "./activation.js";
import { intAttribute, through, withChannels } from "./contrib-through.js";
import { centered, matmulOf } from "./matmul.js";
import { poolOps } from "./pool.js";
import { quantizeOps } from "./quantize.js";

/** One number for the whole tensor. */
function single(cx: NodeContext, v: Value, what: string): Value {
  if (!v.type.shape.every((d) => d === 1)) cx.fail("unsupported_layout", `takes one ${what} for the whole tensor`);
  return ir.reshape(cx.b, v, []);
}

/** A scale: one, or one per column. */
function perColumn(cx: NodeContext, v: Value): Value {
  return v.type.shape.every((d) => d === 1) ? ir.reshape(cx.b, v, []) : v;
}

/** Elements less their zero point, exact in 32 bits. */
function shifted(cx: NodeContext, v: Value, zero: Value | undefined): Value {
  const { b } = cx;
  const wide = ir.cast(b, v, "i32");
  return zero === undefined ? wide : ir.sub(b, wide, ir.cast(b, single(cx, zero, "zero point"), "i32"));
}

function real(cx: NodeContext, v: Value, scale: Value, zero: Value | undefined): Value {
  const { b } = cx;
  return ir.mul(b, ir.cast(b, shifted(cx, v, zero), "f32"), single(cx, scale, "scale"));
}

/** round(x) + zero, cut to the dtype's range. */
function rounded(cx: NodeContext, x: Value, zero: Value | undefined, to: DType): Value {
  const { b } = cx;
  const { min, max } = intRange(to);
  const whole = ir.round(b, x);
  const moved = zero === undefined ? whole : ir.add(b, whole, ir.cast(b, single(cx, zero, "zero point"), "f32"));
  return ir.cast(b, ir.min(b, ir.max(b, moved, Number(min)), Number(max)), to, true);
}

function quantize(cx: NodeContext, x: Value, scale: Value, zero: Value | undefined, to: DType): Value {
  return rounded(cx, ir.div(cx.b, x, single(cx, scale, "scale")), zero, to);
}

/** (A, scale, zero, B, scale, zero, C scale, C zero) */
const qlinearAdd: Translator = (cx) => {
  const { b } = cx;
  const sum = ir.add(b, real(cx, cx.in(0), cx.in(1), cx.opt(2)), real(cx, cx.in(3), cx.in(4), cx.opt(5)));
  return quantize(cx, sum, cx.in(6), cx.opt(7), cx.in(0).type.dtype);
};

const qlinearMul: Translator = (cx) => {
  const { b } = cx;
  const product = ir.mul(b, shifted(cx, cx.in(0), cx.opt(2)), shifted(cx, cx.in(3), cx.opt(5)));
  const scales = ir.mul(b, single(cx, cx.in(1), "scale"), single(cx, cx.in(4), "scale"));
  const scale = ir.div(b, scales, single(cx, cx.in(6), "scale"));
  return rounded(cx, ir.mul(b, ir.cast(b, product, "f32"), scale), cx.opt(7), cx.in(0).type.dtype);
};

/** (X, scale, zero, Y scale, Y zero): an activation of the real value. */
const qlinearUnary =
  (f: (cx: NodeContext, x: Value) => Value): Translator =>
  (cx) => {
    const x = real(cx, cx.in(0), cx.in(1), cx.opt(2));
    return quantize(cx, f(cx, x), cx.in(3), cx.opt(4), cx.in(0).type.dtype);
  };

const qlinearSoftmax: Translator = (cx) => {
  const { b } = cx;
  const x = real(cx, cx.in(0), cx.in(1), cx.opt(2));
  const rank = cx.rank(x);
  const opset = cx.int("opset");
  const axis = cx.axis(cx.int("axis", opset < 13 ? 1 : -1), rank);
  const rows = mulDim(1, ...x.type.shape.slice(0, axis));
  const columns = mulDim(1, ...x.type.shape.slice(axis));
  const y =
    opset < 13
      ? ir.reshape(b, ir.softmax(b, ir.reshape(b, x, [rows, columns]), 1), x.type.shape)
      : ir.softmax(b, x, axis);
  return quantize(cx, y, cx.in(3), cx.opt(4), cx.in(0).type.dtype);
};

/** The value under another scale and zero point; itself where both are the same. */
function requantized(cx: NodeContext, v: Value, from: readonly [Value, Value], to: readonly [Value, Value]): Value {
  return from[0] === to[0] && from[1] === to[1]
    ? v
    : quantize(cx, real(cx, v, from[0], from[1]), to[0], to[1], to[1].type.dtype);
}

/** (Y scale, Y zero, then value, scale and zero of each input) */
const qlinearConcat: Translator = (cx) => {
  const count = (cx.arity - 2) / 3;
  if (!Number.isInteger(count) || count < 1) cx.malformed(`has ${cx.arity} inputs`);
  const to = [cx.in(0), cx.in(1)] as const;
  const parts = Array.from({ length: count }, (_, i) =>
    requantized(cx, cx.in(2 + 3 * i), [cx.in(3 + 3 * i), cx.in(4 + 3 * i)], to),
  );
  const [first] = parts;
  return first === undefined
    ? cx.malformed("has no inputs")
    : ir.concat(cx.b, parts, cx.axis(cx.int("axis"), cx.rank(first)));
};

/** (condition, X, scale, zero, Y, scale, zero, Z scale, Z zero) */
const qlinearWhere: Translator = (cx) => {
  const to = [cx.in(7), cx.in(8)] as const;
  const part = (i: number): Value => requantized(cx, cx.in(i), [cx.in(i + 1), cx.in(i + 2)], to);
  return ir.select(cx.b, cx.in(0), part(1), part(4));
};

/** The sum, exact in 32 bits, times one factor. */
const qlinearGlobalAveragePool: Translator = (cx) => {
  const { b } = cx;
  return withChannels(cx, cx.in(0), cx.flag("channels_last"), (x) => {
    const axes = [...x.type.shape.keys()].slice(2);
    const sums = ir.sum(b, shifted(cx, x, cx.opt(2)), axes, true);
    const count = ir.cast(b, ir.dimValue(b, mulDim(1, ...x.type.shape.slice(2))), "f32");
    const scale = ir.div(b, single(cx, cx.in(1), "scale"), ir.mul(b, single(cx, cx.in(3), "scale"), count));
    return rounded(cx, ir.mul(b, ir.cast(b, sums, "f32"), scale), cx.opt(4), x.type.dtype);
  });
};

const qlinearAveragePool: Translator = (cx) => {
  const dtype = cx.in(0).type.dtype;
  return withChannels(cx, cx.in(0), cx.flag("channels_last"), (x) => {
    const y = through(cx, poolOps, "AveragePool", [real(cx, x, cx.in(1), cx.opt(2))]);
    return quantize(cx, y, cx.in(3), cx.opt(4), dtype);
  });
};

const qlinearReduceMean: Translator = (cx) => {
  const x = real(cx, cx.in(0), cx.in(1), cx.opt(2));
  const axes = cx.axes(cx.optInts("axes") ?? [...x.type.shape.keys()], cx.rank(x));
  const y = ir.mean(cx.b, x, axes, cx.flag("keepdims", true));
  return quantize(cx, y, cx.in(3), cx.opt(4), cx.in(0).type.dtype);
};

/** The kernel is [m, c, ...window] in both layouts. */
const qlinearConv: Translator = (cx) => {
  const rest = [1, 2, 3, 4, 5, 6, 7, 8].map((i) => cx.opt(i));
  return withChannels(cx, cx.in(0), cx.flag("channels_last"), (x) =>
    through(cx, quantizeOps, "QLinearConv", [x, ...rest]),
  );
};

/** An integer product times its scales, plus a bias. */
function scaledProduct(cx: NodeContext, sums: Value, scale: Value, bias: Value | undefined): Value {
  const { b } = cx;
  const y = ir.mul(b, ir.cast(b, sums, "f32"), ir.cast(b, scale, "f32"));
  const sum = bias === undefined ? y : ir.add(b, y, ir.cast(b, bias, "f32"));
  return ir.cast(b, sum, scale.type.dtype);
}

/** (A, B, A scale, B scale, A zero, B zero, bias) */
const matMulIntegerToFloat: Translator = (cx) => {
  const { b } = cx;
  const sums = matmulOf(cx, shifted(cx, cx.in(0), cx.opt(4)), centered(cx, cx.in(1), cx.opt(5), -1), "i32");
  const scale = ir.mul(b, single(cx, cx.in(2), "scale of the left operand"), perColumn(cx, cx.in(3)));
  return scaledProduct(cx, sums, scale, cx.opt(6));
};

/** (A, B, B scale, B zero, bias): A is real, and is quantized to u8 by its own range first. */
const dynamicQuantizeMatMul: Translator = (cx) => {
  const { b } = cx;
  const found = quantizeOps["DynamicQuantizeLinear"]?.(cx);
  if (!Array.isArray(found)) return cx.malformed("has nothing to quantize with");
  const [x, scale, zero] = found.map((v) => (v === null || "kind" in v ? cx.malformed("has no tensor") : v));
  if (x === undefined || scale === undefined || zero === undefined) return cx.malformed("has nothing to quantize with");
  const sums = matmulOf(cx, shifted(cx, x, zero), centered(cx, cx.in(1), cx.opt(3), -1), "i32");
  return scaledProduct(cx, sums, ir.mul(b, scale, perColumn(cx, cx.in(2))), cx.opt(4));
};

/** (A, scale, zero, B, scale, zero, C, Y scale, Y zero); real without the last two. */
const qGemm: Translator = (cx) => {
  const { b } = cx;
  const turn = (v: Value, name: string): Value => (cx.flag(name) ? ir.transpose(b, v, [1, 0]) : v);
  const x = turn(shifted(cx, cx.in(0), cx.opt(2)), "transA");
  const y = centered(cx, turn(cx.in(3), "transB"), cx.opt(5), -1);
  const product = ir.matmul(b, x, y, "i32");
  const c = cx.opt(6);
  const sums = ir.cast(b, c === undefined ? product : ir.add(b, product, c), "f32");
  const scales = ir.mul(
    b,
    ir.mul(b, single(cx, cx.in(1), "scale of the left operand"), cx.float("alpha", 1)),
    perColumn(cx, cx.in(4)),
  );
  const out = cx.opt(7);
  if (out === undefined) return ir.mul(b, sums, scales);
  const zero = cx.in(8);
  return rounded(cx, ir.mul(b, sums, ir.div(b, scales, single(cx, out, "scale"))), zero, zero.type.dtype);
};

/** Blocks are of ONNX's own operators only: here the axis is 1 by default, and a scale has rank 0 or 1. */
const passed =
  (op: string): Translator =>
  (cx) =>
    through(cx, quantizeOps, op, [cx.in(0), cx.in(1), cx.opt(2)], {
      attributes: [intAttribute("axis", cx.int("axis", 1)), intAttribute("block_size", cx.int("block_size", 0))],
    });

export const contribQuantize: Translators = {
  DequantizeLinear: passed("DequantizeLinear"),
  DynamicQuantizeMatMul: dynamicQuantizeMatMul,
  MatMulIntegerToFloat: matMulIntegerToFloat,
  QGemm: qGemm,
  QLinearAdd: qlinearAdd,
  QLinearAveragePool: qlinearAveragePool,
  QLinearConcat: qlinearConcat,
  QLinearConv: qlinearConv,
  QLinearGlobalAveragePool: qlinearGlobalAveragePool,
  QLinearLeakyRelu: qlinearUnary((cx, x) => leakyRelu(cx.b, x, cx.float("alpha", 0.01))),
  QLinearMul: qlinearMul,
  QLinearReduceMean: qlinearReduceMean,
  QLinearSigmoid: qlinearUnary((cx, x) => ir.sigmoid(cx.b, x)),
  QLinearSoftmax: qlinearSoftmax,
  QLinearWhere: qlinearWhere,
  QuantizeLinear: passed("QuantizeLinear"),
};
