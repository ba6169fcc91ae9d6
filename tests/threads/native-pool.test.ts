// The pool of a native library, and runs off the JavaScript thread: threads end with the model, with a load that fails and
// with the process; runs take their turns; errors are those of one thread.

import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import * as ir from "../../compiler/ir/build.js";
import { neg } from "../../compiler/ir/build-scalar.js";
import { sym } from "../../compiler/ir/dim.js";
import { Builder, type Graph } from "../../compiler/ir/graph.js";
import { compile } from "../../compiler/pipeline.js";
import { loadNative } from "../../runtime-shim/native.js";
import { nativeHost } from "../support/native.js";
import { repositoryRoot } from "../support/suites.js";
import { FINEST } from "./finest.js";

const host = nativeHost();
const native = typeof host === "string" ? test.skip : test.serial;
if (typeof host === "string") test("pools of native code", (t) => t.pass(`skipped: ${host}`));
const target = typeof host === "string" ? "x86-64" : host.target;

/** y = rows `at` of softmax(x) . w: rows with scratch, a product, an index that can be wrong. before: the last run's tag. */
function pooled(): Uint8Array<ArrayBuffer> {
  const builder = new Builder();
  const n = sym("n", 1, 64);
  const x = ir.input(builder, "x", "f32", [n, 64]);
  const at = ir.input(builder, "at", "i64", [n]);
  const w = ir.input(builder, "w", "f32", [64, 24]);
  const tag = ir.input(builder, "tag", "f32", [1]);
  const last = ir.state(builder, "last", "f32", [1]);
  const y = ir.gather(builder, ir.matmul(builder, ir.softmax(builder, x, 1), w), at);
  const graph: Graph = {
    name: "pooled",
    inputs: [x, at, w, tag],
    outputs: [
      { name: "y", value: y },
      { name: "before", value: neg(builder, last) },
    ],
    states: [{ name: "last", current: last, next: tag }],
    bindings: [],
    constraints: builder.constraints,
  };
  return compile({ graph, builder }, { target, threads: true, threading: FINEST }).bundle;
}

const bundle = typeof host === "string" ? new Uint8Array() : pooled();

function feeds(n: number, tag: number, index = (i: number): number => (i * 7) % n) {
  const floats = (count: number): Float32Array =>
    Float32Array.from({ length: count }, (_, i) => (((i + tag) * 2654435761) % 1000) / 250 - 2);
  return {
    x: { data: floats(n * 64), shape: [n, 64] },
    at: { data: BigInt64Array.from({ length: n }, (_, i) => BigInt(index(i))), shape: [n] },
    w: { data: floats(64 * 24), shape: [64, 24] },
    tag: Float32Array.of(tag),
  };
}

/** Threads of pools in this process; one that ends while they are read is none. */
function poolTasks(): readonly string[] {
  const folder = "/proc/self/task";
  return readdirSync(folder).filter((id) => {
    try {
      return readFileSync(join(folder, id, "comm"), "utf8") === "psionic\n";
    } catch {
      return false;
    }
  });
}

/** Waits until there are so many: a thread takes its name after it starts, and is listed for a moment after it was joined. */
async function hasThreads(t: ExecutionContext, count: number): Promise<void> {
  while (poolTasks().length !== count) await sleep(1);
  t.is(poolTasks().length, count);
}

native("threads start with each model and are joined by its dispose()", async (t) => {
  await hasThreads(t, 0);
  const one = await loadNative(bundle);
  await hasThreads(t, 0);
  const four = await loadNative(bundle, { threads: 4 });
  const three = await loadNative(bundle, { threads: 3 });
  t.deepEqual(
    [one, four, three].map((m) => m.variant.threads),
    [1, 4, 3],
  );
  await hasThreads(t, 5);
  const want = one.runSync(feeds(40, 1));
  t.deepEqual(four.runSync(feeds(40, 1)), want);
  four.dispose();
  four.dispose();
  await hasThreads(t, 2);
  t.throws(() => four.runSync(feeds(40, 1)), { code: "disposed" });
  t.deepEqual(three.runSync(feeds(40, 1)), want);
  three.dispose();
  await hasThreads(t, 0);
});

/** Paths of model libraries that are mapped. */
function libraries(): Set<string> {
  return new Set(readFileSync("/proc/self/maps", "utf8").match(/\/\S*\/psionic-\S*\/model\.so/gu));
}

