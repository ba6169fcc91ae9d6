// Ops whose element positions are data.

import { formatDim, provenLess } from "../dim.js";
import { isFloat, isInteger } from "../dtype.js";
import { arity, type InferContext, type OpRows } from "../op-spec.js";
import type { TensorType } from "../types.js";
import { broadcastShapes } from "./broadcast.js";
import * as evaluate from "./eval-index.js";
import type { indexAttrs } from "./schemas.js";
import { axisOf } from "./shape.js";
import * as vjp from "./vjp-index.js";

function operand(cx: InferContext<unknown>, i: number, name: string): TensorType {
  return cx.types[i] ?? cx.fail(`takes ${name}`);
}

function indices(cx: InferContext<unknown>, i: number): TensorType {
  const t = operand(cx, i, "indices");
  return isInteger(t.dtype) ? t : cx.fail(`takes integer indices, has ${t.dtype}`);
}

export const indexRows: OpRows<typeof indexAttrs> = {
  gather: {
    class: "structural",
    arity: arity(2),
    infer: (cx) => {
      const x = operand(cx, 0, "data");
      const at = indices(cx, 1);
      const { axis } = cx.attrs;
      axisOf(cx, x, axis);
      return [{ dtype: x.dtype, shape: [...x.shape.slice(0, axis), ...at.shape, ...x.shape.slice(axis + 1)] }];
    },
    evaluate: evaluate.gather,
    vjp: vjp.gather,
  },
  take: {
    class: "structural",
    arity: arity(2),
    infer: (cx) => [{ dtype: operand(cx, 0, "data").dtype, shape: indices(cx, 1).shape }],
    evaluate: evaluate.take,
    vjp: vjp.take,
  },
  scatter: {
    class: "structural",
    arity: arity(3),
    infer: (cx) => {
      const x = operand(cx, 0, "data");
      const at = indices(cx, 1);
      const updates = operand(cx, 2, "updates");
      if (x.dtype === "str" && cx.attrs.mode !== "set") cx.fail(`scatter ${cx.attrs.mode} takes numbers, has str`);
      if (updates.dtype !== x.dtype) cx.fail(`scatter takes updates of ${x.dtype}, has ${updates.dtype}`);
      if (updates.shape.length !== at.shape.length) cx.fail("scatter takes updates of the indices' rank");
      for (const [i, d] of at.shape.entries()) cx.unify(d, updates.shape[i] ?? 0, `scatter: axis ${i} of updates`);
      return [x];
    },
    evaluate: evaluate.scatter,
    vjp: vjp.scatter,
  },
  sort: {
    class: "structural",
    arity: arity(1),
    infer: (cx) => {
      const x = operand(cx, 0, "a value");
      const { axis, count } = cx.attrs;
      const size = axisOf(cx, x, axis);
      if (!isFloat(x.dtype) && !isInteger(x.dtype) && x.dtype !== "bool") cx.fail(`sort takes numbers, has ${x.dtype}`);
      if (provenLess(size, count)) cx.fail(`sort of ${formatDim(size)} elements cannot give ${formatDim(count)}`);
      const shape = x.shape.map((d, i) => (i === axis ? count : d));
      return [
        { dtype: x.dtype, shape },
        { dtype: "i64", shape },
      ];
    },
    evaluate: evaluate.sort,
    vjp: vjp.sort,
  },
  nonzero: {
    class: "structural",
    arity: arity(1),
    infer: (cx) => {
      const x = operand(cx, 0, "a value");
      if (x.dtype === "str") cx.fail("nonzero takes numbers, has str");
      return [{ dtype: "i64", shape: [x.shape.length, cx.attrs.count] }];
    },
    evaluate: evaluate.nonzero,
  },
};

export { broadcastShapes };
