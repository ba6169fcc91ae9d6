// The pool in Node: its workers end with the model, with a load that fails and with the process; many runs in a row, with
// workers that sleep between any two; errors and traps of a worker are those of the run.

import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import test from "ava";
import * as ir from "../../compiler/ir/build.js";
import { sub, sym } from "../../compiler/ir/dim.js";
import { Builder, type Graph } from "../../compiler/ir/graph.js";
import { compile } from "../../compiler/pipeline.js";
import { LoadError, load, RunError, type TensorView } from "../../runtime-shim/index.js";
import { fakeBundle, fakePlan, wat } from "../support/fake-bundle.js";
import { repositoryRoot } from "../support/suites.js";
import { FINEST } from "./finest.js";
import { watchWorkers } from "./workers.js";

/** y = rows `at` of softmax(x) . w: rows with scratch, a product, and an index that can be wrong. */
function pooled(): Uint8Array<ArrayBuffer> {
  const builder = new Builder();
  const n = sym("n", 1, 64);
  const x = ir.input(builder, "x", "f32", [n, 64]);
  const at = ir.input(builder, "at", "i64", [n]);
  const w = ir.input(builder, "w", "f32", [64, 24]);
  const y = ir.gather(builder, ir.matmul(builder, ir.softmax(builder, x, 1), w), at);
  const graph: Graph = {
    name: "pooled",
    inputs: [x, at, w],
    outputs: [{ name: "y", value: y }],
    states: [],
    bindings: [],
    constraints: builder.constraints,
  };
  return compile({ graph, builder }, { threads: true, threading: FINEST }).bundle;
}

const bundle = pooled();

function feeds(n: number, seed: number, index = (i: number): number => (i * 7) % n) {
  const floats = (count: number): Float32Array =>
    Float32Array.from({ length: count }, (_, i) => (((i + seed) * 2654435761) % 1000) / 250 - 2);
  return {
    x: { data: floats(n * 64), shape: [n, 64] },
    at: { data: BigInt64Array.from({ length: n }, (_, i) => BigInt(index(i))), shape: [n] },
    w: { data: floats(64 * 24), shape: [64, 24] },
  };
}

function bits(data: TensorView["data"] | undefined): string {
  return !ArrayBuffer.isView(data) ? "" : Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("latin1");
}

test.serial("thousands of runs, of changing sizes, give what one thread gives", async (t) => {
  const one = await load(bundle);
  const four = await load(bundle, { threads: 4 });
  const cases = Array.from({ length: 64 }, (_, i) => {
    const inputs = feeds(i + 1, i);
    return { inputs, want: one.runSync(inputs)["y"]?.data };
  });
  for (let round = 0; round < 40; round++) {
    for (const [i, { inputs, want }] of cases.entries()) {
      const have = four.runSync(inputs, { copy: false })["y"]?.data;
      if (bits(have) !== bits(want)) t.deepEqual(have, want, `round ${round}, case ${i}`);
      // Lets workers fall asleep now and then.
      if ((i + round) % 16 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
  t.is(four.variant.threads, 4);
  four.dispose();
});

test.serial("step by step as in one go", async (t) => {
  const model = await load(bundle, { threads: 3 });
  const inputs = feeds(33, 5);
  const want = model.runSync(inputs);
  const steps: number[] = [];
  t.deepEqual(
    model.runSteps(inputs, (step) => steps.push(step)),
    want,
  );
  t.is(steps.length, model.entries[0]?.steps ?? -1);
  model.dispose();
});

test.serial("an index outside its data is told, wherever it was met, and the next run is right", async (t) => {
  const model = await load(bundle, { threads: 3 });
  const one = await load(bundle);
  const good = feeds(64, 1);
  const want = one.runSync(good);
  for (const wrong of [0, 31, 63]) {
    const bad = feeds(64, 1, (i) => (i === wrong ? 64 : 0));
    const expected = t.throws(() => one.runSync(bad), { instanceOf: RunError });
    const error = t.throws(() => model.runSync(bad), { instanceOf: RunError });
    t.is(error?.code, "index_out_of_range");
    t.is(error?.message, expected?.message);
    t.deepEqual(model.runSync(good), want);
  }
  model.dispose();
});

test.serial("dispose() ends every worker, also between the steps of a run", async (t) => {
  const seen = await watchWorkers(async () => {
    const model = await load(bundle, { threads: 5 });
    model.runSync(feeds(9, 1));
    model.dispose();
    model.dispose();
    t.throws(() => model.runSync(feeds(9, 1)), { code: "disposed" });
  });
  t.is(seen.started, 4);
  await seen.ended();
  const between = await watchWorkers(async () => {
    const model = await load(bundle, { threads: 2 });
    const want = (await load(bundle)).runSync(feeds(9, 1));
    // The caller's thread does all that is left.
    t.deepEqual(
      model.runSteps(feeds(9, 1), () => model.dispose()),
      want,
    );
  });
  t.is(between.started, 1);
  await between.ended();
});

test.serial("a load that fails or is stopped leaves no worker", async (t) => {
  const failed = await watchWorkers(async () => {
    const error = await t.throwsAsync(load(bundle, { threads: 3, entry: "none" }), { instanceOf: LoadError });
    t.is(error?.where, "options.entry");
  });
  t.is(failed.started, 2);
  await failed.ended();
  const stopped = await watchWorkers(async () => {
    const abort = new AbortController();
    const loading = load(bundle, { threads: 3, signal: abort.signal });
    while ((await Promise.race([loading.then(() => "loaded", String), tick()])) === "") {
      abort.abort(new Error("enough"));
    }
    await t.throwsAsync(loading, { message: "enough" });
  });
  await stopped.ended();
  t.pass();
});

const tick = (): Promise<string> => new Promise((resolve) => setImmediate(() => resolve("")));

test.serial("a process that holds a model with threads ends when nothing else is left", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "psionic-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "m.psn"), bundle);
  const runtime = join(repositoryRoot(), "dist/runtime/index.js");
  const program = `
    import { load } from ${JSON.stringify(runtime)};
    const model = await load(${JSON.stringify(join(folder, "m.psn"))}, { threads: 4 });
    const x = { data: new Float32Array(64), shape: [1, 64] };
    const out = await model.run({ x, at: { data: [0], shape: [1] }, w: { data: new Float32Array(64 * 24), shape: [64, 24] } });
    console.log(out.y.data.length, model.variant.threads);`;
  const ran = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program], { timeout: 60_000 });
  t.is(ran.stdout, "24 4\n");
});

