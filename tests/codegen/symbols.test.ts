// Sizes that depend on data, more of them than the bytes at the start of memory were first meant for: each keeps its own
// value, and padding, which reads zeros beside them, still reads zeros.

import test from "ava";
import * as ir from "../../compiler/ir/build.js";
import { sym } from "../../compiler/ir/dim.js";
import { Builder, type Graph } from "../../compiler/ir/graph.js";
import { tensorFrom } from "../../compiler/ir/tensor.js";
import { compile } from "../../compiler/pipeline.js";
import { validatePlan } from "../../compiler/plan/validate.js";
import { interpret } from "../../compiler/reference/interpret.js";
import { load } from "../../runtime-shim/index.js";

const COUNT = 260;

test("hundreds of sizes that depend on data", async (t) => {
  const b = new Builder();
  const x = ir.input(b, "x", "f32", [1, 3, 3, 8]);
  const flat = ir.reshape(b, x, [72]);
  const symbols = Array.from({ length: COUNT }, (_, i) => sym(`n${i}`, 0, 72));
  const found = symbols.map((s, i) => ir.nonzero(b, ir.lt(b, flat, ir.scalar(b, "f32", i)), s));
  const w = ir.constant(
    b,
    tensorFrom(
      "f32",
      [3, 3, 8, 8],
      Array.from({ length: 576 }, (_, i) => (i % 7) - 3),
    ),
  );
  const y = ir.conv(b, x, w, { low: [1, 1], high: [1, 1], layout: "nhwc" });
  const graph: Graph = {
    name: "sizes",
    inputs: [x],
    outputs: [...found.map((value, i) => ({ name: `i${i}`, value })), { name: "y", value: y }],
    states: [],
    bindings: found.map((value, i) => ({ symbol: symbols[i] ?? 0, from: "axis", value, index: 1 })),
    constraints: [],
  };
  const feed = tensorFrom(
    "f32",
    [1, 3, 3, 8],
    Array.from({ length: 72 }, (_, i) => (i * 37) % 251),
  );
  const { bundle, plan } = compile({ graph, builder: b });
  t.deepEqual(validatePlan(plan), []);
  const model = await load(bundle);
  const have = await model.run({ x: new Float32Array(feed.numbers()) });
  for (const [name, want] of Object.entries(interpret(graph, { x: feed }).outputs)) {
    t.deepEqual(have[name]?.shape, [...want.shape], name);
    t.deepEqual(Array.from(have[name]?.data ?? [], Number), want.numbers(), name);
  }
});
