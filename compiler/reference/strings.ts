// The reference interpreter for callers whose str tensors have numbers of their own: results have the caller's too.

import type { Graph } from "../ir/graph.js";
import { StringTable } from "../ir/strings.js";
import type { Tensor } from "../ir/tensor.js";
import { interpret } from "./interpret.js";

type Tensors = Readonly<Record<string, Tensor>>;

/** The outputs of a stateless run, with strings numbered by `table`. Throws as `interpret` does. */
export function interpretWith(table: StringTable, graph: Graph, inputs: Tensors): Record<string, Tensor> {
  const own = new StringTable(graph.strings);
  const map = (tensors: Tensors, from: StringTable, to: StringTable): Record<string, Tensor> =>
    Object.fromEntries(Object.entries(tensors).map(([name, t]) => [name, from.renumbered(t, to)]));
  return map(interpret(graph, map(inputs, table, own)).outputs, own, table);
}
