// Passes keep what a graph computes: on random graphs and inputs, the reference gives the same before and after.

import test from "ava";
import fc from "fast-check";
import type { Graph } from "../../compiler/ir/graph.js";
import { RunIssue } from "../../compiler/ir/run-issue.js";
import type { Tensor } from "../../compiler/ir/tensor.js";
import { print } from "../../compiler/ir/text.js";
import type { Pass } from "../../compiler/passes/pass.js";
import { PASSES, PIPELINE } from "../../compiler/passes/pipeline.js";
import { runPass, runPasses } from "../../compiler/passes/run.js";
import { interpret } from "../../compiler/reference/interpret.js";
import { arbitraryGraph, type RandomGraphOptions } from "../support/random-graph.js";
import { difference, type SampleOptions, sampleInputs } from "../support/sample.js";

/** null: the inputs make the model itself fail. */
function outputsOf(graph: Graph, inputs: Readonly<Record<string, Tensor>>): Record<string, Tensor> | null {
  try {
    return interpret(graph, inputs).outputs;
  } catch (e) {
    if (e instanceof RunIssue) return null;
    throw e;
  }
}

function compare(before: Graph, after: Graph, seed: number, tolerance: number, options: SampleOptions): string | null {
  const inputs = sampleInputs(before, seed, options);
  const want = outputsOf(before, inputs);
  if (want === null) return null;
  const found = difference(interpret(after, inputs).outputs, want, tolerance);
  return found === null ? null : `${found}\nbefore:\n${print(before).text}\nafter:\n${print(after).text}`;
}

interface Case {
  readonly tolerance: number;
  readonly graphs: RandomGraphOptions;
  readonly sample: SampleOptions;
}

const exact: Case = { tolerance: 0, graphs: {}, sample: { special: true } };
/** Roundings may differ, so nothing here amplifies them. */
const close: Case = { tolerance: 1e-4, graphs: { smooth: true, steps: 8 }, sample: {} };

const CASES: readonly (readonly [string, Case])[] = [
  ["canonicalize", exact],
  ["fold", exact],
  ["branches", exact],
  ["symbols", exact],
  ["deadcode", exact],
  ["decompose", exact],
  ["algebra", close],
  ["simplify", close],
  ["affine", close],
  ["layout", close],
];

for (const [name, { tolerance, graphs, sample }] of CASES)
  test(`${name} keeps the values of random graphs`, (t) => {
    const pass = PASSES.get(name) as Pass;
    fc.assert(
      fc.property(arbitraryGraph(graphs), fc.nat(1e6), ({ builder, graph }, seed) => {
        t.is(compare(graph, runPass(builder, graph, pass), seed, tolerance, sample), null);
      }),
      { numRuns: 250, seed: 3 },
    );
  });

test("layout and affine keep the values of convolutional graphs", (t) => {
  const passes = PIPELINE.filter((p) => p.name !== "decompose");
  fc.assert(
    fc.property(arbitraryGraph({ smooth: true, steps: 14, network: true }), fc.nat(1e6), ({ builder, graph }, seed) => {
      t.is(compare(graph, runPasses(builder, graph, { passes }).graph, seed, 1e-4, {}), null);
    }),
    { numRuns: 300, seed: 5 },
  );
});

test("the whole pipeline keeps the values of random graphs, and a second run changes nothing", (t) => {
  fc.assert(
    fc.property(arbitraryGraph({ smooth: true, steps: 10 }), fc.nat(1e6), ({ builder, graph }, seed) => {
      const { graph: after } = runPasses(builder, graph);
      t.is(compare(graph, after, seed, 1e-4, {}), null);
      t.is(print(runPasses(builder, after).graph).text, print(after).text);
    }),
    { numRuns: 250, seed: 9 },
  );
});
