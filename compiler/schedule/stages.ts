// Scratch memory in which elementwise kernels keep what one stage of a long computation leaves for the next
// (codegen/loops/stages.ts): rows of a few hundred elements, which stay in the first-level cache.

import type { Node } from "../ir/graph.js";
import { costOf } from "./uses.js";

/** Elements of a block: all of them pass one stage before the first enters the next. */
export const STAGE_ELEMENTS = 256;
/** Values of a block that stages may leave to each other, together. */
export const STAGE_VALUES = 6;

/** The least cost of an op whose computation may be worth stages: an elementary function's. */
const LONG = 15;

/** Elements of 32 bits that a kernel of `nodes` has for its stages: 0 where none of them is long. */
export function stageElements(nodes: readonly Node[]): number {
  return nodes.some((n) => costOf(n) >= LONG) ? STAGE_VALUES * STAGE_ELEMENTS : 0;
}
