// The operators of ai.onnx.ml that work on tensors of numbers, by family.

import type { Translators } from "../context.js";
import { mlLinear } from "./ml-linear.js";
import { mlScale } from "./ml-scale.js";
import { mlSvm } from "./ml-svm.js";
import { mlTree } from "./ml-tree.js";

export const mlOps: Translators = { ...mlLinear, ...mlScale, ...mlSvm, ...mlTree };
