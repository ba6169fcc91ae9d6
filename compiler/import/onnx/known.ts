// Values that are the same for every input: constants, and what small chains of ops make of them. Shapes and limits that
// exporters compute from constants are found here; folding for speed is a pass's work, not this.

import type { AttrSchema, AttrValues } from "../../ir/attrs.js";
import type { Dim } from "../../ir/dim.js";
import type { Node, Value } from "../../ir/graph.js";
import type { EvalContext } from "../../ir/op-spec.js";
import { specOf } from "../../ir/ops.js";
import { RunIssue } from "../../ir/run-issue.js";
import { sizeOf, type Tensor } from "../../ir/tensor.js";
import { staticShape } from "../../ir/types.js";

/** Elements of the largest tensor that is computed at import. */
const MAX_ELEMENTS = 1 << 20;

const known = new WeakMap<Node, readonly Tensor[] | null>();

/** The tensor, or null where it depends on an input or is too large to compute here. */
export function knownTensor(v: Value): Tensor | null {
  return evaluate(v.node, 0)?.[v.index] ?? null;
}

function evaluate(node: Node, depth: number): readonly Tensor[] | null {
  const found = known.get(node);
  if (found !== undefined) return found;
  if (depth > 500) return null;
  const result = compute(node, depth);
  known.set(node, result);
  return result;
}

function compute(node: Node, depth: number): readonly Tensor[] | null {
  if (node.regions.length > 0) return null;
  const spec = specOf(node);
  if (spec.evaluate === undefined) return null;
  for (const out of node.outputs) {
    const shape = staticShape(out.type.shape);
    if (node.op !== "const" && (shape === null || sizeOf(shape) > MAX_ELEMENTS)) return null;
  }
  const inputs: Tensor[] = [];
  for (const v of node.inputs) {
    const t = evaluate(v.node, depth + 1)?.[v.index];
    if (t === undefined) return null;
    inputs.push(t);
  }
  const cx: EvalContext<AttrValues<AttrSchema>> = {
    inputs,
    attrs: node.attrs as AttrValues<AttrSchema>,
    outputs: node.outputs.map((o) => o.type),
    regions: [],
    size,
    sizes: (ds) => ds.map(size),
    call: () => {
      throw new NotKnown();
    },
  };
  try {
    return spec.evaluate(cx);
  } catch (e) {
    // A run-time error (an index out of range) is the run's to report.
    if (e instanceof NotKnown || e instanceof RunIssue || e instanceof RangeError) return null;
    throw e;
  }
}

class NotKnown extends Error {}

function size(d: Dim): number {
  if (typeof d === "number") return d;
  throw new NotKnown();
}
