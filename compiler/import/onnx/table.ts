// Every operator that is translated, by domain and name. What is not here is refused; the documentation of operators is
// made from this table.

import type { Translator, Translators } from "./context.js";
import { activation } from "./ops/activation.js";
import { attentionOps, previewOps } from "./ops/attention.js";
import { contribMainOps, contribOps } from "./ops/contrib.js";
import { controlOps } from "./ops/control.js";
import { convOps } from "./ops/conv.js";
import { elementwise } from "./ops/elementwise.js";
import { indexOps } from "./ops/index.js";
import { lossOps, trainingOps } from "./ops/loss.js";
import { makeOps } from "./ops/make.js";
import { matmulOps } from "./ops/matmul.js";
import { mlOps } from "./ops/ml-ops.js";
import { normOps } from "./ops/norm.js";
import { poolOps } from "./ops/pool.js";
import { quantizeOps } from "./ops/quantize.js";
import { randomOps } from "./ops/random.js";
import { recurrentOps } from "./ops/recurrent.js";
import { reduceOps } from "./ops/reduce.js";
import { resizeOps } from "./ops/resize.js";
import { sampleOps } from "./ops/sample.js";
import { scanOps } from "./ops/scan.js";
import { selectOps } from "./ops/select.js";
import { sequenceOps } from "./ops/sequence.js";
import { shapeOps } from "./ops/shape.js";
import { sliceOps } from "./ops/slice.js";
import { spectralOps } from "./ops/spectral.js";
import { refusedTextOps, textOps } from "./ops/text.js";
import { gradientOps } from "./ops/training.js";

export const DOMAINS: Readonly<Record<string, Translators>> = {
  "": {
    ...contribMainOps,
    ...elementwise,
    ...activation,
    ...controlOps,
    ...convOps,
    ...indexOps,
    ...makeOps,
    ...matmulOps,
    ...normOps,
    ...poolOps,
    ...recurrentOps,
    ...reduceOps,
    ...resizeOps,
    ...sequenceOps,
    ...shapeOps,
    ...sliceOps,
    ...attentionOps,
    ...lossOps,
    ...quantizeOps,
    ...sampleOps,
    ...scanOps,
    ...selectOps,
    ...spectralOps,
    ...randomOps,
    ...textOps,
  },
  "ai.onnx.ml": mlOps,
  "ai.onnx.preview": previewOps,
  "ai.onnx.preview.training": { ...trainingOps, ...gradientOps },
  "com.microsoft": contribOps,
};

export function translatorOf(domain: string, op: string): Translator | null {
  if (domain === "" && Object.hasOwn(refusedTextOps, op)) return refusedTextOps[op] ?? null;
  const table = Object.hasOwn(DOMAINS, domain) ? DOMAINS[domain] : undefined;
  return table !== undefined && Object.hasOwn(table, op) ? (table[op] ?? null) : null;
}
