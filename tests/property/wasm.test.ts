// Random graphs, compiled to WebAssembly: what the module computes is what the reference interpreter computes. Integers
// and bools exactly, floats within a small error, since the compiler may regroup and the reference rounds once per op.
// PSIONIC_RUNS multiplies the number of graphs, PSIONIC_SEED adds to the seeds; a failure prints the graph, shrunk.

import test, { type ExecutionContext } from "ava";
import fc from "fast-check";
import { withStates } from "../../compiler/import/states.js";
import { Bug, Refused } from "../../compiler/ir/errors.js";
import { RunIssue } from "../../compiler/ir/run-issue.js";
import type { Tensor } from "../../compiler/ir/tensor.js";
import { print } from "../../compiler/ir/text.js";
import { sameType, staticShape } from "../../compiler/ir/types.js";
import { compile } from "../../compiler/pipeline.js";
import { interpret } from "../../compiler/reference/interpret.js";
import { load, RunError } from "../../runtime-shim/index.js";
import { arbitraryGraph, type RandomGraph, type RandomGraphOptions, STEPS } from "../support/random-graph.js";
import { difference, type SampleOptions, sampleInputs } from "../support/sample.js";
import { fromValue, toValue } from "../support/values.js";

const times = Number(process.env["PSIONIC_RUNS"] ?? "1");
const shift = Number(process.env["PSIONIC_SEED"] ?? "0");

interface Outcome {
  readonly refused: boolean;
  readonly problem: string | null;
}

type Source = Pick<RandomGraph, "builder" | "graph">;
type Tensors = Readonly<Record<string, Tensor>>;
type Result = { readonly outputs: Tensors; readonly states: Tensors } | string;

function referenceRun({ graph }: Source, inputs: Tensors, states: Tensors): Result {
  try {
    return interpret(graph, inputs, { states });
  } catch (e) {
    if (e instanceof RunIssue) return e.message;
    throw e;
  }
}

/** Compiles a graph and compares it on samples. Refusals are counted, everything else that goes wrong is told. */
async function judge(made: Source, seed: number, tolerance: number, sample: SampleOptions): Promise<Outcome> {
  const { graph, builder } = made;
  const tell = (problem: string): Outcome => ({ refused: false, problem: `${problem}\n${print(graph).text}` });
  let bundle: Uint8Array<ArrayBuffer>;
  try {
    ({ bundle } = compile({ graph, builder }));
  } catch (e) {
    if (e instanceof Refused) return { refused: true, problem: null };
    return tell(e instanceof Bug ? `Bug in ${e.stage}: ${e.message}\nbefore:\n${e.ir}` : `${stackOf(e)}`);
  }
  const model = await load(bundle);
  let states: Tensors = {};
  for (const round of [seed, seed + 1, seed + 2]) {
    const inputs = sampleInputs(graph, round, sample);
    const want = referenceRun(made, inputs, states);
    let have: Result;
    try {
      const feeds = Object.entries(inputs).map(([name, v]) => [name, toValue(v)] as const);
      const outputs = model.runSync(Object.fromEntries(feeds));
      have = {
        outputs: Object.fromEntries(Object.entries(outputs).map(([name, v]) => [name, fromValue(v)])),
        states: Object.fromEntries(graph.states.map((s) => [s.name, fromValue(model.state(s.name).get())])),
      };
    } catch (e) {
      if (!(e instanceof RunError)) return tell(`inputs of seed ${round}: ${stackOf(e)}`);
      have = e.message;
    }
    const shapes = Object.entries(inputs).map(([name, v]) => `${name} ${v.dtype}[${v.shape.join(", ")}]`);
    const where = `inputs of seed ${round} (${shapes.join(", ")})`;
    if (typeof want === "string" || typeof have === "string") {
      // What fails in the reference must not give numbers, and what it computes must not fail.
      if (typeof want !== typeof have)
        return tell(`${where}: ${typeof have === "string" ? `fails: ${have}` : `gives values, want: ${String(want)}`}`);
      return { refused: false, problem: null };
    }
    const found = difference(have.outputs, want.outputs, tolerance) ?? difference(have.states, want.states, tolerance);
    if (found !== null) return tell(`${where}: ${found}`);
    states = want.states;
  }
  return { refused: false, problem: null };
}

function stackOf(e: unknown): string {
  return e instanceof Error ? (e.stack ?? e.message) : String(e);
}

interface Case {
  readonly runs: number;
  readonly seed: number;
  readonly graphs: RandomGraphOptions;
  readonly tolerance: number;
  readonly sample?: SampleOptions;
  /** Makes states of inputs, where an output has the type of one. */
  readonly keeps?: boolean;
}

