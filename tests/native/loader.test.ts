// What the native loader refuses: libraries that are damaged, lack a function, or are for another machine. Each is a typed
// error, nothing of a refused library runs, and no file stays behind.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import type { BundleParts } from "../../codegen/bundle/write.js";
import { input } from "../../compiler/ir/build.js";
import { exp } from "../../compiler/ir/build-scalar.js";
import { Builder } from "../../compiler/ir/graph.js";
import { compile } from "../../compiler/pipeline.js";
import { load } from "../../runtime-shim/index.js";
import { LoadError, loadNative } from "../../runtime-shim/native.js";
import { targetOfHost } from "../../runtime-shim/native-cpu.js";
import { hasCompiler } from "../support/c-library.js";
import { fakeBundle, fakePlan, strictModule } from "../support/fake-bundle.js";
import { fakeNative, markingLibrary } from "../support/fake-native.js";
import { nativeHost } from "../support/native.js";
import { graphOf } from "../support/reference.js";

const host = targetOfHost() === null || !hasCompiler() ? test.serial.skip : test.serial;
if (targetOfHost() === null || !hasCompiler()) test("native loader", (t) => t.pass("skipped: no Linux, or no gcc"));

const folder = mkdtempSync(join(tmpdir(), "psionic-loader-"));
const mark = join(folder, "mark");
const temporary = mkdtempSync(join(folder, "tmp-"));
const library = hasCompiler() ? markingLibrary(mark) : new Uint8Array();

test.before(() => {
  process.env["TMPDIR"] = temporary;
});
test.afterEach.always((t) => {
  t.deepEqual(readdirSync(temporary), [], "a file stays behind");
  rmSync(mark, { force: true });
});
test.after.always(() => rmSync(folder, { recursive: true }));

interface Refusal {
  readonly code: LoadError["code"];
  readonly message: RegExp;
}

/** `opened`: whether the system opened the library before the error. */
async function refused(t: ExecutionContext, bundle: Uint8Array<ArrayBuffer>, want: Refusal, opened = false) {
  const error = await t.throwsAsync(loadNative(bundle), { instanceOf: LoadError, message: want.message });
  t.is(error?.code, want.code);
  t.is(existsSync(mark), opened, "whether the library was opened");
}

function planWith(name: string): Pick<BundleParts, "plan"> {
  const target = targetOfHost() ?? "";
  const entries = fakePlan.entries.map((e, i) => (i === 0 ? { ...e, export: name } : e));
  return { plan: { ...fakePlan, target, entries } };
}

host("a whole library is opened", async (t) => {
  const model = await loadNative(fakeNative(library));
  t.true(existsSync(mark));
  model.dispose();
});

host("a function that the library lacks", async (t) => {
  for (const name of ["run_other", "no function", "system(1)", "größe"])
    await refused(
      t,
      fakeNative(library, planWith(name)),
      { code: "malformed_input", message: /library export ".*": have none/u },
      true,
    );
  await refused(
    t,
    fakeNative(library, planWith("main\0other")),
    { code: "malformed_input", message: /a name without zeros/u },
    true,
  );
});

host("a library that ends early, at every length", async (t) => {
  const lengths = [
    ...Array(130).keys(),
    ...Array.from({ length: 40 }, (_, i) => Math.floor((library.length * i) / 40)),
  ];
  const last = Math.max(...lengths);
  t.true(last > library.length / 2);
  for (const length of lengths)
    await refused(t, fakeNative(library.slice(0, length)), { code: "malformed_input", message: /library|modules/u });
});

host("a library for another machine, and files that are none", async (t) => {
  const changed = (at: number, ...bytes: readonly number[]): Uint8Array => {
    const copy = library.slice();
    copy.set(bytes, at);
    return copy;
  };
  const other = targetOfHost() === "aarch64" ? 62 : 183;
  const elsewhere: Refusal = {
    code: "unsupported_backend_capability",
    message: /code for (aarch64|x86-64), want code for/u,
  };
  await refused(t, fakeNative(changed(18, other, 0)), elsewhere);
  await refused(t, fakeNative(changed(18, 8, 0)), {
    code: "unsupported_backend_capability",
    message: /code for machine 8/u,
  });
  const malformed = (message: RegExp): Refusal => ({ code: "malformed_input", message });
  await refused(t, fakeNative(changed(0, 0x7e)), malformed(/no ELF file/u));
  await refused(t, fakeNative(changed(4, 1)), malformed(/no ELF file/u));
  await refused(t, fakeNative(changed(16, 2, 0)), malformed(/of another kind/u));
  await refused(t, fakeNative(changed(38, 0xff)), malformed(/segments that are not in the file/u));
  await refused(t, fakeNative(changed(56, 0, 0)), malformed(/nothing to load/u));
});

host("features that no version knows", async (t) => {
  for (const feature of ["x86-64-v9", "constructor", "toString", "hasOwnProperty", "fpu\n", "a feature"])
    await refused(t, fakeNative(library, { modules: [strictModule(library, [feature])] }), {
      code: "unsupported_backend_capability",
      message: /a CPU without .*--cpu/su,
    });
});

host("a bundle that ends early", async (t) => {
  const bundle = fakeNative(library);
  for (let i = 0; i < 60; i++)
    await refused(t, bundle.slice(0, Math.floor((bundle.length * i) / 60)), { code: "malformed_input", message: /./u });
});

host("no folder for temporary files", async (t) => {
  process.env["TMPDIR"] = join(folder, "missing");
  try {
    await refused(t, fakeNative(library), { code: "resource_limit", message: /library: .*TMPDIR/u });
  } finally {
    process.env["TMPDIR"] = temporary;
  }
});

test.serial("another system is told what native code needs", (t) => {
  const elsewhere = join(folder, "elsewhere.psn");
  writeFileSync(elsewhere, fakeBundle({ plan: { ...fakePlan, target: "x86-64" } }));
  const url = new URL("../../runtime-shim/native.js", import.meta.url).href;
  const script = `
    Object.defineProperty(process, "platform", { value: "darwin" });
    const { loadNative } = await import(${JSON.stringify(url)});
    await loadNative(${JSON.stringify(elsewhere)}).catch((e) => console.log(e.code, e.message));`;
  const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  t.regex(stdout, /^unsupported_backend_capability .*have x86-64, want a target of this machine, darwin on /u);
  t.regex(stdout, /native code runs on Linux; compile the model for wasm/u);
});

const native = typeof nativeHost() === "string" ? test.serial.skip : test.serial;

native("entries may have names that C has no identifiers for", async (t) => {
  const machine = nativeHost();
  if (typeof machine === "string") return;
  const { target } = machine;
  const b = new Builder();
  const x = input(b, "x", "f32", [5]);
  const source = { graph: graphOf(b, [x], { y: exp(b, x) }), builder: b };
  const feeds = { x: Float32Array.of(0, 1, -1, Number.NEGATIVE_INFINITY, 100) };
  for (const entry of ["größe 1", 'a-b."c"', "main()", "int x"]) {
    const model = await loadNative(compile(source, { target, entry }).bundle);
    const wasm = await load(compile(source, { entry }).bundle);
    t.deepEqual(model.runSync(feeds, { entry }), wasm.runSync(feeds, { entry }));
    model.dispose();
  }
});
