// Native code in the strict tier has the bits of WebAssembly: random graphs of every kind of step, on every level of CPUs
// that this machine has. PSIONIC_RUNS multiplies the number of graphs, PSIONIC_SEED adds to the seeds.

import test from "ava";
import fc from "fast-check";
import { Refused } from "../../compiler/ir/errors.js";
import type { Tensor } from "../../compiler/ir/tensor.js";
import { print } from "../../compiler/ir/text.js";
import { compile } from "../../compiler/pipeline.js";
import { load, type Model, RunError } from "../../runtime-shim/index.js";
import { loadNative } from "../../runtime-shim/native.js";
import { bitDifference } from "../support/bits.js";
import { nativeHost } from "../support/native.js";
import { arbitraryGraph, type RandomGraph, type RandomGraphOptions } from "../support/random-graph.js";
import { type SampleOptions, sampleInputs } from "../support/sample.js";
import { fromValue, toValue } from "../support/values.js";

const times = Number(process.env["PSIONIC_RUNS"] ?? "1");
const shift = Number(process.env["PSIONIC_SEED"] ?? "0");

type Result = Readonly<Record<string, Tensor>> | "fails";

function run(model: Pick<Model, "runSync">, inputs: Readonly<Record<string, Tensor>>): Result {
  try {
    const outputs = model.runSync(Object.fromEntries(Object.entries(inputs).map(([name, v]) => [name, toValue(v)])));
    return Object.fromEntries(Object.entries(outputs).map(([name, v]) => [name, fromValue(v)]));
  } catch (e) {
    // The two runtimes are two modules in a program's eyes: the name tells.
    if (e instanceof Error && e.name === RunError.name) return "fails";
    throw e;
  }
}

const host = nativeHost();
const levels = typeof host === "string" ? [] : host.levels;

/** How many graphs were compared; throws at the first difference. */
async function judge({ graph, builder }: RandomGraph, seed: number, sample: SampleOptions): Promise<boolean> {
  if (typeof host === "string") return false;
  const source = { graph, builder };
  let wasm: Uint8Array<ArrayBuffer>;
  try {
    ({ bundle: wasm } = compile(source));
  } catch (e) {
    if (e instanceof Refused) return false;
    throw e;
  }
  const expected = await load(wasm);
  const inputs = sampleInputs(graph, seed, sample);
  const want = run(expected, inputs);
  for (const level of levels) {
    const { bundle } = compile(source, { target: host.target, cpus: [level] });
    const have = run(await loadNative(bundle), inputs);
    if (want === "fails" || have === "fails") {
      if (want !== have) throw new Error(`${level} and WebAssembly differ in failing\n${print(graph).text}`);
      continue;
    }
    const found = bitDifference(have, want);
    if (found !== null) throw new Error(`${level}: ${found}\n${print(graph).text}`);
  }
  return true;
}

interface Case {
  readonly name: string;
  readonly runs: number;
  readonly graphs: RandomGraphOptions;
  readonly sample?: SampleOptions;
}

const CASES: readonly Case[] = [
  { name: "smooth floats", runs: 16, graphs: { smooth: true, steps: 10 } },
  {
    name: "floats and integers with NaN, infinities and -0",
    runs: 16,
    graphs: { dtypes: ["f32", "f16", "bf16", "f64", "i32", "i64", "u8", "bool"], steps: 10 },
    sample: { special: true },
  },
  {
    name: "convolutions and products",
    runs: 12,
    graphs: {
      smooth: true,
      steps: 8,
      only: ["conv", "normalizedConv", "scalar", "pool", "softmax", "matmul", "reduce"],
    },
  },
  {
    name: "branches and loops",
    runs: 10,
    graphs: { smooth: true, steps: 8, only: ["if", "loop", "trade", "scalar", "slice"] },
  },
];

for (const [i, { name, runs, graphs, sample = {} }] of CASES.entries())
  (typeof host === "string" ? test.skip : test.serial)(`${name} have the bits of WebAssembly`, async (t) => {
    let compared = 0;
    const property = fc.asyncProperty(arbitraryGraph(graphs), fc.nat(1e6), async (made, seed) => {
      if (await judge(made, seed, sample)) compared += 1;
    });
    const result = await fc.check(property, { numRuns: runs * times, seed: 41 + i + shift });
    const cause = result.errorInstance instanceof Error ? result.errorInstance.message : "";
    t.false(result.failed, `seed ${result.seed}, path ${result.counterexamplePath ?? ""}:\n${cause}`);
    t.true(compared >= (runs * times) / 2, `${compared} of ${runs * times} graphs were compared`);
    t.log(`${compared} graphs on ${levels.join(", ")}`);
  });

if (typeof host === "string") test("native code", (t) => t.pass(`skipped: ${host}`));
