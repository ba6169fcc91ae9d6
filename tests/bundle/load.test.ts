// Loading: from every kind of source, with and without pins, entries, limits and aborts; and what load refuses.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readlinkSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import test from "ava";
import { stripBundle } from "../../codegen/bundle/read.js";
import { type BundleSource, LoadError, load, RunError } from "../../runtime-shim/index.js";
import { fakeBundle, fakeParts, fakePlan, strictModule, wat } from "../support/fake-bundle.js";

const bundle = fakeBundle();
const { digest } = await load(bundle);

function streamOf(bytes: Uint8Array, piece: number): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at + piece));
      at += piece;
    },
  });
}

async function refusal(source: BundleSource): Promise<LoadError> {
  try {
    await load(source);
  } catch (error) {
    if (error instanceof LoadError) return error;
    throw error;
  }
  throw new Error("it loaded");
}

test("every source gives the same model", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "psionic-load-"));
  const path = join(folder, "a model.psn");
  writeFileSync(path, bundle);
  const server = createServer((request, response) => {
    response.writeHead(request.url === "/model.psn" ? 200 : 404).end(request.url === "/model.psn" ? bundle : "no");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const offset = new Uint8Array(bundle.length + 7);
  offset.set(bundle, 7);
  const sources: readonly BundleSource[] = [
    bundle,
    offset.subarray(7),
    Buffer.from(bundle),
    bundle.slice().buffer,
    path,
    pathToFileURL(path),
    pathToFileURL(path).href,
    `${base}/model.psn`,
    new URL(`${base}/model.psn`),
    await fetch(`${base}/model.psn`),
    new Response(bundle),
    streamOf(bundle, 1),
    streamOf(bundle, 64),
    streamOf(bundle, 1000),
    streamOf(bundle, 1 << 20),
    `data:application/octet-stream;base64,${Buffer.from(bundle).toString("base64")}`,
  ];
  for (const source of sources) {
    const model = await load(source);
    t.is(model.digest, digest);
    t.deepEqual((await model.run({ x: [1], flag: [0, 0] }))["y"]?.data, Float32Array.of(1));
  }
  t.like(await refusal(`${base}/other.psn`), { code: "malformed_input", have: "HTTP status 404" });
  t.like(await refusal(join(folder, "missing.psn")), { code: "malformed_input" });
  t.like(await refusal(folder), { code: "malformed_input" });
  t.like(await refusal("http://127.0.0.1:1/x"), { code: "malformed_input" });
});

