// What a conformance run executes graphs on. A target turns a graph into a function of named tensors; it throws Refused
// where it cannot.

import type { Builder, Graph } from "../../compiler/ir/graph.js";
import type { Tensor } from "../../compiler/ir/tensor.js";
import { interpret } from "../../compiler/reference/interpret.js";

export type RunGraph = (inputs: Readonly<Record<string, Tensor>>) => Promise<Readonly<Record<string, Tensor>>>;
export type Target = (graph: Graph, builder: Builder) => Promise<RunGraph>;

const reference: Target = async (graph) => async (inputs) => interpret(graph, inputs).outputs;

/** The compiled plan, loaded and run by the runtime. */
const wasm: Target = async (graph, builder) => {
  const pipeline: { readonly compileToRunner?: Target } = await import(pipelinePath());
  if (pipeline.compileToRunner === undefined) throw new Error("the pipeline exports no compileToRunner");
  return pipeline.compileToRunner(graph, builder);
};

function pipelinePath(): string {
  return new URL("../../compiler/pipeline.js", import.meta.url).href;
}

export const TARGETS: Readonly<Record<string, Target>> = { reference, wasm };
