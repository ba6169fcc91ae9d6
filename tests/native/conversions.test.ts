// Conversions on every level of CPUs: of vectors to integers, saturating, with 0 for NaN, as WebAssembly's; and between f16
// and f32, which some levels have instructions for.

import test, { type ExecutionContext } from "ava";
import * as ir from "../../compiler/ir/build.js";
import { Builder, type Value } from "../../compiler/ir/graph.js";
import { decodeMinifloat } from "../../compiler/ir/minifloat.js";
import { Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
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

/** Holds a graph of one input, x, against the reference on every level that runs here. */
async function agrees(t: ExecutionContext, b: Builder, x: Value, outputs: Record<string, Value>, given: Tensor) {
  if (typeof host === "string") {
    t.pass(host);
    return;
  }
  const graph = graphOf(b, [x], outputs);
  const want = interpret(graph, { x: given }).outputs;
  for (const level of host.levels) {
    const { bundle } = compile({ graph, builder: b }, { target: host.target, cpus: [level] });
    const model = await loadNative(bundle);
    const have = Object.entries(model.runSync({ x: toValue(given) })).map(([name, v]) => [name, fromValue(v)]);
    t.is(bitDifference(Object.fromEntries(have), want), null, level);
    model.dispose();
  }
}

test("vectors of reals to integers", async (t) => {
  // Whole vectors of every edge among others, and a rest.
  const values = Array.from({ length: 71 }, (_, i) => EDGES[i % EDGES.length] ?? 0);
  const b = new Builder();
  const x = ir.input(b, "x", "f32", [values.length]);
  const outputs = Object.fromEntries(
    (["i32", "u32", "i16", "u8", "i8"] as const).map((dtype) => [dtype, ir.cast(b, x, dtype, true)]),
  );
  await agrees(t, b, x, outputs, tensorFrom("f32", [values.length], values));
});

/** Every f16, by its bits. */
const HALVES = new Uint16Array(65536).map((_, i) => i);

test("every f16 to f32", async (t) => {
  const b = new Builder();
  const x = ir.input(b, "x", "f16", [HALVES.length]);
  const given = new Tensor("f16", [HALVES.length], new Uint8Array(HALVES.buffer));
  await agrees(t, b, x, { y: ir.cast(b, x, "f32"), twice: ir.add(b, x, x) }, given);
});

test("f32 to f16, around every tie and every limit", async (t) => {
  // The finite ones ascend by their bits: between two neighbours lies a tie, and an ulp of f32 to either side of it.
  const finite = [...HALVES.subarray(0, 0x7c01)].map((bits) => decodeMinifloat("f16", bits));
  const ties = finite.slice(0, -1).map((low, i) => {
    const high = finite[i + 1] ?? 0;
    return high === Infinity ? 65520 : (low + high) / 2;
  });
  const bits = new Int32Array(new Float32Array([...ties, ...EDGES]).buffer);
  const near = Array.from(bits).flatMap((n) => [n - 1, n, n + 1].flatMap((m) => [m, m ^ -0x80000000]));
  const given = new Tensor("f32", [near.length], new Uint8Array(Int32Array.from(near).buffer));
  const b = new Builder();
  const x = ir.input(b, "x", "f32", [near.length]);
  await agrees(t, b, x, { y: ir.cast(b, x, "f16"), clamped: ir.cast(b, x, "f16", true) }, given);
});
