// Seeded mutations of bundles: of the raw bytes, of the manifest's text with its digest made right again, and bytes that
// never were a bundle. load() and the tools' reader give a bundle or LoadError: nothing else, no crash and no hang.
// PSIONIC_FUZZ multiplies the number of rounds; PSIONIC_SEED starts elsewhere.

import { createHash } from "node:crypto";
import { env } from "node:process";
import test from "ava";
import { openBundle } from "../../codegen/bundle/read.js";
import { InputError, LoadError, load, RunError } from "../../runtime-shim/index.js";
import { fakeBundle, manifestText, narrowBundle, withManifest } from "../support/fake-bundle.js";

const rounds = Math.max(1, Number(env["PSIONIC_FUZZ"] ?? 1));
const firstSeed = Number(env["PSIONIC_SEED"] ?? 1);
const bundle = fakeBundle();
const bundles = [bundle, narrowBundle()];

type Random = (below: number) => number;

/** Mulberry32. */
function randomOf(seed: number): Random {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return Math.floor((((x ^ (x >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

function splice(bytes: Uint8Array, at: number, remove: number, insert: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(bytes.length - remove + insert.length);
  out.set(bytes.subarray(0, at));
  out.set(insert, at);
  out.set(bytes.subarray(at + remove), at + insert.length);
  return out;
}

function mutate(bytes: Uint8Array, random: Random): Uint8Array<ArrayBuffer> {
  let out = bytes.slice();
  for (let i = 1 + random(4); i > 0; i--) {
    const at = random(out.length);
    const length = Math.min(random(70), out.length - at);
    const kind = random(5);
    if (kind === 0) out[at] = random(256);
    else if (kind === 1) out = splice(out, at, length, new Uint8Array(0));
    else if (kind === 2)
      out = splice(
        out,
        at,
        0,
        Uint8Array.from({ length }, () => random(256)),
      );
    else if (kind === 3) out.copyWithin(random(out.length), at, at + length);
    else out = splice(out, at, 0, out.slice(at, at + length));
  }
  return out;
}

/** "loaded", "refused", or what went wrong. */
async function outcome(bytes: Uint8Array<ArrayBuffer>, random: Random): Promise<string> {
  let read = "loaded";
  try {
    openBundle(bytes);
  } catch (error) {
    if (!(error instanceof LoadError)) return `openBundle: ${error}`;
    read = "refused";
  }
  try {
    const model = await load(random(2) === 0 ? bytes : new Response(bytes));
    if (read !== "loaded") return "the shim loads what the reader refuses";
    for (const { name, inputs } of model.entries) {
      const feeds = inputs.map((p) => {
        const shape = p.shape.map((d) => (typeof d === "number" ? d : 1 + random(3)));
        return [p.name, { data: Array<number>(shape.reduce((a, b) => a * b, 1)).fill(0), shape }] as const;
      });
      try {
        model.runSync(Object.fromEntries(feeds), { entry: name });
      } catch (error) {
        if (!(error instanceof InputError) && !(error instanceof RunError)) return `${name}: ${error}`;
      }
    }
    return "loaded";
  } catch (error) {
    return error instanceof LoadError ? "refused" : `load: ${error}`;
  }
}

test("mutated bytes are refused", async (t) => {
  const count = 3000 * rounds;
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    const random = randomOf(seed);
    const from = bundles[seed % 2] ?? bundle;
    const bytes = mutate(from, random);
    if (Buffer.compare(bytes, from) === 0) continue;
    const got = await outcome(bytes, random);
    if (got !== "refused") t.fail(`seed ${seed}: ${got}`);
  }
  t.log(`${count} mutations`);
  t.pass();
});

test("mutated manifests with the right digest are refused or stay safe, and never keep the digest", async (t) => {
  const count = 3000 * rounds;
  let loaded = 0;
  const texts = bundles.map((b) => ({ from: b, text: manifestText(b), digest: openBundle(b).digest }));
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    const random = randomOf(seed);
    const original = texts[seed % 2];
    if (original === undefined) throw new Error("no bundle");
    const { from, text, digest } = original;
    const other = new TextDecoder().decode(mutateText(new TextEncoder().encode(text), random));
    const bytes = withManifest(from, other);
    const got = await outcome(bytes, random);
    if (got === "loaded") loaded++;
    else if (got !== "refused") t.fail(`seed ${seed}: ${got}`);
    if (got === "loaded" && openBundle(bytes).digest === digest && other !== text) t.fail(`seed ${seed}`);
  }
  t.log(`${count} mutations, ${loaded} loaded`);
  t.true(loaded < count / 2);
});

/** Changes digits, words and brackets, so that much of it is still JSON. */
function mutateText(text: Uint8Array, random: Random): Uint8Array {
  if (random(4) === 0) return mutate(text, random);
  const out = text.slice();
  for (let i = 1 + random(3); i > 0; i--) {
    let at = random(out.length);
    const isDigit = (c: number | undefined): boolean => c !== undefined && c >= 0x30 && c <= 0x39;
    if (random(4) > 0) while (at < out.length - 1 && !isDigit(out[at])) at++;
    out[at] = isDigit(out[at]) ? 0x30 + random(10) : 0x61 + random(26);
  }
  return out;
}

test("bytes that never were a bundle are refused", async (t) => {
  const count = 1000 * rounds;
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    const random = randomOf(seed);
    const bytes = Uint8Array.from({ length: random(2000) }, () => random(256));
    if (random(2) === 0) bytes.set(bundle.subarray(0, Math.min(bytes.length, 8 + random(60))));
    const got = await outcome(bytes, random);
    if (got !== "refused") t.fail(`seed ${seed}: ${got}`);
  }
  t.log(`${count} files`);
  t.pass();
});

test("a right digest over random manifests is refused", async (t) => {
  for (let seed = firstSeed; seed < firstSeed + 500 * rounds; seed++) {
    const random = randomOf(seed);
    const manifest = Uint8Array.from({ length: random(500) }, () => random(256));
    const head = bundle.slice(0, 48);
    new DataView(head.buffer).setUint32(12, manifest.length, true);
    head.set(createHash("sha256").update(manifest).digest(), 16);
    const got = await outcome(Uint8Array.of(...head, ...manifest), random);
    if (got !== "refused") t.fail(`seed ${seed}: ${got}`);
  }
  t.pass();
});
