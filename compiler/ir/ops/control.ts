// Control flow: nodes that own regions. Values from outside a region are used directly in its body.

import { formatDim, provenEqual, symOf } from "../dim.js";
import { arity, type InferContext, type OpRows } from "../op-spec.js";
import { formatType, type TensorType } from "../types.js";
import * as evaluate from "./eval-control.js";
import type { controlAttrs } from "./schemas.js";

function wantScalar(cx: InferContext<unknown>, i: number, dtype: "bool" | "i64", what: string): void {
  const t = cx.types[i];
  if (t === undefined || t.dtype !== dtype || t.shape.length !== 0)
    cx.fail(`${what} must be a ${dtype} scalar, is ${t === undefined ? "missing" : formatType(t)}`);
}

export const controlRows: OpRows<typeof controlAttrs> = {
  if: {
    class: "control",
    arity: arity(1),
    infer: (cx) => {
      wantScalar(cx, 0, "bool", "if: condition");
      const [yes, no] = cx.regions;
      if (yes === undefined || no === undefined) return cx.fail("if takes two regions");
      if (yes.results.length !== no.results.length)
        cx.fail(`if: branches give ${yes.results.length} and ${no.results.length} results`);
      return yes.results.map(({ type: a }, i): TensorType => {
        const b = no.results[i]?.type ?? a;
        const shape = cx.attrs.shapes[i] ?? [];
        if (a.dtype !== b.dtype || a.shape.length !== b.shape.length || a.shape.length !== shape.length)
          cx.fail(`if: result ${i} is ${formatType(a)} in one branch and ${formatType(b)} in the other`);
        for (const [axis, d] of shape.entries()) {
          const fits = [a.shape[axis], b.shape[axis]].every((e) => e !== undefined && provenEqual(e, d));
          if (!fits && symOf(d) === undefined) cx.fail(`if: result ${i} axis ${axis} is declared ${formatDim(d)}`);
        }
        return { dtype: a.dtype, shape };
      });
    },
    evaluate: evaluate.branch,
  },
  loop: {
    class: "control",
    arity: arity(2, Number.POSITIVE_INFINITY),
    infer: (cx) => {
      wantScalar(cx, 0, "i64", "loop: trip count");
      wantScalar(cx, 1, "bool", "loop: condition");
      const [body] = cx.regions;
      const { carried, count } = cx.attrs;
      if (body === undefined) return cx.fail("loop takes a region");
      if (body.params.length !== carried + 1)
        cx.fail(`loop: body takes ${carried + 1} parameters, has ${body.params.length}`);
      if (cx.types.length !== carried + 2) cx.fail(`loop takes ${carried + 2} inputs, has ${cx.types.length}`);
      const condition = body.results[0]?.type;
      if (condition === undefined || condition.dtype !== "bool" || condition.shape.length !== 0)
        cx.fail("loop: the body's first result must be a bool scalar");
      const outputs: TensorType[] = [];
      for (let i = 0; i < carried; i++) {
        const initial = cx.types[i + 2];
        const param = body.params[i + 1]?.type;
        const next = body.results[i + 1]?.type;
        if (initial === undefined || param === undefined || next === undefined)
          return cx.fail(`loop: carried value ${i} is missing`);
        for (const t of [initial, next]) {
          if (t.dtype !== param.dtype || t.shape.length !== param.shape.length)
            cx.fail(`loop: carried value ${i} is ${formatType(param)} and becomes ${formatType(t)}`);
          for (const [axis, d] of param.shape.entries())
            cx.unify(d, t.shape[axis] ?? 0, `loop: carried value ${i} axis ${axis}`);
        }
        outputs.push(param);
      }
      for (const r of body.results.slice(carried + 1))
        outputs.push({ dtype: r.type.dtype, shape: [count, ...r.type.shape] });
      return outputs;
    },
    evaluate: evaluate.loop,
  },
};
