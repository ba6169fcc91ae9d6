// Whether a run gives the same bytes on every number of threads, or the same error, for any runtime.
// PSIONIC_RUNS multiplies the number of graphs, PSIONIC_SEED adds to the seeds.

import type { ExecutionContext } from "ava";
import fc from "fast-check";
import { Refused } from "../../compiler/ir/errors.js";
import type { Builder, Graph } from "../../compiler/ir/graph.js";
import { print } from "../../compiler/ir/text.js";
import { type CompileOptions, compile } from "../../compiler/pipeline.js";
import { type AnyModel, type Feed, type Model, RunError, type TensorView } from "../../runtime-shim/index.js";
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
    // Two runtimes are two modules in a program's eyes: the name tells.
    if (e instanceof Error && e.name === RunError.name) {
      const { code, step, message } = e as RunError;
      return `${code} at ${step}: ${message}`;
    }
    throw e;
  }
}

/** What compiles and loads a bundle with threads. */
export interface Runtime {
  readonly options: CompileOptions;
  load(bundle: Uint8Array, options: { readonly threads: number }): Promise<Model<AnyModel>>;
}

/** The first run that differs from the one on one thread; null where none does. */
export async function firstDifference(
  runtime: Runtime,
  bundle: Uint8Array,
  runs: readonly Feeds[],
): Promise<string | null> {
  const [one, ...others] = await Promise.all([1, 2, 3, 8].map((threads) => runtime.load(bundle, { threads })));
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

/** As firstDifference, of two runs of a graph that is divided as finely as can be; null also where it is refused. */
export async function judge(runtime: Runtime, graph: Graph, builder: Builder, seed: number): Promise<string | null> {
  let bundle: Uint8Array;
  try {
    ({ bundle } = compile({ graph, builder }, { ...runtime.options, threads: true, threading: FINEST }));
  } catch (e) {
    if (e instanceof Refused) return null;
    throw e;
  }
  const runs = [seed, seed + 1].map((s) =>
    Object.fromEntries(Object.entries(sampleInputs(graph, s, {})).map(([name, v]) => [name, toValue(v)])),
  );
  const found = await firstDifference(runtime, bundle, runs);
  return found === null ? null : `${found}\n${print(graph).text}`;
}

export async function check(
  t: ExecutionContext,
  runtime: Runtime,
  runs: number,
  seed: number,
  graphs: RandomGraphOptions,
): Promise<void> {
  let total = 0;
  const property = fc.asyncProperty(arbitraryGraph(graphs), fc.nat(1e6), async ({ graph, builder }, inputSeed) => {
    total++;
    const problem = await judge(runtime, graph, builder, inputSeed);
    if (problem !== null) throw new Error(problem);
  });
  const result = await fc.check(property, { numRuns: runs * times, seed: seed + shift });
  if (result.failed)
    t.fail(`seed ${result.seed}, path ${result.counterexamplePath ?? ""}: ${String(result.errorInstance)}`);
  t.log(`${total} graphs`);
  t.false(result.failed);
}
