// Structural meanings against plain index arithmetic: every output element from its own formula.

import test from "ava";
import fc from "fast-check";
import * as ir from "../../compiler/ir/build.js";
import { sym } from "../../compiler/ir/dim.js";
import type { DType } from "../../compiler/ir/dtype.js";
import { Builder, type Value } from "../../compiler/ir/graph.js";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { RunIssue } from "../../compiler/reference/interpret.js";
import { noise, noiseTensor, numbersOf, valuesOf } from "../support/reference.js";

const at = (list: readonly number[], i: number): number => {
  const v = list[i];
  if (v === undefined) throw new Error(`no element ${i}`);
  return v;
};

/** Every index of a shape, in row-major order. */
function indices(shape: readonly number[]): number[][] {
  return shape.reduce<number[][]>(
    (all, d) => all.flatMap((index) => Array.from({ length: d }, (_, i) => [...index, i])),
    [[]],
  );
}

function flat(shape: readonly number[], index: readonly number[]): number {
  return shape.reduce((p, d, i) => p * d + at(index, i), 0);
}

/** Elements by a formula from the index. */
function each(shape: readonly number[], f: (index: number[]) => number): number[] {
  return indices(shape).map(f);
}

function shapeOf(b: Builder, v: Value): readonly number[] {
  return valuesOf(b, v)[0]?.shape ?? [];
}

const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 4 });
const nonEmpty = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });

test("transpose", (t) => {
  fc.assert(
    fc.property(shapes, fc.integer(), (shape, seed) => {
      const b = new Builder();
      const x = noiseTensor("f32", shape, seed);
      const order = noise(seed, shape.length);
      const perm = shape.map((_, i) => i).sort((i, j) => at(order, i) - at(order, j));
      const out = perm.map((p) => at(shape, p));
      const want = each(out, (index) =>
        x.at(
          flat(
            shape,
            shape.map((_, i) => at(index, perm.indexOf(i))),
          ),
        ),
      );
      t.deepEqual(numbersOf(b, ir.transpose(b, ir.constant(b, x), perm)), want);
    }),
    { numRuns: 60 },
  );
});

test("slice with any step", (t) => {
  const axis = fc
    .record({
      size: fc.integer({ min: 1, max: 6 }),
      step: fc.constantFrom(-3, -2, -1, 1, 2, 3),
      a: fc.nat(5),
      n: fc.nat(3),
    })
    .map(({ size, step, a, n }) => {
      const start = a % size;
      const room = Math.floor((step > 0 ? size - 1 - start : start) / Math.abs(step)) + 1;
      return { size, step, start, count: Math.min(n, room) };
    });
  fc.assert(
    fc.property(fc.array(axis, { minLength: 1, maxLength: 3 }), (axes) => {
      const b = new Builder();
      const shape = axes.map((a) => a.size);
      const x = noiseTensor("f32", shape, 3);
      const v = ir.slice(
        b,
        ir.constant(b, x),
        axes.map((a) => a.start),
        axes.map((a) => a.count),
        axes.map((a) => a.step),
      );
      const want = each(
        axes.map((a) => a.count),
        (index) =>
          x.at(
            flat(
              shape,
              axes.map((a, i) => a.start + at(index, i) * a.step),
            ),
          ),
      );
      t.deepEqual(numbersOf(b, v), want);
    }),
    { numRuns: 60 },
  );
});

