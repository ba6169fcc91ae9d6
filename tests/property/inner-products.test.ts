// Products and convolutions of one to three columns, whose sums run in vectors along the depth, over depths, windows, strides,
// dilations and paddings, with known and with symbolic sizes: against the reference, of whole numbers whose sums are exact, and
// every target against the others, of any numbers.

import test from "ava";
import fc from "fast-check";
import * as ir from "../../compiler/ir/build.js";
import { sym } from "../../compiler/ir/dim.js";
import type { DType } from "../../compiler/ir/dtype.js";
import { Builder, type Value } from "../../compiler/ir/graph.js";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { compile } from "../../compiler/pipeline.js";
import { load } from "../../runtime-shim/index.js";
import { sameEverywhere } from "../support/everywhere.js";
import { holds, joined, type Made } from "../support/many-cases.js";
import { graphOf } from "../support/reference.js";
import { fromValue, toValue } from "../support/values.js";
import { type WindowAxis, windowAxis } from "../support/window-axis.js";

interface Case {
  readonly height: WindowAxis;
  readonly width: WindowAxis;
  readonly channels: number;
  readonly columns: number;
  readonly types: readonly [a: DType, b: DType];
  readonly isSymbolic: boolean;
  /** A product of the image's rows instead, whose axes may be turned. */
  readonly isProduct: boolean;
  readonly isTurned: boolean;
}

const axis = (longest: number): fc.Arbitrary<WindowAxis> =>
  windowAxis({
    size: fc.integer({ min: 1, max: longest }),
    taps: fc.integer({ min: 1, max: 4 }),
    stride: fc.integer({ min: 1, max: 2 }),
    dilation: fc.constantFrom(1, 1, 2),
    low: fc.integer({ min: 0, max: 4 }),
    high: fc.integer({ min: 0, max: 4 }),
  });

const narrow: fc.Arbitrary<Case> = fc.record({
  height: axis(4),
  width: axis(40),
  channels: fc.constantFrom(1, 4, 8, 12, 16, 24, 32, 48, 64, 65),
  columns: fc.integer({ min: 1, max: 3 }),
  types: fc.constantFrom<readonly [DType, DType]>(
    ["f32", "f32"],
    ["u8", "i8"],
    ["i8", "u8"],
    ["i16", "i8"],
    ["i16", "i16"],
  ),
  isSymbolic: fc.boolean(),
  isProduct: fc.boolean(),
  isTurned: fc.boolean(),
});

type Draw = (dtype: DType) => number;

function build(b: Builder, name: string, c: Case, draw: Draw): Made {
  const { height, width, channels, columns } = c;
  const [dtype, weights] = c.types;
  const tensor = (of: DType, shape: readonly number[]): Tensor =>
    tensorFrom(
      of,
      shape,
      Array.from({ length: shape.reduce((n, d) => n * d, 1) }, () => draw(of)),
    );
  const sum = dtype === "f32" ? "f32" : "i32";
  const wide = (v: Value): Value => (dtype === "f32" ? v : ir.cast(b, v, "i32"));
  const across = c.isSymbolic ? sym(`${name}.width`, width.size, width.size + 60) : width.size;
  const one = dtype === "f32" ? 0.5 : 1;
  if (c.isProduct) {
    const shape = c.isTurned ? [height.size, channels, across] : [height.size, across, channels];
    const x = ir.input(b, name, dtype, shape);
    const rows = c.isTurned ? ir.transpose(b, x, [0, 2, 1]) : x;
    const w = ir.constant(b, tensor(weights, [channels, columns]));
    const feed = tensor(dtype, c.isTurned ? [height.size, channels, width.size] : [height.size, width.size, channels]);
    return { x, y: ir.add(b, ir.matmul(b, wide(rows), wide(w), sum), one), feed };
  }
  const x = ir.input(b, name, dtype, [1, height.size, across, channels]);
  const w = ir.constant(b, tensor(weights, [height.taps, width.taps, channels, columns]));
  const y = ir.conv(b, wide(x), wide(w), {
    strides: [height.stride, width.stride],
    dilations: [height.dilation, width.dilation],
    low: [height.low, width.low],
    high: [height.high, width.high],
    layout: "nhwc",
    dtype: sum,
  });
  return { x, y: ir.add(b, y, one), feed: tensor(dtype, [1, height.size, width.size, channels]) };
}

const RUNS = { runs: 4, cases: [3, 8] } as const;

test("few columns: the reference's sums", (t) =>
  holds(t, narrow, { seed: 3, ...RUNS }, async (cases) => {
    const { graph, builder, feeds } = joined(cases, (b, name, c, random) =>
      build(b, name, c, (dtype) => {
        if (dtype === "u8") return Math.floor(random() * 256);
        return Math.floor(random() * (dtype === "i8" ? 256 : 17)) - (dtype === "i8" ? 128 : 8);
      }),
    );
    await sameEverywhere(graph, builder, feeds);
  }));

test("few columns: every target has the same bits", (t) =>
  holds(t, narrow, { seed: 5, ...RUNS }, async (cases) => {
    const { graph, builder, feeds } = joined(cases, (b, name, c, random) =>
      build(b, name, { ...c, types: ["f32", "f32"] }, () => random() * 2 - 1),
    );
    const model = await load(compile({ graph, builder }).bundle);
    const inputs = Object.fromEntries(Object.entries(feeds).map(([name, v]) => [name, toValue(v)]));
    const want = Object.entries(model.runSync(inputs)).map(([name, v]) => [name, fromValue(v)]);
    await sameEverywhere(graph, builder, feeds, Object.fromEntries(want));
  }));

test("which products run along their depth", (t) => {
  const templateOf = (columns: number, depth: number, isTurned: boolean): string | undefined => {
    const b = new Builder();
    const x = ir.input(b, "x", "f32", isTurned ? [depth, 9] : [9, depth]);
    const w = ir.constant(b, tensorFrom("f32", [depth, columns], new Array<number>(depth * columns).fill(1)));
    const y = ir.matmul(b, isTurned ? ir.transpose(b, x, [1, 0]) : x, w);
    return compile({ graph: graphOf(b, [x], { y }), builder: b }).plan.kernels[0]?.template;
  };
  for (const columns of [1, 2, 3]) t.is(templateOf(columns, 64, false), "innerProducts");
  t.is(templateOf(4, 64, false), "matmul");
  t.not(templateOf(1, 65, false), "innerProducts", "vectors would not cover the depth");
  t.not(templateOf(1, 64, true), "innerProducts", "rows are not contiguous");
});
