// The compile cache: the same bytes with and without it, another key for whatever changes a bundle, and no harm from a
// damaged entry, a full folder, one that cannot be written, or other processes.

import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { sourceText } from "../../codegen/wasm/source-text.js";
import { cacheKey } from "../../compiler/cache/key.js";
import { type Cache, readEntry, writeEntry } from "../../compiler/cache/store.js";
import { importOnnx } from "../../compiler/import/onnx/import.js";
import * as ir from "../../compiler/ir/build.js";
import { Builder, type Graph } from "../../compiler/ir/graph.js";
import { type CompileOptions, compile } from "../../compiler/pipeline.js";
import { floats } from "../benchmarks/data.js";
import { folder, works } from "../cli/command.js";
import { chain } from "../cli/tiny-onnx.js";
import { MODEL_BYTES, tunedModel } from "../tuning/model.js";

async function cacheFolder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "psionic-cache-"));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const entriesOf = (path: string): string[] => readdirSync(path).filter((name) => name.endsWith(".entry"));

const keyOf = (source = tunedModel(), options: CompileOptions = {}): string =>
  cacheKey(source.graph, source.builder, { ...options }) ?? "";

test("the second compilation reads what the first gave", async (t) => {
  const cache = { folder: await cacheFolder(t) };
  const stale = { kernel: "matmul x", machine: "wasm/x86-64/v8-1.2", tier: "strict", choices: { mr: 2 } } as const;
  const measured = { before: 1, after: 1, rounds: 1, compiler: "psionic 0.0.0" };
  const told = { tuning: { lock: { entries: [{ ...stale, measured }] } } };
  const plain = compile(tunedModel(), told);
  const first = compile(tunedModel(), { ...told, cache });
  t.is(entriesOf(cache.folder).length, 2, "the bundle, and its module");
  const second = compile(tunedModel(), { ...told, cache });
  t.deepEqual(first, plain);
  t.deepEqual(second, plain);
  t.is(second.unusedTuning.length, 1);
  // What is under the key is what is given: the third result can only come from the folder.
  const entry = (options: CompileOptions): string => join(cache.folder, `${keyOf(tunedModel(), options)}.entry`);
  compile(tunedModel(), { entry: "other", cache });
  writeFileSync(entry(told), readFileSync(entry({ entry: "other" })));
  t.is(compile(tunedModel(), { ...told, cache }).plan.entries[0]?.name, "other");
});

test("whatever changes a bundle changes the key", (t) => {
  const named = (name: string, bytes = MODEL_BYTES): { graph: Graph; builder: Builder } => {
    const builder = new Builder();
    return { graph: importOnnx(bytes, { builder, name }).graph, builder };
  };
  const origin = (text: string): { graph: Graph; builder: Builder } => {
    const builder = new Builder();
    const x = ir.input(builder, "x", "f32", [4]);
    builder.origin = text;
    const value = ir.neg(builder, x);
    const none = { states: [], bindings: [], constraints: [] };
    return { graph: { name: "m", inputs: [x], outputs: [{ name: "y", value }], ...none }, builder };
  };
  const machine = "wasm/x86-64/v8-1.2";
  const keys = [
    keyOf(),
    keyOf(named("other")),
    keyOf(tunedModel(), { tier: "relaxed" }),
    keyOf(tunedModel(), { tier: ["strict", "relaxed"] }),
    keyOf(tunedModel(), { entry: "other" }),
    keyOf(tunedModel(), { producer: "other" }),
    keyOf(tunedModel(), { tuning: { lock: { entries: [] } } }),
    keyOf(tunedModel(), { tuning: { lock: { entries: [] }, machine } }),
    keyOf(origin("here")),
    keyOf(origin("there")),
  ];
  const weights = MODEL_BYTES.slice();
  // The clamp's 6 becomes another number: one weight, and nothing else.
  const at = Buffer.from(weights).indexOf(new Uint8Array(Float32Array.of(6).buffer));
  t.true(at > 0);
  weights[at + 3] = 0x41;
  keys.push(keyOf(named("tuned", weights)));
  t.is(new Set(keys).size, keys.length);
  for (const key of keys) t.regex(key, /^[0-9a-f]{64}$/);
  t.is(keyOf(), keys[0] ?? "", "and nothing else does");
});

test("a damaged entry is dropped and made again", async (t) => {
  const cache = { folder: await cacheFolder(t) };
  const want = compile(tunedModel(), { cache }).bundle;
  const key = keyOf();
  const path = join(cache.folder, `${key}.entry`);
  const good = readFileSync(path);
  const flipped = (at: number): Buffer => {
    const bytes = Buffer.from(good);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    return bytes;
  };
  const damaged = [0, 31, 32, 33, 40, good.length >> 1, good.length - 1].map(flipped);
  for (const bytes of [...damaged, Buffer.alloc(0), good.subarray(0, 20), good.subarray(0, -1)]) {
    writeFileSync(path, bytes);
    t.is(readEntry(cache, key), null);
    t.false(existsSync(path), "dropped");
    t.is(Buffer.compare(compile(tunedModel(), { cache }).bundle, want), 0);
    t.is(Buffer.compare(readFileSync(path), good), 0, "made again");
  }
});