test("pad, window, concat and broadcast", (t) => {
  const b = new Builder();
  const x = ir.constant(b, tensorFrom("i32", [2, 2], [1, 2, 3, 4]));
  t.deepEqual(numbersOf(b, ir.pad(b, x, 9, [1, 0], [0, 1], [0, 1])), [9, 9, 9, 9, 1, 9, 2, 9, 3, 9, 4, 9]);
  const line = ir.iota(b, "f32", [6]);
  const w = ir.window(b, line, { axes: [0], lengths: [2], strides: [2], dilations: [3] });
  t.deepEqual(shapeOf(b, w), [2, 2]);
  t.deepEqual(numbersOf(b, w), [0, 3, 2, 5]);
  const grid = ir.reshape(b, ir.iota(b, "f32", [12]), [3, 4]);
  const both = ir.window(b, grid, { axes: [1, 0], lengths: [3, 2] });
  t.deepEqual(shapeOf(b, both), [2, 2, 3, 2]);
  t.deepEqual(numbersOf(b, both).slice(0, 6), [0, 4, 1, 5, 2, 6]);
  t.deepEqual(numbersOf(b, ir.concat(b, [x, ir.sliceAxis(b, x, 1, 1, 1)], 1)), [1, 2, 2, 3, 4, 4]);
  t.deepEqual(numbersOf(b, ir.broadcast(b, ir.vector(b, "i32", [5, 6]), [2, 2])), [5, 6, 5, 6]);
  t.deepEqual(numbersOf(b, ir.iota(b, "i64", [2, 3], 1)), [0, 1, 2, 0, 1, 2]);
  t.deepEqual(numbersOf(b, ir.iota(b, "u2", [6])), [0, 1, 2, 3, 0, 1]);
});

test("gather, take and scatter", (t) => {
  const b = new Builder();
  const x = ir.reshape(b, ir.iota(b, "f32", [12]), [2, 3, 2]);
  const picked = ir.gather(b, x, ir.constant(b, tensorFrom("i32", [2, 1], [2, 0])), 1);
  t.deepEqual(shapeOf(b, picked), [2, 2, 1, 2]);
  t.deepEqual(numbersOf(b, picked), [4, 5, 0, 1, 10, 11, 6, 7]);
  t.deepEqual(numbersOf(b, ir.take(b, x, ir.vector(b, "u8", [11, 0]))), [11, 0]);
  const base = ir.vector(b, "i32", [1, 2, 3]);
  const where = ir.vector(b, "i64", [2, 0, 2]);
  const updates = ir.vector(b, "i32", [10, -7, 20]);
  const result = (mode: ir.ScatterMode): number[] => numbersOf(b, ir.scatter(b, base, where, updates, mode));
  t.deepEqual(result("set"), [-7, 2, 20]);
  t.deepEqual(result("add"), [-6, 2, 33]);
  t.deepEqual(result("mul"), [-7, 2, 600]);
  t.deepEqual(result("max"), [1, 2, 20]);
  t.deepEqual(result("min"), [-7, 2, 3]);
  const wide = ir.scatter(
    b,
    ir.vector(b, "u64", [2n ** 64n - 1n, 5]),
    ir.vector(b, "i64", [0, 1]),
    ir.vector(b, "u64", [3, 2]),
    "max",
  );
  t.deepEqual([...(valuesOf(b, wide)[0]?.elements ?? [])], [2n ** 64n - 1n, 5n]);
  for (const bad of [
    ir.take(b, base, ir.vector(b, "i64", [3])),
    ir.gather(b, base, ir.vector(b, "i64", [-1])),
    ir.scatter(b, base, ir.vector(b, "i64", [3, 0, 0]), updates),
  ])
    t.is(t.throws(() => valuesOf(b, bad), { instanceOf: RunIssue }).code, "index_out_of_range");
});

test("sort is stable and NaN is the greatest", (t) => {
  const b = new Builder();
  const x = ir.vector(b, "f32", [2, Number.NaN, -1, 2, -0, 0]);
  const up = ir.sort(b, x, 0);
  const down = ir.sort(b, x, 0, true);
  t.deepEqual(numbersOf(b, up.values), [-1, -0, 0, 2, 2, Number.NaN]);
  t.deepEqual(numbersOf(b, up.indices), [2, 4, 5, 0, 3, 1]);
  t.deepEqual(numbersOf(b, down.indices), [1, 0, 3, 4, 5, 2]);
  const columns = ir.sort(b, ir.constant(b, tensorFrom("i64", [3, 2], [3, 1, 2, 2, 1, 3])), 0);
  t.deepEqual(numbersOf(b, columns.values), [1, 1, 2, 2, 3, 3]);
  t.deepEqual(numbersOf(b, columns.indices), [2, 0, 1, 1, 0, 2]);
  const found = ir.nonzero(b, ir.constant(b, tensorFrom("f32", [2, 3], [0, 1, Number.NaN, -2, 0, -0])), sym("c", 0, 6));
  t.deepEqual(numbersOf(b, found), [0, 0, 1, 1, 2, 0]);
});

