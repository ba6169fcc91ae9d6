// A graph's float64 reference: the same graph with f64 wherever it has f32, constants included. Compiled, it rounds a
// billion times finer: what it gives stands for exact arithmetic.

import type { Builder, Graph, Node, Region, Value } from "../../compiler/ir/graph.js";
import { mapGraph } from "../../compiler/ir/map-graph.js";
import { Tensor, tensorFrom } from "../../compiler/ir/tensor.js";

/** The graph in f64; its f32 inputs, outputs and states are f64. */
export function inF64(builder: Builder, graph: Graph): Graph {
  return mapGraph(builder, graph, (node, inputs, regions) => widened(builder, node, inputs, regions));
}

function widened(b: Builder, node: Node, inputs: readonly Value[], regions: readonly Region[]): readonly Value[] {
  const attrs = Object.fromEntries(Object.entries(node.attrs).map(([name, value]) => [name, wide(value)]));
  // Only dtypes and constants change, so it has the op's attributes.
  const made = attrs as typeof node.attrs;
  if (node.op === "param") return [b.param(attrs as (typeof node & { op: "param" })["attrs"])];
  return b.op(node.op, inputs, made, regions);
}

function wide(value: unknown): unknown {
  if (value === "f32") return "f64";
  if (value instanceof Tensor && value.dtype === "f32") {
    const { bytes, size, shape } = value;
    const data = new Float32Array(Uint8Array.from(bytes).buffer, 0, size);
    return tensorFrom("f64", shape, data);
  }
  return value;
}
