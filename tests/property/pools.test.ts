// Greatest and least of windows, against the reference bit for bit: one to three axes, channels in second place and last,
// strides, dilations and pads, windows left out at the end, known and symbolic sizes, floats with zeros of both signs and NaN
// of both signs, and integers. Pads and windows that only pools read, and such as something else reads too.

import test from "ava";
import fc from "fast-check";
import { lowest } from "../../compiler/import/onnx/ops/pool.js";
import * as ir from "../../compiler/ir/build.js";
import { sub, sym } from "../../compiler/ir/dim.js";
import { type DType, isFloat } from "../../compiler/ir/dtype.js";
import type { Builder, Value } from "../../compiler/ir/graph.js";
import { sizeOf, type Tensor, tensorFrom, tensorOf } from "../../compiler/ir/tensor.js";
import { sameEverywhere } from "../support/everywhere.js";
import { holds, joined, type Made } from "../support/many-cases.js";
import { sampleTensor } from "../support/sample.js";
import { type WindowAxis, windowAxis } from "../support/window-axis.js";

interface Case {
  readonly axes: readonly WindowAxis[];
  readonly channels: number;
  readonly isLast: boolean;
  readonly kind: "max" | "min" | "sum";
  readonly dtype: DType;
  readonly isSymbolic: boolean;
  /** Windows left out at the end of the last axis. */
  readonly cut: boolean;
  /** What the pool is of, and what follows it. */
  readonly around: "nothing" | "before" | "behind" | "wide";
  readonly padIsRead: boolean;
  readonly windowsAreRead: boolean;
}

const axis: fc.Arbitrary<WindowAxis> = windowAxis({
  size: fc.integer({ min: 1, max: 9 }),
  taps: fc.constantFrom(1, 2, 3, 5),
  stride: fc.integer({ min: 1, max: 3 }),
  dilation: fc.constantFrom(1, 1, 2),
  low: fc.integer({ min: 0, max: 3 }),
  high: fc.integer({ min: 0, max: 3 }),
});

const wide = windowAxis({
  size: fc.integer({ min: 1, max: 60 }),
  taps: fc.constantFrom(1, 2, 3, 5, 13, 17),
  stride: fc.integer({ min: 1, max: 3 }),
  dilation: fc.constantFrom(1, 1, 2),
  low: fc.integer({ min: 0, max: 9 }),
  high: fc.integer({ min: 0, max: 9 }),
});

const pool: fc.Arbitrary<Case> = fc.record({
  axes: fc.oneof(
    fc.tuple(wide),
    fc.tuple(axis, wide),
    fc.tuple(axis, wide),
    fc.tuple(wide, axis),
    fc.tuple(axis, axis, wide),
  ),
  channels: fc.constantFrom(1, 2, 4, 7, 20),
  isLast: fc.boolean(),
  kind: fc.constantFrom("max", "max", "min", "sum"),
  dtype: fc.constantFrom<DType>("f32", "f32", "f32", "f16", "u8", "i8", "i32", "u32", "i64", "f64"),
  isSymbolic: fc.boolean(),
  cut: fc.boolean(),
  around: fc.constantFrom("nothing", "before", "behind", "wide"),
  padIsRead: fc.boolean(),
  windowsAreRead: fc.constantFrom(false, false, true),
});

/** NaN with its sign bit set: what an x86-64 machine makes of 0 / 0. */
const MINUS_NAN = 0xffc00001;

function sample(dtype: DType, shape: readonly number[], random: () => number, isSum: boolean): Tensor {
  // Small whole numbers: sums are exact in any order.
  if (isSum)
    return tensorFrom(
      dtype,
      shape,
      Array.from({ length: sizeOf(shape) }, () => Math.floor(random() * 9)),
    );
  const t = sampleTensor(dtype, shape, random, { special: true });
  if (dtype !== "f32") return t;
  const bits = Uint32Array.from(new Uint32Array(Float32Array.from(t.numbers()).buffer), (b) =>
    random() < 0.03 ? MINUS_NAN : b,
  );
  return tensorOf(dtype, shape, new Float32Array(bits.buffer));
}

function padding(b: Builder, { kind, dtype }: Case): Value {
  if (kind === "max") return lowest(b, dtype);
  return ir.scalar(b, dtype, kind === "sum" ? 0 : isFloat(dtype) ? Number.POSITIVE_INFINITY : 100);
}

function build(b: Builder, name: string, c: Case, random: () => number): Made {
  const { axes, channels, dtype, kind, isLast } = c;
  const sizes = axes.map((a) => a.size);
  const arranged = <T>(image: readonly T[], depth: T): T[] => (isLast ? [...image, depth] : [depth, ...image]);
  const open = axes.map((a, i) => (c.isSymbolic && i === axes.length - 1 ? sym(`${name}.w`, a.size, 90) : a.size));
  const x = ir.input(b, name, dtype, arranged([...open], channels));
  const of = c.around === "before" ? ir.neg(b, x) : x;
  const padded = ir.pad(
    b,
    of,
    padding(b, c),
    arranged(
      axes.map((a) => a.low),
      0,
    ),
    arranged(
      axes.map((a) => a.high),
      0,
    ),
  );
  const first = isLast ? 0 : 1;
  const cut = ir.window(b, padded, {
    axes: axes.map((_, i) => first + i),
    lengths: axes.map((a) => a.taps),
    strides: axes.map((a) => a.stride),
    dilations: axes.map((a) => a.dilation),
  });
  const rank = axes.length + 1;
  const { shape } = cut.type;
  const last = first + axes.length - 1;
  const fewer = shape.map((d, i) => (i === last ? sub(d, 1) : d));
  const count = shape[last];
  const some = c.cut && typeof count === "number" && count > 1;
  const windows = some
    ? ir.slice(
        b,
        cut,
        fewer.map(() => 0),
        fewer,
      )
    : cut;
  const y = ir.reduce(
    b,
    kind,
    windows,
    axes.map((_, i) => rank + i),
  );
  const after = c.around === "behind" ? ir.neg(b, y) : y;
  // 64 bits have no vectors.
  if (c.around === "wide" && !isFloat(dtype))
    return { x, y: ir.cast(b, y, "i64"), feed: sample(dtype, arranged(sizes, channels), random, kind === "sum") };
  const read = [...(c.padIsRead ? [padded] : []), ...(c.windowsAreRead ? [windows] : [])];
  const all = [after, ...read].map((v) => ir.flatten(b, v));
  return {
    x,
    y: read.length === 0 ? after : ir.concat(b, all, 0),
    feed: sample(dtype, arranged(sizes, channels), random, kind === "sum"),
  };
}

test("pools are what the reference says", (t) =>
  holds(t, pool, { seed: 23, runs: 6, cases: [4, 8] }, async (cases) => {
    const { graph, builder, feeds } = joined(cases, build);
    await sameEverywhere(graph, builder, feeds);
  }));
