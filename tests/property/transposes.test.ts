// Transpositions: square blocks that are turned in registers, alone and several to a cache line, with ends that overlap, rows
// whose stride shares few sets of a cache and rows that spread, slices on one side and arithmetic on the way.

import test from "ava";
import fc from "fast-check";
import * as ir from "../../compiler/ir/build.js";
import { type Dim, sym } from "../../compiler/ir/dim.js";
import { Builder, type Value } from "../../compiler/ir/graph.js";
import { tensorFrom } from "../../compiler/ir/tensor.js";
import { sameEverywhere } from "../support/everywhere.js";
import { holds, joined, type Made } from "../support/many-cases.js";
import { graphOf } from "../support/reference.js";
import { randomOf } from "../support/sample.js";

interface Case {
  readonly dtype: "f32" | "i32" | "u32";
  readonly rows: number;
  readonly columns: number;
  readonly outer: number;
  /** Where the transposition begins in its rows. */
  readonly from: number;
  readonly perm: readonly [number, number, number];
  readonly isComputed: boolean;
}

const transposed: fc.Arbitrary<Case> = fc.record({
  dtype: fc.constantFrom("f32", "i32", "u32"),
  rows: fc.constantFrom(4, 5, 8, 15, 16, 17, 31, 33, 48, 97, 300),
  columns: fc.constantFrom(4, 7, 16, 18, 32, 64, 100, 128, 1024),
  outer: fc.constantFrom(1, 2, 3),
  from: fc.constantFrom(0, 0, 1, 3),
  perm: fc.constantFrom([0, 2, 1], [2, 1, 0], [2, 0, 1], [1, 2, 0]),
  isComputed: fc.boolean(),
});

function numbers(count: number, random: () => number): number[] {
  return Array.from({ length: count }, () => Math.floor(random() * 1000));
}

function turnedOf(b: Builder, x: Value, perm: readonly number[], isComputed: boolean): Value {
  return ir.transpose(b, isComputed ? ir.add(b, ir.mul(b, x, 3), 1) : x, perm);
}

function build(b: Builder, name: string, c: Case, random: () => number): Made {
  const shape = [c.outer, c.rows, c.columns + c.from];
  const x = ir.input(b, name, c.dtype, shape);
  const cut = ir.sliceAxis(b, x, 2, c.from, c.columns);
  const feed = tensorFrom(c.dtype, shape, numbers(c.outer * c.rows * (c.columns + c.from), random));
  return { x, y: turnedOf(b, cut, c.perm, c.isComputed), feed };
}

test("a transposition moves every element to its place", (t) =>
  holds(t, transposed, { seed: 61, runs: 5, cases: [4, 8] }, async (cases) => {
    const { graph, builder, feeds } = joined(cases, build);
    await sameEverywhere(graph, builder, feeds);
  }));

test("so does one of sizes that each run has", async (t) => {
  const random = randomOf(5);
  const builder = new Builder();
  const sizes: readonly [Dim, Dim] = [sym("rows", 1, 300), sym("columns", 16, 1024)];
  const x = ir.input(builder, "x", "f32", sizes);
  const graph = graphOf(builder, [x], { y: turnedOf(builder, x, [1, 0], true) });
  for (const shape of [
    [1, 16],
    [4, 17],
    [16, 1024],
    [299, 130],
  ]) {
    const [rows = 1, columns = 1] = shape;
    await t.notThrowsAsync(
      sameEverywhere(graph, builder, { x: tensorFrom("f32", shape, numbers(rows * columns, random)) }),
    );
  }
});
