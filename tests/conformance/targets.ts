// What a conformance run executes graphs on. A target turns a graph into a function of named tensors; it throws Refused
// where it cannot.

import type { Builder, Graph } from "../../compiler/ir/graph.js";
import type { StringTable } from "../../compiler/ir/strings.js";
import type { Tensor } from "../../compiler/ir/tensor.js";
import { interpretWith } from "../../compiler/reference/strings.js";
import type { TargetName } from "../../targets/targets.js";
import { bitDifference } from "../support/bits.js";
import { fromValue, toValue } from "../support/values.js";

/** Str tensors have the numbers of `strings`, in and out. */
export type RunGraph = (
  inputs: Readonly<Record<string, Tensor>>,
  strings: StringTable,
) => Promise<Readonly<Record<string, Tensor>>>;
export type Target = (graph: Graph, builder: Builder) => Promise<RunGraph>;

const reference: Target = async (graph) => async (inputs, strings) => interpretWith(strings, graph, inputs);

/** The compiled bundle, loaded and run by the runtime. */
const compiled =
  (target: TargetName): Target =>
  async (graph, builder) => {
    // Only here: a run on the reference alone does not load the compiler.
    const { compile } = await import("../../compiler/pipeline.js");
    const { bundle } = compile({ graph, builder }, { target });
    const model =
      target === "wasm"
        ? await (await import("../../runtime-shim/index.js")).load(bundle)
        : await (await import("../../runtime-shim/native.js")).loadNative(bundle);
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

/** The second target's results, which must be the first one's bit for bit. */
const both =
  (first: Target, second: Target): Target =>
  async (graph, builder) => {
    const [expect, run] = [await first(graph, builder), await second(graph, builder)];
    return async (inputs, strings) => {
      const want = await expect(inputs, strings);
      const have = await run(inputs, strings);
      const found = bitDifference(have, want);
      if (found !== null) throw new Error(`the targets differ: ${found}`);
      return have;
    };
  };

const wasm = compiled("wasm");
const native = compiled(process.arch === "arm64" ? "aarch64" : "x86-64");

/** `native` is this machine's own CPU family; `wasm+native` also compares the two bit for bit. */
export const TARGETS: Readonly<Record<string, Target>> = {
  reference,
  wasm,
  native,
  "wasm+native": both(wasm, native),
};
