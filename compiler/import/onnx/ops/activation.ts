// Activations, each as the ONNX specification's formula.

import * as ir from "../../../ir/build.js";
import type { Dim } from "../../../ir/dim.js";
import { mul as mulDim } from "../../../ir/dim.js";
import type { Builder, Value } from "../../../ir/graph.js";
import type { NodeContext, Translator, Translators } from "../context.js";

export function leakyRelu(b: Builder, x: Value, alpha: number): Value {
  return ir.select(b, ir.lt(b, x, 0), ir.mul(b, x, alpha), x);
}

export function elu(b: Builder, x: Value, alpha: number): Value {
  return ir.select(b, ir.lt(b, x, 0), ir.mul(b, ir.expm1(b, x), alpha), x);
}

export function hardSigmoid(b: Builder, x: Value, alpha: number, beta: number): Value {
  return ir.max(b, ir.min(b, ir.add(b, ir.mul(b, x, alpha), beta), 1), 0);
}

/** log(1 + exp(x)) without overflow. */
export function softplus(b: Builder, x: Value): Value {
  return ir.add(b, ir.max(b, x, 0), ir.log1p(b, ir.exp(b, ir.neg(b, ir.abs(b, x)))));
}

export function softsign(b: Builder, x: Value): Value {
  return ir.div(b, x, ir.add(b, ir.abs(b, x), 1));
}

export function thresholdedRelu(b: Builder, x: Value, alpha: number): Value {
  return ir.select(b, ir.gt(b, x, alpha), x, 0);
}

/** x times the normal distribution function of x, or its usual approximation (1 + tanh u) / 2 = sigmoid(2 u). */
export function gelu(b: Builder, x: Value, tanh: boolean): Value {
  if (!tanh) return ir.mul(b, ir.mul(b, x, 0.5), ir.add(b, ir.erf(b, ir.mul(b, x, Math.SQRT1_2)), 1));
  const slope = 2 * Math.sqrt(2 / Math.PI);
  const factor = ir.add(b, ir.mul(b, ir.mul(b, x, x), 0.044715 * slope), slope);
  return ir.mul(b, x, ir.sigmoid(b, ir.mul(b, factor, x)));
}

const selu: Translator = (cx) => {
  const { b } = cx;
  const old = cx.opset < 6;
  const alpha = cx.float("alpha", old ? 1.6732 : 1.6732631921768188);
  const gamma = cx.float("gamma", old ? 1.0507 : 1.0507010221481323);
  return ir.mul(b, elu(b, cx.in(0), alpha), gamma);
};

const celu: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const alpha = cx.float("alpha", 1);
  const negative = ir.mul(b, ir.expm1(b, ir.div(b, x, alpha)), alpha);
  return ir.add(b, ir.max(b, x, 0), ir.min(b, negative, 0));
};

const shrink: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const bias = cx.float("bias", 0);
  const lambd = cx.float("lambd", 0.5);
  const inner = ir.select(b, ir.gt(b, x, lambd), ir.sub(b, x, bias), 0);
  return ir.select(b, ir.lt(b, x, -lambd), ir.add(b, x, bias), inner);
};

/** The slope broadcasts to x; before operator set 7 a vector of slopes lies along axis 1. */
const prelu: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  let slope = cx.in(1);
  if (cx.opset < 7 && cx.rank(slope) === 1 && slope.type.shape[0] !== 1)
    slope = ir.reshape(b, slope, [cx.dim(slope, 0), ...x.type.shape.slice(2).map(() => 1)]);
  return ir.select(b, ir.lt(b, x, 0), ir.mul(b, x, slope), x);
};

/** Before operator set 13 the input is seen as a matrix: all axes from `axis` on are normalized together. */
function overTail(cx: NodeContext, apply: (b: Builder, x: Value, axis: number) => Value): Value {
  const x = cx.in(0);
  const rank = cx.rank(x);
  if (cx.opset >= 13) return apply(cx.b, x, cx.axis(cx.int("axis", -1), rank));
  const axis = cx.int("axis", 1);
  const at = axis === rank ? rank : cx.axis(axis, rank);
  if (at === rank - 1) return apply(cx.b, x, at);
  const rows: Dim = mulDim(1, ...x.type.shape.slice(0, at));
  const columns: Dim = mulDim(1, ...x.type.shape.slice(at));
  return ir.reshape(cx.b, apply(cx.b, ir.reshape(cx.b, x, [rows, columns]), 1), x.type.shape);
}

function hardmax(b: Builder, x: Value, axis: number): Value {
  const best = ir.argreduce(b, "max", x, axis, { keep: true });
  return ir.cast(b, ir.eq(b, ir.iota(b, "i64", x.type.shape, axis), best), x.type.dtype);
}

export const activation: Translators = {
  Celu: celu,
  Elu: (cx) => elu(cx.b, cx.in(0), cx.float("alpha", 1)),
  Gelu: (cx) => gelu(cx.b, cx.in(0), cx.word("approximate", ["none", "tanh"], "none") === "tanh"),
  HardSigmoid: (cx) => hardSigmoid(cx.b, cx.in(0), cx.float("alpha", 0.2), cx.float("beta", 0.5)),
  HardSwish: (cx) => {
    const x = cx.in(0);
    return ir.mul(cx.b, x, hardSigmoid(cx.b, x, 1 / 6, 0.5));
  },
  Hardmax: (cx) => overTail(cx, hardmax),
  LeakyRelu: (cx) => leakyRelu(cx.b, cx.in(0), cx.float("alpha", 0.01)),
  LogSoftmax: (cx) => overTail(cx, ir.logSoftmax),
  Mish: (cx) => {
    const x = cx.in(0);
    return ir.mul(cx.b, x, ir.tanh(cx.b, softplus(cx.b, x)));
  },
  PRelu: prelu,
  Relu: (cx) => ir.relu(cx.b, cx.in(0)),
  Selu: selu,
  Shrink: shrink,
  Softmax: (cx) => overTail(cx, ir.softmax),
  Softplus: (cx) => softplus(cx.b, cx.in(0)),
  Softsign: (cx) => softsign(cx.b, cx.in(0)),
  Swish: (cx) => {
    const x = cx.in(0);
    return ir.mul(cx.b, x, ir.sigmoid(cx.b, ir.mul(cx.b, x, cx.float("alpha", 1))));
  },
  ThresholdedRelu: (cx) => thresholdedRelu(cx.b, cx.in(0), cx.float("alpha", 1)),
};
