// Products and convolutions of bytes: kernels of every tier, and of every level of CPUs that this machine has, against the
// reference. Sums are exact, so results are compared bit for bit.

import test, { type ExecutionContext } from "ava";
import * as ir from "../../compiler/ir/build.js";
import { type Dim, sym } from "../../compiler/ir/dim.js";
import { Builder, type Graph } from "../../compiler/ir/graph.js";
import { StringTable } from "../../compiler/ir/strings.js";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { compile } from "../../compiler/pipeline.js";
import { interpret } from "../../compiler/reference/interpret.js";
import { hasFeature } from "../../runtime-shim/features.js";
import { load, type Model } from "../../runtime-shim/index.js";
import { loadNative } from "../../runtime-shim/native.js";
import { RIG_TARGETS } from "../conformance/targets.js";
import { rigProblem } from "../native/rig/hosts.js";
import { bitDifference } from "../support/bits.js";
import { convolutions, type Made, Maker, products } from "../support/byte-products.js";
import { nativeHost } from "../support/native.js";
import { graphOf } from "../support/reference.js";
import { modelsOf } from "../support/spelled-dots.js";
import { fromValue, toValue } from "../support/values.js";

function run(model: Model, feeds: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  const have = model.runSync(Object.fromEntries(Object.entries(feeds).map(([name, v]) => [name, toValue(v)])));
  return Object.fromEntries(Object.entries(have).map(([name, v]) => [name, fromValue(v)]));
}

const host = nativeHost();
/** Every level of aarch64, emulated where this machine is of another family. */
const aarch64 = typeof host === "string" || rigProblem("aarch64") !== null ? null : RIG_TARGETS.aarch64();

/** `isOfBytes`: some kernels multiply bytes where an engine does. */
async function check(
  t: ExecutionContext,
  graph: Graph,
  builder: Builder,
  feeds: Made["feeds"],
  isOfBytes = true,
): Promise<void> {
  const want = interpret(graph, feeds).outputs;
  const { bundle } = compile({ graph, builder });
  t.is(bitDifference(run(await load(bundle), feeds), want), null, "wasm");
  const relaxed = compile({ graph, builder }, { tier: "relaxed" });
  const asked: boolean[] = [];
  for (const { features, model } of await modelsOf(relaxed.bundle)) {
    t.is(bitDifference(run(model, feeds), want), null, features.join());
    asked.push(features.includes("relaxed-dot-u8"));
  }
  t.deepEqual(asked, isOfBytes ? [true, false] : [false]);
  if (hasFeature("relaxed-simd")) t.is(bitDifference(run(await load(relaxed.bundle), feeds), want), null, "relaxed");
  // Every level has its own way to multiply bytes.
  for (const level of typeof host === "string" ? [] : host.levels) {
    if (typeof host === "string") continue;
    const native = compile({ graph, builder }, { target: host.target, cpus: [level] });
    t.is(bitDifference(run(await loadNative(native.bundle), feeds), want), null, level);
  }
  if (aarch64 === null) return;
  // Differs from WebAssembly nowhere, or throws.
  const emulated = await aarch64(graph, builder);
  t.is(bitDifference(await emulated(feeds, new StringTable()), want), null, "aarch64");
}

for (const [name, rows] of [
  ["", (m: number): Dim => m],
  [" of any number of rows", (m: number): Dim => sym(`m${m}`, 1, 40)],
] as const)
  test(`products of bytes${name}`, async (t) => {
    const b = new Builder();
    const { inputs, outputs, feeds } = products(b, rows);
    await check(t, graphOf(b, inputs, outputs), b, feeds);
  });

test("convolutions of bytes", async (t) => {
  const b = new Builder();
  const { inputs, outputs, feeds } = convolutions(b);
  await check(t, graphOf(b, inputs, outputs), b, feeds);
});

test("bytes less a zero point in 16 bits, which wraps", async (t) => {
  const b = new Builder();
  const maker = new Maker(b);
  const a = maker.input("x", maker.tensor("u8", [16, 33], false));
  const zero = ir.constant(b, tensorFrom("u16", [], [100]));
  const wrapped = ir.cast(b, ir.sub(b, ir.cast(b, a, "u16"), zero), "i32");
  const y = ir.matmul(b, wrapped, maker.known("i8", [33, 24], false), "i32");
  await check(t, graphOf(b, [a], { y }), b, maker.made.feeds, false);
});
