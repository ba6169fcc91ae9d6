// Positions of greatest and least elements of rows: with ties, zeros of both signs, infinities and NaN, the first and the last
// of them, over rows whose length is known or not, on every target against the reference.

import test from "ava";
import * as ir from "../../compiler/ir/build.js";
import { sym } from "../../compiler/ir/dim.js";
import { Builder, type Value } from "../../compiler/ir/graph.js";
import { tensorFrom } from "../../compiler/ir/tensor.js";
import { sameEverywhere } from "../support/everywhere.js";
import { graphOf } from "../support/reference.js";
import { randomOf } from "../support/sample.js";

const ROWS = 12;
const KINDS = ["max", "min"] as const;
const LESS_COMMON = [0, -0, Number.NaN, Infinity, -Infinity];

/** Rows of small whole numbers, which tie; some have other numbers too, and the first and the second nothing but one of these. */
function rows(length: number, random: () => number): number[] {
  const pick = (list: readonly number[]): number => list[Math.floor(random() * list.length)] ?? 0;
  return Array.from({ length: ROWS }, (_, row) =>
    Array.from({ length }, () => {
      if (row === 0) return pick([0, -0]);
      if (row === 1) return Number.NaN;
      return row % 2 === 0 && random() < 0.05 ? pick(LESS_COMMON) : Math.floor(random() * 9) - 4;
    }),
  ).flat();
}

for (const isOpen of [false, true])
  test(`rows of ${isOpen ? "open" : "known"} length`, async (t) => {
    const b = new Builder();
    const random = randomOf(5);
    const lengths = [32, 33, 64, 95, 257];
    const inputs: Value[] = [];
    const outputs: Record<string, Value> = {};
    const feeds: Record<string, ReturnType<typeof tensorFrom>> = {};
    for (const length of lengths) {
      const name = `x${length}`;
      const x = ir.input(b, name, "f32", [ROWS, isOpen ? sym(`n${length}`, 1, length + 9) : length]);
      inputs.push(x);
      feeds[name] = tensorFrom("f32", [ROWS, length], rows(length, random));
      for (const kind of KINDS)
        for (const last of [false, true])
          outputs[`${kind}${length}${last ? "last" : ""}`] = ir.argreduce(b, kind, x, 1, { last, keep: last });
    }
    await sameEverywhere(graphOf(b, inputs, outputs), b, feeds);
    t.pass();
  });
