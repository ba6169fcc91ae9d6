// Evaluation of single nodes for constant folding.

import { type Dim, formatDim } from "../ir/dim.js";
import { Bug } from "../ir/errors.js";
import { constantOf, type Node, symbolsOf } from "../ir/graph.js";
import { OPS } from "../ir/ops.js";
import { RunIssue } from "../ir/run-issue.js";
import type { Tensor } from "../ir/tensor.js";
import { evaluateNode, nameOf, type Surroundings } from "./run.js";

function staticSize(d: Dim): number {
  if (typeof d === "number") return d;
  throw new RunIssue("symbol_unbound", `${formatDim(d)} has no value`);
}

/**
 * The values of a node whose inputs are all constants and whose sizes are all numbers, for constant folding; null
 * where that does not hold, for sources and control flow, and where computing it is an error at run time.
 */
export function evaluateConstantNode(node: Node): readonly Tensor[] | null {
  const { class: kind } = OPS[node.op];
  if (kind === "source" || kind === "control" || symbolsOf(node).size > 0) return null;
  const inputs: Tensor[] = [];
  for (const v of node.inputs) {
    const t = constantOf(v);
    if (t === undefined) return null;
    inputs.push(t);
  }
  try {
    const around: Surroundings = {
      size: staticSize,
      call: () => {
        throw new Bug("interpret", `${nameOf(node)} has regions`);
      },
    };
    return evaluateNode(node, inputs, around);
  } catch (e) {
    if (e instanceof RunIssue) return null;
    throw e;
  }
}
