// Matrix products of com.microsoft with the transpositions, scalings and activations around them.

import * as ir from "../../../ir/build.js";
import type { Value } from "../../../ir/graph.js";
import type { NodeContext, Translator, Translators } from "../context.js";
import { gelu } from "./activation.js";
import { activated } from "./contrib-activation.js";
import { through } from "./contrib-through.js";
import { matmulOf, matmulOps } from "./matmul.js";

/** `batch`: axis 0 goes behind the batch axes first; `turn`: then the last two axes change places. */
function turned(cx: NodeContext, v: Value, turn: boolean, batch: boolean): Value {
  const rank = cx.rank(v);
  let order = [...v.type.shape.keys()];
  if (batch) {
    if (rank < 3) cx.malformed(`transposes the batch axes of a value of rank ${rank}`);
    order = [...order.slice(1, rank - 1), 0, rank - 1];
  }
  if (turn && rank > 1) order = [...order.slice(0, rank - 2), order[rank - 1] ?? 0, order[rank - 2] ?? 0];
  return ir.transpose(cx.b, v, order);
}

const fusedMatMul: Translator = (cx) => {
  const x = turned(cx, cx.in(0), cx.flag("transA"), cx.flag("transBatchA"));
  const y = turned(cx, cx.in(1), cx.flag("transB"), cx.flag("transBatchB"));
  const product = matmulOf(cx, x, y);
  const alpha = cx.float("alpha", 1);
  return alpha === 1 ? product : ir.mul(cx.b, product, alpha);
};

const fusedGemm: Translator = (cx) => {
  const y = through(cx, matmulOps, "Gemm", [cx.in(0), cx.in(1), cx.opt(2)]);
  const parameters = ["activation_alpha", "activation_beta", "activation_gamma"].map((n) => cx.optFloat(n) ?? null);
  return activated(cx, y, cx.str("activation", ""), parameters);
};

const gemmFastGelu: Translator = (cx) => {
  const y = matmulOf(cx, cx.in(0), cx.in(1));
  const bias = cx.opt(2);
  return gelu(cx.b, bias === undefined ? y : ir.add(cx.b, y, bias), true);
};

export const contribMatmul: Translators = {
  FusedGemm: fusedGemm,
  FusedMatMul: fusedMatMul,
  GemmFastGelu: gemmFastGelu,
  TransposeMatMul: fusedMatMul,
};
