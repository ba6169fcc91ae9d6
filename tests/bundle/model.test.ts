// A loaded model: signature, inputs in all their forms, outputs, symbols, state, views, steps, errors, dispose.

import test from "ava";
import { InputError, load, type Model, RunError, TensorView } from "../../runtime-shim/index.js";
import { fakeBundle, fakeParts, fakePlan, WEIGHT_VALUES } from "../support/fake-bundle.js";

const bundle = fakeBundle();
const flag = [true, false];

async function fresh(): Promise<Model> {
  return await load(bundle);
}

test("a model tells its signature", async (t) => {
  const model = await fresh();
  t.is(model.digest.length, 64);
  t.deepEqual(model.variant, { tier: "strict", threads: 1, features: ["simd128"], fallback: "" });
  t.is(model.producer, "psionic 0.0.0");
  t.deepEqual(model.inputs, [
    { name: "x", dtype: "f32", shape: ["n"] },
    { name: "flag", dtype: "bool", shape: [2] },
  ]);
  t.deepEqual(
    model.outputs.map((o) => o.shape),
    [["n"], ["2*n"], ["k"], []],
  );
  t.deepEqual(
    model.entries.map((e) => [e.name, e.steps]),
    [
      ["main", 3],
      ["pick", 1],
      ["fail", 1],
      ["pair", 1],
      ["say", 1],
    ],
  );
  t.deepEqual(model.symbols, [
    { name: "n", lo: 1, hi: 64 },
    { name: "k", lo: 0, hi: 64 },
  ]);
});

test("run gives typed arrays with shapes, for every n", async (t) => {
  const model = await fresh();
  for (const n of [1, 2, 63, 64, 5]) {
    const x = Float32Array.from({ length: n }, (_, i) => (i % 3) - 1);
    const { y, doubled, positive, count } = await model.run({ x, flag });
    t.true(y instanceof TensorView);
    t.deepEqual(y?.shape, [n]);
    t.deepEqual(
      y?.data,
      x.map((v, i) => v + (WEIGHT_VALUES[i] ?? 0)),
    );
    t.deepEqual(doubled?.shape, [2 * n]);
    t.deepEqual(doubled?.data, Float32Array.of(...x, ...x));
    t.deepEqual(
      positive?.data,
      x.filter((v) => v > 0),
    );
    t.deepEqual(positive?.shape, [x.filter((v) => v > 0).length]);
    t.deepEqual(count?.shape, []);
  }
});

test("inputs come as typed arrays, numbers, bigints, booleans, scalars, { data, shape } and tensors", async (t) => {
  const model = await fresh();
  const want = Float32Array.of(1, 2.25);
  const given: readonly Parameters<Model["runSync"]>[0][] = [
    { x: Float32Array.of(1, 2), flag },
    { x: [1, 2], flag: [1, 0] },
    { x: { data: [1, 2], shape: [2] }, flag: Uint8Array.of(0, 1) },
    { x: new TensorView("f32", [2], Float32Array.of(1, 2)), flag: { data: flag, shape: [2], dtype: "bool" } },
    { x: Float32Array.of(9, 1, 2).subarray(1), flag: Buffer.from([1, 1]) },
  ];
  for (const inputs of given) t.deepEqual(model.runSync(inputs)["y"]?.data, want);
  for (const at of [[3n, 5n], [3, 5], BigInt64Array.of(3n, 5n)]) {
    t.deepEqual(model.runSync({ at }, { entry: "pick" })["picked"]?.data, Float32Array.of(0.75, 1.25));
  }
  t.deepEqual(model.runSync({ kind: 0 }, { entry: "fail" })["same"]?.data, Int32Array.of(0));
});

test("a shape is deduced also from the other inputs", async (t) => {
  const model = await fresh();
  const a = { data: new Float32Array(6).fill(2), shape: [3, 2] };
  const { sum } = await model.run({ a, b: Uint8Array.of(5, 0, 0, 0, 0, 0, 0) }, { entry: "pair" });
  t.deepEqual(sum?.data, Float32Array.of(17));
});