test.serial("what traps in a worker is a trap of the run", async (t) => {
  const [first] = fakePlan.entries;
  if (first === undefined) return t.fail();
  // The worker traps in its first job and tells it; the caller waits for that, and traps.
  const code = `(module
    (import "env" "memory" (memory 1 65536 shared))
    (func (export "threads.start") (param i32 i32 i32))
    (func (export "threads.work")
      (if (i32.atomic.load (i32.const 65536))
        (then (drop (memory.atomic.wait32 (i32.const 65540) (i32.const 0) (i64.const -1)))))
      unreachable)
    (func (export "threads.fault") (i32.atomic.store (i32.const 65536) (i32.const 1)))
    (func (export "main") (param i32 i32) (result i32)
      (loop $wait (br_if $wait (i32.eqz (i32.atomic.load (i32.const 65536)))))
      unreachable))`;
  const module = {
    variant: { tier: "strict", threads: true },
    features: ["threads"],
    threads: { shared: 64, each: 0 },
    wasm: wat(code),
  } as const;
  const plan = {
    ...fakePlan,
    entries: [{ ...first, symbols: [], sources: [], inputs: [], outputs: [], constraints: [] }],
  };
  const model = await load(fakeBundle({ plan, modules: [module] }), { threads: 2 });
  t.throws(() => model.runSync({}), { instanceOf: RunError, code: "trap" });
  model.dispose();
});

test.serial("sizes that turn out to be zero", async (t) => {
  const builder = new Builder();
  const n = sym("n", 1, 5);
  const x = ir.input(builder, "x", "f32", [2, n, 8]);
  const rows = ir.slice(builder, x, [0, 1, 0], [2, sub(n, 1), 8]);
  const turned = ir.transpose(builder, ir.softmax(builder, rows, 2), [1, 2, 0]);
  const graph: Graph = {
    name: "empty",
    inputs: [x],
    outputs: [
      { name: "y", value: turned },
      { name: "z", value: ir.matmul(builder, rows, ir.transpose(builder, rows, [0, 2, 1])) },
    ],
    states: [],
    bindings: [],
    constraints: builder.constraints,
  };
  const { bundle: empty } = compile({ graph, builder }, { threads: true, threading: FINEST });
  const [one, three] = [await load(empty), await load(empty, { threads: 3 })];
  for (const size of [1, 2, 5]) {
    const data = Float32Array.from({ length: 2 * size * 8 }, (_, i) => (i % 7) - 3);
    const feed = { x: { data, shape: [2, size, 8] } };
    t.deepEqual(three.runSync(feed), one.runSync(feed), `n = ${size}`);
  }
  three.dispose();
});
