// What a conformance run executes graphs on. A target turns a graph into a function of named tensors; it throws Refused
// where it cannot.

import type { Builder, Graph } from "../../compiler/ir/graph.js";
import type { StringTable } from "../../compiler/ir/strings.js";
import type { Tensor } from "../../compiler/ir/tensor.js";
import { interpretWith } from "../../compiler/reference/strings.js";
import { fromValue, toValue } from "../support/values.js";

/** Str tensors have the numbers of `strings`, in and out. */
export type RunGraph = (
  inputs: Readonly<Record<string, Tensor>>,
  strings: StringTable,
) => Promise<Readonly<Record<string, Tensor>>>;
export type Target = (graph: Graph, builder: Builder) => Promise<RunGraph>;

const reference: Target = async (graph) => async (inputs, strings) => interpretWith(strings, graph, inputs);

/** The compiled bundle, loaded and run by the runtime. */
const wasm: Target = async (graph, builder) => {
  // Only here: a run on the reference alone does not load the compiler.
  const [{ compile }, { load }] = await Promise.all([
    import("../../compiler/pipeline.js"),
    import("../../runtime-shim/index.js"),
  ]);
  const { bundle } = compile({ graph, builder });
  const model = await load(bundle);
  return async (inputs, strings) => {
    const feeds = Object.fromEntries(
      Object.entries(inputs)
        .filter(([name]) => model.inputs.some((p) => p.name === name))
        .map(([name, t]) => [name, toValue(t, strings)]),
    );
    const outputs = model.runSync(feeds);
    return Object.fromEntries(Object.entries(outputs).map(([name, v]) => [name, fromValue(v, strings)]));
  };
};

export const TARGETS: Readonly<Record<string, Target>> = { reference, wasm };
