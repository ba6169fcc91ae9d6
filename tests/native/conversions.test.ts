// Conversions of vectors to integers on every level of CPUs: saturating, with 0 for NaN, as WebAssembly's.

import test from "ava";
import * as ir from "../../compiler/ir/build.js";
import { Builder } from "../../compiler/ir/graph.js";
import { tensorFrom } from "../../compiler/ir/tensor.js";
import { compile } from "../../compiler/pipeline.js";
import { interpret } from "../../compiler/reference/interpret.js";
import { loadNative } from "../../runtime-shim/native.js";
import { bitDifference } from "../support/bits.js";
import { nativeHost } from "../support/native.js";
import { graphOf } from "../support/reference.js";
import { fromValue, toValue } from "../support/values.js";

const EDGES = [
  0,
  -0,
  0.5,
  -0.5,
  1.99,
  -1.99,
  Number.NaN,
  Infinity,
  -Infinity,
  2 ** 31,
  2 ** 31 - 128,
  -(2 ** 31),
  -(2 ** 31) - 256,
  2 ** 32,
  2 ** 32 - 256,
  -1,
  3e38,
  -3e38,
  1e-40,
];

const host = nativeHost();

test("vectors of reals to integers", async (t) => {
  if (typeof host === "string") {
    t.pass(host);
    return;
  }
  // Whole vectors of every edge among others, and a rest.
  const values = Array.from({ length: 71 }, (_, i) => EDGES[i % EDGES.length] ?? 0);
  const b = new Builder();
  const x = ir.input(b, "x", "f32", [values.length]);
  const outputs = Object.fromEntries(
    (["i32", "u32", "i16", "u8", "i8"] as const).map((dtype) => [dtype, ir.cast(b, x, dtype, true)]),
  );
  const graph = graphOf(b, [x], outputs);
  const given = tensorFrom("f32", [values.length], values);
  const want = interpret(graph, { x: given }).outputs;
  for (const level of host.levels) {
    const { bundle } = compile({ graph, builder: b }, { target: host.target, cpus: [level] });
    const model = await loadNative(bundle);
    const have = Object.entries(model.runSync({ x: toValue(given) })).map(([name, v]) => [name, fromValue(v)]);
    t.is(bitDifference(Object.fromEntries(have), want), null, level);
    model.dispose();
  }
});
