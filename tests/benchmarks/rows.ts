// All rows, in the order in which they are printed.

import { ARCHITECTURE_ROWS } from "./architectures.js";
import { ATTENTION } from "./attention.js";
import { BLOCK_PRODUCTS } from "./block-products.js";
import { KERNELS } from "./kernels.js";
import { MODELS } from "./models.js";
import type { Row } from "./row.js";

export const ROWS: readonly Row[] = [...KERNELS, ...ATTENTION, ...BLOCK_PRODUCTS, ...MODELS, ...ARCHITECTURE_ROWS];
