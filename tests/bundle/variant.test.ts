// Which module of a bundle runs: by tier and threads, and what is said where there is none.

import test from "ava";
import { openBundle } from "../../codegen/bundle/read.js";
import * as ir from "../../compiler/ir/build.js";
import { Builder, type Graph } from "../../compiler/ir/graph.js";
import { compile } from "../../compiler/pipeline.js";
import { hasFeature } from "../../runtime-shim/features.js";
import { LoadError, type LoadOptions, load } from "../../runtime-shim/index.js";
import { chooseVariant, type Host } from "../../runtime-shim/variant.js";
import { graphOf as graphOfValues, noiseTensor } from "../support/reference.js";

function graphOf(): { graph: Graph; builder: Builder } {
  const builder = new Builder();
  const x = ir.input(builder, "x", "f32", [64, 64]);
  const y = ir.matmul(builder, x, x);
  return {
    builder,
    graph: {
      name: "square",
      inputs: [x],
      outputs: [{ name: "y", value: y }],
      states: [],
      bindings: [],
      constraints: [],
    },
  };
}

const strict = compile(graphOf()).bundle;
const all = compile(graphOf(), { tier: ["strict", "relaxed"], threads: true }).bundle;
const relaxed = compile(graphOf(), { tier: "relaxed" }).bundle;
const hasRelaxed = hasFeature("relaxed-simd");

async function chosen(bundle: Uint8Array, options: LoadOptions): Promise<string> {
  try {
    const model = await load(bundle, options);
    const { tier, threads, fallback } = model.variant;
    model.dispose();
    return `${tier} ${threads}${fallback === "" ? "" : ` because ${fallback}`}`;
  } catch (error) {
    if (error instanceof LoadError) return `${error.code} ${error.where}: ${error.have}`;
    throw error;
  }
}

/** A product of bytes. */
function bytesGraph(): { graph: Graph; builder: Builder } {
  const builder = new Builder();
  const x = ir.input(builder, "x", "u8", [16, 8]);
  const w = ir.constant(builder, noiseTensor("i8", [8, 8], 3, -128, 127));
  const wide = [x, w].map((v) => ir.cast(builder, v, "i32"));
  const y = ir.matmul(builder, wide[0] ?? x, wide[1] ?? w, "i32");
  return { builder, graph: graphOfValues(builder, [x], { y }) };
}

test("an engine that multiplies bytes gets the module for it, the others the next", (t) => {
  const { manifest } = openBundle(compile(bytesGraph(), { tier: "relaxed" }).bundle);
  t.deepEqual(
    manifest.modules.map((m) => m.features.filter((f) => f.startsWith("relaxed-"))),
    [["relaxed-dot-u8", "relaxed-simd"], ["relaxed-simd"]],
  );
  const host = (has: (feature: string) => boolean): Host => ({
    has,
    sharingProblem: () => null,
    joins: false,
    name: "an engine",
    hint: "",
  });
  t.is(
    chooseVariant(
      manifest,
      {},
      host(() => true),
    ).module.blob,
    0,
  );
  t.is(
    chooseVariant(
      manifest,
      {},
      host((f) => f !== "relaxed-dot-u8"),
    ).module.blob,
    1,
  );
  const none = (): unknown =>
    chooseVariant(
      manifest,
      {},
      host((f) => !f.startsWith("relaxed-")),
    );
  t.regex(String(t.throws(none)), /without relaxed-simd/);
  for (const options of [{}, { tier: ["strict", "relaxed"] }] as const)
    for (const { features } of openBundle(compile(bytesGraph(), options).bundle).manifest.modules)
      t.false(features.includes("relaxed-dot-u8"));
});

test.serial("tier and threads as they are asked for", async (t) => {
  t.is(await chosen(strict, {}), "strict 1");
  t.is(await chosen(all, {}), "strict 1");
  t.is(await chosen(all, { threads: 1 }), "strict 1");
  t.is(await chosen(all, { threads: 2 }), "strict 2");
  t.is(await chosen(all, { threads: { count: 3, fallback: true } }), "strict 3");
  t.regex(await chosen(all, { threads: "all" }), /^strict \d+$/);
  const lacking = "unsupported_backend_capability manifest.modules: an engine without relaxed-simd";
  t.is(await chosen(all, { tier: "relaxed", threads: 2 }), hasRelaxed ? "relaxed 2" : lacking);
  t.is(await chosen(all, { tier: "any" }), hasRelaxed ? "relaxed 1" : "strict 1");
  t.is(await chosen(relaxed, {}), hasRelaxed ? "relaxed 1" : lacking);
});

test.serial("what the bundle does not hold is refused, threads alone may fall back", async (t) => {
  const noTier = "unsupported_backend_capability options.tier: a bundle of tier strict";
  t.is(await chosen(strict, { tier: "relaxed" }), noTier);
  t.is(await chosen(strict, { tier: "relaxed", threads: { count: 2, fallback: true } }), noTier);
  t.is(await chosen(strict, { tier: "any" }), "strict 1");
  const noThreads = "unsupported_backend_capability options.threads: no strict module for threads";
  t.is(await chosen(strict, { threads: 2 }), noThreads);
  t.regex(await chosen(strict, { threads: { count: 2, fallback: true } }), /^strict 1 because .*--threads/);
  for (const count of [0, -1, 1.5, 65, Number.NaN])
    t.regex(await chosen(all, { threads: count }), /^malformed_input options\.threads: /);
});

test.serial("without SharedArrayBuffer it says so, and runs on one thread where that is allowed", async (t) => {
  const { SharedArrayBuffer: shared } = globalThis;
  Reflect.deleteProperty(globalThis, "SharedArrayBuffer");
  try {
    t.regex(
      await chosen(all, { threads: 2 }),
      /^unsupported_backend_capability options\.threads: no SharedArrayBuffer/,
    );
    t.regex(await chosen(all, { threads: { count: 2, fallback: true } }), /^strict 1 because .*no SharedArrayBuffer/);
    t.is(await chosen(all, {}), "strict 1");
  } finally {
    globalThis.SharedArrayBuffer = shared;
  }
});

test("all modules of a bundle share one plan, and each is part of its digest", (t) => {
  const opened = openBundle(all);
  const names = opened.manifest.modules.map((m) => `${m.tier} ${m.threads !== null}`);
  t.deepEqual(names, ["strict false", "strict true", "relaxed false", "relaxed true"]);
  t.deepEqual(opened.manifest.memory, openBundle(strict).manifest.memory);
  t.deepEqual(compile(graphOf(), { tier: ["strict", "relaxed"], threads: true }).bundle, all);
  const others = [{}, { threads: true }, { tier: ["strict", "relaxed"] }, { tier: "relaxed" }] as const;
  const digests = others.map((o) => openBundle(compile(graphOf(), o).bundle).digest);
  t.is(new Set([...digests, opened.digest]).size, others.length + 1);
});