test("reductions", (t) => {
  fc.assert(
    fc.property(nonEmpty, fc.integer(), fc.constantFrom("sum", "prod", "max", "min"), (shape, seed, kind) => {
      const b = new Builder();
      const x = noiseTensor("f64", shape, seed);
      const axes = shape.map((_, i) => i).filter((i) => at(noise(seed + 1, shape.length), i) > 0);
      const groups = new Map<string, number>();
      for (const [p, index] of indices(shape).entries()) {
        const key = index.filter((_, i) => !axes.includes(i)).join();
        const before = groups.get(key);
        const v = x.at(p);
        const combined =
          before === undefined ? v : kind === "sum" ? before + v : kind === "prod" ? before * v : Math[kind](before, v);
        groups.set(key, combined);
      }
      const have = numbersOf(b, ir.reduce(b, kind, ir.constant(b, x), axes));
      for (const [i, want] of [...groups.values()].entries()) t.true(Math.abs(at(have, i) - want) < 1e-12);
    }),
    { numRuns: 60 },
  );
  const b = new Builder();
  const none = (dtype: DType): Value => ir.constant(b, tensorFrom(dtype, [0, 2], []));
  t.deepEqual(numbersOf(b, ir.sum(b, none("f32"), [0])), [0, 0]);
  t.deepEqual(numbersOf(b, ir.prod(b, none("i64"), [0])), [1, 1]);
  t.deepEqual(numbersOf(b, ir.reduceMax(b, none("f32"), [0])), [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]);
  t.deepEqual(numbersOf(b, ir.reduceMax(b, none("u8"), [0])), [0, 0]);
  t.deepEqual(numbersOf(b, ir.reduceMin(b, none("i32"), [0])), [2147483647, 2147483647]);
  t.deepEqual(numbersOf(b, ir.reduceMax(b, ir.vector(b, "f32", [1, Number.NaN, 2]))), [Number.NaN]);
  t.deepEqual(numbersOf(b, ir.sum(b, ir.vector(b, "i8", [100, 100]))), [-56]);
  t.deepEqual(numbersOf(b, ir.sum(b, ir.vector(b, "u32", [4294967295, 2]))), [1]);
  t.deepEqual(numbersOf(b, ir.prod(b, ir.vector(b, "i32", [65537, 65537]))), [131073]);
  t.deepEqual(numbersOf(b, ir.sum(b, ir.vector(b, "bool", [1, 1]))), [1]);
  t.deepEqual(numbersOf(b, ir.prod(b, ir.vector(b, "bool", [1, 0]))), [0]);
  // Summed in double, rounded once.
  t.deepEqual(numbersOf(b, ir.sum(b, ir.vector(b, "f32", [16777216, 1, 1, 1]))), [16777220]);
});

