// The cases of every op on one dtype: what the dtype test runs, and what the capability matrix counts.

import { MATH, type MathName } from "../../codegen/math/index.js";
import * as ir from "../../compiler/ir/build.js";
import { sym } from "../../compiler/ir/dim.js";
import { bytesOf, DTYPES, type DType, isFloat, isInteger } from "../../compiler/ir/dtype.js";
import type { Value } from "../../compiler/ir/graph.js";
import { SCALAR, type ScalarName, scalarRow } from "../../compiler/ir/ops/scalar.js";
import { inDomain } from "../../compiler/ir/ops/scalar-rows.js";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { Bench, type MathCase } from "./dtype-bench.js";
import { mixedTensor, NUMERIC, pairTensors, patternTensor, plainTensor } from "./dtype-values.js";

const KINDS = ["sum", "prod", "max", "min"] as const;

function boundOf(op: ScalarName, dtype: DType, args: readonly Tensor[]): { math: MathCase } | Record<never, never> {
  if (!isFloat(dtype) || op === "rem" || !Object.hasOwn(MATH, op)) return {};
  const { ulp32, ulp64 } = MATH[op as MathName];
  // The reference in double has an error of its own, which counts against f64 only.
  return { math: { op, args, ulps: dtype === "f64" ? ulp64 + 2 : ulp32 + 0.01 } };
}

function scalars(bench: Bench, dtype: DType): void {
  const { b } = bench;
  const [xs, ys] = pairTensors(dtype, 1);
  const [x, y] = [bench.input("x", xs), bench.input("y", ys)];
  const all = patternTensor(dtype, 259, 2);
  const one = bench.input("all", all);
  for (const op of Object.keys(SCALAR) as ScalarName[]) {
    const { arity, domain } = scalarRow(op);
    if (!inDomain(dtype, domain)) continue;
    if (arity === 2) bench.expect(op, dtype, "pairs", b.one(op, [x, y], {}), boundOf(op, dtype, [xs, ys]));
    else {
      bench.expect(op, dtype, "pairs", b.one(op, [x], {}), boundOf(op, dtype, [xs]));
      bench.expect(op, dtype, "patterns", b.one(op, [one], {}), boundOf(op, dtype, [all]));
    }
  }
  const c = bench.input("condition", mixedTensor("bool", [xs.size], 3));
  bench.expect("select", dtype, "pairs", ir.select(b, c, x, y));
  if (inDomain(dtype, "number")) {
    // A chain in one kernel rounds after every op, as its parts apart do; constants are those of the dtype.
    const table = ir.constant(b, mixedTensor(dtype, [xs.size], 4));
    bench.expect("add", dtype, "constant", ir.add(b, x, table));
    bench.expect("mul", dtype, "chain", ir.mul(b, ir.sub(b, ir.add(b, x, y), ir.scalar(b, dtype, 1)), ir.max(b, x, y)));
    bench.expect("neg", dtype, "chain", ir.add(b, ir.sub(b, x, ir.neg(b, y)), ir.neg(b, ir.abs(b, ir.neg(b, x)))));
    bench.expect("pow", dtype, "constant", ir.pow(b, x, ir.scalar(b, dtype, isFloat(dtype) ? 2 : 1)));
  }
}

function casts(bench: Bench, dtype: DType): void {
  const { b } = bench;
  const x = bench.input("source", mixedTensor(dtype, [203], 5));
  const all = bench.input("patterns", patternTensor(dtype, 259, 6));
  for (const to of NUMERIC) {
    if (to === dtype) continue;
    for (const saturate of [false, true])
      for (const [label, v] of [
        ["mixed", x],
        ["patterns", all],
      ] as const)
        bench.expect(
          "cast",
          dtype,
          `to ${to}${saturate ? " saturated" : ""}, ${label}`,
          b.one("cast", [v], { to, saturate }),
        );
    for (const saturate of [false, true]) {
      const back = b.one("cast", [b.one("cast", [x], { to, saturate: false })], { to: dtype, saturate });
      bench.expect("cast", dtype, `to ${to} and back${saturate ? " saturated" : ""}`, back);
    }
    if (to !== "bool" && DTYPES[to].bits === DTYPES[dtype].bits) {
      const there = ir.bitcast(b, all, to);
      bench.expect("bitcast", dtype, `to ${to}`, there);
      if (dtype !== "bool")
        bench.expect("bitcast", dtype, `to ${to} and back`, ir.bitcast(b, ir.bitcast(b, x, to), dtype));
    }
  }
}

