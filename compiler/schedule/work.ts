// How much a kernel has to do, as a formula of its sizes: what decides whether it is worth more than one thread. In
// multiply-adds of f32; an elementwise operation counts as much for each element, and so does a byte that is read or
// written. Estimates: only their order of magnitude matters.

import { add, type Dim, floordiv, min, mul } from "../ir/dim.js";
import { bytesOf } from "../ir/dtype.js";
import { isOp, type Node, type Value } from "../ir/graph.js";
import { elementCount } from "../ir/types.js";
import type { Kernel } from "./schedule.js";
import { costOf } from "./uses.js";

export function workOf({ nodes, inputs, outputs }: Kernel): Dim {
  return add(...nodes.map(arithmetic), ...inputs.map((v) => mul(width(v), read(v, nodes))), ...outputs.map(bytes));
}

function width(v: Value): Dim {
  return bytesOf(v.type.dtype);
}

function bytes(v: Value): Dim {
  return mul(width(v), elementCount(v.type.shape));
}

/** Elements of an input that are read: of a table of rows, as many as are looked up, where nothing else reads it. */
function read(v: Value, nodes: readonly Node[]): Dim {
  const whole = elementCount(v.type.shape);
  const readers = nodes.filter((n) => n.inputs.includes(v));
  if (!readers.every((n) => SELECTS.has(n.op) && n.inputs.lastIndexOf(v) === 0)) return whole;
  return min(whole, add(...readers.flatMap((n) => n.outputs.map((o) => elementCount(o.type.shape)))));
}

/** Ops that read of their first operand what they give. */
const SELECTS: ReadonlySet<string> = new Set(["gather", "take", "slice"]);

function arithmetic(node: Node): Dim {
  const [first, second] = node.inputs;
  const out = node.outputs[0];
  if (first === undefined || out === undefined) return 0;
  const results = elementCount(out.type.shape);
  if (isOp(node, "matmul") || isOp(node, "blockMatmul")) return mul(results, first.type.shape.at(-1) ?? 1);
  if (isOp(node, "conv") && second !== undefined) {
    const { shape } = second.type;
    const outs = (node.attrs.layout === "nhwc" ? shape.at(-1) : shape[0]) ?? 1;
    return mul(results, floordiv(elementCount(shape), outs));
  }
  if (isOp(node, "reduce") || isOp(node, "argreduce")) return elementCount(first.type.shape);
  if (isOp(node, "sort")) return mul(16, results);
  return mul(costOf(node), results);
}
