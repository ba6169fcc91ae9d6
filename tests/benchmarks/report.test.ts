// The parts of the benchmark that tools and readers rely on: the last lines, which rows count, and the error measure.

import test from "ava";
import { largestError } from "./agree.js";
import { floorMs } from "./ceilings.js";
import { KERNELS } from "./kernels.js";
import { measure, median, pairedRatio, quantile } from "./measure.js";
import { type RowResult, summaries } from "./report.js";

const row = (name: string, ratio: number, invalid = ""): RowResult => ({
  name,
  kind: "warm",
  backend: "wasm",
  tier: "strict",
  dtype: "f32",
  shape: "[1]",
  threads: 1,
  cache: "hot",
  ms: 1,
  quartiles: [1, 1],
  rounds: 9,
  coldMs: 1,
  peers: [{ name: "peer", ms: ratio, coldMs: 1, ratio }],
  rate: "",
  ofCeiling: 1,
  gain: null,
  error: 0,
  leftOut: [],
  invalid,
});

test("the last line: geometric mean, worst row, and only rows that count", (t) => {
  const rows = [row("a", 1), row("b", 4), row("c", 100, "WRONG RESULT")];
  t.deepEqual(summaries("wasm", rows, ["peer"]), ["bench wasm vs peer: geometric mean 2.00, worst 1.00 (a), 2 rows"]);
  t.deepEqual(summaries("wasm", [], ["peer"]), ["bench wasm vs peer: 0 rows"]);
});

test("an error is relative to the output's largest magnitude", (t) => {
  const of = (...values: number[]) => new Map([["y", Float32Array.from(values)]]);
  t.is(largestError(of(1, -4), of(1, -4)), 0);
  t.is(largestError(of(1, -3), of(1, -4)), 0.25);
  t.is(largestError(of(Number.NaN), of(Number.NaN)), 0);
  t.is(largestError(of(Number.NaN, 1), of(0, 1)), Number.POSITIVE_INFINITY);
  t.is(largestError(of(Number.POSITIVE_INFINITY), of(1)), Number.POSITIVE_INFINITY);
  t.is(largestError(of(1), of(1, 2)), Number.POSITIVE_INFINITY);
  t.is(largestError(new Map(), of(1)), Number.POSITIVE_INFINITY);
});

test("a floor is the longer of computing and moving", (t) => {
  const peaks = [
    { bits: 128, mulAdd: 25, fused: 50 },
    { bits: 256, mulAdd: 50, fused: 100 },
  ];
  const ceilings = { code: "", peaks, dot: 200, bf16: 400, l2: 100, l3: 50, memory: 20 };
  const real = { flops: 50e6, bytes: 1000, arithmetic: "f32" } as const;
  t.is(floorMs(ceilings, "strict", real), 1);
  t.is(floorMs(ceilings, "relaxed", real), 0.5);
  t.is(floorMs(ceilings, "strict", { ...real, arithmetic: "integers" }), 0.25);
  t.is(floorMs({ ...ceilings, dot: null }, "strict", { ...real, arithmetic: "integers" }), 1);
  t.is(floorMs(ceilings, "relaxed", { ...real, arithmetic: "bf16" }), 0.125);
  t.is(floorMs(ceilings, "strict", { ...real, arithmetic: "bf16" }), 1);
  t.is(floorMs(ceilings, "strict", { ...real, flops: 0, bytes: 200e6 }), 10);
  t.is(floorMs({ ...ceilings, peaks: [{ bits: 128, mulAdd: 50, fused: null }] }, "relaxed", real), 1);
});

test("engines take turns, and a ratio is the median of the rounds' ratios", async (t) => {
  t.is(median([3, 1, 2]), 2);
  t.is(quantile([0, 10], 0.25), 2.5);
  let order = "";
  const side = (name: string) => ({
    run: () => {
      order += name;
      for (const until = performance.now() + 3; performance.now() < until; );
      return undefined;
    },
    outputs: async () => new Map(),
    release: async () => {},
  });
  const [a, b] = await measure([side("a"), side("b")], { seconds: 0, minRounds: 4, maxRounds: 4, pause: 0 });
  t.true(order.endsWith("abbaabba"), order.slice(-12));
  if (a === undefined || b === undefined) return t.fail("two engines, two timings");
  t.is(a.rounds, 4);
  t.is(pairedRatio(a, a), 1);
  t.true(pairedRatio(a, b) > 0);
});

test("rows have names of their own, and say their work", (t) => {
  t.is(new Set(KERNELS.map((r) => r.name)).size, KERNELS.length);
  for (const r of KERNELS.filter((k) => /256$/.test(k.name))) {
    t.true((r.flops ?? -1) >= 0 && (r.bytes ?? 0) > 0, r.name);
    t.true(r.model().byteLength > 0, r.name);
  }
});
