// Reductions over axes.

import * as ir from "../../../ir/build.js";
import { isFloat } from "../../../ir/dtype.js";
import type { Builder, Value } from "../../../ir/graph.js";
import type { Translator, Translators } from "../context.js";
import { axesOf } from "./shape.js";

type Reduce = (b: Builder, x: Value, axes: readonly number[], keep: boolean) => Value;

/** `since`: the operator set from which axes are an input. */
function reducer(since: number, reduce: Reduce, pointwise: (b: Builder, x: Value) => Value = (_, x) => x): Translator {
  return (cx) => {
    const x = cx.in(0);
    const rank = cx.rank(x);
    const axes = axesOf(cx, since) ?? [];
    if (axes.length > 0) return reduce(cx.b, x, cx.axes(axes, rank), cx.flag("keepdims", true));
    // No axes: all of them, or none at all where the node says so.
    if (cx.flag("noop_with_empty_axes")) return pointwise(cx.b, x);
    return reduce(cx.b, x, ir.allAxes(x), cx.flag("keepdims", true));
  };
}

/** Integers by way of doubles. */
const throughFloat =
  (reduce: Reduce): Reduce =>
  (b, x, axes, keep) =>
    isFloat(x.type.dtype)
      ? reduce(b, x, axes, keep)
      : ir.cast(b, reduce(b, ir.cast(b, x, "f64"), axes, keep), x.type.dtype);

const logSumExp: Reduce = (b, x, axes, keep) => {
  const most = ir.reduce(b, "max", x, axes, true);
  const shift = ir.select(b, ir.isinf(b, most), 0, most);
  const total = ir.reduce(b, "sum", ir.exp(b, ir.sub(b, x, shift)), axes, true);
  const out = ir.add(b, ir.log(b, total), shift);
  return keep ? out : ir.squeeze(b, out, axes);
};

function meanOf(b: Builder, x: Value, axes: readonly number[], keep: boolean): Value {
  return axes.length === 0 ? x : ir.mean(b, x, axes, keep);
}

const l2: Reduce = (b, x, axes, keep) => ir.sqrt(b, ir.sum(b, ir.square(b, x), axes, keep));
const logSum: Reduce = (b, x, axes, keep) => ir.log(b, ir.sum(b, x, axes, keep));

const l1: Reduce = (b, x, axes, keep) => ir.sum(b, ir.abs(b, x), axes, keep);
const sumSquare: Reduce = (b, x, axes, keep) => ir.sum(b, ir.square(b, x), axes, keep);

const viaFloat = (f: (b: Builder, x: Value) => Value) => (b: Builder, x: Value) =>
  isFloat(x.type.dtype) ? f(b, x) : ir.cast(b, f(b, ir.cast(b, x, "f64")), x.type.dtype);

export const reduceOps: Translators = {
  ReduceL1: reducer(18, l1, ir.abs),
  ReduceL2: reducer(18, throughFloat(l2), ir.abs),
  ReduceLogSum: reducer(18, throughFloat(logSum), viaFloat(ir.log)),
  ReduceLogSumExp: reducer(18, throughFloat(logSumExp)),
  ReduceMax: reducer(18, (b, x, axes, keep) => ir.reduce(b, "max", x, axes, keep)),
  ReduceMean: reducer(18, meanOf),
  ReduceMin: reducer(18, (b, x, axes, keep) => ir.reduce(b, "min", x, axes, keep)),
  ReduceProd: reducer(18, (b, x, axes, keep) => ir.reduce(b, "prod", x, axes, keep)),
  ReduceSum: reducer(13, (b, x, axes, keep) => ir.reduce(b, "sum", x, axes, keep)),
  ReduceSumSquare: reducer(18, sumSquare, ir.square),
};
