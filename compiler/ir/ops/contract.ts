// Contractions: matrix products and convolutions, with the accumulator's dtype stated.

import { add, type Dim, formatDim, provenEqual, range } from "../dim.js";
import { arity, type InferContext, type OpRows } from "../op-spec.js";
import type { TensorType } from "../types.js";
import { broadcastShapes } from "./broadcast.js";
import * as evaluate from "./eval-contract.js";
import type { contractAttrs } from "./schemas.js";
import { windowCount } from "./shape.js";
import * as vjp from "./vjp-contract.js";

function operands(cx: InferContext<unknown>): readonly [TensorType, TensorType] {
  const [a, b] = cx.types;
  if (a === undefined || b === undefined) return cx.fail("takes two inputs");
  for (const t of [a, b]) if (t.dtype === "str") cx.fail("takes numbers, has str");
  return [a, b];
}

export const contractRows: OpRows<typeof contractAttrs> = {
  matmul: {
    class: "structural",
    arity: arity(2),
    infer: (cx) => {
      const [a, b] = operands(cx);
      const m = a.shape.at(-2);
      const n = b.shape.at(-1);
      if (m === undefined || n === undefined || b.shape.length < 2)
        return cx.fail(`matmul takes operands of rank 2 and up, has ranks ${a.shape.length} and ${b.shape.length}`);
      cx.unify(a.shape.at(-1) ?? 0, b.shape.at(-2) ?? 0, "matmul: inner dimensions");
      const batch = broadcastShapes([a.shape.slice(0, -2), b.shape.slice(0, -2)], cx.unify);
      return [{ dtype: cx.attrs.dtype, shape: [...batch, m, n] }];
    },
    evaluate: evaluate.matmul,
    vjp: vjp.matmul,
  },
  conv: {
    class: "structural",
    arity: arity(2),
    infer: (cx) => {
      const [x, w] = operands(cx);
      const { strides, dilations, low, high, groups, layout, dtype } = cx.attrs;
      const rank = x.shape.length;
      const spatial = rank - 2;
      if (spatial < 1 || w.shape.length !== rank)
        return cx.fail(`conv takes x and w of one rank of 3 and up, has ${rank} and ${w.shape.length}`);
      for (const [name, list] of Object.entries({ strides, dilations, low, high }))
        if (list.length !== spatial) cx.fail(`conv: ${name} takes ${spatial} entries, has ${list.length}`);
      const nhwc = layout === "nhwc";
      const n = x.shape[0] ?? 0;
      const c = x.shape[nhwc ? rank - 1 : 1] ?? 0;
      const m = w.shape[nhwc ? rank - 1 : 0] ?? 0;
      const perGroup = w.shape[nhwc ? rank - 2 : 1] ?? 0;
      if (typeof m === "number" && m % groups !== 0)
        cx.fail(`conv: ${m} output channels do not divide into ${groups} groups`);
      if (typeof perGroup === "number") cx.unify(c, perGroup * groups, "conv: input channels");
      else if (!provenEqual(c, perGroup)) cx.fail("conv: w's channels must be known");
      const out: Dim[] = [];
      for (let j = 0; j < spatial; j++) {
        const size = x.shape[nhwc ? j + 1 : j + 2] ?? 0;
        const length = w.shape[nhwc ? j : j + 2] ?? 1;
        const padded = add(size, low[j] ?? 0, high[j] ?? 0);
        const count = windowCount(padded, length, strides[j] ?? 1, dilations[j] ?? 1);
        if (range(count).hi < 0)
          cx.fail(`conv: window of ${formatDim(length)} does not fit ${formatDim(padded)} on spatial axis ${j}`);
        out.push(count);
      }
      return [{ dtype, shape: nhwc ? [n, ...out, m] : [n, m, ...out] }];
    },
    evaluate: evaluate.conv,
    vjp: vjp.conv,
  },
};