native("dispose() unloads the library", async (t) => {
  for (const threads of [1, 2]) {
    const before = libraries();
    const model = await loadNative(bundle, { threads, background: true });
    const own = [...libraries()].filter((path) => !before.has(path));
    t.is(own.length, 1);
    await model.run(feeds(20, 1));
    model.dispose();
    t.false(libraries().has(own[0] ?? ""));
  }
});

native("threads without work sleep", async (t) => {
  const model = await loadNative(bundle, { threads: 3 });
  await hasThreads(t, 2);
  model.runSync(feeds(40, 1));
  const isAsleep = (id: string): boolean => {
    const [, state = ""] = readFileSync(`/proc/self/task/${id}/stat`, "utf8").split("(psionic) ");
    return state.startsWith("S");
  };
  while (!poolTasks().every(isAsleep)) await sleep(1);
  model.dispose();
});

native("thousands of runs, of changing sizes, with workers that sleep between any two", async (t) => {
  const one = await loadNative(bundle);
  const four = await loadNative(bundle, { threads: 4 });
  const cases = Array.from({ length: 64 }, (_, i) => ({
    inputs: feeds(i + 1, 7),
    want: one.runSync(feeds(i + 1, 7))["y"],
  }));
  for (let round = 0; round < 40; round++) {
    for (const [i, { inputs, want }] of cases.entries()) {
      t.deepEqual(four.runSync(inputs, { copy: false })["y"]?.data, want?.data, `round ${round}, case ${i}`);
      if ((i + round) % 16 === 0) await sleep(1);
    }
  }
  four.dispose();
});

native("an index outside its data is told, wherever it was met, and the next run is right", async (t) => {
  const model = await loadNative(bundle, { threads: 3, background: true });
  const one = await loadNative(bundle);
  const good = feeds(64, 1);
  const want = one.runSync(good)["y"];
  for (const wrong of [0, 31, 63]) {
    const bad = feeds(64, 1, (i) => (i === wrong ? 64 : 0));
    const message = t.throws(() => one.runSync(bad))?.message;
    t.throws(() => model.runSync(bad), { code: "index_out_of_range", message });
    await t.throwsAsync(model.run(bad), { code: "index_out_of_range", message });
    t.deepEqual(model.runSync(good)["y"], want);
  }
  model.dispose();
});

native("step by step as in one go; what disposes between two steps waits for the last", async (t) => {
  const model = await loadNative(bundle, { threads: 2 });
  const want = (await loadNative(bundle)).runSync(feeds(33, 5));
  t.deepEqual(
    model.runSteps(feeds(33, 5), () => model.dispose()),
    want,
  );
  await hasThreads(t, 0);
});

native("a load that fails leaves no thread", async (t) => {
  await t.throwsAsync(loadNative(bundle, { threads: 3, entry: "none" }), { code: "malformed_input" });
  const small = { threads: 3, maxMemoryBytes: (await loadNative(bundle)).digest.length };
  await t.throwsAsync(loadNative(bundle, small), { code: "resource_limit" });
  await t.throwsAsync(loadNative(bundle, { threads: 65 }), { code: "malformed_input" });
  await hasThreads(t, 0);
});

for (const threads of [1, 3])
  native(`in the background, ${threads} threads: calls take their turns, and what fails is one call`, async (t) => {
    const model = await loadNative(bundle, { threads, background: true });
    const one = await loadNative(bundle);
    const calls = [
      feeds(40, 1),
      feeds(3, 2),
      { ...feeds(5, 3), tag: Float32Array.of(1, 2) },
      feeds(64, 4),
      feeds(1, 5),
    ];
    const runs = calls.map((inputs) => model.run(inputs));
    const results = await Promise.allSettled(runs);
    t.deepEqual(
      results.map((r) => (r.status === "rejected" ? String(r.reason) : [...(r.value["before"]?.data ?? [])])),
      [[-0], [-1], String(t.throws(() => one.runSync(calls[2] ?? {}))), [-2], [-4]],
    );
    for (const [i, result] of results.entries())
      if (result.status === "fulfilled") t.deepEqual(result.value["y"], one.runSync(calls[i] ?? {})["y"]);
    model.dispose();
  });

native("in the background, what else touches memory is refused meanwhile", async (t) => {
  const model = await loadNative(bundle, { threads: 2, background: true });
  const last = model.state("last");
  const running = model.run(feeds(40, 1));
  await null;
  for (const use of [
    () => model.runSync(feeds(40, 1)),
    () => model.runSteps(feeds(40, 1), () => {}),
    () => model.view("x"),
    () => model.reset(),
    () => last.get(),
    () => last.set([1]),
  ])
    t.throws(use, { code: "busy" });
  await running;
  t.deepEqual([...last.get().data], [1]);
  model.dispose();
});

