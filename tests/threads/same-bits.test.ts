// A run gives the same bytes on every number of threads, or the same error: random graphs with control flow, run-time
// sizes, states and every kind of kernel, divided as finely as can be, and published models as they are compiled.

import test from "ava";
import { importOnnx } from "../../compiler/import/onnx/import.js";
import { Builder } from "../../compiler/ir/graph.js";
import { compile } from "../../compiler/pipeline.js";
import { load } from "../../runtime-shim/index.js";
import { ARCHITECTURES } from "../support/architectures/index.js";
import { attentionGraph } from "../support/attention-graph.js";
import { compileModel, MODEL_FILES } from "../support/models.js";
import { check, firstDifference, judge, type Runtime } from "./compare.js";
import { FINEST } from "./finest.js";

const WASM: Runtime = { options: {}, load };

test.serial("graphs of every step", (t) => check(t, WASM, 30, 31, { steps: 12 }));

test.serial("graphs with branches and loops", (t) =>
  check(t, WASM, 15, 32, {
    steps: 8,
    only: ["if", "loop", "trade", "scalar", "slice", "concat", "reduce", "nonzero", "take"],
  }),
);

test.serial("networks", (t) => check(t, WASM, 15, 33, { smooth: true, steps: 10, network: true }));

test.serial("attention: heads and blocks of queries in parallel", async (t) => {
  const base = { batch: 1, depth: 8, width: 8, layout: "heads", mask: "bias" } as const;
  for (const [heads, shared, queries, dynamic] of [
    [3, 1, 9, false],
    [1, 1, 130, false],
    [2, 2, 70, true],
    [1, 3, 1, true],
  ] as const) {
    const { graph, builder } = attentionGraph({ ...base, heads, shared, queries, keys: 20, dynamic });
    t.is(await judge(WASM, graph, builder, queries), null);
    const { plan } = compile({ graph, builder });
    const works = plan.entries.flatMap(({ steps }) =>
      steps.flatMap((s) => (s.kind === "call" && plan.kernels[s.kernel]?.template === "attention" ? [s.work] : [])),
    );
    t.is(works.length, 1);
    t.false(works.includes(null));
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
  t.is(await firstDifference(WASM, direction.bundle, runs), null);
  const recognition = compileModel(MODEL_FILES["ocr-rec"], { dims: { batch: 1, width }, threads: true });
  t.is(await firstDifference(WASM, recognition.bundle, runs), null);
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
    t.is(await firstDifference(WASM, bundle, runs), null, name);
  }
});
