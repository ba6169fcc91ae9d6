// A native bundle: the same bytes each time, loaded, run and refused like any other.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import test from "ava";
import { input } from "../../compiler/ir/build.js";
import { exp } from "../../compiler/ir/build-scalar.js";
import { Builder } from "../../compiler/ir/graph.js";
import { type CompileOptions, compile } from "../../compiler/pipeline.js";
import { load } from "../../runtime-shim/index.js";
import { LoadError, loadNative } from "../../runtime-shim/native.js";
import { NATIVE } from "../../targets/native-targets.js";
import { nativeHost } from "../support/native.js";
import { graphOf } from "../support/reference.js";

const host = nativeHost();
const native = typeof host === "string" ? test.skip : test;
if (typeof host === "string") test("native bundles", (t) => t.pass(`skipped: ${host}`));
const { target, levels } = typeof host === "string" ? ({ target: "x86-64", levels: [] } as const) : host;

function bundleOf(options: CompileOptions): Uint8Array<ArrayBuffer> {
  const b = new Builder();
  const x = input(b, "x", "f32", [5]);
  return compile({ graph: graphOf(b, [x], { y: exp(b, x) }), builder: b }, options).bundle;
}

native("two compilations give the same bytes", (t) => {
  t.deepEqual(bundleOf({ target, cpus: levels }), bundleOf({ target, cpus: levels }));
});

native("a bundle of several levels runs on the best that the CPU has", async (t) => {
  const model = await loadNative(bundleOf({ target, cpus: levels }));
  const x = Float32Array.of(0, 1, -1, Number.NEGATIVE_INFINITY, 100);
  const { y } = model.runSync({ x });
  const want = (await load(bundleOf({}))).runSync({ x });
  t.deepEqual(y?.data, want["y"]?.data);
  t.is(model.variant.threads, 1);
  t.deepEqual(model.variant.features, FEATURES[levels[0] ?? ""]);
  t.throws(() => model.runSync({ x: Float32Array.of(1) }), { name: "InputError" });
  model.dispose();
  t.throws(() => model.runSync({ x }), { name: "RunError" });
});

/** By level, what the runtime asks the CPU for. */
const FEATURES: Readonly<Record<string, readonly string[]>> = {
  v4bf16: ["x86-64-v4", "avx512vnni", "avx512bf16"],
  v4vnni: ["x86-64-v4", "avx512vnni"],
  v4: ["x86-64-v4"],
  v3vnni: ["x86-64-v3", "avxvnni"],
  v3: ["x86-64-v3"],
  v2: ["x86-64-v2"],
  "v8.6": ["neon", "asimddp", "i8mm", "bf16"],
  dotprod: ["neon", "asimddp"],
  neon: ["neon"],
};

test("levels say what they ask the CPU for", (t) => {
  const all = Object.values(NATIVE).flatMap(({ levels: own }) => Object.entries(own));
  t.deepEqual(Object.fromEntries(all.map(([name, { features }]) => [name, features])), FEATURES);
});

/** What a feature that the CPU is asked for lets LLVM use; Armv8.2 is the first that may have any of these. */
const LETS: Readonly<Record<string, readonly string[]>> = {
  avx512vnni: ["+avx512vnni"],
  avx512bf16: ["+avx512bf16"],
  avxvnni: ["+avxvnni"],
  asimddp: ["+v8.2a", "+dotprod"],
  i8mm: ["+i8mm"],
  bf16: ["+bf16"],
};

test("levels let LLVM use what they ask the CPU for, and no more", (t) => {
  for (const { levels: own } of Object.values(NATIVE))
    for (const [name, { features, enable }] of Object.entries(own))
      t.is(enable, features.flatMap((f) => LETS[f] ?? []).join(), name);
});

native("a changed library is refused before it runs", async (t) => {
  const bundle = bundleOf({ target });
  const elf = bundle.findIndex((_, i) => bundle[i] === 0x7f && bundle[i + 1] === 0x45 && bundle[i + 2] === 0x4c);
  t.true(elf > 0);
  bundle[elf + 200] = (bundle[elf + 200] ?? 0) ^ 1;
  const error = await t.throwsAsync(loadNative(bundle), { instanceOf: LoadError });
  t.is(error?.code, "digest_mismatch");
});

native("a bundle of another target is refused by both runtimes", async (t) => {
  const wrong = await t.throwsAsync(loadNative(bundleOf({})), { instanceOf: LoadError });
  t.is(wrong?.code, "unsupported_backend_capability");
  const error = await t.throwsAsync(load(bundleOf({ target })));
  t.regex(String(error), /psionic\/native/u);
});

test("unknown levels are refused by name", (t) => {
  t.throws(() => bundleOf({ target, cpus: ["v9"] }), { name: "Refused", message: /has no CPU level "v9"; it has / });
});

test("without LLVM the refusal says how to install it", (t) => {
  const url = new URL("../../targets/llvm/library.js", import.meta.url);
  const script = `import(${JSON.stringify(fileURLToPath(url))}).then((m) => m.openLlvm()).catch((e) => console.log(e.message))`;
  const env = { ...process.env, PSIONIC_LLVM: "/nowhere/libLLVM.so" };
  const { stdout } = spawnSync(process.execPath, ["-e", script], { encoding: "utf8", env });
  t.regex(stdout, /^unsupported_backend_capability: .*\/nowhere\/libLLVM\.so cannot be loaded/u);
  t.regex(stdout, /apt install libllvm/u);
});
