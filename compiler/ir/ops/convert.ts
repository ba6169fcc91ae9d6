// select, cast and bitcast: elementwise ops whose operands differ in dtype or that have attributes.

import { DTYPES } from "../dtype.js";
import { arity, type OpRows } from "../op-spec.js";
import { broadcastShapes } from "./broadcast.js";
import { evaluateBitcast, evaluateCast, evaluateSelect } from "./eval-scalar.js";
import type { convertAttrs } from "./schemas.js";
import { castVjp, selectVjp } from "./vjp-scalar.js";

export const convertRows: OpRows<typeof convertAttrs> = {
  select: {
    class: "scalar",
    arity: arity(3),
    infer: (cx) => {
      const [c, a, b] = cx.types;
      if (c === undefined || a === undefined || b === undefined) return cx.fail("select takes three inputs");
      if (c.dtype !== "bool") cx.fail(`select takes a bool condition, has ${c.dtype}`);
      if (a.dtype !== b.dtype) cx.fail(`select takes branches of one dtype, has ${a.dtype} and ${b.dtype}`);
      return [{ dtype: a.dtype, shape: broadcastShapes([c.shape, a.shape, b.shape], cx.unify) }];
    },
    evaluate: (cx) => [evaluateSelect(cx)],
    vjp: selectVjp,
  },
  cast: {
    class: "scalar",
    arity: arity(1),
    infer: (cx) =>
      cx.types.map((t) => {
        const { to } = cx.attrs;
        if (t.dtype === "str" || to === "str") cx.fail(`cast takes numbers, has ${t.dtype} to ${to}`);
        return { dtype: to, shape: t.shape };
      }),
    evaluate: (cx) => [evaluateCast(cx)],
    vjp: castVjp,
  },
  bitcast: {
    class: "scalar",
    arity: arity(1),
    infer: (cx) =>
      cx.types.map((t) => {
        const { to } = cx.attrs;
        if (DTYPES[t.dtype].bits !== DTYPES[to].bits)
          cx.fail(`bitcast takes dtypes of one width, has ${t.dtype} and ${to}`);
        // A string has a number, but not every number a string.
        if (to === "str") cx.fail(`bitcast from ${t.dtype} to str`);
        // Only 0 and 1 are truth values.
        if (to === "bool" && t.dtype !== "bool") cx.fail(`bitcast from ${t.dtype} to bool: compare with 0 instead`);
        return { dtype: cx.attrs.to, shape: t.shape };
      }),
    evaluate: (cx) => [evaluateBitcast(cx)],
  },
};