test("a stripped bundle is the same model from every source, and ends nowhere else", async (t) => {
  const { bytes: stripped } = stripBundle(bundle);
  t.true(stripped.length < bundle.length);
  const folder = mkdtempSync(join(tmpdir(), "psionic-load-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "stripped.psn");
  writeFileSync(path, stripped);
  const feeds = { x: [1, 2], flag: [true, false] };
  const want = (await load(bundle)).runSync(feeds);
  for (const source of [
    stripped,
    path,
    streamOf(stripped, 1),
    streamOf(stripped, 4096),
    new Response(stripped.slice()),
  ]) {
    const model = await load(source, { digest });
    t.deepEqual(model.runSync(feeds), want);
  }
  const more = new Uint8Array(stripped.length + 1);
  more.set(stripped);
  for (const wrong of [stripped.subarray(0, -1), more, bundle.subarray(0, stripped.length + 1), bundle.subarray(0, -1)])
    for (const source of [wrong, streamOf(wrong, 100)])
      t.regex((await refusal(source)).code, /malformed_input|digest_mismatch/u);
});

test("what is not a source is refused", async (t) => {
  for (const source of [null, undefined, 7, {}, [], new Float32Array(4), new Uint8Array(0), "", new Response(null)]) {
    t.like(await refusal(source as BundleSource), { code: "malformed_input" });
  }
  const used = new Response(bundle);
  await used.arrayBuffer();
  t.like(await refusal(used), { code: "malformed_input" });
  const locked = streamOf(bundle, 64);
  locked.getReader();
  t.like(await refusal(locked), { code: "malformed_input" });
  const texts: ReadableStream = new ReadableStream<string>({ start: (c) => c.enqueue("text") });
  t.like(await refusal(texts), { code: "malformed_input" });
  const broken = new ReadableStream<Uint8Array>({ start: (c) => c.error(new Error("cut")) });
  t.like(await refusal(broken), { code: "malformed_input" });
});

test("a pinned digest is required, before anything is read", async (t) => {
  t.is((await load(bundle, { digest })).digest, digest);
  t.is((await load(bundle, { digest: digest.toUpperCase() })).digest, digest);
  const wrong = digest.replace(/./, (c) => (c === "0" ? "1" : "0"));
  for (const pin of [wrong, "", digest.slice(1), `${digest} `]) {
    const error = await t.throwsAsync(load(bundle.subarray(0, 48), { digest: pin }), { instanceOf: LoadError });
    t.like(error, { code: "digest_mismatch", where: "plan digest", have: digest });
  }
});

test("an entry can be made the default", async (t) => {
  const model = await load(bundle, { entry: "pick" });
  t.deepEqual((await model.run({ at: [0, 4] }))["picked"]?.data, Float32Array.of(0, 1));
  t.is(model.inputs[0]?.name, "at");
  await t.throwsAsync(load(bundle, { entry: "none" }), { instanceOf: LoadError });
});

test("a load can be aborted, and a source that stalls does not keep it", async (t) => {
  const reason = new Error("changed my mind");
  await t.throwsAsync(load(bundle, { signal: AbortSignal.abort(reason) }), { is: reason });
  const controller = new AbortController();
  let cancelled = false;
  const stalled = new ReadableStream<Uint8Array>({
    start: (c) => c.enqueue(bundle.slice(0, 100)),
    cancel: () => {
      cancelled = true;
    },
  });
  const loading = load(stalled, { signal: controller.signal });
  setTimeout(() => controller.abort(reason), 20);
  await t.throwsAsync(loading, { is: reason });
  t.true(cancelled);
});

const pipes = spawnSync("mkfifo", ["--version"]).error === undefined ? test : test.skip;
if (pipes === test.skip) test("pipes", (t) => t.pass("skipped: no mkfifo"));

pipes("a pipe is read to its end, and one that stalls does not keep an aborted load", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "psionic-pipe-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "pipe");
  spawnSync("mkfifo", [path]);
  const whole = load(path);
  writeFileSync(path, bundle);
  t.is((await whole).digest, digest);
  const [controller, reason] = [new AbortController(), new Error("changed my mind")];
  const loading = load(path, { signal: controller.signal });
  const writer = await open(path, "w");
  await writer.write(bundle.slice(0, 100));
  setTimeout(() => controller.abort(reason), 20);
  await t.throwsAsync(loading, { is: reason });
  await writer.close();
});

test("the source is let go after a failure", async (t) => {
  let cancelled = false;
  const endless = new ReadableStream<Uint8Array>({
    pull: (c) => c.enqueue(new Uint8Array(64)),
    cancel: () => {
      cancelled = true;
    },
  });
  t.like(await refusal(endless), { code: "malformed_input", where: "header" });
  t.true(cancelled);
});

/** How many of this process's descriptors are of the file. */
function openOf(path: string): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch {
      return false; // closed since
    }
  }).length;
}

const listed = existsSync("/proc/self/fd") ? test : test.skip;
if (listed === test.skip) test("open files", (t) => t.pass("skipped: the system does not list them"));

