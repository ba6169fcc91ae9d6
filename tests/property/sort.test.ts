// Sorting lines and taking their first few, against the reference, bit for bit: every dtype, along any axis, lines of one
// element to thousands and of none, from none to all of them wanted, and values that are all different, mostly the same,
// in order already, or NaN, infinities and zeros of both signs.

import test from "ava";
import fc from "fast-check";
import * as ir from "../../compiler/ir/build.js";
import { type Dim, floordiv, min, mul, sym } from "../../compiler/ir/dim.js";
import { type DType, isFloat } from "../../compiler/ir/dtype.js";
import type { Builder } from "../../compiler/ir/graph.js";
import { tensorFrom } from "../../compiler/ir/tensor.js";
import { sameEverywhere } from "../support/everywhere.js";
import { holds, joined, type Made } from "../support/many-cases.js";

const PATTERNS = ["different", "few", "ascending", "descending", "special"] as const;

interface Case {
  readonly dtype: DType;
  readonly outer: number;
  readonly size: number;
  readonly inner: number;
  /** Wanted elements, as a part of the line. */
  readonly wanted: "none" | "one" | "some" | "third" | "most" | "all";
  readonly descending: boolean;
  readonly pattern: (typeof PATTERNS)[number];
  readonly isSymbolic: boolean;
  readonly gives: "values" | "indices";
}

const sorts: fc.Arbitrary<Case> = fc.record({
  dtype: fc.constantFrom<DType>(
    "f32",
    "f32",
    "f32",
    "f64",
    "f16",
    "bf16",
    "i64",
    "u64",
    "i32",
    "u32",
    "i16",
    "u8",
    "bool",
  ),
  outer: fc.integer({ min: 1, max: 3 }),
  size: fc.constantFrom(0, 1, 2, 3, 4, 5, 15, 16, 17, 63, 64, 65, 100, 255, 256, 257, 700, 1500),
  inner: fc.constantFrom(1, 1, 1, 5),
  wanted: fc.constantFrom<Case["wanted"][]>("none", "one", "some", "third", "most", "all"),
  descending: fc.boolean(),
  pattern: fc.constantFrom(...PATTERNS),
  isSymbolic: fc.boolean(),
  gives: fc.constantFrom<Case["gives"][]>("values", "indices"),
});

function countOf({ wanted }: Case, size: Dim): Dim {
  switch (wanted) {
    case "none":
      return 0;
    case "one":
      return min(size, 1);
    case "some":
      return min(size, 7);
    case "third":
      return floordiv(size, 3);
    case "most":
      return floordiv(mul(7, size), 8);
    case "all":
      return size;
  }
}

const SPECIAL = [0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1, -1, 2 ** -149, -3e38];

function element({ dtype, pattern }: Case, i: number, random: () => number): number {
  const signed = isFloat(dtype) || dtype.startsWith("i");
  const whole = (n: number): number => (dtype === "bool" ? n & 1 : signed ? n - 60 : n);
  switch (pattern) {
    case "different":
      return isFloat(dtype) ? (random() * 2 - 1) * 2 ** Math.floor(random() * 12) : whole(Math.floor(random() * 120));
    case "few":
      return whole(60 + Math.floor(random() * 3));
    case "ascending":
      return whole(Math.floor(i / 13));
    case "descending":
      return whole(120 - Math.floor(i / 13));
    case "special":
      return isFloat(dtype) ? (SPECIAL[Math.floor(random() * SPECIAL.length)] ?? 0) : whole(Math.floor(random() * 9));
  }
}

function build(b: Builder, name: string, c: Case, random: () => number): Made {
  const size = c.isSymbolic ? sym(`${name}.size`, 0, c.size + 300) : c.size;
  const x = ir.input(b, name, c.dtype, [c.outer, size, c.inner]);
  const { values, indices } = ir.sort(b, x, 1, c.descending, countOf(c, size));
  const shape = [c.outer, c.size, c.inner];
  const length = c.outer * c.size * c.inner;
  const elements = Array.from({ length }, (_, i) => element(c, Math.floor(i / c.inner) % Math.max(1, c.size), random));
  return { x, y: c.gives === "values" ? values : indices, feed: tensorFrom(c.dtype, shape, elements) };
}

test("the first of lines in order are the same on every target as in the reference", async (t) => {
  await holds(t, sorts, { seed: 71, runs: 2, cases: [12, 16] }, async (cases) => {
    const { graph, builder, feeds } = joined(cases, build);
    await sameEverywhere(graph, builder, feeds);
  });
});

/** Long lines of few values: which of those that tie are among the first is decided by their places. */
const ties: fc.Arbitrary<Case> = fc.record({
  dtype: fc.constantFrom<DType>("f32", "i32", "u8"),
  outer: fc.constant(3),
  size: fc.constantFrom(65, 257, 700),
  inner: fc.constantFrom(1, 5),
  wanted: fc.constantFrom<Case["wanted"][]>("some", "third"),
  descending: fc.boolean(),
  pattern: fc.constantFrom<Case["pattern"][]>("few", "ascending", "descending", "special"),
  isSymbolic: fc.boolean(),
  gives: fc.constantFrom<Case["gives"][]>("values", "indices"),
});

test("the first of long lines of few values are those that come first", async (t) => {
  await holds(t, ties, { seed: 72, runs: 2, cases: [14, 16] }, async (cases) => {
    const { graph, builder, feeds } = joined(cases, build);
    await sameEverywhere(graph, builder, feeds);
  });
});
