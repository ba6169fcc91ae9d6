// Activations of com.microsoft, and the ones that its fused operators apply at their end.

import * as ir from "../../../ir/build.js";
import { floordiv } from "../../../ir/dim.js";
import type { Value } from "../../../ir/graph.js";
import type { NodeContext, Translator, Translators } from "../context.js";
import { elu, gelu, hardSigmoid, leakyRelu, softplus, softsign, thresholdedRelu } from "./activation.js";

function biased(cx: NodeContext, x: Value, i: number): Value {
  const bias = cx.opt(i);
  return bias === undefined ? x : ir.add(cx.b, x, bias);
}

/** x * sigmoid(alpha * x). */
const quickGelu: Translator = (cx) => {
  const x = cx.in(0);
  return ir.mul(cx.b, x, ir.sigmoid(cx.b, ir.mul(cx.b, x, cx.float("alpha", 1.702))));
};

/** The first half of the last axis times the Gelu of the second. */
const biasSplitGelu: Translator = (cx) => {
  const { b } = cx;
  const x = biased(cx, cx.in(0), 1);
  const last = cx.rank(x) - 1;
  const half = floordiv(cx.dim(x, last), 2);
  const part = (start: typeof half): Value => ir.sliceAxis(b, x, last, start, half);
  return ir.mul(b, part(0), gelu(b, part(half), false));
};

/** The activation that a fused operator names, with up to two parameters (null: the operator's own default). */
export function activated(cx: NodeContext, x: Value, name: string, parameters: readonly (number | null)[]): Value {
  const { b } = cx;
  const parameter = (i: number, otherwise: number): number => parameters[i] ?? otherwise;
  switch (name) {
    case "":
    case "Identity":
      return x;
    case "Relu":
      return ir.relu(b, x);
    case "Sigmoid":
      return ir.sigmoid(b, x);
    case "Tanh":
      return ir.tanh(b, x);
    case "Softplus":
      return softplus(b, x);
    case "Softsign":
      return softsign(b, x);
    case "LeakyRelu":
      return leakyRelu(b, x, parameter(0, 0.01));
    case "Elu":
      return elu(b, x, parameter(0, 1));
    case "ThresholdedRelu":
      return thresholdedRelu(b, x, parameter(0, 1));
    case "HardSigmoid":
      return hardSigmoid(b, x, parameter(0, 0.2), parameter(1, 0.5));
    case "Clip":
      return ir.min(b, ir.max(b, x, parameter(0, Number.NEGATIVE_INFINITY)), parameter(1, Number.POSITIVE_INFINITY));
    default:
      return cx.fail("unsupported_op", `ends in the activation "${name}", which has no translation`);
  }
}

export const contribActivation: Translators = {
  BiasAdd: (cx) => ir.add(cx.b, ir.add(cx.b, cx.in(0), cx.in(1)), cx.in(2)),
  BiasGelu: (cx) => gelu(cx.b, ir.add(cx.b, cx.in(0), cx.in(1)), false),
  BiasSplitGelu: biasSplitGelu,
  FastGelu: (cx) => gelu(cx.b, biased(cx, cx.in(0), 1), true),
  Gelu: (cx) => gelu(cx.b, cx.in(0), false),
  QuickGelu: quickGelu,
};
