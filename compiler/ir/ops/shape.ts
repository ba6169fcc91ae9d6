// Ops that move elements without computing: each output element is one input element, a pad value or a position.

import { add, type Dim, floordiv, formatDim, max, mul, provenLess, provenLessEqual, range, sub } from "../dim.js";
import { arity, type InferContext, type OpRows } from "../op-spec.js";
import { elementCount, type TensorType } from "../types.js";
import * as evaluate from "./eval-shape.js";
import type { shapeAttrs } from "./schemas.js";
import * as vjp from "./vjp-shape.js";

function first(cx: InferContext<unknown>): TensorType {
  return cx.types[0] ?? cx.fail("takes an input");
}

/** The dimension at `axis`, which must exist. */
export function axisOf(cx: InferContext<unknown>, t: TensorType, axis: number): Dim {
  const d = t.shape[axis];
  if (d === undefined || axis < 0) return cx.fail(`axis ${axis} of a value of rank ${t.shape.length}`);
  return d;
}

function wantLength(cx: InferContext<unknown>, name: string, have: number, want: number): void {
  if (have !== want) cx.fail(`${name} takes ${want} entries, has ${have}`);
}

/** Number of window positions along an axis. */
export function windowCount(size: Dim, length: Dim, stride: number, dilation: number): Dim {
  return add(floordiv(sub(sub(size, mul(dilation, sub(length, 1))), 1), stride), 1);
}