test("argreduce and cumulate", (t) => {
  const b = new Builder();
  const x = ir.constant(b, tensorFrom("f32", [2, 3], [1, 3, 3, Number.NaN, 0, Number.NaN]));
  t.deepEqual(numbersOf(b, ir.argreduce(b, "max", x, 1)), [1, 0]);
  t.deepEqual(numbersOf(b, ir.argreduce(b, "max", x, 1, { last: true })), [2, 2]);
  t.deepEqual(numbersOf(b, ir.argreduce(b, "min", x, 1)), [0, 0]);
  t.deepEqual(shapeOf(b, ir.argreduce(b, "min", x, 0, { keep: true })), [1, 3]);
  const v = ir.vector(b, "i32", [1, 2, 3]);
  t.deepEqual(numbersOf(b, ir.cumulate(b, "sum", v, 0)), [1, 3, 6]);
  t.deepEqual(numbersOf(b, ir.cumulate(b, "sum", v, 0, { exclusive: true })), [0, 1, 3]);
  t.deepEqual(numbersOf(b, ir.cumulate(b, "sum", v, 0, { reverse: true })), [6, 5, 3]);
  t.deepEqual(numbersOf(b, ir.cumulate(b, "sum", v, 0, { reverse: true, exclusive: true })), [5, 3, 0]);
  t.deepEqual(numbersOf(b, ir.cumulate(b, "prod", v, 0)), [1, 2, 6]);
  t.deepEqual(numbersOf(b, ir.cumulate(b, "max", ir.vector(b, "i64", [1, 3, 2]), 0)), [1, 3, 3]);
  const columns = ir.constant(b, tensorFrom("f32", [2, 2], [1, 2, 3, 4]));
  t.deepEqual(numbersOf(b, ir.cumulate(b, "sum", columns, 0)), [1, 2, 4, 6]);
});

test("matmul", (t) => {
  const batches = fc.constantFrom<readonly [number[], number[]]>(
    [[], []],
    [[2], []],
    [
      [1, 2],
      [3, 1],
    ],
    [[], [2]],
  );
  const size = fc.integer({ min: 0, max: 4 });
  const kinds = fc.constantFrom<readonly [DType, DType]>(
    ["f64", "f64"],
    ["i8", "i32"],
    ["u8", "i32"],
    ["i32", "i32"],
    ["i64", "i64"],
  );
  fc.assert(
    fc.property(batches, size, size, size, kinds, ([ba, bc], m, k, n, [dtype, into]) => {
      const b = new Builder();
      const range = dtype === "f64" ? 2 : dtype === "u8" ? 200 : dtype === "i8" ? 100 : 60000;
      const low = dtype === "u8" ? 0 : -range;
      const x = noiseTensor(dtype, [...ba, m, k], 1, low, range);
      const y = noiseTensor(dtype, [...bc, k, n], 2, low, range);
      const rank = Math.max(ba.length, bc.length);
      const side = (s: number[], i: number): number => s[i - (rank - s.length)] ?? 1;
      const batch = Array.from({ length: rank }, (_, i) => Math.max(side(ba, i), side(bc, i)));
      const own = (s: number[], index: readonly number[]): number[] =>
        s.map((d, i) => (d === 1 ? 0 : at(index, i + rank - s.length)));
      const want = each([...batch, m, n], (index) => {
        let sum = 0;
        for (let j = 0; j < k; j++)
          sum +=
            x.at(flat(x.shape, [...own(ba, index), at(index, rank), j])) *
            y.at(flat(y.shape, [...own(bc, index), j, at(index, rank + 1)]));
        return into === "i32" ? Number(BigInt.asIntN(32, BigInt(sum))) : sum;
      });
      const have = numbersOf(b, ir.matmul(b, ir.constant(b, x), ir.constant(b, y), into));
      t.is(have.length, want.length);
      for (const [i, w] of want.entries()) t.true(Math.abs(at(have, i) - w) < 1e-9, `${dtype} ${i}`);
    }),
    { numRuns: 80 },
  );
});

interface ConvCase {
  readonly x: Tensor;
  readonly w: Tensor;
  readonly attrs: Required<Omit<ir.Conv, "dtype">>;
}

/** One output of a convolution in nchw, by its definition. */
function convAt({ x, w, attrs }: ConvCase, index: readonly number[]): number {
  const { strides, dilations, low, groups } = attrs;
  const [n, m, ...place] = [at(index, 0), at(index, 1), ...index.slice(2)];
  const [outputs, perGroup, ...lengths] = w.shape as [number, number, ...number[]];
  const group = Math.floor(m / (outputs / groups));
  let sum = 0;
  for (const [c, ...tap] of indices([perGroup, ...lengths]) as [number, ...number[]][]) {
    const from = tap.map((k, i) => at(place, i) * at(strides, i) + k * at(dilations, i) - at(low, i));
    if (from.some((p, i) => p < 0 || p >= at(x.shape, i + 2))) continue;
    sum += x.at(flat(x.shape, [n, group * perGroup + c, ...from])) * w.at(flat(w.shape, [m, c, ...tap]));
  }
  return sum;
}