listed("a file is closed after a load, a failure and an abort", async (t) => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "psionic-closed-")));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "model.psn");
  const changed = bundle.slice();
  changed.fill(0xff, changed.length - 8);
  for (const bytes of [bundle, changed, bundle.subarray(0, 100), bundle.subarray(0, bundle.length - 1)]) {
    writeFileSync(path, bytes);
    await load(path).catch((error: unknown) => t.true(error instanceof LoadError));
    t.is(openOf(path), 0);
  }
  writeFileSync(path, bundle);
  const controller = new AbortController();
  const loading = load(path, { signal: controller.signal });
  setImmediate(() => controller.abort(new Error("changed my mind")));
  await loading.catch(() => {});
  // The read under way ends first.
  while (openOf(path) > 0) await new Promise((resolve) => setImmediate(resolve));
  t.pass();
});

test("memory can be limited", async (t) => {
  await t.notThrowsAsync(load(bundle, { maxMemoryBytes: 65536 }));
  const error = await t.throwsAsync(load(bundle, { maxMemoryBytes: 65535 }), { instanceOf: LoadError });
  t.like(error, { code: "resource_limit", where: "manifest.memory.bytes" });
});

test("bytes that change while they load do no harm", async (t) => {
  const changing = bundle.slice();
  const loading = load(changing);
  changing.fill(0xff, 4000);
  await loading.then(
    (model) => t.is(model.digest, digest),
    (error: unknown) => t.true(error instanceof LoadError),
  );
});

test("the first module variant that the engine can run is taken", async (t) => {
  const { modules } = fakeParts();
  const [plain] = modules;
  if (plain === undefined) return t.fail();
  const better = strictModule(Uint8Array.of(1, 2, 3), ["simd128", "from-the-future"]);
  const model = await load(fakeBundle({ modules: [better, plain] }));
  t.deepEqual((await model.run({ x: [1], flag: [0, 0] }))["y"]?.data, Float32Array.of(1));
  t.like(await refusal(fakeBundle({ modules: [better] })), {
    code: "unsupported_backend_capability",
    have: "an engine without from-the-future",
  });
  const all = {
    ...plain,
    features: ["simd128", "threads", "bulk-memory", "nontrapping-fptoint", "sign-ext", "mutable-globals"],
  };
  await t.notThrowsAsync(load(fakeBundle({ modules: [all] })), "this engine has them all");
});

test("another target is refused by name", async (t) => {
  const error = await refusal(fakeBundle({ plan: { ...fakePlan, target: "x86-64" } }));
  t.like(error, { code: "unsupported_backend_capability", have: "x86-64", want: "wasm" });
});

const memory = `(import "env" "memory" (memory 1 1))`;
const main = `(func (export "main") (param i32 i32 i32) (result i32) (i32.const 0))`;
const pair = `(func (export "pair") (param i32 i32 i32) (result i32) (i32.const 0))`;
const pick = `(func (export "pick") (param i32 i32) (result i32) (i32.const 0))`;
const fail = `(func (export "fail") (param i32 i32) (result i32) (i32.const 0))`;
const say = `(func (export "say") (param i32 i32) (result i32) (i32.const 0))`;
const badModules: readonly (readonly [text: string, have: RegExp])[] = [
  [`${memory}${main}${pair}${pick}`, /none/],
  [`${memory}${main}${pair}${pick}(func (export "fail") (param i32) (result i32) (i32.const 0))`, /1 parameters/],
  [`${memory}${main}${pair}${pick}(global (export "fail") i32 (i32.const 0))`, /none/],
  [`(memory 1 1)${main}${pair}${pick}${fail}${say}`, /imports nothing/],
  [`(import "env" "memory" (memory 2 2))${main}${pair}${pick}${fail}${say}`, /memory/],
  [
    `(import "env" "memory" (memory 1))(import "env" "f" (func))${main}${pair}${pick}${fail}${say}`,
    /env\.f \(function\)/,
  ],
  [`(import "env" "other" (memory 1 1))${main}${pair}${pick}${fail}${say}`, /env\.other/],
  [`(import "env" "memory" (global i32))${main}${pair}${pick}${fail}${say}`, /global/],
  [`${memory}${main}${pair}${pick}${fail}${say}(func $s unreachable)(start $s)`, /unreachable/],
  [`${memory}${main}${pair}${pick}${fail}${say}(data (i32.const 65535) "ab")`, /./],
  [`${memory}${main}${pair}${pick}${fail}${say}(func (export "warm") (param i32 i32))`, /2 parameters/],
  [`${memory}${main}${pair}${pick}${fail}${say}(func (export "warm") (param i64))`, /BigInt/],
  [`${memory}${main}${pair}${pick}${fail}${say}(func (export "warm") (param i32) unreachable)`, /unreachable/],
];
for (const [i, [text, have]] of badModules.entries()) {
  test(`a module that is not what the manifest says is refused (${i})`, async (t) => {
    const error = await refusal(fakeBundle({ modules: [strictModule(wat(`(module ${text})`))] }));
    t.is(error.code, "malformed_input");
    t.regex(error.have, have);
  });
}

