// Bundles whose weights are stored in shorter dtypes, loaded: every constant has its bits, from every kind of source, in
// shared memory and in native code; a changed byte is found before it is used.

import test from "ava";
import { openBundle } from "../../codegen/bundle/read.js";
import * as ir from "../../compiler/ir/build.js";
import { constant } from "../../compiler/ir/build-scalar.js";
import { Builder } from "../../compiler/ir/graph.js";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { type Compiled, type CompileOptions, compile } from "../../compiler/pipeline.js";
import { type LoadError, load, type Model } from "../../runtime-shim/index.js";
import { loadNative } from "../../runtime-shim/native.js";
import { nativeHost } from "../support/native.js";
import { graphOf } from "../support/reference.js";
import { FORMS, formName, narrowConstant, randomOf } from "../support/stored-constants.js";

const random = randomOf(11);

/** Of every form some KB, an odd number of elements; two that take chunks; and one that no shorter dtype holds. */
const constants: readonly (readonly [name: string, value: Tensor])[] = [
  // The zeros behind a constant are narrowed with it: they are among what its form stands for.
  ...FORMS.filter(({ add }) => add <= 0).map(
    (form, i) => [formName(form), narrowConstant(form, 9001 + 2 * i, random)] as const,
  ),
  ["large f16", narrowConstant({ dtype: "f32", stored: "f16", add: 0 }, 700_001, random)],
  ["noise", tensorFrom("f32", [5001], Array.from({ length: 5001 }, random))],
  ["large u8", narrowConstant({ dtype: "i16", stored: "u8", add: -133 }, 1_100_003, random)],
];

function compiled(options: CompileOptions = {}): Compiled {
  const b = new Builder();
  const x = ir.input(b, "x", "f32", [3]);
  const outputs = Object.fromEntries(constants.map(([name, value]) => [name, constant(b, value)]));
  return compile({ graph: graphOf(b, [x], { ...outputs, y: ir.concat(b, [x, x], 0) }), builder: b }, options);
}

/** The names of constants whose bits are others; none. */
async function wrongIn(model: Model): Promise<readonly string[]> {
  const outputs = await model.run({ x: [1, 2, 3] });
  const wrong = constants.filter(([name, { bytes }]) => {
    const data = outputs[name]?.data;
    return (
      !ArrayBuffer.isView(data) ||
      Buffer.compare(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), bytes) !== 0
    );
  });
  model.dispose();
  return wrong.map(([name]) => name);
}

const { bundle, plan } = compiled({ threads: true });

test("what can be stored shorter is, and the bundle is so much smaller", (t) => {
  const weights = openBundle(bundle).blob("weights");
  t.deepEqual(
    plan.constants.filter((c) => c.stored === c.dtype).map((c) => c.shape),
    [[5001]],
  );
  t.true((weights?.length ?? 0) < plan.memory.weights.bytes * 0.52);
});

test("in WebAssembly's memory, from all at once and in pieces", async (t) => {
  t.deepEqual(await wrongIn(await load(bundle)), []);
  for (const size of [1000, 65536, 1 << 21]) {
    let at = 0;
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (at >= bundle.length) return controller.close();
        controller.enqueue(bundle.slice(at, at + size));
        at += size;
      },
    });
    t.deepEqual(await wrongIn(await load(stream)), []);
  }
});

test("in shared memory", async (t) => {
  t.deepEqual(await wrongIn(await load(bundle, { threads: 2 })), []);
});

test("the tools' reader gives the weights as memory holds them", (t) => {
  const { weights, manifest } = openBundle(bundle);
  const region = weights();
  t.is(region.length, manifest.memory.weights.bytes);
  for (const { offset, bytes, shape } of plan.constants) {
    const from = offset - manifest.memory.weights.offset;
    const value = constants.find(([, c]) => c.shape.join() === shape.join())?.[1];
    t.is(Buffer.compare(region.subarray(from, from + bytes), value?.bytes ?? new Uint8Array()), 0);
  }
});

test("a changed byte of any chunk is found", async (t) => {
  const weights = openBundle(bundle).blob("weights") ?? new Uint8Array();
  t.true(weights.length > 2 << 20);
  for (const at of [0, 1 << 20, weights.length - 1]) {
    const bad = bundle.slice();
    const place = weights.byteOffset + at;
    bad[place] = (bad[place] ?? 0) ^ 1;
    const error = await t.throwsAsync<LoadError>(load(bad));
    t.is(error?.code, "digest_mismatch");
  }
});

const host = nativeHost();
const native = typeof host === "string" ? test.skip : test;
if (typeof host === "string") test("native bundles", (t) => t.pass(`skipped: ${host}`));

native("in native code's memory", async (t) => {
  if (typeof host === "string") return t.fail();
  const made = compiled({ target: host.target, cpus: host.levels.slice(0, 1) });
  t.true(made.plan.constants.some((c) => c.stored !== c.dtype));
  t.deepEqual(await wrongIn(await loadNative(made.bundle)), []);
});

native("beside a library for C, which maps them, weights are stored as they are", (t) => {
  if (typeof host === "string") return t.fail();
  const options = { target: host.target, cpus: host.levels.slice(0, 1), library: { name: "m" } };
  const made = compiled(options);
  t.true(made.plan.constants.every((c) => c.stored === c.dtype));
  t.is(openBundle(made.bundle).blob("weights")?.length, made.plan.memory.weights.bytes);
});
