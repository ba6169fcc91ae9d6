// What the composite ops mean, in simpler ops.

import type { AttrValues } from "../attrs.js";
import * as ir from "../build.js";
import type { Builder, Value } from "../graph.js";
import type { compositeAttrs } from "./schemas.js";

type Attrs = typeof compositeAttrs;
type Decompose<K extends keyof Attrs> = (
  b: Builder,
  inputs: readonly Value[],
  attrs: AttrValues<Attrs[K]>,
) => readonly Value[];

function operand(inputs: readonly Value[], i: number): Value {
  const v = inputs[i];
  if (v === undefined) throw new RangeError(`a composite op has no input ${i}`);
  return v;
}

export const softmax: Decompose<"softmax"> = (b, inputs, { axis }) => {
  const x = operand(inputs, 0);
  const e = ir.exp(b, ir.sub(b, x, ir.reduceMax(b, x, [axis], true)));
  return [ir.div(b, e, ir.sum(b, e, [axis], true))];
};

export const logSoftmax: Decompose<"logSoftmax"> = (b, inputs, { axis }) => {
  const x = operand(inputs, 0);
  const shifted = ir.sub(b, x, ir.reduceMax(b, x, [axis], true));
  return [ir.sub(b, shifted, ir.log(b, ir.sum(b, ir.exp(b, shifted), [axis], true)))];
};

export const layerNorm: Decompose<"layerNorm"> = (b, inputs, { axis, epsilon }) => {
  const x = operand(inputs, 0);
  const axes = ir.allAxes(x).filter((i) => i >= axis);
  const centered = ir.sub(b, x, ir.mean(b, x, axes, true));
  const variance = ir.mean(b, ir.square(b, centered), axes, true);
  const normalized = ir.div(b, centered, ir.sqrt(b, ir.add(b, variance, epsilon)));
  return [ir.add(b, ir.mul(b, normalized, operand(inputs, 1)), operand(inputs, 2))];
};