const refused: readonly (readonly [inputs: unknown, message: string, entry?: string])[] = [
  [{ x: [1] }, `input "flag": have nothing, want bool[2]`],
  [{ x: [1], flag, z: 1 }, `input "z": have no such input, want x, flag`],
  [null, "inputs: have null, want an object"],
  [{ x: [1], flag: [0, 2] }, `input "flag": have 2 at element 1, want bool in 0..1`],
  [{ x: [1], flag: Uint8Array.of(0, 7) }, `input "flag": have 7 at element 1, want bool in 0..1`],
  [{ x: [1], flag: [0, 1, 1] }, `input "flag": have 3 elements, want 2 for shape [2] of bool[2]`],
  [{ x: new Float64Array(2), flag }, `input "x": have a Float64Array, want a Float32Array for f32`],
  [{ x: ["1"], flag }, `input "x": have "1", want a Float32Array, numbers, or { data, shape }`],
  [{ x: "abc", flag }, `input "x": have "abc", want a Float32Array, numbers, or { data, shape }`],
  [{ x: { data: [1] }, flag }, `input "x": have an object, want an array, or { data, shape }`],
  [{ x: { data: [1], shape: [-1] }, flag }, `input "x": have an object, want an array, or { data, shape }`],
  [{ x: { data: [1], shape: [1, 1] }, flag }, `input "x": have shape [1, 1], want f32[n]`],
  [{ x: { data: [1], shape: [2] }, flag }, `input "x": have 1 elements, want 2 for shape [2] of f32[n]`],
  [{ x: { data: [1], shape: [1], dtype: "f16" }, flag }, `input "x": have dtype "f16", want f32`],
  [{ x: [], flag }, `input "x": have size 0 at axis 0, want f32[n] with n in 1..64`],
  [{ x: new Float32Array(65), flag }, `input "x": have size 65 at axis 0, want f32[n] with n in 1..64`],
  [{ at: [1.5, 2] }, `input "at": have 1.5, want a value of i64 at element 0`, "pick"],
  [{ at: [0n, 2n ** 63n] }, `input "at": have 9223372036854775808n, want a value of i64 at element 1`, "pick"],
  [{ kind: 2 ** 31 }, `input "kind": have 2147483648, want a value of i32 at element 0`, "fail"],
  [{ a: [1, 2, 3], b: [1] }, `input "a": have 3 elements, want f32[n, 2], a multiple of 2`, "pair"],
  [{ a: [1, 2], b: [1] }, `input "b": have shape [1], want u8[2*n + 1], n = 1`, "pair"],
  [
    { a: { data: [1, 2, 3], shape: [1, 3] }, b: [1, 2, 3] },
    `input "a": have shape [1, 3], want f32[n, 2], n = 1`,
    "pair",
  ],
];

for (const [i, [inputs, message, entry = "main"]] of refused.entries()) {
  test(`refused input ${i}: ${message}`, async (t) => {
    const model = await fresh();
    const error = t.throws(() => model.runSync(inputs as Parameters<Model["runSync"]>[0], { entry }), {
      instanceOf: InputError,
    });
    t.is(error?.message, message);
    await t.throwsAsync(model.run(inputs as Parameters<Model["runSync"]>[0], { entry }), { instanceOf: InputError });
    const { y } = await model.run({ x: [1], flag });
    t.deepEqual(y?.data, Float32Array.of(1), "and the model still works");
  });
}

test("a status becomes a RunError", async (t) => {
  const model = await fresh();
  const fail = (inputs: Parameters<Model["runSync"]>[0], entry: string): RunError | undefined =>
    t.throws(() => model.runSync(inputs, { entry }), { instanceOf: RunError });
  t.like(fail({ at: [1, 64] }, "pick"), {
    code: "index_out_of_range",
    step: 0,
    message: `entry "pick", step 0 of 1: an index is outside its data`,
  });
  t.like(fail({ kind: 2 }, "fail"), {
    code: "constraint",
    message: `entry "fail": sizes that must be equal differ: n + 1 = 4 (operands of add_3)`,
  });
  t.like(fail({ kind: 8 * 7 + 3 }, "fail"), { code: "bound", step: 7 });
  t.like(fail({ kind: 5 }, "fail"), { code: "status" });
  t.like(fail({ kind: -1 }, "fail"), { code: "trap" });
  t.like(fail({}, "nowhere"), {
    code: "unknown_entry",
    message: `no entry "nowhere": the model has main, pick, fail, pair, say`,
  });
});

test("state stays from run to run, can be read, set and reset", async (t) => {
  const model = await fresh();
  t.deepEqual(model.states, [{ name: "count", dtype: "i32", shape: [] }]);
  const count = model.state("count");
  for (let i = 1; i <= 3; i++) t.deepEqual((await model.run({ x: [1], flag }))["count"]?.data, Int32Array.of(i));
  t.deepEqual(count.get(), new TensorView("i32", [], Int32Array.of(3)));
  count.set(41);
  t.deepEqual((await model.run({ x: [1], flag }))["count"]?.data, Int32Array.of(42));
  count.set({ data: Int32Array.of(7), shape: [] });
  t.deepEqual(count.get().data, Int32Array.of(7));
  t.throws(() => count.set([1, 2]), {
    instanceOf: InputError,
    message: `state "count": have 2 elements, want [], 1 elements`,
  });
  t.throws(() => count.set(0.5), { instanceOf: InputError });
  t.throws(() => model.state("z"), { instanceOf: RunError, message: `the model has no state "z": it has count` });
  model.reset();
  t.deepEqual(count.get().data, Int32Array.of(0));
  const other = await fresh();
  t.deepEqual(other.state("count").get().data, Int32Array.of(0), "models do not share state");
});

