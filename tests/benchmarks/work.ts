// The work that a model cannot avoid, for its floor: multiplications and additions of its products and convolutions in
// the graph as imported, and the bytes of its inputs, weights and outputs.

import type { Graph, Node, Value } from "../../compiler/ir/graph.js";
import { staticShape } from "../../compiler/ir/types.js";
import type { Plan } from "../../compiler/plan/plan.js";
import { sizeOf } from "./data.js";

export interface Work {
  /** Multiplications and additions. */
  readonly flops: number;
  readonly bytes: number;
}

/** A loop's body counts once, and of an if the larger branch. Symbolic sizes count as nothing. */
export function workOf(graph: Graph, plan: Plan): Work {
  const flops = flopsFrom([...graph.outputs.map((o) => o.value), ...graph.states.map((s) => s.next)], new Set());
  const [entry] = plan.entries;
  const ports = [...(entry?.inputs ?? []), ...(entry?.outputs ?? [])];
  return { flops, bytes: ports.reduce((sum, p) => sum + p.bytes, plan.memory.weights.bytes) };
}

/** Of everything that the values depend on and that is not in `seen`. */
function flopsFrom(values: readonly Value[], seen: Set<Node>): number {
  const pending = [...values];
  let flops = 0;
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    const { node } = value;
    if (seen.has(node)) continue;
    seen.add(node);
    flops += flopsOf(node);
    pending.push(...node.inputs);
    if (node.op === "if") flops += Math.max(...node.regions.map((r) => flopsFrom(r.results, new Set(seen))));
    else pending.push(...node.regions.flatMap((r) => r.results));
  }
  return flops;
}

export function flopsOf(node: Node): number {
  const [a, b] = node.inputs.map((v) => staticShape(v.type.shape));
  const [out] = node.outputs.map((v) => staticShape(v.type.shape));
  if (a === undefined || b === undefined || out === undefined || a === null || b === null || out === null) return 0;
  if (node.op === "matmul" || node.op === "blockMatmul") return 2 * sizeOf(out) * (a.at(-1) ?? 0);
  if (node.op !== "conv") return 0;
  const features = (node.attrs.layout === "nhwc" ? b.at(-1) : b[0]) ?? 1;
  return 2 * sizeOf(out) * (sizeOf(b) / features);
}
