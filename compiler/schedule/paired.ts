// Contractions of 8-bit weights with 16-bit rows, as dot products of pairs: what their kernels keep beside the weights.

import { mul, range } from "../ir/dim.js";
import { bytesOf } from "../ir/dtype.js";
import { constantOf, isOp, type Node } from "../ir/graph.js";
import type { Choices, Template } from "./schedule.js";

/** Rows from which on it pays to widen a panel for all of them. */
const LEAST_ROWS = 16;

/**
 * Bytes of a panel in 16 bits, for kernels that widen each panel of bytes once; 0 for the others. `group`: elements along
 * the depth that panels hold together.
 */
export function widenedPanelBytes(node: Node, template: Template, choices: Choices, group: number): number {
  const [a, b] = node.inputs;
  const result = node.outputs[0];
  if (a === undefined || b === undefined || result === undefined) return 0;
  // One row reads pairs as they lie; groups of four are no pairs.
  if (Number(choices["mr"]) === 1 && group === 2) return 0;
  if (a.type.dtype !== "i16" || b.type.dtype !== "i8" || constantOf(b) === undefined) return 0;
  const { shape } = result.type;
  const isConv = template === "conv" && isOp(node, "conv");
  const rows = isConv ? shape.slice(1, -1) : shape.slice(0, -1);
  if ((template !== "matmul" && !isConv) || range(mul(1, ...rows)).hi < LEAST_ROWS) return 0;
  // Channels of a tap, or the depth of a product, in whole groups.
  const depth = Number(b.type.shape.at(-2));
  const taps = isConv ? b.type.shape.slice(0, -2).reduce<number>((n, d) => n * Number(d), 1) : 1;
  const elements = taps * Math.ceil(depth / group) * group * Number(choices["nr"]);
  return Number.isFinite(elements) ? elements * bytesOf("i16") : 0;
}
