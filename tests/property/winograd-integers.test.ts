// Minimal filtering of integers against the direct convolution, bit for bit: sizes that tiles fit and do not fit, paddings,
// batches, zero points, values and weights at the ends of their ranges; which tiles are taken where a larger one would not be
// exact; and what the pass leaves alone.

import test from "ava";
import * as ir from "../../compiler/ir/build.js";
import { Builder, constantOf, type Graph, nodesOf } from "../../compiler/ir/graph.js";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { runPasses } from "../../compiler/passes/run.js";
import { compile } from "../../compiler/pipeline.js";
import { interpret } from "../../compiler/reference/interpret.js";
import { load } from "../../runtime-shim/index.js";
import { passOptionsOf } from "../../targets/targets.js";
import { bitDifference } from "../support/bits.js";
import { graphOf } from "../support/reference.js";
import { randomOf } from "../support/sample.js";
import { fromValue, toValue } from "../support/values.js";

interface Case {
  readonly x: readonly number[];
  readonly out: number;
  readonly dtype?: "u8" | "i8";
  readonly zero?: number;
  /** Values and weights at the ends of their ranges alone. */
  readonly extreme?: boolean;
  readonly attrs?: ir.Conv;
  /** Pixels of a tile along the height and the width. */
  readonly tile?: readonly [number, number];
}

/** `least`: with it, the part of the elements at the lower end of the range; the others are at the upper one. */
function numbers(dtype: "u8" | "i8", shape: readonly number[], seed: number, least?: number): Tensor {
  const random = randomOf(seed);
  const lo = dtype === "u8" ? 0 : -128;
  const draw = (): number => lo + (least === undefined ? Math.floor(random() * 256) : random() < least ? 0 : 255);
  return tensorFrom(dtype, shape, Array.from({ length: shape.reduce((n, d) => n * d, 1) }, draw));
}

function build(b: Builder, { x, out, dtype = "u8", zero = 0, extreme = false, attrs = {} }: Case): Graph {
  const input = ir.input(b, "x", dtype, x);
  const pixels = ir.sub(b, ir.cast(b, input, "i32"), ir.scalar(b, "i32", zero));
  // All weights of the first output are at one end: its sums are as great as sums can be.
  const w = numbers("i8", [out, x[1] ?? 1, 3, 3], 3, extreme ? 0.5 : undefined);
  const weights = tensorFrom(
    "i8",
    w.shape,
    w.numbers().map((v, i) => (extreme && i < w.size / out ? -128 : v)),
  );
  const y = ir.conv(b, pixels, ir.cast(b, ir.constant(b, weights), "i32"), { ...attrs, dtype: "i32" });
  // Two in a row: one alone would keep channels second.
  const bytes = ir.rem(b, y, ir.scalar(b, "i32", 100));
  const last = ir.cast(b, ir.constant(b, numbers("i8", [8, out, 1, 1], 7)), "i32");
  return graphOf(b, [input], { y, z: ir.conv(b, bytes, last, { dtype: "i32" }) });
}

const directConvs = (g: Graph): number =>
  nodesOf(g).filter((n) => n.op === "conv" && n.inputs[1]?.type.shape.includes(3)).length;

/** Transformed weights' first two sizes. */
const tilesOf = (g: Graph): (readonly unknown[])[] =>
  nodesOf(g)
    .filter((n) => n.op === "matmul" && n.inputs[1] !== undefined && constantOf(n.inputs[1])?.dtype === "i16")
    .map((n) => n.inputs[1]?.type.shape.slice(0, 2) ?? []);

const BOTH = { low: [1, 1], high: [1, 1] };

const CASES: Readonly<Record<string, Case>> = {
  "tiles that fit": { x: [1, 48, 24, 28], out: 40, attrs: BOTH, tile: [6, 6] },
  "tiles that overhang": { x: [2, 48, 23, 26], out: 48, attrs: BOTH, tile: [6, 6] },
  "no padding, odd channels": { x: [1, 47, 26, 25], out: 45, tile: [6, 6] },
  "padding on one side, a zero point": { x: [1, 48, 25, 24], out: 49, zero: 131, attrs: { low: [0, 2], high: [2, 0] } },
  "signed values": { x: [1, 48, 24, 24], out: 48, dtype: "i8", attrs: BOTH, tile: [6, 6] },
  "ends of the ranges": { x: [1, 64, 24, 24], out: 33, extreme: true, attrs: BOTH, tile: [6, 6] },
  "sums too great for the largest tiles": { x: [1, 128, 24, 24], out: 32, extreme: true, attrs: BOTH, tile: [4, 6] },
};

for (const [name, c] of Object.entries(CASES))
  test(`the direct convolution's bits: ${name}`, async (t) => {
    const b = new Builder();
    const graph = build(b, c);
    // Images of a test are small: here a byte may cost what it saves.
    const { graph: after } = runPasses(b, graph, { ...passOptionsOf("wasm", "strict"), multipliesPerByte: 32 });
    t.is(directConvs(after), 0);
    if (c.tile !== undefined) t.deepEqual(tilesOf(after), [[...c.tile]]);
    const x = numbers(c.dtype ?? "u8", c.x, 11, c.extreme === true ? 0.05 : undefined);
    const { outputs } = interpret(graph, { x });
    const model = await load(compile({ graph: after, builder: b }).bundle);
    const have = Object.entries(model.runSync({ x: toValue(x) })).map(([port, v]) => [port, fromValue(v)] as const);
    t.is(bitDifference(Object.fromEntries(have), outputs), null);
  });

const LEFT: Readonly<Record<string, Case>> = {
  "stride 2": { x: [1, 64, 24, 24], out: 64, attrs: { strides: [2, 2] } },
  "few channels": { x: [1, 3, 32, 32], out: 8 },
  "few pixels for the weights": { x: [1, 64, 7, 7], out: 64, attrs: BOTH },
};

for (const [name, c] of Object.entries(LEFT))
  test(`left as it is: ${name}`, (t) => {
    const b = new Builder();
    t.is(directConvs(runPasses(b, build(b, c), passOptionsOf("wasm", "strict")).graph), 1);
  });

test("left as it is where bundles would grow much for little", (t) => {
  const b = new Builder();
  const graph = build(b, { x: [1, 48, 24, 28], out: 40, attrs: BOTH });
  t.is(directConvs(runPasses(b, graph, passOptionsOf("wasm", "strict")).graph), 1);
});

test("left as it is where bytes are multiplied in fours", (t) => {
  const b = new Builder();
  const graph = build(b, { x: [1, 48, 24, 28], out: 40, attrs: BOTH });
  const options = { ...passOptionsOf("x86-64", "strict"), multipliesPerByte: 32 };
  t.is(directConvs(runPasses(b, graph, options).graph), 1);
});
