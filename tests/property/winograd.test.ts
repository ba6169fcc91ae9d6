// Winograd's convolutions against the direct ones, as near as f32 allows, over sizes that tiles fit and do not fit, paddings and batches; and what the pass leaves alone.

import test from "ava";
import * as ir from "../../compiler/ir/build.js";
import { Builder, type Graph, nodesOf } from "../../compiler/ir/graph.js";
import type { Tensor } from "../../compiler/ir/tensor.js";
import { runPasses } from "../../compiler/passes/run.js";
import { compile } from "../../compiler/pipeline.js";
import { interpret } from "../../compiler/reference/interpret.js";
import { hasFeature } from "../../runtime-shim/features.js";
import { load } from "../../runtime-shim/index.js";
import { graphOf, noiseTensor } from "../support/reference.js";
import { fromValue, toValue } from "../support/values.js";

interface Case {
  readonly x: readonly number[];
  readonly out: number;
  readonly attrs?: ir.Conv;
  readonly window?: readonly number[];
}

function build(b: Builder, { x, out, attrs = {}, window = [3, 3] }: Case): Graph {
  const input = ir.input(b, "x", "f32", x);
  const channels = (x[1] ?? 1) / (attrs.groups ?? 1);
  const w = ir.constant(b, noiseTensor("f32", [out, channels, ...window], 3, -0.1, 0.1));
  const bias = ir.constant(b, noiseTensor("f32", [1, out, 1, 1], 5, -1, 1));
  // Two in a row: one alone would keep channels second.
  const y = ir.max(b, ir.add(b, ir.conv(b, input, w, attrs), bias), 0);
  const last = ir.constant(b, noiseTensor("f32", [1, out, 1, 1], 7, -0.1, 0.1));
  return graphOf(b, [input], { y, z: ir.conv(b, y, last) });
}

function worst(have: Readonly<Record<string, Tensor>>, want: Readonly<Record<string, Tensor>>): number {
  return Math.max(
    ...Object.entries(want).map(([name, w]) => {
      const [h, exact] = [have[name]?.numbers() ?? [], w.numbers()];
      const most = Math.max(...exact.map(Math.abs));
      return Math.max(...exact.map((e, i) => Math.abs((h[i] ?? Number.NaN) - e))) / most;
    }),
  );
}

const directConvs = (g: Graph): number =>
  nodesOf(g).filter((n) => n.op === "conv" && n.inputs[1]?.type.shape.includes(3)).length;

const CASES: Readonly<Record<string, Case>> = {
  "tiles that fit": { x: [1, 48, 8, 12], out: 40, attrs: { low: [1, 1], high: [1, 1] } },
  "tiles that overhang": { x: [2, 64, 11, 14], out: 48, attrs: { low: [1, 1], high: [1, 1] } },
  "no padding": { x: [1, 96, 10, 9], out: 64 },
  "padding on one side": { x: [1, 96, 9, 8], out: 65, attrs: { low: [0, 2], high: [2, 0] } },
};

for (const [name, c] of Object.entries(CASES))
  test(`F(4x4, 3x3): ${name}`, async (t) => {
    const b = new Builder();
    const graph = build(b, c);
    const x = noiseTensor("f32", c.x, 11);
    const { graph: after } = runPasses(b, graph, { tier: "relaxed" });
    t.is(directConvs(after), 0);
    t.is(directConvs(runPasses(b, graph).graph), 1, "strict keeps the direct one");
    const want = interpret(graph, { x }).outputs;
    const error = worst(interpret(after, { x }).outputs, want);
    t.log(`relative to the largest result: ${error.toExponential(1)}`);
    t.true(error < 1e-5, `${error}`);
    if (!hasFeature("relaxed-simd")) return t.log("this engine has no relaxed SIMD: not run compiled");
    const model = await load(compile({ graph, builder: b }, { tier: "relaxed" }).bundle);
    const ran = Object.entries(model.runSync({ x: toValue(x) })).map(([k, v]) => [k, fromValue(v)] as const);
    t.true(worst(Object.fromEntries(ran), want) < 1e-5);
  });

const LEFT: Readonly<Record<string, Case>> = {
  "stride 2": { x: [1, 64, 16, 16], out: 64, attrs: { strides: [2, 2] } },
  dilation: { x: [1, 64, 16, 16], out: 64, attrs: { dilations: [2, 2] } },
  groups: { x: [1, 64, 16, 16], out: 64, attrs: { groups: 2 } },
  "few channels": { x: [1, 3, 32, 32], out: 8 },
  "another window": { x: [1, 64, 16, 16], out: 64, window: [3, 5] },
};

for (const [name, c] of Object.entries(LEFT))
  test(`left as it is: ${name}`, (t) => {
    const b = new Builder();
    t.is(directConvs(runPasses(b, build(b, c), { tier: "relaxed" }).graph), 1);
  });
