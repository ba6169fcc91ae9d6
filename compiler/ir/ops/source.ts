// Sources: nodes without inputs. Their values come from the caller, the plan's constants, a state slot or a region's
// owner, so they have no evaluation of their own.

import { arity, type OpRows } from "../op-spec.js";
import type { sourceAttrs } from "./schemas.js";

export const sourceRows: OpRows<typeof sourceAttrs> = {
  input: { class: "source", arity: arity(0), infer: ({ attrs }) => [{ dtype: attrs.dtype, shape: attrs.shape }] },
  param: { class: "source", arity: arity(0), infer: ({ attrs }) => [{ dtype: attrs.dtype, shape: attrs.shape }] },
  state: { class: "source", arity: arity(0), infer: ({ attrs }) => [{ dtype: attrs.dtype, shape: attrs.shape }] },
  const: {
    class: "source",
    arity: arity(0),
    infer: ({ attrs }) => [{ dtype: attrs.value.dtype, shape: attrs.value.shape }],
    evaluate: ({ attrs }) => [attrs.value],
  },
};
