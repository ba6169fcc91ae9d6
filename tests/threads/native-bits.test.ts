// Native code gives the same bytes on every number of threads, or the same error: random graphs, divided as finely as can
// be, and a published model as it is compiled.

import { readFileSync } from "node:fs";
import test from "ava";
import { importOnnx } from "../../compiler/import/onnx/import.js";
import * as ir from "../../compiler/ir/build.js";
import { sym } from "../../compiler/ir/dim.js";
import { Builder } from "../../compiler/ir/graph.js";
import { compile } from "../../compiler/pipeline.js";
import { loadNative } from "../../runtime-shim/native.js";
import { attentionGraph } from "../support/attention-graph.js";
import { MODEL_FILES } from "../support/models.js";
import { nativeHost } from "../support/native.js";
import { graphOf } from "../support/reference.js";
import { check, firstDifference, judge, type Runtime } from "./compare.js";
import { FINEST } from "./finest.js";

const host = nativeHost();
const native = typeof host === "string" ? test.skip : test.serial;
if (typeof host === "string") test("threads of native code", (t) => t.pass(`skipped: ${host}`));
const options = typeof host === "string" ? {} : { target: host.target, cpus: host.levels.slice(0, 1) };
const NATIVE: Runtime = { options, load: loadNative };

native("graphs of every step", (t) => check(t, NATIVE, 12, 51, { steps: 12 }));

native("graphs with branches and loops", (t) =>
  check(t, NATIVE, 6, 52, {
    steps: 8,
    only: ["if", "loop", "trade", "scalar", "slice", "concat", "reduce", "nonzero", "take"],
  }),
);

native("networks", (t) => check(t, NATIVE, 8, 53, { smooth: true, steps: 10, network: true }));

native("attention: heads and blocks of queries in parallel", async (t) => {
  const base = { batch: 1, depth: 8, width: 8, layout: "heads", mask: "bias", keys: 20 } as const;
  for (const [heads, shared, queries, dynamic] of [
    [3, 1, 9, false],
    [2, 2, 70, true],
  ] as const) {
    const { graph, builder } = attentionGraph({ ...base, heads, shared, queries, dynamic });
    t.is(await judge(NATIVE, graph, builder, queries), null);
  }
});

native("two spaces of one range in a kernel: each part starts where its own space says", async (t) => {
  const b = new Builder();
  const sizes = ["a", "b"].map((name) => sym(name, 1, 65536));
  const inputs = sizes.map((size, i) => ir.input(b, `x${i}`, "f32", [size, 8]));
  const graph = graphOf(b, inputs, { y: ir.concat(b, inputs, 0) });
  const { bundle } = compile({ graph, builder: b }, { ...options, threads: true, threading: FINEST });
  const feeds = [4000, 1000].map((n, i) => {
    const data = Float32Array.from({ length: n * 8 }, (_, at) => at + 0.25 * i);
    return [`x${i}`, { data, shape: [n, 8] }] as const;
  });
  t.is(await firstDifference(NATIVE, bundle, [Object.fromEntries(feeds)]), null);
});

native("a model", async (t) => {
  const runs = [320, 32, 192].map((n) => {
    const data = Float32Array.from({ length: 3 * 48 * n }, (_, i) => ((i * 2654435761) % 1000) / 500 - 1);
    return { x: { data, shape: [1, 3, 48, n] } };
  });
  const dims = { height: 48, width: { lo: 32, hi: 320, step: 32 } };
  const builder = new Builder();
  const { graph } = importOnnx(readFileSync(MODEL_FILES["ocr-cls"]), { builder, dims });
  const { bundle } = compile({ graph, builder }, { ...options, threads: true });
  t.is(await firstDifference(NATIVE, bundle, runs), null);
});
