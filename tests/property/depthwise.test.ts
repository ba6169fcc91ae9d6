// Convolutions of small groups (depthwise ones among them) of floats and of integers, with windows that are unrolled and longer ones, over strides, dilations and
// paddings, with known and with symbolic widths, against the reference. Values are small whole numbers: every sum is exact.

import test from "ava";
import fc from "fast-check";
import * as ir from "../../compiler/ir/build.js";
import { sym } from "../../compiler/ir/dim.js";
import type { DType } from "../../compiler/ir/dtype.js";
import type { Builder } from "../../compiler/ir/graph.js";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { sameEverywhere } from "../support/everywhere.js";
import { holds, joined, type Made } from "../support/many-cases.js";

interface Case {
  /** Of rows of pixels; none in a convolution of one axis. */
  readonly rows: { readonly size: number; readonly taps: number } | null;
  readonly size: number;
  readonly taps: number;
  readonly stride: number;
  readonly dilation: number;
  readonly low: number;
  readonly high: number;
  readonly groups: number;
  readonly inputs: number;
  readonly results: number;
  readonly types: readonly [x: DType, w: DType];
  readonly isSymbolic: boolean;
}

const depthwise: fc.Arbitrary<Case> = fc
  .record({
    rows: fc.option(fc.record({ size: fc.integer({ min: 3, max: 5 }), taps: fc.integer({ min: 1, max: 3 }) })),
    size: fc.integer({ min: 1, max: 40 }),
    taps: fc.constantFrom(1, 2, 3, 5, 16, 17, 31),
    stride: fc.integer({ min: 1, max: 2 }),
    dilation: fc.constantFrom(1, 1, 2),
    low: fc.integer({ min: 0, max: 16 }),
    high: fc.integer({ min: 0, max: 16 }),
    groups: fc.constantFrom(3, 4, 8, 12, 16, 21, 48),
    inputs: fc.constantFrom(1, 1, 1, 2, 3, 4, 8, 9),
    results: fc.constantFrom(1, 1, 2, 3, 4, 5, 6, 8),
    types: fc.constantFrom<readonly [DType, DType]>(
      ["f32", "f32"],
      ["u8", "i8"],
      ["i16", "i8"],
      ["i8", "i8"],
      ["i32", "i32"],
    ),
    isSymbolic: fc.boolean(),
  })
  .filter(({ size, taps, dilation, low, high }) => size + low + high > (taps - 1) * dilation);

function build(b: Builder, name: string, c: Case, random: () => number): Made {
  const { rows, groups, inputs, results } = c;
  const [dtype, weights] = c.types;
  const tensor = (of: DType, shape: readonly number[]): Tensor => {
    const lo = of === "u8" ? 0 : -8;
    const length = shape.reduce((n, d) => n * d, 1);
    return tensorFrom(
      of,
      shape,
      Array.from({ length }, () => lo + Math.floor(random() * 17)),
    );
  };
  const outer = rows === null ? [] : [rows];
  const across = c.isSymbolic ? sym(`${name}.width`, c.size, c.size + 50) : c.size;
  const x = ir.input(b, name, dtype, [1, ...outer.map((r) => r.size), across, groups * inputs]);
  const w = ir.constant(b, tensor(weights, [...outer.map((r) => r.taps), c.taps, inputs, groups * results]));
  const sum = dtype === "f32" ? "f32" : "i32";
  const wide = (v: ReturnType<typeof ir.input>) => (dtype === "f32" ? v : ir.cast(b, v, "i32"));
  const y = ir.conv(b, wide(x), wide(w), {
    strides: [...outer.map(() => 1), c.stride],
    dilations: [...outer.map(() => 1), c.dilation],
    low: [...outer.map(() => 1), c.low],
    high: [...outer.map(() => 1), c.high],
    groups,
    layout: "nhwc",
    dtype: sum,
  });
  return { x, y: ir.add(b, y, 1), feed: tensor(dtype, [1, ...outer.map((r) => r.size), c.size, groups * inputs]) };
}

test("convolutions of small groups are what the reference says", (t) =>
  holds(t, depthwise, { seed: 17, runs: 6, cases: [3, 8] }, async (cases) => {
    const { graph, builder, feeds } = joined(cases, build);
    await sameEverywhere(graph, builder, feeds);
  }));
