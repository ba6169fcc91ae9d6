// Reductions and running reductions along axes.

import type { Dim } from "../dim.js";
import { arity, type InferContext, type OpRows } from "../op-spec.js";
import type { TensorType } from "../types.js";
import * as evaluate from "./eval-reduce.js";
import { inDomain } from "./scalar-rows.js";
import type { reduceAttrs } from "./schemas.js";
import { axisOf } from "./shape.js";
import * as vjp from "./vjp-reduce.js";

function operand(cx: InferContext<unknown>): TensorType {
  const x = cx.types[0];
  if (x === undefined) return cx.fail("takes an input");
  return inDomain(x.dtype, "any") ? x : cx.fail(`takes numbers, has ${x.dtype}`);
}

function without(shape: readonly Dim[], axes: readonly number[], keep: boolean): readonly Dim[] {
  return keep ? shape.map((d, i) => (axes.includes(i) ? 1 : d)) : shape.filter((_, i) => !axes.includes(i));
}

export const reduceRows: OpRows<typeof reduceAttrs> = {
  reduce: {
    class: "structural",
    arity: arity(1),
    infer: (cx) => {
      const x = operand(cx);
      const { axes, keep } = cx.attrs;
      for (const axis of axes) axisOf(cx, x, axis);
      if (new Set(axes).size !== axes.length) cx.fail(`axes [${axes.join(", ")}] repeat one`);
      return [{ dtype: x.dtype, shape: without(x.shape, axes, keep) }];
    },
    evaluate: evaluate.reduce,
    vjp: vjp.reduce,
  },
  argreduce: {
    class: "structural",
    arity: arity(1),
    infer: (cx) => {
      const x = operand(cx);
      axisOf(cx, x, cx.attrs.axis);
      return [{ dtype: "i64", shape: without(x.shape, [cx.attrs.axis], cx.attrs.keep) }];
    },
    evaluate: evaluate.argreduce,
  },
  cumulate: {
    class: "structural",
    arity: arity(1),
    infer: (cx) => {
      const x = operand(cx);
      axisOf(cx, x, cx.attrs.axis);
      return [x];
    },
    evaluate: evaluate.cumulate,
    vjp: vjp.cumulate,
  },
};
