// The compile cache of native code: LLVM and the linker are asked once for what does not change, and again for whatever
// does.

import { readdirSync, rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { cacheKey, moduleKey } from "../../compiler/cache/key.js";
import { importOnnx } from "../../compiler/import/onnx/import.js";
import { Builder, type Graph } from "../../compiler/ir/graph.js";
import { type CompileOptions, compile } from "../../compiler/pipeline.js";
import { openLlvm } from "../../targets/llvm/library.js";
import { floats } from "../benchmarks/data.js";
import { nativeHost } from "../support/native.js";
import { MODEL_BYTES, tunedModel } from "../tuning/model.js";

const host = nativeHost();
const native = typeof host === "string" ? test.serial.skip : test.serial;
if (typeof host === "string") test("native code", (t) => t.pass(`skipped: ${host}`));
const { target, levels } = typeof host === "string" ? ({ target: "x86-64", levels: [] } as const) : host;

/** How often LLVM parses a module while `work` runs. */
function parsed(work: () => void): number {
  const llvm = openLlvm();
  const { call } = llvm;
  let count = 0;
  const counting: typeof call = (name, ...args) => {
    if (name === "LLVMParseIRInContext") count++;
    return call(name, ...args);
  };
  Object.assign(llvm, { call: counting });
  try {
    work();
  } finally {
    Object.assign(llvm, { call });
  }
  return count;
}

async function cacheFolder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "psionic-cache-"));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** The model of the tests with another weight. */
function trained(): { readonly graph: Graph; readonly builder: Builder } {
  const bytes = MODEL_BYTES.slice();
  const { data } = floats([36, 12, 3, 3], 0.1, 2);
  const at = Buffer.from(bytes).indexOf(new Uint8Array(data.buffer, data.byteOffset, 16));
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  const builder = new Builder();
  return { graph: importOnnx(bytes, { builder, name: "tuned" }).graph, builder };
}

native("what was compiled before takes no LLVM, and has the same bytes", async (t) => {
  const cache = { folder: await cacheFolder(t) };
  const options: CompileOptions = { target, cpus: levels };
  const plain = compile(tunedModel(), options);
  t.is(
    parsed(() => t.deepEqual(compile(tunedModel(), { ...options, cache }), plain)),
    levels.length,
    "a module for each level",
  );
  t.is(readdirSync(cache.folder).length, levels.length + 1);
  t.is(
    parsed(() => t.deepEqual(compile(tunedModel(), { ...options, cache }), plain)),
    0,
  );
});

native("modules are kept by their content: other weights take no LLVM, another level or tier does", async (t) => {
  const cache = { folder: await cacheFolder(t) };
  const [best = ""] = levels;
  const options: CompileOptions = { target, cpus: [best] };
  compile(tunedModel(), { ...options, cache });
  const want = compile(trained(), options).bundle;
  t.not(Buffer.compare(want, compile(tunedModel(), options).bundle), 0);
  let have = want.subarray(0, 0);
  t.is(
    parsed(() => {
      have = compile(trained(), { ...options, cache }).bundle;
    }),
    0,
  );
  t.is(Buffer.compare(have, want), 0);
  // Beside a library for C, the bundle's module is the one that is there; of the library, all but its face is kept.
  const library = { name: "m" };
  const alone = parsed(() => compile(tunedModel(), { ...options, library }));
  for (const times of [alone - 1, 1])
    t.is(
      parsed(() => compile(tunedModel(), { ...options, library, cache })),
      times,
    );
  t.is(
    parsed(() => compile(tunedModel(), { ...options, tier: "relaxed", cache })),
    1,
  );
  if (levels.length > 1)
    t.is(
      parsed(() => compile(tunedModel(), { target, cpus: [levels[1] ?? ""], cache })),
      1,
    );
});

test("another version of a tool is another key", (t) => {
  const { graph, builder } = tunedModel();
  const key = (tools?: readonly string[]): string | null => cacheKey(graph, builder, {}, tools);
  const keys = [
    key(),
    key(["LLVM 16.0.6", "ld 2.40"]),
    key(["LLVM 16.0.7", "ld 2.40"]),
    key(["LLVM 16.0.6", "ld 2.41"]),
  ];
  t.is(new Set(keys).size, keys.length);
  t.is(key([]), keys[0] ?? null);
  t.not(moduleKey("LLVM 16.0.6"), moduleKey("LLVM 16.0.7"));
});