test("views take inputs in place, and outputs are given without copies", async (t) => {
  const model = await fresh();
  const x = model.view("x");
  const flags = model.view("flag");
  t.is(x.length, 64);
  x.set(Float32Array.of(1, 2, 3) as never);
  const inputs = { x: x.subarray(0, 3) as Float32Array, flag: flags as Uint8Array };
  const first = model.runSync(inputs, { copy: false });
  t.deepEqual(first["y"]?.data, Float32Array.of(1, 2.25, 3.5));
  x[0] = 5;
  const second = model.runSync(inputs, { copy: false });
  t.is(second, first, "the same object while shapes stay");
  t.is(first["y"]?.data[0], 5);
  const copied = model.runSync(inputs);
  x[0] = 6;
  model.runSync(inputs);
  t.is(copied["y"]?.data[0], 5, "a copy does not change");
  x[1] = -1;
  const third = model.runSync(inputs, { copy: false });
  t.deepEqual(third["positive"]?.shape, [2], "k follows the data");
  t.throws(() => model.view("nope"), { instanceOf: RunError });
});

test("outputs that are views can be inputs of the next call", async (t) => {
  const model = await fresh();
  const { doubled } = model.runSync({ x: [1, 2], flag }, { copy: false });
  if (doubled === undefined) return t.fail();
  const { y } = model.runSync({ x: doubled, flag });
  t.deepEqual(y?.data, Float32Array.of(1, 2.25, 1.5, 2.75));
});

test("an empty feed's shape does not depend on the calls before it", async (t) => {
  const plan = structuredClone(fakePlan) as { -readonly [K in keyof typeof fakePlan]: (typeof fakePlan)[K] };
  plan.entries = plan.entries.map((e) =>
    e.name !== "pair" ? e : { ...e, inputs: e.inputs.map((p) => (p.name === "a" ? { ...p, shape: ["n", 0] } : p)) },
  );
  const model = await load(fakeBundle(fakeParts({ plan })));
  const b = new Uint8Array(5);
  const bare = (): unknown => model.runSync({ a: [], b }, { entry: "pair" });
  t.throws(bare, { instanceOf: InputError });
  model.runSync({ a: { data: [], shape: [2, 0] }, b }, { entry: "pair" });
  t.throws(bare, { instanceOf: InputError });
});

test("runSteps runs step by step and shows the memory", async (t) => {
  const model = await fresh();
  const seen: number[][] = [];
  const out = model.runSteps({ x: [1, 2], flag }, (step, read) => {
    const y = read(4096 + 512, 8).slice();
    seen.push([step, ...new Float32Array(y.buffer)]);
    t.throws(() => model.runSync({ x: [1], flag }), { instanceOf: RunError, message: /one call at a time/ });
  });
  t.deepEqual(seen, [
    [0, 1, 2.25],
    [1, 1, 2.25],
    [2, 1, 2.25],
  ]);
  t.deepEqual(out["y"], (await fresh()).runSync({ x: [1, 2], flag })["y"]);
  t.throws(
    () =>
      model.runSteps({ x: [1], flag }, () => {
        throw new Error("stop");
      }),
    { message: "stop" },
  );
  t.notThrows(() => model.runSync({ x: [1], flag }));
});

test("a disposed model throws, in every method", async (t) => {
  const model = await fresh();
  const state = model.state("count");
  model.dispose();
  model.dispose();
  const uses: readonly (() => unknown)[] = [
    () => model.runSync({ x: [1], flag }),
    () => model.runSteps({ x: [1], flag }, () => {}),
    () => model.view("x"),
    () => model.state("count"),
    () => state.get(),
    () => state.set(1),
    () => model.reset(),
  ];
  for (const use of uses) t.like(t.throws(use, { instanceOf: RunError }), { code: "disposed" });
  t.like(await t.throwsAsync(model.run({ x: [1], flag }), { instanceOf: RunError }), { code: "disposed" });
  t.is(model.inputs.length, 2, "the signature can still be read");
});

test("a call costs less than 3 microseconds beyond the module's own work", async (t) => {
  const model = await fresh();
  const inputs = { kind: model.view("kind", { entry: "fail" }) as Int32Array };
  const options = { entry: "fail", copy: false } as const;
  const batch = (): number => {
    const start = performance.now();
    for (let i = 0; i < 20_000; i++) model.runSync(inputs, options);
    return ((performance.now() - start) / 20_000) * 1000;
  };
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 20; i++) best = Math.min(best, batch());
  t.log(`${best.toFixed(2)} microseconds a call`);
  t.true(best < 3, `${best} microseconds`);
});
