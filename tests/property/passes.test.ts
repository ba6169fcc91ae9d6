// Passes keep what a graph computes: on random graphs and inputs, the reference gives the same before and after.

import test from "ava";
import fc from "fast-check";
import * as ir from "../../compiler/ir/build.js";
import { Bug } from "../../compiler/ir/errors.js";
import { Builder, type Graph, type Value } from "../../compiler/ir/graph.js";
import { rewrite, rule } from "../../compiler/ir/rewrite.js";
import { RunIssue } from "../../compiler/ir/run-issue.js";
import type { Tensor } from "../../compiler/ir/tensor.js";
import { print } from "../../compiler/ir/text.js";
import type { Pass } from "../../compiler/passes/pass.js";
import { checkOrder, PASSES, PIPELINE } from "../../compiler/passes/pipeline.js";
import { runPass, runPasses } from "../../compiler/passes/run.js";
import { interpret } from "../../compiler/reference/interpret.js";
import { arbitraryGraph, type RandomGraphOptions } from "../support/random-graph.js";
import { difference, type SampleOptions, sampleInputs } from "../support/sample.js";

/** null: the inputs make the model itself fail. */
function outputsOf(graph: Graph, inputs: Readonly<Record<string, Tensor>>): Record<string, Tensor> | null {
  try {
    const { outputs, states } = interpret(graph, inputs);
    return { ...outputs, ...states };
  } catch (e) {
    if (e instanceof RunIssue) return null;
    throw e;
  }
}

function compare(before: Graph, after: Graph, seed: number, tolerance: number, options: SampleOptions): string | null {
  const inputs = sampleInputs(before, seed, options);
  const want = outputsOf(before, inputs);
  if (want === null) return null;
  const have = interpret(after, inputs);
  const found = difference({ ...have.outputs, ...have.states }, want, tolerance);
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
      { numRuns: 150, seed: 3 },
    );
  });

test("layout and affine keep the values of convolutional graphs", (t) => {
  const passes = PIPELINE.filter((p) => p.name !== "decompose");
  fc.assert(
    fc.property(arbitraryGraph({ smooth: true, steps: 14, network: true }), fc.nat(1e6), ({ builder, graph }, seed) => {
      t.is(compare(graph, runPasses(builder, graph, { passes }).graph, seed, 1e-4, {}), null);
    }),
    { numRuns: 200, seed: 5 },
  );
});

test("the whole pipeline keeps the values of random graphs, and a second run changes nothing", (t) => {
  fc.assert(
    fc.property(arbitraryGraph({ smooth: true, steps: 10 }), fc.nat(1e6), ({ builder, graph }, seed) => {
      const { graph: after } = runPasses(builder, graph);
      t.is(compare(graph, after, seed, 1e-4, {}), null);
      t.is(print(runPasses(builder, after).graph).text, print(after).text);
    }),
    { numRuns: 150, seed: 9 },
  );
});

function small(b: Builder, make: (x: Value) => Value): Graph {
  const x = ir.input(b, "x", "f32", [2]);
  const value = make(x);
  return { name: "g", inputs: [x], outputs: [{ name: "y", value }], states: [], bindings: [], constraints: [] };
}

test("rules that undo each other are a bug that names the last one", (t) => {
  const b = new Builder();
  const graph = small(b, (x) => ir.sin(b, x));
  const rules = [
    rule("to-cos", "sin", (node) => b.op("cos", node.inputs, {})),
    rule("to-sin", "cos", (node) => b.op("sin", node.inputs, {})),
  ];
  const error = t.throws(() => rewrite(b, graph, rules), { instanceOf: Bug });
  t.is(error?.message, 'rewrite: the rules do not terminate: "to-sin" gives back what it replaced');
});

test("rules that grow without end run out of fuel", (t) => {
  const b = new Builder();
  const graph = small(b, (x) => ir.sin(b, x));
  const grow = rule("grow", "sin", (node) => b.one("sin", [b.one("neg", node.inputs, {})], {}));
  const error = t.throws(() => rewrite(b, graph, [grow], 2), { instanceOf: Bug });
  t.regex(error?.message ?? "", /out of fuel after \d+ rewrites, the last was "grow"/);
});

test("a rule that changes a type is a bug of that rule", (t) => {
  const b = new Builder();
  const graph = small(b, (x) => ir.sin(b, x));
  const wrong = rule("wrong", "sin", () => ir.constant(b, ir.filled("f32", [3], 0)));
  const error = t.throws(() => rewrite(b, graph, [wrong]), { instanceOf: Bug });
  t.is(error?.message, "wrong: gives f32[3] for sin, which is f32[2]");
});

test("a pass that breaks a graph is blamed, with the graph before it", (t) => {
  const b = new Builder();
  const graph = small(b, (x) => ir.sin(b, x));
  const breaks: Pass = { name: "breaks", after: {}, run: (_, g) => ({ ...g, inputs: [] }) };
  const error = t.throws(() => runPasses(b, graph, { passes: [breaks] }), { instanceOf: Bug });
  t.is(error?.message, 'breaks: %0 (input): input "x" is not among the graph\'s inputs');
  t.is(error?.ir, print(graph).text);
});

test("the order of passes is checked against their reasons", (t) => {
  t.notThrows(() => checkOrder(PIPELINE));
  const error = t.throws(() => checkOrder(PIPELINE.toReversed()), { instanceOf: Bug });
  t.regex(error?.message ?? "", /must run after/);
});
