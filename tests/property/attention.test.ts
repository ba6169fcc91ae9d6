// Attention in one kernel, against the reference and, bit for bit, against its products and rows in kernels of their own.

import test from "ava";
import fc from "fast-check";
import { compile } from "../../compiler/pipeline.js";
import { interpret } from "../../compiler/reference/interpret.js";
import { load } from "../../runtime-shim/index.js";
import { type AttentionSpec, attentionGraph } from "../support/attention-graph.js";
import { difference, sampleInputs } from "../support/sample.js";
import { fromValue, toValue } from "../support/values.js";

const times = Number(process.env["PSIONIC_RUNS"] ?? "1");
const shift = Number(process.env["PSIONIC_SEED"] ?? "0");

const spec: fc.Arbitrary<AttentionSpec> = fc.record({
  batch: fc.integer({ min: 1, max: 2 }),
  heads: fc.integer({ min: 1, max: 3 }),
  shared: fc.integer({ min: 1, max: 3 }),
  queries: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 60, max: 140 })),
  keys: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 70 })),
  depth: fc.integer({ min: 1, max: 20 }),
  width: fc.integer({ min: 4, max: 40 }),
  mask: fc.constantFrom("none", "causal", "kept", "bias", "empty", "capped"),
  layout: fc.constantFrom("heads", "steps", "turned"),
  dynamic: fc.boolean(),
});

/** What is wrong with a graph's one kernel, or null. */
async function judge(s: AttentionSpec, seed: number, special: boolean): Promise<string | null> {
  const source = attentionGraph(s);
  const [joined, apart] = [true, false].map((attention) => compile(source, { schedule: { attention } }));
  if (joined === undefined || apart === undefined) return "nothing is compiled";
  const templates = (c: typeof joined): string[] => c.plan.kernels.map((k) => k.template);
  // One key is a normalization of single elements, which the first product's kernel may take in.
  if (s.keys > 1 && !templates(joined).includes("attention"))
    return `no attention among ${templates(joined).join(", ")}`;
  if (templates(apart).includes("attention")) return "the schedule was told to keep the parts apart";
  const models = await Promise.all([joined, apart].map((c) => load(c.bundle)));
  for (const round of [seed, seed + 1]) {
    const inputs = sampleInputs(source.graph, round, { special });
    const feeds = Object.fromEntries(Object.entries(inputs).map(([name, v]) => [name, toValue(v)]));
    const [one, several] = models.map((m) =>
      Object.fromEntries(Object.entries(m.runSync(feeds)).map(([name, v]) => [name, fromValue(v)])),
    );
    if (one === undefined || several === undefined) return "nothing ran";
    const bits = difference(one, several);
    if (bits !== null) return `differs from its parts: ${bits}`;
    const error = special ? null : difference(one, interpret(source.graph, inputs).outputs, 1e-5);
    if (error !== null) return `differs from the reference: ${error}`;
  }
  return null;
}

function property(seed: number, special: boolean, runs: number) {
  return fc.check(
    fc.asyncProperty(spec, fc.nat(1e6), async (s, at) => {
      const problem = await judge(s, at, special);
      if (problem !== null) throw new Error(`${JSON.stringify(s)}: ${problem}`);
    }),
    { numRuns: runs * times, seed: seed + shift },
  );
}

for (const [name, special, runs] of [
  ["numbers", false, 50],
  ["NaN, infinities and -0 too", true, 25],
] as const)
  test(`${name}: the reference's values and the bits of separate kernels`, async (t) => {
    const result = await property(special ? 42 : 41, special, runs);
    t.false(
      result.failed,
      `seed ${result.seed}, path ${result.counterexamplePath ?? ""}: ${String(result.errorInstance)}`,
    );
  });

test("sizes in several blocks, the last of one row", async (t) => {
  const base = { batch: 1, heads: 1, shared: 1, depth: 8, width: 8, layout: "heads", mask: "bias" } as const;
  for (const queries of [64, 65, 67, 129])
    for (const dynamic of [false, true])
      t.is(await judge({ ...base, queries, keys: 9, dynamic }, queries, false), null, `${queries} queries`);
});

test("memory does not grow with queries times keys", (t) => {
  const steps = 4096;
  const source = attentionGraph({
    ...{ batch: 1, heads: 2, shared: 1, queries: steps, keys: steps, depth: 32, width: 32 },
    ...{ mask: "none", layout: "heads", dynamic: false },
  });
  const bytes = (attention: boolean): number => compile(source, { schedule: { attention } }).plan.memory.bytes;
  t.true(bytes(true) < steps * steps * 4, `${bytes(true)} bytes`);
  t.true(bytes(false) > steps * steps * 4, "the parts need the scores in memory");
});
