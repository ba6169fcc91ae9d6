// Gathers that stand within longer kernels: elements that data picks, of every width and by indices that are themselves
// computed or gathered, in loops of whole vectors, of pairs of vectors and of what remains.

import test from "ava";
import fc from "fast-check";
import * as ir from "../../compiler/ir/build.js";
import type { DType } from "../../compiler/ir/dtype.js";
import { Builder, type Value } from "../../compiler/ir/graph.js";
import { tensorFrom } from "../../compiler/ir/tensor.js";
import { compile } from "../../compiler/pipeline.js";
import { load, RunError } from "../../runtime-shim/index.js";
import { sameEverywhere } from "../support/everywhere.js";
import { holds, joined, type Made } from "../support/many-cases.js";
import { graphOf } from "../support/reference.js";

interface Case {
  readonly dtype: DType;
  readonly indices: "i32" | "i64";
  /** Elements that are picked from, picked, and of each that is picked. */
  readonly size: number;
  readonly picked: number;
  readonly inner: number;
  readonly axis: 0 | 1;
  /** Indices are picked by other indices. */
  readonly isNested: boolean;
  /** The indices are reversed, so that they do not lie one after another. */
  readonly isReversed: boolean;
  /** Operations behind the gather: few, or so many that two vectors are computed side by side. */
  readonly ops: number;
}

const gathered: fc.Arbitrary<Case> = fc.record({
  dtype: fc.constantFrom<DType>("f32", "f16", "bf16", "u8", "i16", "i32", "bool", "f64", "i64"),
  indices: fc.constantFrom("i32", "i64"),
  size: fc.integer({ min: 1, max: 40 }),
  picked: fc.constantFrom(1, 3, 4, 7, 16, 31, 64, 131, 300),
  inner: fc.constantFrom(1, 1, 1, 2, 5),
  axis: fc.constantFrom(0, 1),
  isNested: fc.boolean(),
  isReversed: fc.boolean(),
  ops: fc.constantFrom(0, 1, 2, 15),
});

/** `ops` additions and products, of numbers that stay exact. */
function chain(b: Builder, x: Value, ops: number): Value {
  if (x.type.dtype === "bool") return ops > 0 ? ir.not(b, x) : x;
  let y = x;
  for (let i = 0; i < ops; i++) y = i % 3 === 2 ? ir.mul(b, y, -1) : ir.add(b, y, (i % 5) - 1);
  return y;
}

function build(b: Builder, name: string, c: Case, random: () => number): Made {
  const shape = c.axis === 0 ? [c.size, c.inner] : [c.inner, c.size];
  const limit = c.dtype === "bool" ? 2 : 20;
  const feed = tensorFrom(
    c.dtype,
    shape,
    Array.from({ length: c.size * c.inner }, () => Math.floor(random() * limit)),
  );
  const x = ir.input(b, name, c.dtype, shape);
  const picks = (from: number): Value =>
    ir.constant(
      b,
      tensorFrom(
        c.indices,
        [c.picked],
        Array.from({ length: c.picked }, () => Math.floor(random() * from)),
      ),
    );
  const direct = picks(c.size);
  const order = c.isNested ? ir.gather(b, direct, picks(c.picked)) : direct;
  const indices = c.isReversed ? ir.flip(b, order, [0]) : order;
  return { x, y: chain(b, ir.gather(b, x, indices, c.axis), c.ops), feed };
}

test("gathers within kernels are what the reference says", (t) =>
  holds(t, gathered, { seed: 11, runs: 8, cases: [4, 16] }, async (cases) => {
    const { graph, builder, feeds } = joined(cases, build);
    await sameEverywhere(graph, builder, feeds);
  }));

test("an index beyond the end is found in every lane", async (t) => {
  const b = new Builder();
  const x = ir.input(b, "x", "f32", [9]);
  const indices = ir.input(b, "indices", "i32", [67]);
  const graph = graphOf(b, [x, indices], { y: chain(b, ir.gather(b, x, indices), 15) });
  const model = await load(compile({ graph, builder: b }).bundle);
  for (let at = 0; at < 67; at++)
    for (const wrong of [9, -1]) {
      const given = new Int32Array(67).fill(3).with(at, wrong);
      t.throws(
        () => model.runSync({ x: new Float32Array(9), indices: given }),
        { instanceOf: RunError },
        `${wrong} at ${at}`,
      );
    }
});
