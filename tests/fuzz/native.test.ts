// Seeded mutations of native bundles: loadNative() gives a model or LoadError, nothing else, and where any byte of the
// library is not what the manifest says, nothing of it runs: it would leave a mark. Models are not run, since a manifest
// whose digest was made right can say what it likes of memory. PSIONIC_FUZZ multiplies the rounds, PSIONIC_SEED starts
// elsewhere.

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env } from "node:process";
import test from "ava";
import { LoadError, loadNative } from "../../runtime-shim/native.js";
import { targetOfHost } from "../../runtime-shim/native-cpu.js";
import { checkLibrary } from "../../runtime-shim/native-elf.js";
import { hasCompiler } from "../support/c-library.js";
import { manifestText, withManifest } from "../support/fake-bundle.js";
import { fakeNative, markingLibrary } from "../support/fake-native.js";
import { mutateBytes } from "./coverage/mutate-bytes.js";
import { Random } from "./coverage/random.js";

const rounds = Math.max(1, Number(env["PSIONIC_FUZZ"] ?? 1));
const firstSeed = Number(env["PSIONIC_SEED"] ?? 1);
const MAX_MEMORY = 1 << 28;

const host = targetOfHost();
const fuzz = host === null || !hasCompiler() ? test.serial.skip : test.serial;
if (host === null || !hasCompiler()) test("native loader", (t) => t.pass("skipped: no Linux, or no gcc"));

const folder = mkdtempSync(join(tmpdir(), "psionic-fuzz-"));
const mark = join(folder, "mark");
test.after.always(() => rmSync(folder, { recursive: true }));

/** Once, for all tests: the library, and a bundle that holds it. */
function subject(): { readonly library: Uint8Array; readonly bundle: Uint8Array<ArrayBuffer> } {
  made ??= markingLibrary(mark);
  return { library: made, bundle: fakeNative(made) };
}

let made: Uint8Array | undefined;

/** "loaded", "refused", or what went wrong. */
async function outcome(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  rmSync(mark, { force: true });
  try {
    (await loadNative(bytes, { maxMemoryBytes: MAX_MEMORY })).dispose();
    return "loaded";
  } catch (error) {
    return error instanceof LoadError ? "refused" : `${error}`;
  }
}

fuzz("changed bytes are refused, and nothing runs", async (t) => {
  const { library, bundle } = subject();
  t.is(await outcome(bundle), "loaded");
  t.true(existsSync(mark), "the library leaves its mark");
  for (let seed = firstSeed; seed < firstSeed + 500 * rounds; seed++) {
    const bytes = mutateBytes(bundle, library, new Random(seed));
    if (Buffer.compare(bytes, bundle) === 0) continue;
    const got = await outcome(bytes);
    if (got !== "refused" || existsSync(mark))
      t.fail(`seed ${seed}: ${got}, ${existsSync(mark) ? "ran" : "did not run"}`);
  }
  t.pass();
});

fuzz("changed libraries are refused, and nothing runs", async (t) => {
  const { library, bundle } = subject();
  const at = Buffer.from(bundle).indexOf(library);
  t.true(at > 0);
  for (let seed = firstSeed; seed < firstSeed + 500 * rounds; seed++) {
    const random = new Random(seed);
    const bytes = bundle.slice();
    for (let i = random.below(4); i >= 0; i--) bytes[at + random.below(library.length)] = random.below(256);
    if (Buffer.compare(bytes, bundle) === 0) continue;
    const got = await outcome(bytes);
    if (got !== "refused" || existsSync(mark))
      t.fail(`seed ${seed}: ${got}, ${existsSync(mark) ? "ran" : "did not run"}`);
  }
  t.pass();
});

fuzz("changed manifests with the right digest are refused or load", async (t) => {
  const { bundle } = subject();
  const text = new TextEncoder().encode(manifestText(bundle));
  const words = ["0", "65536", "null", "[]", '"', "constructor", "x86-64-v3", "neon", "main", "\\u0000"].map((w) =>
    new TextEncoder().encode(w),
  );
  let loaded = 0;
  for (let seed = firstSeed; seed < firstSeed + 500 * rounds; seed++) {
    const changed = mutateBytes(text, text, new Random(seed), words);
    const got = await outcome(withManifest(bundle, new TextDecoder().decode(changed)));
    if (got === "loaded") loaded++;
    else if (got !== "refused") t.fail(`seed ${seed}: ${got}`);
    if (got === "refused" && existsSync(mark)) t.log(`seed ${seed}: refused after the library was opened`);
  }
  t.true(loaded < 250 * rounds, `${loaded} loaded`);
});

fuzz("the check of a library's form takes any bytes", (t) => {
  const { library } = subject();
  const head = library.subarray(0, 1024);
  let whole = 0;
  for (let seed = firstSeed; seed < firstSeed + 4000 * rounds; seed++) {
    const random = new Random(seed);
    const changed = mutateBytes(random.once(2) ? head : library, head, random);
    try {
      checkLibrary(changed, host ?? "");
      whole++;
    } catch (error) {
      if (!(error instanceof LoadError)) t.fail(`seed ${seed}: ${error}`);
    }
  }
  t.log(`${whole} of ${4000 * rounds} passed for whole`);
  t.pass();
});