function reductions(bench: Bench, dtype: DType): void {
  const { b } = bench;
  const mixed = bench.input("cube", mixedTensor(dtype, [5, 6, 11], 7));
  // Integers are exact whatever the order; floats where every sum and product is.
  const plain = isFloat(dtype) ? bench.input("plain", plainTensor(dtype, [5, 6, 11], 8)) : mixed;
  for (const kind of KINDS) {
    const x = kind === "max" || kind === "min" ? mixed : plain;
    for (const axes of [[0], [1], [2], [0, 2], [1, 2]])
      bench.expect("reduce", dtype, `${kind} over ${axes.join()}`, ir.reduce(b, kind, x, axes, axes.length > 1));
    if (kind !== "prod") bench.expect("reduce", dtype, `${kind} of all`, ir.reduce(b, kind, x, [0, 1, 2]));
    for (const axis of [0, 2])
      for (const exclusive of [false, true])
        bench.expect(
          "cumulate",
          dtype,
          `${kind} along ${axis}${exclusive ? " exclusive" : ""}`,
          ir.cumulate(b, kind, x, axis, { exclusive, reverse: axis === 0 }),
        );
  }
  for (const kind of ["max", "min"] as const)
    for (const axis of [0, 1, 2])
      for (const last of [false, true]) {
        const x = axis === 1 ? plain : mixed;
        bench.expect(
          "argreduce",
          dtype,
          `${kind} along ${axis}${last ? " last" : ""}`,
          ir.argreduce(b, kind, x, axis, { last, keep: last }),
        );
      }
  for (const descending of [false, true]) {
    const { values, indices } = ir.sort(b, mixed, 2, descending);
    bench.expect("sort", dtype, `values${descending ? " descending" : ""}`, values);
    bench.expect("sort", dtype, `indices${descending ? " descending" : ""}`, indices);
    bench.expect("sort", dtype, `axis 0${descending ? " descending" : ""}`, ir.sort(b, mixed, 0, descending).indices);
  }
}

function movement(bench: Bench, dtype: DType): void {
  const { b } = bench;
  const grid = bench.input("grid", mixedTensor(dtype, [7, 9], 9));
  const other = bench.input("other", mixedTensor(dtype, [7, 5], 10));
  bench.expect("transpose", dtype, "matrix", ir.transpose(b, grid, [1, 0]));
  bench.expect("reshape", dtype, "of a transpose", ir.reshape(b, ir.transpose(b, grid, [1, 0]), [3, 21]));
  bench.expect("slice", dtype, "steps", ir.slice(b, grid, [6, 1], [3, 4], [-2, 2]));
  bench.expect("broadcast", dtype, "new axis", ir.broadcast(b, grid, [2, 7, 9]));
  bench.expect("pad", dtype, "edges and interior", ir.pad(b, grid, ir.scalar(b, dtype, 1), [1, 0], [0, 2], [0, 1]));
  bench.expect("concat", dtype, "axis 1", ir.concat(b, [grid, other], 1));
  bench.expect("window", dtype, "pairs", ir.window(b, grid, { axes: [1], lengths: [2], strides: [3] }));
  bench.expect("iota", dtype, "axis 1", ir.iota(b, dtype, [2, 300], 1));
  const rows = bench.input("rows", tensorFrom("i64", [4], [6, 0, 3, 3].map(BigInt)));
  bench.expect("gather", dtype, "rows", ir.gather(b, grid, rows, 0));
  const flat = bench.input("flat", tensorFrom("i32", [13], [0, 62, 5, 5, 17, 30, 5, 2, 9, 62, 44, 1, 5]));
  bench.expect("take", dtype, "flat", ir.take(b, grid, flat));
  const plain = isFloat(dtype) ? bench.input("base", plainTensor(dtype, [7, 9], 11)) : grid;
  const updates = bench.input("updates", isFloat(dtype) ? plainTensor(dtype, [13], 12) : mixedTensor(dtype, [13], 12));
  for (const mode of ["set", "add", "mul", "max", "min"] as const)
    bench.expect("scatter", dtype, mode, ir.scatter(b, plain, flat, updates, mode));
  if (isFloat(dtype) && dtype !== "f32") {
    // Where the last place is 2, ones that are added one by one are lost: the sum is rounded once.
    const large = bench.input(
      "large",
      tensorFrom(dtype, [7, 9], new Array<number>(63).fill(2 ** (mantissaOf(dtype) + 1))),
    );
    const ones = bench.input("ones", tensorFrom(dtype, [13], new Array<number>(13).fill(1)));
    bench.expect("scatter", dtype, "add, rounded once", ir.scatter(b, large, flat, ones, "add"));
  }
  const count = sym("count", 0, 63);
  const found = ir.nonzero(b, grid, count);
  bench.bind({ symbol: count, from: "axis", value: found, index: 1 });
  bench.expect("nonzero", dtype, "matrix", found);
  if (isInteger(dtype)) {
    const small = bench.input(
      "small",
      tensorFrom(dtype, [5], bytesOf(dtype) === 8 ? [0n, 1n, 1n, 0n, 1n] : [0, 1, 1, 0, 1]),
    );
    bench.expect("gather", dtype, "indices", ir.gather(b, ir.constant(b, mixedTensor("f32", [3, 2], 13)), small, 0));
  }
}

/** Bits of a float's significand after the point. */
function mantissaOf(dtype: DType): number {
  let n = 0;
  while (n < 60 && tensorFrom(dtype, [], [1 + 2 ** -(n + 1)]).at(0) === 1 + 2 ** -(n + 1)) n++;
  return n;
}

