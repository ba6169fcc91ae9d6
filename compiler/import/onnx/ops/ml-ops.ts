// The operators of ai.onnx.ml that work on tensors, by family.

import type { Translators } from "../context.js";
import { mlLinear } from "./ml-linear.js";
import { mlLookup } from "./ml-lookup.js";
import { mlScale } from "./ml-scale.js";
import { mlSvm } from "./ml-svm.js";
import { mlTree } from "./ml-tree.js";

export const mlOps: Translators = { ...mlLinear, ...mlLookup, ...mlScale, ...mlSvm, ...mlTree };
