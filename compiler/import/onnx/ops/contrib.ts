// The operators of com.microsoft, which onnxruntime's optimizer and model builders write, by family.

import type { Translators } from "../context.js";
import { contribActivation } from "./contrib-activation.js";
import { contribAttention } from "./contrib-attention.js";
import { contribConv } from "./contrib-conv.js";
import { contribGroupQuery } from "./contrib-gqa.js";
import { contribLinalg } from "./contrib-linalg.js";
import { contribMatmul } from "./contrib-matmul.js";
import { contribNBits } from "./contrib-nbits.js";
import { contribMainNorm, contribNorm } from "./contrib-norm.js";
import { contribQuantize } from "./contrib-quantize.js";
import { contribRotary } from "./contrib-rotary.js";
import { contribSelect } from "./contrib-select.js";

export const contribOps: Translators = {
  ...contribActivation,
  ...contribAttention,
  ...contribConv,
  ...contribGroupQuery,
  ...contribLinalg,
  ...contribMatmul,
  ...contribNBits,
  ...contribNorm,
  ...contribQuantize,
  ...contribRotary,
  ...contribSelect,
};

/** What onnxruntime adds to ONNX's own domain. */
export const contribMainOps: Translators = { ...contribMainNorm };
