// The file itself: layout, determinism, and that no byte of it is outside the digest chain.

import { createHash } from "node:crypto";
import test from "ava";
import canonicalize from "canonicalize";
import { toLevels } from "../../codegen/bundle/levels.js";
import { openBundle, stripBundle } from "../../codegen/bundle/read.js";
import { writeBundle } from "../../codegen/bundle/write.js";
import { Bug, Refused } from "../../compiler/ir/errors.js";
import { LoadError, load } from "../../runtime-shim/index.js";
import { fakeBundle, fakeParts, fakePlan, manifestText, strictModule } from "../support/fake-bundle.js";

const bundle = fakeBundle();

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

test("the layout is the one that docs/bundle-format.md tells", (t) => {
  const text = manifestText(bundle);
  const start = Math.ceil((48 + text.length) / 64) * 64;
  t.deepEqual([...bundle.subarray(0, 8)], [0x89, 0x50, 0x53, 0x4e, 0x0d, 0x0a, 0x1a, 0x0a]);
  t.is(new DataView(bundle.buffer).getUint32(8, true), 2);
  const { manifest, digest, blob, weights, text: textOf } = openBundle(bundle);
  t.is(digest, sha256(bundle.subarray(48, 48 + text.length)));
  t.is(digest, Buffer.from(bundle.subarray(16, 48)).toString("hex"));
  t.deepEqual(JSON.parse(text), manifest);
  t.is(canonicalize(manifest), text);
  t.deepEqual(
    manifest.blobs.map((b) => b.kind),
    ["module", "weights", "plan", "source", "functional", "schedule"],
  );
  for (const b of manifest.blobs) {
    t.is(b.offset % 64, 0);
    t.is(b.chunks[0], sha256(bundle.subarray(start + b.offset, start + b.offset + b.bytes)));
  }
  t.deepEqual(blob("module"), fakeParts().modules[0]?.wasm.slice() ?? null);
  t.deepEqual(blob("weights"), fakeParts().weights);
  t.deepEqual(weights(), fakeParts().weights);
  t.is(blob("module", 1), null);
  t.is(textOf("plan"), canonicalize(fakePlan) ?? "");
  t.is(textOf("schedule"), "kernel add");
  t.deepEqual(toLevels(manifest.levels), fakeParts().levels);
});

test("the same parts give the same bytes, whatever order their objects were made in", (t) => {
  t.deepEqual(fakeBundle(), bundle);
  const reversed = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(reversed);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .reverse()
        .map(([k, v]) => [k, reversed(v)]),
    );
  };
  const parts = fakeParts();
  t.deepEqual(writeBundle({ ...parts, plan: reversed(parts.plan) as typeof parts.plan }), bundle);
});

test("every part changes the digest", (t) => {
  const base = openBundle(bundle).digest;
  const parts = fakeParts();
  const weights = parts.weights.slice();
  weights[5] = 1;
  const [module] = parts.modules;
  const relaxed = { ...strictModule(weights), variant: { tier: "relaxed", threads: false } } as const;
  const others = [
    fakeBundle({ weights }),
    fakeBundle({ producer: "psionic 0.0.1" }),
    fakeBundle({ texts: { ...parts.texts, schedule: "kernel sub" } }),
    fakeBundle({ texts: {} }),
    fakeBundle({ levels: { ...parts.levels, source: "0" } }),
    fakeBundle({ plan: { ...fakePlan, variants: [{ tier: "relaxed", threads: false }] } }),
    fakeBundle({ modules: [relaxed] }),
    fakeBundle({ plan: { ...fakePlan, kernels: [] } }),
    fakeBundle({ modules: [strictModule(module?.wasm ?? weights)] }),
  ];
  t.is(new Set([base, ...others.map((b) => openBundle(b).digest)]).size, others.length + 1);
});

test("what the shim would refuse is not written", (t) => {
  const [first, ...rest] = fakePlan.entries;
  if (first === undefined) return t.fail();
  const write = (entry: Partial<typeof first>): Uint8Array =>
    fakeBundle({ plan: { ...fakePlan, entries: [{ ...first, ...entry }, ...rest] } });
  t.throws(() => write({ inputs: [{ name: "x", dtype: "c64", shape: [], offset: 0, bytes: 8 }] }), {
    instanceOf: Refused,
  });
  t.throws(() => write({ sources: [] }), { instanceOf: Bug, message: /sources: have none for "n"/ });
  t.throws(() => fakeBundle({ weights: new Uint8Array(4) }), { instanceOf: Bug });
  t.throws(() => fakeBundle({ plan: { ...fakePlan, memory: { ...fakePlan.memory, bytes: 2 ** 33 } } }), {
    instanceOf: Refused,
    message: /resource_limit/,
  });
  t.throws(() => write({ name: "n".repeat(2000) }), { instanceOf: Refused });
});

async function refuses(bytes: Uint8Array): Promise<string | null> {
  let code: string | null = null;
  try {
    openBundle(bytes);
    return "the reader took it";
  } catch (error) {
    if (!(error instanceof LoadError)) throw error;
    code = error.code;
  }
  try {
    await load(bytes);
    return "the shim took it";
  } catch (error) {
    if (!(error instanceof LoadError)) throw error;
    return error.code === code ? null : `the reader says ${code}, the shim ${error.message}`;
  }
}

test("no byte can be changed", async (t) => {
  for (let i = 0; i < bundle.length; i++) {
    const flip = i % 9 === 8 ? 0xff : 1 << (i % 9);
    const bad = bundle.slice();
    bad[i] = (bad[i] ?? 0) ^ flip;
    const taken = await refuses(bad);
    if (taken !== null) t.fail(`byte ${i} ^ ${flip}: ${taken}`);
  }
  t.pass();
});

test("no byte can be missing, at any length but a stripped bundle's, streamed or not", async (t) => {
  const stripped = stripBundle(bundle).bytes.length;
  for (let n = 0; n < bundle.length; n++) {
    if (n === stripped) continue;
    const taken = await refuses(bundle.subarray(0, n));
    if (taken !== null) t.fail(`cut to ${n}: ${taken}`);
    if (n % 5 === 0) await t.throwsAsync(load(new Response(bundle.slice(0, n))), { instanceOf: LoadError });
  }
});

test("no byte can be added, inserted or removed", async (t) => {
  for (const extra of [1, 63, 64, 4096]) {
    const longer = new Uint8Array(bundle.length + extra);
    longer.set(bundle);
    t.is(await refuses(longer), null);
    await t.throwsAsync(load(new Response(longer)), { instanceOf: LoadError });
  }
  for (let i = 0; i < bundle.length; i += 37) {
    t.is(await refuses(Uint8Array.of(...bundle.subarray(0, i), 0, ...bundle.subarray(i))), null);
    t.is(await refuses(Uint8Array.of(...bundle.subarray(0, i), ...bundle.subarray(i + 1))), null);
  }
});

test("another format version is refused as such", async (t) => {
  for (const version of [0, 1, 3, 0xffffffff]) {
    const other = bundle.slice();
    new DataView(other.buffer).setUint32(8, version, true);
    const error = await t.throwsAsync(load(other), { instanceOf: LoadError });
    t.like(error, { code: "serialization_incompatibility", have: `format ${version}`, want: "format 2" });
  }
});