test("other weights, the same module: it is not made again, and the bytes are those without a cache", async (t) => {
  const cache = { folder: await cacheFolder(t) };
  compile(tunedModel(), { cache });
  const before = entriesOf(cache.folder);
  const bytes = MODEL_BYTES.slice();
  const weights = floats([36, 12, 3, 3], 0.1, 2).data;
  const at = Buffer.from(bytes).indexOf(new Uint8Array(weights.buffer, weights.byteOffset, 16));
  t.true(at > 0);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  const trained = (): { graph: Graph; builder: Builder } => {
    const builder = new Builder();
    return { graph: importOnnx(bytes, { builder, name: "tuned" }).graph, builder };
  };
  const plain = compile(trained()).bundle;
  t.not(Buffer.compare(plain, compile(tunedModel()).bundle), 0);
  t.is(Buffer.compare(compile(trained(), { cache }).bundle, plain), 0);
  t.is(entriesOf(cache.folder).length, before.length + 1, "one more bundle");
  // A damaged module is made again.
  for (const name of entriesOf(cache.folder)) writeFileSync(join(cache.folder, name), "damaged");
  t.is(Buffer.compare(compile(trained(), { cache }).bundle, plain), 0);
});

test("a module's text tells numbers apart that print alike", (t) => {
  const text = (value: number | bigint | string): string =>
    sourceText({
      functions: [{ name: "f", params: 0, locals: [], body: [["f32.const", value]] }],
      entries: [],
      warm: null,
      symbols: [],
      pages: 1,
      relaxed: false,
      pool: null,
    });
  t.is(new Set([0, -0, Number.NaN, 1, 1n, "1", Number.POSITIVE_INFINITY].map(text)).size, 7);
});

test("a folder that cannot be used is no cache, and no error", async (t) => {
  const path = await cacheFolder(t);
  const want = compile(tunedModel()).bundle;
  writeFileSync(join(path, "file"), "");
  t.is(Buffer.compare(compile(tunedModel(), { cache: { folder: join(path, "file") } }).bundle, want), 0);
  const closed = join(path, "closed");
  mkdirSync(closed);
  chmodSync(closed, 0o500);
  t.is(Buffer.compare(compile(tunedModel(), { cache: { folder: closed } }).bundle, want), 0);
  chmodSync(closed, 0o700);
});

test("the least recently used entries go first", async (t) => {
  const cache: Cache = { folder: await cacheFolder(t), maxBytes: 3 * 132 };
  const key = (i: number): string => String(i).padStart(64, "0");
  const bytes = new Uint8Array(100);
  const usedAt = (i: number, seconds: number): void =>
    utimesSync(join(cache.folder, `${key(i)}.entry`), seconds, seconds);
  for (const i of [1, 2, 3]) {
    writeEntry(cache, key(i), [bytes.subarray(0, 40), bytes.subarray(40)]);
    usedAt(i, 1000 + i);
  }
  t.deepEqual(readEntry(cache, key(1)), bytes, "read, and so used now");
  writeFileSync(join(cache.folder, "notes.txt"), "not an entry");
  writeFileSync(join(cache.folder, `.${key(9)}.abc.tmp`), "left by a process that was killed");
  utimesSync(join(cache.folder, `.${key(9)}.abc.tmp`), 1, 1);
  writeEntry(cache, key(4), [bytes]);
  t.deepEqual(readdirSync(cache.folder).sort(), [`${key(1)}.entry`, `${key(3)}.entry`, `${key(4)}.entry`, "notes.txt"]);
  writeEntry(cache, key(5), [new Uint8Array(1000)]);
  t.is(readEntry(cache, key(5)), null, "more than the folder may hold");
  t.is(entriesOf(cache.folder).length, 3);
});

test("processes share a folder", async (t) => {
  const f = folder(t);
  f.write("m.onnx", chain());
  const program = fileURLToPath(new URL("../../compiler/cli/main.js", import.meta.url));
  const codes = await Promise.all(
    [0, 1, 2].map(async (i) => {
      const args = ["compile", "m.onnx", "--dim", "n=2", "--cache", "cache", "-o", `${i}.psn`];
      const [code] = await once(spawn(process.execPath, [program, ...args], { cwd: f.path, stdio: "ignore" }), "exit");
      return code;
    }),
  );
  t.deepEqual(codes, [0, 0, 0]);
  for (const i of [1, 2]) t.is(Buffer.compare(f.read(`${i}.psn`), f.read("0.psn")), 0);
  t.is(readdirSync(join(f.path, "cache")).length, 2, "a bundle and a module, and nothing half written");
});

test("on the command line: --cache, PSIONIC_CACHE and --no-cache", (t) => {
  const f = folder(t);
  f.write("m.onnx", chain());
  const args = ["compile", "m.onnx", "--dim", "n=2"];
  works(t, f.run([...args, "-o", "plain.psn"]));
  works(t, f.run([...args, "-o", "a.psn", "--no-cache"], { PSIONIC_CACHE: "none" }));
  t.false(f.list().includes("none"));
  works(t, f.run([...args, "-o", "b.psn", "--cache", "one"]));
  works(t, f.run([...args, "-o", "c.psn"], { PSIONIC_CACHE: "one" }));
  t.is(entriesOf(join(f.path, "one")).length, 2);
  for (const name of ["a", "b", "c"]) t.is(Buffer.compare(f.read(`${name}.psn`), f.read("plain.psn")), 0);
});