function control(bench: Bench, dtype: DType): void {
  const { b } = bench;
  const [yes, no] = [
    bench.input("yes", mixedTensor(dtype, [3, 4], 24)),
    bench.input("no", mixedTensor(dtype, [3, 4], 25)),
  ];
  const truth = bench.input("truth", tensorFrom("bool", [], [0]));
  const [chosen] = ir.ifElse(b, truth, [ir.transpose(b, yes, [1, 0])], [ir.transpose(b, no, [1, 0])]);
  const [last, rows] = ir.loop(b, {
    trips: 3,
    carried: [yes],
    count: 3,
    body: (_, [v = yes]) => ({ carried: [ir.flip(b, v, [1])], scanned: [v] }),
  });
  if (chosen !== undefined) bench.expect("if", dtype, "the second branch", chosen);
  if (last !== undefined) bench.expect("loop", dtype, "carried", last);
  if (rows !== undefined) bench.expect("loop", dtype, "stacked", rows);
}

function contractions(bench: Bench, dtype: DType): void {
  const { b } = bench;
  const make = (name: string, shape: readonly number[], seed: number): Value => {
    const t = isFloat(dtype) ? plainTensor(dtype, shape, seed) : mixedTensor(dtype, shape, seed);
    return name === "" ? ir.constant(b, t) : bench.input(name, t);
  };
  const a = make("a", [2, 5, 9], 14);
  const results = [
    ...new Set<DType>([dtype, ...(isInteger(dtype) ? (["i32", "i64"] as const) : []), "f32", "f64"]),
  ].filter((d) => d !== "bool");
  for (const to of results) {
    bench.expect("matmul", dtype, `gives ${to}`, ir.matmul(b, a, make("", [9, 12], 15), to));
    if (to === results[0])
      bench.expect("matmul", dtype, `both given, gives ${to}`, ir.matmul(b, a, make("right", [2, 9, 13], 16), to));
    bench.expect(
      "conv",
      dtype,
      `gives ${to}`,
      ir.conv(b, make(`image${to}`, [1, 4, 6, 7], 17), make("", [8, 2, 3, 3], 18), {
        groups: 2,
        low: [1, 1],
        high: [1, 0],
        dtype: to,
      }),
    );
  }
  const image = make("channels", [1, 6, 7, 8], 19);
  bench.expect(
    "conv",
    dtype,
    "depthwise",
    ir.conv(b, image, make("", [3, 3, 1, 8], 20), {
      groups: 8,
      layout: "nhwc",
      low: [1, 1],
      high: [1, 1],
      dtype: results[0] ?? "f32",
    }),
  );
}

function composites(bench: Bench, dtype: DType): void {
  const { b } = bench;
  const x = bench.input("logits", plainTensor(dtype, [6, 11], 21));
  const tolerance =
    dtype === "f64" ? 1e-14 : DTYPES[dtype].bits === 32 ? 2e-6 : dtype === "f16" ? 4e-3 : dtype === "bf16" ? 3e-2 : 1;
  if (DTYPES[dtype].bits < 16) return;
  bench.expect("softmax", dtype, "rows", ir.softmax(b, x, 1), { tolerance });
  bench.expect("logSoftmax", dtype, "rows", ir.logSoftmax(b, x, 1), { tolerance });
  const [scale, bias] = [ir.constant(b, plainTensor(dtype, [11], 22)), ir.constant(b, plainTensor(dtype, [11], 23))];
  bench.expect("layerNorm", dtype, "rows", ir.layerNorm(b, x, scale, bias, 1), { tolerance: tolerance * 2 });
}

/** Products with packed weights of few bits. */
function blockProducts(bench: Bench, dtype: "f32" | "i16"): void {
  const { b } = bench;
  const [m, k, n, block] = [5, 40, 12, 16];
  const groups = Math.ceil(k / block);
  const weight = {
    w: ir.constant(b, mixedTensor("u4", [k, n], 31)),
    scale: ir.constant(b, plainTensor("f32", [groups, n], 32)),
    zero: ir.constant(b, mixedTensor("u4", [groups, n], 33)),
    block,
  };
  const x = [bench.input("blocks", plainTensor(dtype, [m, k], 34))];
  if (dtype === "i16")
    x.push(
      bench.input("blockScales", plainTensor("f32", [m, groups], 35)),
      bench.input("blockSums", plainTensor("i32", [m, groups], 36)),
    );
  bench.expect("blockMatmul", dtype, "u4 in blocks", ir.blockMatmul(b, x, weight));
}

/** One graph with the cases of every op that takes `dtype`. */
export function benchOf(dtype: DType): Bench {
  const bench = new Bench();
  scalars(bench, dtype);
  casts(bench, dtype);
  reductions(bench, dtype);
  movement(bench, dtype);
  control(bench, dtype);
  contractions(bench, dtype);
  if (isFloat(dtype)) composites(bench, dtype);
  if (dtype === "f32" || dtype === "i16") blockProducts(bench, dtype);
  return bench;
}
