// Native code on the rigs has the bits of WebAssembly and touches nothing but its own: real models, random graphs and a
// sample of the ONNX suite, on aarch64 (emulated where this machine is of another family) and under memcheck.
// `make conformance TARGET=aarch64` and `make sanitize` run the whole suite.

import { readFileSync } from "node:fs";
import test from "ava";
import fc from "fast-check";
import { type DimSpec, importOnnx } from "../../compiler/import/onnx/import.js";
import { Refused } from "../../compiler/ir/errors.js";
import { Builder } from "../../compiler/ir/graph.js";
import { StringTable } from "../../compiler/ir/strings.js";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { print } from "../../compiler/ir/text.js";
import { casesIn, runTasks } from "../conformance/run.js";
import { RIG_TARGETS, type Target } from "../conformance/targets.js";
import { MODEL_FILES, type ModelName } from "../support/models.js";
import { nativeHost } from "../support/native.js";
import { arbitraryGraph, type RandomGraph, type RandomGraphOptions } from "../support/random-graph.js";
import { sampleInputs } from "../support/sample.js";
import { suiteFolder } from "../support/suites.js";
import { type RigName, rigProblem } from "./rig/hosts.js";

const times = Number(process.env["PSIONIC_RUNS"] ?? "1");
const shift = Number(process.env["PSIONIC_SEED"] ?? "0");

const SAMPLE_EVERY = 40;
const RANDOM_RUNS = 6;

interface RealModel {
  readonly name: ModelName;
  readonly dims: Readonly<Record<string, DimSpec>>;
  /** Inputs that cannot be any number. */
  readonly given: Readonly<Record<string, Tensor>>;
}

const MODELS: readonly RealModel[] = [
  {
    name: "silero-v5",
    dims: { "input.0": 1, "input.1": 512, "state.1": 1 },
    given: { sr: tensorFrom("i64", [], [16000]) },
  },
  { name: "hey-jarvis", dims: {}, given: {} },
  { name: "ocr-cls", dims: { batch: 1, height: 48, width: { lo: 32, hi: 64, step: 32 } }, given: {} },
];

const GRAPHS: readonly RandomGraphOptions[] = [
  { dtypes: ["f32", "f16", "bf16", "f64", "i32", "i64", "u8", "bool"], steps: 10 },
  { smooth: true, steps: 8, only: ["conv", "normalizedConv", "scalar", "pool", "softmax", "matmul", "reduce"] },
  { smooth: true, steps: 8, only: ["if", "loop", "trade", "scalar", "slice"] },
];

/** Whether there was anything to compare; throws where the target's own check does. */
async function judge(target: Target, { graph, builder }: RandomGraph, seed: number): Promise<boolean> {
  try {
    const run = await target(graph, builder);
    await run(sampleInputs(graph, seed), new StringTable());
    return true;
  } catch (e) {
    // WebAssembly itself refuses the graph, or fails on these inputs.
    if (e instanceof Refused || (e instanceof Error && e.name === "RunError")) return false;
    throw e instanceof Error ? new Error(`${e.message}\n${print(graph).text}`) : e;
  }
}

for (const name of ["aarch64", "memcheck"] as const satisfies readonly RigName[]) {
  const host = nativeHost();
  const problem = typeof host === "string" ? host : rigProblem(name);
  const target = RIG_TARGETS[name]();
  if (problem !== null) {
    test(`native code on the rig ${name}`, (t) => t.pass(`skipped: ${problem}`));
    continue;
  }

  const modelsOn = (kind: string, subject: Target): void => {
    test.serial(`real models${kind} on ${name}`, async (t) => {
      for (const model of MODELS) {
        const builder = new Builder();
        const { graph } = importOnnx(readFileSync(MODEL_FILES[model.name]), { builder, dims: model.dims });
        const run = await subject(graph, builder);
        const inputs = { ...sampleInputs(graph, 1), ...model.given };
        await t.notThrowsAsync(run(inputs, new StringTable()), model.name);
      }
    });
  };
  modelsOn("", target);
  // Kernels of these take a part of their loops; the rig has no pool, so they are given all parts.
  modelsOn(" in parts", RIG_TARGETS[name]({ threads: true }));

  for (const [i, graphs] of GRAPHS.entries())
    test.serial(`random graphs (${i}) on ${name}`, async (t) => {
      let compared = 0;
      const runs = RANDOM_RUNS * times;
      const property = fc.asyncProperty(arbitraryGraph(graphs), fc.nat(1e6), async (made, seed) => {
        if (await judge(target, made, seed)) compared += 1;
      });
      const result = await fc.check(property, { numRuns: runs, seed: 71 + i + shift });
      const cause = result.errorInstance instanceof Error ? result.errorInstance.message : "";
      t.false(result.failed, `seed ${result.seed}, path ${result.counterexamplePath ?? ""}:\n${cause}`);
      t.true(compared >= runs / 2, `${compared} of ${runs} graphs were compared`);
    });

  const suite = suiteFolder("onnx");
  (suite === null ? test.skip : test.serial)(`a sample of the suite on ${name}`, async (t) => {
    t.timeout(600_000);
    const sample = casesIn(suite ?? "").filter((_, i) => i % SAMPLE_EVERY === 7);
    const verdicts = await runTasks(name, sample, 1);
    t.deepEqual(
      [...verdicts].filter(([, v]) => v.status === "failed").map(([id, v]) => `${id}: ${v.detail.slice(0, 300)}`),
      [],
    );
    const passed = [...verdicts.values()].filter((v) => v.status === "passed").length;
    t.true(passed >= sample.length * 0.9, `${passed} of ${sample.length} passed`);
  });
}