export const shapeRows: OpRows<typeof shapeAttrs> = {
  dims: {
    class: "structural",
    arity: arity(0),
    infer: ({ attrs }) => [{ dtype: "i64", shape: [attrs.of.length] }],
    evaluate: evaluate.dims,
  },
  reshape: {
    class: "structural",
    arity: arity(1),
    infer: (cx) => {
      const x = first(cx);
      cx.unify(elementCount(x.shape), elementCount(cx.attrs.shape), "reshape: element counts");
      return [{ dtype: x.dtype, shape: cx.attrs.shape }];
    },
    evaluate: evaluate.reshape,
    vjp: vjp.reshape,
  },
  transpose: {
    class: "structural",
    arity: arity(1),
    infer: (cx) => {
      const x = first(cx);
      const { perm } = cx.attrs;
      wantLength(cx, "perm", perm.length, x.shape.length);
      if (new Set(perm).size !== perm.length) cx.fail(`perm [${perm.join(", ")}] repeats an axis`);
      return [{ dtype: x.dtype, shape: perm.map((p) => axisOf(cx, x, p)) }];
    },
    evaluate: evaluate.transpose,
    vjp: vjp.transpose,
  },
  broadcast: {
    class: "structural",
    arity: arity(1),
    infer: (cx) => {
      const x = first(cx);
      const { shape } = cx.attrs;
      const offset = shape.length - x.shape.length;
      if (offset < 0) cx.fail(`cannot broadcast rank ${x.shape.length} to rank ${shape.length}`);
      for (const [i, d] of x.shape.entries()) {
        const want = shape[i + offset];
        if (want !== undefined && d !== 1) cx.unify(d, want, `broadcast: axis ${i + offset}`);
      }
      return [{ dtype: x.dtype, shape }];
    },
    evaluate: evaluate.broadcast,
    vjp: vjp.broadcast,
  },
  slice: {
    class: "structural",
    arity: arity(1),
    infer: (cx) => {
      const x = first(cx);
      const { starts, sizes, steps } = cx.attrs;
      wantLength(cx, "starts", starts.length, x.shape.length);
      wantLength(cx, "sizes", sizes.length, x.shape.length);
      wantLength(cx, "steps", steps.length, x.shape.length);
      for (const [i, size] of x.shape.entries()) {
        const start = starts[i] ?? 0;
        const count = sizes[i] ?? 0;
        const step = steps[i] ?? 1;
        if (step === 0) cx.fail(`step 0 on axis ${i}`);
        const last = add(start, mul(step, sub(count, 1)));
        const low = step > 0 ? start : last;
        const high = step > 0 ? last : start;
        const empty = range(count).hi <= 0;
        if (!empty && (provenLess(low, 0) || provenLessEqual(size, high)))
          cx.fail(`slice of axis ${i}: ${formatDim(low)} to ${formatDim(high)} leaves 0..${formatDim(size)}`);
      }
      return [{ dtype: x.dtype, shape: sizes }];
    },
    evaluate: evaluate.slice,
    vjp: vjp.slice,
  },
  pad: {
    class: "structural",
    arity: arity(2),
    infer: (cx) => {
      const x = first(cx);
      const value = cx.types[1];
      const { low, high, interior } = cx.attrs;
      wantLength(cx, "low", low.length, x.shape.length);
      wantLength(cx, "high", high.length, x.shape.length);
      wantLength(cx, "interior", interior.length, x.shape.length);
      if (value === undefined || value.shape.length !== 0 || value.dtype !== x.dtype)
        cx.fail(`pad takes a ${x.dtype} scalar as its value`);
      const shape = x.shape.map((d, i) => {
        const between = interior[i] ?? 0;
        for (const edge of [low[i] ?? 0, high[i] ?? 0])
          if (range(edge).hi < 0) cx.fail(`pad of axis ${i} is negative: ${formatDim(edge)}`);
        if (between < 0) cx.fail(`interior pad of axis ${i} is negative: ${between}`);
        const spread = add(mul(sub(d, 1), between + 1), 1);
        // An empty axis stays empty.
        const inner = between === 0 ? d : range(d).lo > 0 ? spread : max(0, spread);
        return add(low[i] ?? 0, inner, high[i] ?? 0);
      });
      return [{ dtype: x.dtype, shape }];
    },
    evaluate: evaluate.pad,
    vjp: vjp.pad,
  },
  concat: {
    class: "structural",
    arity: arity(1, Number.POSITIVE_INFINITY),
    infer: (cx) => {
      const x = first(cx);
      const { axis } = cx.attrs;
      axisOf(cx, x, axis);
      let total: Dim = 0;
      const shape = [...x.shape];
      for (const t of cx.types) {
        if (t.dtype !== x.dtype) cx.fail(`concat takes one dtype, has ${x.dtype} and ${t.dtype}`);
        if (t.shape.length !== x.shape.length)
          cx.fail(`concat takes one rank, has ${x.shape.length} and ${t.shape.length}`);
        for (const [i, d] of t.shape.entries())
          if (i === axis) total = add(total, d);
          else shape[i] = cx.unify(shape[i] ?? d, d, `concat: axis ${i}`);
      }
      shape[axis] = total;
      return [{ dtype: x.dtype, shape }];
    },
    evaluate: evaluate.concat,
    vjp: vjp.concat,
  },
  window: {
    class: "structural",
    arity: arity(1),
    infer: (cx) => {
      const x = first(cx);
      const { axes, lengths, strides, dilations } = cx.attrs;
      for (const [name, list] of Object.entries({ lengths, strides, dilations }))
        wantLength(cx, name, list.length, axes.length);
      const shape = [...x.shape];
      for (const [j, axis] of axes.entries()) {
        const stride = strides[j] ?? 1;
        const dilation = dilations[j] ?? 1;
        if (stride < 1 || dilation < 1) cx.fail("strides and dilations must be at least 1");
        const count = windowCount(axisOf(cx, x, axis), lengths[j] ?? 1, stride, dilation);
        if (range(count).hi < 0) cx.fail(`window of length ${formatDim(lengths[j] ?? 1)} does not fit axis ${axis}`);
        shape[axis] = count;
      }
      return [{ dtype: x.dtype, shape: [...shape, ...lengths] }];
    },
    evaluate: evaluate.window,
    vjp: vjp.window,
  },
  iota: {
    class: "structural",
    arity: arity(0),
    infer: (cx) => {
      if (cx.attrs.dtype === "str") cx.fail("iota gives numbers, not str");
      if (cx.attrs.shape.length > 0) axisOf(cx, cx.attrs, cx.attrs.axis);
      return [{ dtype: cx.attrs.dtype, shape: cx.attrs.shape }];
    },
    evaluate: evaluate.iota,
  },
};
