// A run gives the same bytes on every number of threads, or the same error: random graphs with control flow, run-time
// sizes, states and every kind of kernel, divided as finely as can be, and published models as they are compiled.
// PSIONIC_RUNS multiplies the number of graphs, PSIONIC_SEED adds to the seeds.

import test, { type ExecutionContext } from "ava";
import fc from "fast-check";
import { importOnnx } from "../../compiler/import/onnx/import.js";
import { Refused } from "../../compiler/ir/errors.js";
import { Builder, type Graph } from "../../compiler/ir/graph.js";
import { print } from "../../compiler/ir/text.js";
import { compile } from "../../compiler/pipeline.js";
import { type AnyModel, type Feed, load, type Model, RunError, type TensorView } from "../../runtime-shim/index.js";
import { ARCHITECTURES } from "../support/architectures/index.js";
import { attentionGraph } from "../support/attention-graph.js";
import { compileModel, MODEL_FILES } from "../support/models.js";
import { arbitraryGraph, type RandomGraphOptions } from "../support/random-graph.js";
import { sampleInputs } from "../support/sample.js";
import { fromValue, toValue } from "../support/values.js";
import { FINEST } from "./finest.js";

const times = Number(process.env["PSIONIC_RUNS"] ?? "1");
const shift = Number(process.env["PSIONIC_SEED"] ?? "0");

type Feeds = Readonly<Record<string, Feed>>;

/** What a run gave, as text: outputs and states in hex, or the error. */
function resultOf(model: Model<AnyModel>, feeds: Feeds): string {
  const hex = (v: TensorView): string => Buffer.from(fromValue(v).bytes).toString("hex");
  try {
    const outputs = Object.entries(model.runSync(feeds)).map(([name, v]) => `${name}[${v.shape.join()}] ${hex(v)}`);
    const states = model.states.map(({ name }) => `${name} ${hex(model.state(name).get())}`);
    return [...outputs, ...states].join("\n");
  } catch (e) {
    if (e instanceof RunError) return `${e.code} at ${e.step}: ${e.message}`;
    throw e;
  }
}

async function models(bundle: Uint8Array, counts: readonly number[]): Promise<Model<AnyModel>[]> {
  return Promise.all(counts.map((threads) => load(bundle, { threads })));
}

/** The first run that differs from the one on one thread; null where none does. */
async function firstDifference(bundle: Uint8Array, runs: readonly Feeds[]): Promise<string | null> {
  const [one, ...others] = await models(bundle, [1, 2, 3, 8]);
  try {
    for (const feeds of runs) {
      const want = one === undefined ? "" : resultOf(one, feeds);
      for (const other of others) {
        const have = resultOf(other, feeds);
        if (have !== want) return `${other.variant.threads} threads give\n${have}\none gives\n${want}`;
      }
    }
    return null;
  } finally {
    for (const model of [one, ...others]) model?.dispose();
  }
}

async function judge(graph: Graph, builder: Builder, seed: number): Promise<string | null> {
  let bundle: Uint8Array;
  try {
    ({ bundle } = compile({ graph, builder }, { threads: true, threading: FINEST }));
  } catch (e) {
    if (e instanceof Refused) return null;
    throw e;
  }
  const runs = [seed, seed + 1].map((s) =>
    Object.fromEntries(Object.entries(sampleInputs(graph, s, {})).map(([name, v]) => [name, toValue(v)])),
  );
  const found = await firstDifference(bundle, runs);
  return found === null ? null : `${found}\n${print(graph).text}`;
}

async function check(t: ExecutionContext, runs: number, seed: number, graphs: RandomGraphOptions): Promise<void> {
  let total = 0;
  const property = fc.asyncProperty(arbitraryGraph(graphs), fc.nat(1e6), async ({ graph, builder }, inputSeed) => {
    total++;
    const problem = await judge(graph, builder, inputSeed);
    if (problem !== null) throw new Error(problem);
  });
  const result = await fc.check(property, { numRuns: runs * times, seed: seed + shift });
  if (result.failed)
    t.fail(`seed ${result.seed}, path ${result.counterexamplePath ?? ""}: ${String(result.errorInstance)}`);
  t.log(`${total} graphs`);
  t.false(result.failed);
}

test.serial("graphs of every step", (t) => check(t, 30, 31, { steps: 12 }));

test.serial("graphs with branches and loops", (t) =>
  check(t, 15, 32, {
    steps: 8,
    only: ["if", "loop", "trade", "scalar", "slice", "concat", "reduce", "nonzero", "take"],
  }),
);

test.serial("networks", (t) => check(t, 15, 33, { smooth: true, steps: 10, network: true }));

test.serial("attention: heads and blocks of queries in parallel", async (t) => {
  const base = { batch: 1, depth: 8, width: 8, layout: "heads", mask: "bias" } as const;
  for (const [heads, shared, queries, dynamic] of [
    [3, 1, 9, false],
    [1, 1, 130, false],
    [2, 2, 70, true],
    [1, 3, 1, true],
  ] as const) {
    const { graph, builder } = attentionGraph({ ...base, heads, shared, queries, keys: 20, dynamic });
    t.is(await judge(graph, builder, queries), null);
  }
});

test.serial("models", async (t) => {
  const width = { lo: 32, hi: 320, step: 32 };
  const picture = (n: number) => {
    const shape = [1, 3, 48, n];
    const data = Float32Array.from({ length: 3 * 48 * n }, (_, i) => ((i * 2654435761) % 1000) / 500 - 1);
    return { x: { data, shape } };
  };
  const runs = [picture(320), picture(32), picture(192)];
  const direction = compileModel(MODEL_FILES["ocr-cls"], { dims: { height: 48, width }, threads: true });
  t.is(await firstDifference(direction.bundle, runs), null);
  const recognition = compileModel(MODEL_FILES["ocr-rec"], { dims: { batch: 1, width }, threads: true });
  t.is(await firstDifference(recognition.bundle, runs), null);
});

test.serial("products with packed weights", async (t) => {
  for (const name of ["smollm-q4", "smollm-q4-int8"] as const) {
    const { write, dims, sizes, feeds } = ARCHITECTURES[name];
    const builder = new Builder();
    const { graph } = importOnnx(write("small"), { builder, name, dims });
    const { bundle } = compile({ graph, builder }, { threads: true, threading: FINEST });
    const { inputs } = await load(bundle, { threads: 1 });
    const runs = sizes.map((s) =>
      Object.fromEntries(
        Object.entries(feeds(s, "small"))
          .filter(([input]) => inputs.some((p) => p.name === input))
          .map(([input, { data, shape }]) => [input, { data, shape }]),
      ),
    );
    t.is(await firstDifference(bundle, runs), null, name);
  }
});
