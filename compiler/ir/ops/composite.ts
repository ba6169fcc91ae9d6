// Composite ops mean their decomposition; a target may take one whole where it has a better kernel.

import { arity, type InferContext, type OpRows } from "../op-spec.js";
import type { TensorType } from "../types.js";
import { blockMatmulRow } from "./block-matmul.js";
import * as decompose from "./decompose.js";
import type { compositeAttrs } from "./schemas.js";
import { axisOf } from "./shape.js";

function numbersOnly(cx: InferContext<unknown>): void {
  for (const t of cx.types) if (t.dtype === "str") cx.fail("takes numbers, has str");
}

/** One operand, and a result of its type, along an axis that it has. */
const alongAxis = {
  class: "composite",
  arity: arity(1),
  infer: (cx: InferContext<{ readonly axis: number }>): readonly TensorType[] => {
    numbersOnly(cx);
    for (const t of cx.types) axisOf(cx, t, cx.attrs.axis);
    return cx.types;
  },
} as const;

export const compositeRows: OpRows<typeof compositeAttrs> = {
  softmax: { ...alongAxis, decompose: decompose.softmax },
  logSoftmax: { ...alongAxis, decompose: decompose.logSoftmax },
  layerNorm: {
    class: "composite",
    arity: arity(3),
    infer: (cx) => {
      const [x] = cx.types;
      numbersOnly(cx);
      if (x === undefined) return cx.fail("layerNorm takes an input");
      axisOf(cx, x, cx.attrs.axis);
      return [x];
    },
    decompose: decompose.layerNorm,
  },
  blockMatmul: blockMatmulRow,
};
