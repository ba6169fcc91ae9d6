// Greatest and least of rows of f32 on every target, bit for bit with the reference: zeros of both signs, infinities, and NaN of both
// signs anywhere, in rows long enough for integers (codegen/loops/running.ts) and in shorter ones.

import test from "ava";
import * as ir from "../../compiler/ir/build.js";
import { Builder, type Graph } from "../../compiler/ir/graph.js";
import { tensorOf } from "../../compiler/ir/tensor.js";
import { compile } from "../../compiler/pipeline.js";
import { interpret } from "../../compiler/reference/interpret.js";
import { load, type Model } from "../../runtime-shim/index.js";
import { loadNative } from "../../runtime-shim/native.js";
import { randoms } from "../codegen/math-judge.js";
import { nativeHost } from "../support/native.js";
import { difference } from "../support/sample.js";
import { fromValue, toValue } from "../support/values.js";

const WIDTHS = [5, 63, 64, 100, 203];

/** NaN with its sign bit set: what an x86-64 machine makes of 0 / 0. */
const MINUS_NAN = new Float32Array(Uint32Array.of(0xffc00001).buffer)[0] ?? Number.NaN;

const ORDINARY: readonly (readonly number[])[] = [
  [1, 2, -3],
  [-1, -2, -3e38],
  [-0],
  [0, -0],
  [0, -0, -1e-45],
  [-0, 1e-45],
  [Number.NEGATIVE_INFINITY],
  [Number.POSITIVE_INFINITY],
  [Number.NEGATIVE_INFINITY, -1],
  [Number.POSITIVE_INFINITY, 3.4e38],
];
const NAN = [Number.NaN, MINUS_NAN];

/** Rows of each pattern, and of each with one NaN at some place. */
function rowsOf(width: number): Float32Array {
  const next = randoms(width);
  const rows: Float32Array[] = [];
  for (const pattern of ORDINARY) {
    const row = Float32Array.from({ length: width }, () => pattern[Math.floor(next() * pattern.length)] ?? 0);
    rows.push(row);
    for (const nan of NAN) {
      const bad = row.slice();
      bad[Math.floor(next() * width)] = nan;
      rows.push(bad);
    }
  }
  return Float32Array.from(rows.flatMap((r) => [...r]));
}

/** Reductions alone, and with maps of the same rows. */
function graphOf(
  width: number,
  rows: number,
  kind: "max" | "min",
): { readonly builder: Builder; readonly graph: Graph } {
  const b = new Builder();
  const x = ir.input(b, "x", "f32", [rows, width]);
  const alone = ir.reduce(b, kind, x, [1], true);
  const turned = ir.neg(b, x);
  const outputs = [
    { name: "extreme", value: alone },
    { name: "rest", value: ir.sub(b, turned, ir.reduce(b, kind, turned, [1], true)) },
  ];
  return { builder: b, graph: { name: "rows", inputs: [x], outputs, states: [], bindings: [], constraints: [] } };
}

const host = nativeHost();

/** The target's bundle, and this machine's for each level of its CPU. */
async function models(source: ReturnType<typeof graphOf>): Promise<ReadonlyMap<string, Pick<Model, "runSync">>> {
  const all = new Map<string, Pick<Model, "runSync">>([["wasm", await load(compile(source).bundle)]]);
  if (typeof host === "string") return all;
  for (const level of host.levels)
    all.set(level, await loadNative(compile(source, { target: host.target, cpus: [level] }).bundle));
  return all;
}

for (const kind of ["max", "min"] as const)
  test(`${kind} of rows with every kind of float`, async (t) => {
    if (typeof host === "string") t.log(`without native code: ${host}`);
    for (const width of WIDTHS) {
      const elements = rowsOf(width);
      const rows = elements.length / width;
      const source = graphOf(width, rows, kind);
      const inputs = { x: tensorOf("f32", [rows, width], elements) };
      const want = interpret(source.graph, inputs).outputs;
      const extremes = want["extreme"]?.numbers() ?? [];
      t.true(extremes.some(Number.isNaN) && extremes.some((e) => Object.is(e, -0)), "both are among the results");
      for (const [name, model] of await models(source)) {
        const outputs = model.runSync({ x: toValue(inputs.x) });
        const have = Object.fromEntries(Object.entries(outputs).map(([output, v]) => [output, fromValue(v)]));
        t.is(difference(have, want, 0), null, `${name}, rows of ${width}`);
      }
    }
  });