test("conv in both layouts", (t) => {
  const axis = fc.record({
    size: fc.integer({ min: 1, max: 6 }),
    length: fc.integer({ min: 1, max: 3 }),
    stride: fc.integer({ min: 1, max: 3 }),
    dilation: fc.integer({ min: 1, max: 2 }),
    low: fc.integer({ min: 0, max: 4 }),
    high: fc.integer({ min: 0, max: 4 }),
  });
  const kinds = fc.constantFrom<readonly [DType, DType]>(["f64", "f64"], ["i8", "i32"], ["i32", "i32"], ["i64", "i64"]);
  const model = fc.record({
    axes: fc.array(axis, { minLength: 1, maxLength: 3 }),
    groups: fc.integer({ min: 1, max: 2 }),
    n: fc.integer({ min: 1, max: 2 }),
    c: fc.integer({ min: 1, max: 2 }),
    m: fc.integer({ min: 1, max: 2 }),
    kind: kinds,
    last: fc.boolean(),
  });
  fc.assert(
    fc.property(model, ({ axes, groups, n, c, m, kind: [dtype, into], last }) => {
      fc.pre(axes.every((a) => a.size + a.low + a.high >= a.dilation * (a.length - 1) + 1));
      const range = dtype === "f64" ? 2 : 100;
      const x = noiseTensor(dtype, [n, c * groups, ...axes.map((a) => a.size)], 1, -range, range);
      const w = noiseTensor(dtype, [m * groups, c, ...axes.map((a) => a.length)], 2, -range, range);
      const attrs = {
        strides: axes.map((a) => a.stride),
        dilations: axes.map((a) => a.dilation),
        low: axes.map((a) => a.low),
        high: axes.map((a) => a.high),
        groups,
        layout: last ? ("nhwc" as const) : ("nchw" as const),
      };
      const out = axes.map(
        (a) => Math.floor((a.size + a.low + a.high - a.dilation * (a.length - 1) - 1) / a.stride) + 1,
      );
      const want = each([n, m * groups, ...out], (index) => convAt({ x, w, attrs }, index));
      const b = new Builder();
      const rank = axes.length + 2;
      const spatial = axes.map((_, i) => i);
      const [vx, vw] = [ir.constant(b, x), ir.constant(b, w)];
      const y = last
        ? ir.transpose(
            b,
            ir.conv(
              b,
              ir.transpose(b, vx, [0, ...spatial.map((i) => i + 2), 1]),
              ir.transpose(b, vw, [...spatial.map((i) => i + 2), 1, 0]),
              { ...attrs, dtype: into },
            ),
            [0, rank - 1, ...spatial.map((i) => i + 1)],
          )
        : ir.conv(b, vx, vw, { ...attrs, dtype: into });
      const have = numbersOf(b, y);
      t.is(have.length, want.length);
      for (const [i, v] of want.entries()) t.true(Math.abs(at(have, i) - v) < 1e-9);
    }),
    { numRuns: 150 },
  );
});

test("a contraction sums in double and rounds once; integers wrap in the accumulator's dtype", (t) => {
  const b = new Builder();
  const x = ir.constant(b, tensorFrom("f32", [1, 3], [16777216, 1, 1]));
  const ones = ir.constant(b, tensorFrom("f32", [3, 1], [1, 1, 1]));
  t.deepEqual(numbersOf(b, ir.matmul(b, x, ones)), [16777218]);
  const big = ir.constant(b, tensorFrom("i64", [1, 2], [2n ** 62n, 2n ** 62n]));
  const two = ir.constant(b, tensorFrom("i64", [2, 1], [1, 1]));
  t.deepEqual([...(valuesOf(b, ir.matmul(b, big, two))[0]?.elements ?? [])], [-(2n ** 63n)]);
});