test("a module that is not WebAssembly is refused", async (t) => {
  for (const wasm of [new Uint8Array(0), Uint8Array.of(0, 0x61, 0x73, 0x6d), new Uint8Array(100)]) {
    t.like(await refusal(fakeBundle({ modules: [strictModule(wasm)] })), {
      code: "malformed_input",
      where: "module",
    });
  }
});

test("an entry is not called to warm up, whatever its export is called", async (t) => {
  const warm = `(func (export "warm") (param i32 i32 i32) (result i32) unreachable)`;
  const entries = fakePlan.entries.map((e) => (e.export === "main" ? { ...e, export: "warm" } : e));
  const modules = [strictModule(wat(`(module ${memory}${warm}${pair}${pick}${fail}${say})`))];
  const model = await load(fakeBundle({ plan: { ...fakePlan, entries }, modules }));
  t.throws(() => model.runSync({ x: [1], flag: [0, 0] }), { instanceOf: RunError });
});

test("a module that replaces its memory is stopped", async (t) => {
  const grow = `(func (export "main") (param i32 i32 i32) (result i32) (drop (memory.grow (i32.const 0))) (i32.const 0))`;
  const model = await load(
    fakeBundle({ modules: [strictModule(wat(`(module ${memory}${grow}${pair}${pick}${fail}${say})`))] }),
  );
  const run = (): unknown => model.runSync({ x: [1], flag: [0, 0] });
  const error = t.throws(run, { instanceOf: RunError });
  t.is(error?.code, "trap");
});

test("weights of many chunks stream into place", async (t) => {
  const bytes = 3 * 2 ** 20 + 12;
  const values = new Float32Array(bytes / 4).map((_, i) => i % 251);
  const offset = 65536;
  const plan = {
    ...fakePlan,
    memory: { ...fakePlan.memory, bytes: 65 * 65536, weights: { offset, bytes } },
    states: [],
    entries: [
      {
        ...fakePlan.entries[1],
        name: "main",
        export: "main",
        symbols: [],
        sources: [],
        inputs: [],
        outputs: [{ name: "w", dtype: "f32" as const, shape: [values.length], offset, bytes }],
        constraints: [],
        steps: [],
        buffers: [],
      },
    ],
  };
  const wasm = wat(
    `(module (import "env" "memory" (memory 65 65)) (func (export "main") (param i32 i32) (result i32) (i32.const 0)))`,
  );
  const big = fakeBundle({ plan, modules: [strictModule(wasm)], weights: new Uint8Array(values.buffer) });
  for (const source of [big, streamOf(big, 77_777)]) {
    t.deepEqual((await load(source)).runSync({})["w"]?.data, values);
  }
  for (const at of [big.length - 1, big.length - 3e6, big.length - 1.5e6]) {
    const bad = big.slice();
    bad[at] = (bad[at] ?? 0) ^ 1;
    t.is((await refusal(bad)).code, "digest_mismatch");
  }
});
