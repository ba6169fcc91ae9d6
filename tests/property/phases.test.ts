// Transposed convolutions: images spread out with zeros, over strides, windows, paddings and sizes that are known or not, on
// every target against the reference. Values are small whole numbers, so that every sum is exact.

import test from "ava";
import fc from "fast-check";
import * as ir from "../../compiler/ir/build.js";
import { sym } from "../../compiler/ir/dim.js";
import { Builder, nodesOf } from "../../compiler/ir/graph.js";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { runPasses } from "../../compiler/passes/run.js";
import { sameEverywhere } from "../support/everywhere.js";
import { holds, joined, type Made } from "../support/many-cases.js";
import { graphOf } from "../support/reference.js";
import { randomOf } from "../support/sample.js";

interface Axis {
  readonly size: number;
  readonly taps: number;
  readonly stride: number;
  readonly low: number;
  readonly high: number;
}

interface Case {
  readonly axes: readonly Axis[];
  readonly channels: number;
  readonly outs: number;
  readonly groups: number;
  readonly isSymbolic: boolean;
}

const axis: fc.Arbitrary<Axis> = fc
  .record({
    size: fc.integer({ min: 1, max: 9 }),
    taps: fc.integer({ min: 1, max: 7 }),
    stride: fc.integer({ min: 1, max: 4 }),
    low: fc.integer({ min: 0, max: 7 }),
    high: fc.integer({ min: 0, max: 7 }),
  })
  .filter(({ size, taps, stride, low, high }) => (size - 1) * stride + 1 + low + high >= taps);

const spread: fc.Arbitrary<Case> = fc.record({
  axes: fc.array(axis, { minLength: 1, maxLength: 2 }),
  channels: fc.integer({ min: 1, max: 4 }),
  outs: fc.constantFrom(1, 2, 4),
  groups: fc.constantFrom(1, 1, 2, 3),
  isSymbolic: fc.boolean(),
});

function whole(shape: readonly number[], random: () => number): Tensor {
  const length = shape.reduce((n, d) => n * d, 1);
  return tensorFrom(
    "f32",
    shape,
    Array.from({ length }, () => Math.floor(random() * 17) - 8),
  );
}

function build(b: Builder, name: string, { axes, groups, isSymbolic, ...each }: Case, random: () => number): Made {
  const [channels, outs] = [groups * each.channels, groups * each.outs];
  const sizes = axes.map((a) => a.size);
  const open = sizes.map((size, i) => (isSymbolic && i === 0 ? sym(`${name}.size`, size, size + 20) : size));
  const x = ir.input(b, name, "f32", [1, channels, ...open]);
  const none = [0, 0, ...axes.map(() => 0)];
  const apart = ir.pad(b, x, 0, none, none, [0, 0, ...axes.map((a) => a.stride - 1)]);
  const w = ir.constant(b, whole([outs, each.channels, ...axes.map((a) => a.taps)], random));
  const y = ir.conv(b, apart, w, { low: axes.map((a) => a.low), high: axes.map((a) => a.high), groups });
  return { x, y: ir.relu(b, y), feed: whole([1, channels, ...sizes], random) };
}

test("images that are spread out", (t) =>
  holds(t, spread, { seed: 13, runs: 6, cases: [3, 7] }, async (cases) => {
    const { graph, builder, feeds } = joined(cases, build);
    await sameEverywhere(graph, builder, feeds);
  }));

test("no zeros are left between pixels where the window reaches from one to the next", (t) => {
  for (const [taps, stride, low] of [
    [4, 2, 2],
    [3, 2, 1],
    [16, 8, 11],
    [5, 3, 4],
  ] as const) {
    const b = new Builder();
    const axes = [{ size: 9, taps, stride, low, high: low }];
    const { x, y } = build(b, "x", { axes, channels: 4, outs: 4, groups: 1, isSymbolic: true }, randomOf(1));
    const left = nodesOf(runPasses(b, graphOf(b, [x], { y }), {}).graph).filter(
      (n) => n.op === "pad" && n.attrs.interior.some((zeros) => zeros > 0),
    );
    t.is(left.length, 0, `${taps} taps, stride ${stride}`);
  }
});