/** The graph with an input and the last output of its type as a state, or as it is. */
function keeping({ graph, builder }: Source): Source {
  const pairs = graph.inputs.flatMap((v) => {
    const output = graph.outputs.findLast((o) => sameType(o.value.type, v.type) && staticShape(v.type.shape) !== null);
    return v.node.op === "input" && output !== undefined ? [{ input: v.node.attrs.name, output: output.name }] : [];
  });
  return { builder, graph: withStates(graph, builder, pairs.slice(0, 1)) };
}

async function check(t: ExecutionContext, c: Case): Promise<void> {
  const { refused, total } = await count(t, c);
  t.log(`${total} graphs, ${refused} refused`);
  t.true(refused <= total / 4, `${refused} of ${total} graphs are refused`);
}

/** Judges graphs; how many were refused is for the caller. */
async function count(t: ExecutionContext, c: Case): Promise<{ readonly refused: number; readonly total: number }> {
  const { runs, seed, graphs, tolerance, sample = {}, keeps = false } = c;
  let refused = 0;
  let total = 0;
  const property = fc.asyncProperty(arbitraryGraph(graphs), fc.nat(1e6), async (made, inputSeed) => {
    const { refused: isRefused, problem } = await judge(keeps ? keeping(made) : made, inputSeed, tolerance, sample);
    total += 1;
    if (isRefused) refused += 1;
    if (problem !== null) throw new Error(problem);
  });
  const result = await fc.check(property, { numRuns: runs * times, seed: seed + shift });
  if (result.failed) {
    const cause = result.errorInstance instanceof Error ? result.errorInstance.message : String(result.errorInstance);
    t.fail(
      `seed ${result.seed}, path ${result.counterexamplePath ?? ""}, shrunk ${result.numShrinks} times:\n${cause}`,
    );
  }
  return { refused, total };
}

const smooth = { smooth: true, tolerance: 1e-4 };

test.serial("graphs of smooth float ops", (t) =>
  check(t, { runs: 60, seed: 11, graphs: { smooth: true, steps: 10 }, tolerance: smooth.tolerance }),
);

/** Steps that move or compare values: nothing is rounded. */
const MOVES = [
  "reshape",
  "transpose",
  "broadcast",
  "slice",
  "pad",
  "concat",
  "gather",
  "take",
  "sort",
  "nonzero",
  "argreduce",
  "dims",
  "chain",
];

test.serial("graphs of integers and bools, exactly", (t) =>
  check(t, {
    runs: 100,
    seed: 12,
    graphs: {
      dtypes: ["i32", "i64", "bool", "u8", "i8", "u32", "i16"],
      steps: 10,
      only: [...MOVES.filter((n) => n !== "chain"), "scalar", "scalar2", "scalar3", "reduce", "cumulate", "scatter"],
    },
    tolerance: 0,
  }),
);

test.serial("graphs that only move and convert values, with NaN, infinities and -0, exactly", (t) =>
  check(t, {
    runs: 100,
    seed: 13,
    graphs: {
      dtypes: ["f32", "f16", "bf16", "f64", "i32", "bool"],
      steps: 10,
      only: [...MOVES, "cast", "constant", "iota"],
    },
    tolerance: 0,
    sample: { special: true },
  }),
);

test.serial("graphs with branches and loops", (t) =>
  check(t, {
    runs: 50,
    seed: 14,
    graphs: {
      smooth: true,
      steps: 8,
      only: ["if", "loop", "trade", "scalar", "slice", "select", "concat", "reduce", "transpose"],
    },
    tolerance: smooth.tolerance,
  }),
);

test.serial("graphs with states, over several runs", (t) =>
  check(t, {
    runs: 50,
    seed: 16,
    graphs: { smooth: true, steps: 8, only: ["scalar", "scalar2", "select", "slice", "concat", "loop", "trade"] },
    tolerance: smooth.tolerance,
    keeps: true,
  }),
);

test.serial("convolutional graphs", (t) =>
  check(t, {
    runs: 50,
    seed: 15,
    graphs: {
      smooth: true,
      steps: 10,
      only: ["conv", "normalizedConv", "scalar", "pool", "concat", "pad", "softmax", "transpose", "matmul", "reduce"],
    },
    tolerance: smooth.tolerance,
  }),
);

test.serial("every step alone, on what it takes", async (t) => {
  const sums = { refused: 0, total: 0 };
  for (const [i, name] of Object.keys(STEPS).entries()) {
    const only = [name, "scalar", name, "constant", name];
    const c = { runs: 6, seed: 100 + i, graphs: { smooth: true, steps: 6, only }, tolerance: smooth.tolerance };
    const { refused, total } = await count(t, c);
    sums.refused += refused;
    sums.total += total;
  }
  t.log(`${sums.total} graphs, ${sums.refused} refused`);
  t.true(sums.refused <= sums.total / 10);
});
