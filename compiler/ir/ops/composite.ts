// Composite ops mean their decomposition; a target may take one whole where it has a better kernel.

import { arity, type OpRows } from "../op-spec.js";
import * as decompose from "./decompose.js";
import type { compositeAttrs } from "./schemas.js";
import { axisOf } from "./shape.js";

export const compositeRows: OpRows<typeof compositeAttrs> = {
  softmax: {
    class: "composite",
    arity: arity(1),
    infer: (cx) => {
      for (const t of cx.types) axisOf(cx, t, cx.attrs.axis);
      return cx.types;
    },
    decompose: decompose.softmax,
  },
  logSoftmax: {
    class: "composite",
    arity: arity(1),
    infer: (cx) => {
      for (const t of cx.types) axisOf(cx, t, cx.attrs.axis);
      return cx.types;
    },
    decompose: decompose.logSoftmax,
  },
  layerNorm: {
    class: "composite",
    arity: arity(3),
    infer: (cx) => {
      const [x] = cx.types;
      if (x === undefined) return cx.fail("layerNorm takes an input");
      axisOf(cx, x, cx.attrs.axis);
      return [x];
    },
    decompose: decompose.layerNorm,
  },
};
