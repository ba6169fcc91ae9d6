// An entry may be called for a few steps at a time, as tools do that look between them: sizes that an earlier call bound
// hold in a later one.

import test from "ava";
import * as ir from "../../compiler/ir/build.js";
import { mul } from "../../compiler/ir/build-scalar.js";
import { sym } from "../../compiler/ir/dim.js";
import { Builder } from "../../compiler/ir/graph.js";
import { compile } from "../../compiler/pipeline.js";
import { loadNative } from "../../runtime-shim/native.js";
import { nativeHost } from "../support/native.js";
import { graphOf } from "../support/reference.js";

const host = nativeHost();

(typeof host === "string" ? test.skip : test)("steps one by one give what a whole run gives", async (t) => {
  if (typeof host === "string") return;
  const b = new Builder();
  const x = ir.input(b, "x", "f32", [12]);
  const n = sym("n", 0, 12);
  const found = ir.nonzero(b, ir.lt(b, ir.scalar(b, "f32", 0), x), n);
  const y = ir.sum(b, mul(b, found, found), [0]);
  const graph = graphOf(b, [x], { found, y }, [{ symbol: n, from: "axis", value: found, index: 1 }]);
  const { bundle, plan } = compile({ graph, builder: b }, { target: host.target });
  t.true((plan.entries[0]?.steps.length ?? 0) > 1);
  const model = await loadNative(bundle);
  const feeds = { x: Float32Array.from({ length: 12 }, (_, i) => (i % 3) - 1) };
  const steps: number[] = [];
  const have = model.runSteps(feeds, (step) => void steps.push(step));
  t.deepEqual(have["found"]?.shape, [1, 4]);
  t.deepEqual(have, model.runSync(feeds));
  t.deepEqual([...steps.keys()], steps);
});

if (typeof host === "string") test("native steps", (t) => t.pass(`skipped: ${host}`));