native("dispose() lets a run in the background come to its end, and refuses those behind it", async (t) => {
  const model = await loadNative(bundle, { threads: 2, background: true });
  await hasThreads(t, 1);
  const [first, second] = [model.run(feeds(40, 1)), model.run(feeds(40, 2))];
  await null;
  model.dispose();
  t.is(poolTasks().length, 1);
  t.deepEqual([...((await first)["before"]?.data ?? [])], [-0]);
  await hasThreads(t, 0);
  await t.throwsAsync(second, { code: "disposed" });
});

/** Runs a program that finds `loadNative`, `path` and `inputs`, and tells what it printed and its status. */
async function program(t: ExecutionContext, text: string): Promise<{ readonly out: string; readonly status: unknown }> {
  const folder = mkdtempSync(join(tmpdir(), "psionic-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "m.psn"), bundle);
  const runtime = join(repositoryRoot(), "dist/runtime/native.js");
  const file = join(folder, "program.mjs");
  writeFileSync(
    file,
    `import { readdirSync, readFileSync } from "node:fs";
    import { setTimeout as sleep } from "node:timers/promises";
    import { isMainThread, Worker } from "node:worker_threads";
    import { loadNative } from ${JSON.stringify(runtime)};
    const path = ${JSON.stringify(join(folder, "m.psn"))};
    const floats = (n) => Float32Array.from({ length: n }, (_, i) => (i % 9) - 4);
    const inputs = { x: { data: floats(4096), shape: [64, 64] }, at: { data: new BigInt64Array(64), shape: [64] },
      w: floats(64 * 24), tag: [1] };
    const threads = () => readdirSync("/proc/self/task").filter((id) => {
      try { return readFileSync("/proc/self/task/" + id + "/comm", "utf8") === "psionic\\n"; } catch { return false; }
    }).length;
    const reach = async (count) => { while (threads() !== count) await sleep(1); };
    ${text}`,
  );
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ["--expose-gc", file], { timeout: 60_000 });
    return { out: stdout, status: 0 };
  } catch (e) {
    const { stdout, code, signal } = e as { stdout: string; code: number | null; signal: string | null };
    return { out: stdout, status: signal ?? code };
  }
}

native("a process that holds models with threads ends when nothing else is left", async (t) => {
  const text = `const model = await loadNative(path, { threads: 4 });
    const away = await loadNative(path, { threads: 2, background: true });
    console.log(model.runSync(inputs).y.data.length, (await away.run(inputs)).y.data.length);`;
  t.deepEqual(await program(t, text), { out: "1536 1536\n", status: 0 });
});

native("a process may exit while a run is under way", async (t) => {
  const text = `const models = await Promise.all([0, 1, 2].map(() => loadNative(path, { threads: 3, background: true })));
    for (const model of models) for (let i = 0; i < 50; i++) void model.run(inputs);
    await models[0].run(inputs);
    process.exit(7);`;
  t.deepEqual(await program(t, text), { out: "", status: 7 });
});

native("a model that is forgotten ends its threads when it is collected", async (t) => {
  const text = `let model = await loadNative(path, { threads: 4 });
    model.runSync(inputs);
    await reach(3);
    model = null;
    while (threads() > 0) { gc(); await sleep(1); }
    console.log("ended");`;
  t.deepEqual(await program(t, text), { out: "ended\n", status: 0 });
});

native("in JavaScript workers, which may be terminated", async (t) => {
  const text = `if (isMainThread) {
      const own = await loadNative(path, { threads: 2 });
      for (const way of ["dispose", "exit", "terminate"]) {
        const worker = new Worker(new URL(import.meta.url), { argv: [way] });
        await new Promise((resolve) => worker.once("message", resolve));
        await worker.terminate();
        console.log(way, own.runSync(inputs).y.data.length);
      }
      own.dispose();
    } else {
      const { parentPort } = await import("node:worker_threads");
      const model = await loadNative(path, { threads: 3, background: true });
      model.runSync(inputs);
      const way = process.argv[2];
      if (way === "dispose") model.dispose();
      parentPort.postMessage("");
      if (way === "terminate") for (;;) await model.run(inputs);
    }`;
  t.deepEqual(await program(t, text), { out: "dispose 1536\nexit 1536\nterminate 1536\n", status: 0 });
});
