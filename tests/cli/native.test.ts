// Native bundles on the command line: run, timed, recorded, shown and verified like any other; and refused where the
// machine, or the package that opens libraries, is missing.

import test from "ava";
import { readSharedLibrary } from "../../compiler/cli/verify/elf.js";
import { fakeBundle, fakePlan } from "../support/fake-bundle.js";
import { nativeHost } from "../support/native.js";
import { type Folder, fails, folder, json, works } from "./command.js";
import { chain, running } from "./tiny-onnx.js";

const host = nativeHost();
const native = typeof host === "string" ? test.skip : test;
if (typeof host === "string") test("native bundles", (t) => t.pass(`skipped: ${host}`));
const { target, levels } = typeof host === "string" ? { target: "x86-64", levels: [] } : host;
const best = levels[0] ?? "";

const X = ["--input", "x=[[1,-2,3],[-4,5,-6]]"];
const foreign = target === "x86-64" ? "aarch64" : "x86-64";

/** A folder with native.psn and wasm.psn of one model. */
function compiled(t: Parameters<typeof folder>[0], model = chain(), ...more: readonly string[]): Folder {
  const f = folder(t);
  f.write("m.onnx", model);
  const dims = ["--dim", "n=1..4"];
  works(t, f.run(["compile", "m.onnx", ...dims, "--target", target, "--cpu", best, ...more, "-o", "native.psn"]));
  works(t, f.run(["compile", "m.onnx", ...dims, "-o", "wasm.psn"]));
  return f;
}

native("run gives the bits that WebAssembly gives", (t) => {
  const f = compiled(t);
  const [here, wasm] = ["native.psn", "wasm.psn"].map((b) => {
    const ran = f.run(["run", b, ...X, "--json"]);
    works(t, ran);
    return json(t, ran)["outputs"];
  });
  t.deepEqual(here, wasm);
});

native("run on threads takes a bundle that was compiled for them", (t) => {
  const f = compiled(t, chain(), "--threads");
  works(t, f.run(["run", "native.psn", ...X, "--threads", "2", "--json"]));
  fails(t, f.run(["run", "wasm.psn", ...X, "--threads", "2"]), 1, /no strict module for threads/);
});

native("bench says the target and what of the CPU the module needs", (t) => {
  const ran = compiled(t).run(["bench", "native.psn", "--repeat", "3", "--json"]);
  works(t, ran);
  const { features, ...rest } = json(t, ran);
  t.like(rest, { target, tier: "strict", threads: 1, runs: 3 });
  t.true(Array.isArray(features) && features.length > 0);
});

native("a receipt of native code checks, step by step, and names the CPU's features", (t) => {
  const f = compiled(t);
  works(t, f.run(["replay", "record", "native.psn", ...X, "--kernels", "-o", "r.json"]));
  works(t, f.run(["replay", "check", "r.json", "native.psn", ...X]));
  const receipt = JSON.parse(f.text("r.json"));
  t.true(receipt.steps.length > 0);
  t.true(receipt.host.features.length > 0);
  t.true(receipt.host.features.every((name: string) => !name.includes("simd128")));
  fails(t, f.run(["replay", "check", "r.json", "wasm.psn", ...X]), 1, /^$/);
});

native("states are kept from run to run", (t) => {
  const f = folder(t);
  f.write("m.onnx", running);
  works(t, f.run(["compile", "m.onnx", "--state", "before=next", "--target", target, "--cpu", best, "-o", "m.psn"]));
  const ran = f.run(["run", "m.psn", "--input", "x=[1,2]", "--repeat", "3", "--json"]);
  works(t, ran);
  t.like(json(t, ran)["outputs"], { twice: { data: [6, 12] } });
});

native("inspect and verify describe shared libraries", (t) => {
  const f = compiled(t, chain(), "--threads");
  const shown = f.run(["inspect", "native.psn"]);
  works(t, shown);
  t.regex(shown.out, new RegExp(`^target {7}${target}$`, "m"));
  works(t, f.run(["inspect", "native.psn", "--kernels", "--memory"]));
  fails(t, f.run(["inspect", "native.psn", "--wat", "all"]), 1, /shared libraries for .*no text as WebAssembly/);
  const verified = f.run(["verify", "native.psn"]);
  works(t, verified);
  t.regex(verified.out, /runtime loads it: 1 entry point/);
});

native("bisect judges native kernels", (t) => {
  const f = compiled(t);
  const args = ["debug", "bisect", "m.onnx", "--dim", "n=2", ...X, "--target", target, "--cpu", best];
  const ran = f.run(args);
  works(t, ran);
  t.regex(ran.out, /nothing differs/);
});

native("without koffi a native bundle is refused, and says what to install", (t) => {
  const f = compiled(t);
  f.write(
    "without.cjs",
    `const loader = require("node:module");
     const resolve = loader._resolveFilename;
     loader._resolveFilename = function (name, ...rest) {
       if (name === "koffi") throw Object.assign(new Error("no koffi"), { code: "MODULE_NOT_FOUND" });
       return resolve.call(this, name, ...rest);
     };`,
  );
  const env = { NODE_OPTIONS: "--require ./without.cjs" };
  fails(t, f.run(["run", "native.psn", ...X], env), 1, /no package koffi.*install koffi/s);
  const ran = f.run(["bench", "native.psn", "--json"], env);
  t.like(json(t, ran)["error"], { code: "unsupported_backend_capability" });
  works(t, f.run(["run", "wasm.psn", ...X], env));
});

test("a bundle for another CPU is refused where it would run, and looked at everywhere", (t) => {
  const f = folder(t);
  f.write("m.psn", fakeBundle({ plan: { ...fakePlan, target: foreign } }));
  for (const verb of [["run"], ["bench"], ["replay", "record", "-o", "r.json"]])
    fails(t, f.run([...verb, "m.psn"]), 1, new RegExp(`manifest.target: have ${foreign}`));
  works(t, f.run(["inspect", "m.psn"]));
  const verified = f.run(["verify", "m.psn"]);
  t.is(verified.code, 1);
  t.regex(verified.out, /FAILED.*modules\n.*it is no 64-bit, little-endian shared library/);
  t.regex(verified.out, /runtime loads it: not tried, this machine is/);
});

native("a library is read within its own bytes", (t) => {
  const f = compiled(t);
  const bundle = f.read("native.psn");
  const at = bundle.findIndex((_, i) => bundle[i] === 0x7f && bundle[i + 1] === 0x45 && bundle[i + 2] === 0x4c);
  const whole = bundle.subarray(at);
  t.true(readSharedLibrary(whole).exports.includes("run_main"));
  for (let bytes = 0; bytes < 1024; bytes += 16)
    t.throws(() => readSharedLibrary(whole.subarray(0, bytes)), { name: "CliError" });
  // The place of the sections, beyond the end.
  for (let i = 44; i < 48; i++) {
    const damaged = whole.slice();
    damaged[i] = 0xff;
    t.throws(() => readSharedLibrary(damaged), { name: "CliError" });
  }
});
