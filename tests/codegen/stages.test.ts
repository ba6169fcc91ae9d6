// Long chains of operations in stages over blocks: every element has the bits that it has in a computation too short for
// blocks, on WebAssembly and in native code, wherever it stands in a block; rows give the same bits on all of them.

import test from "ava";
import { ExprPool } from "../../codegen/loops/expr.js";
import { stagesOf } from "../../codegen/loops/stages.js";
import { mathFunction } from "../../codegen/math/index.js";
import * as ir from "../../compiler/ir/build.js";
import { type Dim, indexVar, sym, symOf } from "../../compiler/ir/dim.js";
import { Builder, type Value } from "../../compiler/ir/graph.js";
import { compile } from "../../compiler/pipeline.js";
import { STAGE_ELEMENTS, STAGE_VALUES } from "../../compiler/schedule/stages.js";
import { load, type Model } from "../../runtime-shim/index.js";
import { loadNative } from "../../runtime-shim/native.js";
import { nativeHost } from "../support/native.js";
import { graphOf } from "../support/reference.js";
import { randomOf } from "../support/sample.js";

type Make = (b: Builder, x: Value) => Value;
type Run = (data: Float32Array, shape: readonly number[]) => Float32Array;

/** x sigmoid(x (1 + x^2)), then its distance from tanh(x). */
const chain: Make = (b, x) => {
  const gate = ir.sigmoid(b, ir.mul(b, x, ir.add(b, ir.mul(b, x, x), 1)));
  return ir.abs(b, ir.sub(b, ir.mul(b, x, gate), ir.tanh(b, x)));
};

const softmax: Make = (b, x) => {
  const keepDims = true;
  const e = ir.exp(b, ir.sub(b, x, ir.reduceMax(b, x, [1], keepDims)));
  return ir.div(b, e, ir.reduce(b, "sum", e, [1], keepDims));
};

const random = randomOf(23);
const draw = (count: number): Float32Array => Float32Array.from({ length: count }, () => (random() * 2 - 1) * 6);

const host = nativeHost();
const levels = typeof host === "string" ? [] : host.levels;

/** The function compiled for WebAssembly and for every level that this machine has. */
async function runnersOf(make: Make, shape: readonly Dim[]): Promise<Map<string, Run>> {
  const builder = new Builder();
  const x = ir.input(builder, "x", "f32", shape);
  const source = { graph: graphOf(builder, [x], { y: make(builder, x) }), builder };
  const models = new Map([["wasm", await load(compile(source).bundle)]]);
  for (const level of levels)
    if (typeof host !== "string")
      models.set(level, await loadNative(compile(source, { target: host.target, cpus: [level] }).bundle));
  const runner =
    (model: Model): Run =>
    (data, given) => {
      const y = model.runSync({ x: { data, shape: given } })["y"]?.data;
      if (!(y instanceof Float32Array)) throw new RangeError("no result");
      return y;
    };
  return new Map([...models].map(([target, model]) => [target, runner(model)]));
}

/** Bits, so that zeros of both signs differ. */
function bitsOf(values: Float32Array): Int32Array {
  return new Int32Array(values.buffer, values.byteOffset, values.length).slice();
}

const LENGTHS = [STAGE_ELEMENTS / 2, STAGE_ELEMENTS, STAGE_ELEMENTS + 1, 2 * STAGE_ELEMENTS - 1, 1030];

test("elements do not depend on their place in a block", async (t) => {
  const few = 5;
  const alone = (await runnersOf(chain, [few])).get("wasm");
  if (alone === undefined) return t.fail();
  const data = draw(1030);
  const want = new Int32Array(data.length);
  for (let at = 0; at < data.length; at += few) want.set(bitsOf(alone(data.slice(at, at + few), [few])), at);
  const check = (runners: ReadonlyMap<string, Run>, length: number): void => {
    for (const [target, run] of runners)
      t.deepEqual(bitsOf(run(data.slice(0, length), [length])), want.slice(0, length), `${target}, ${length}`);
  };
  for (const length of LENGTHS) check(await runnersOf(chain, [length]), length);
  const dynamic = await runnersOf(chain, [sym("n", 1, 2000)]);
  for (const length of [3, 40, ...LENGTHS]) check(dynamic, length);
});

test("rows in stages have the same bits on every target, and sum to one", async (t) => {
  for (const width of [40, 64, 300, ...LENGTHS]) {
    const data = draw(3 * width);
    const runners = await runnersOf(softmax, [3, width]);
    const results = [...runners].map(([target, run]) => ({ target, y: run(data, [3, width]) }));
    const [first] = results;
    if (first === undefined) return t.fail();
    for (let row = 0; row < 3; row++) {
      const sum = first.y.slice(row * width, (row + 1) * width).reduce((a, b) => a + b, 0);
      t.true(Math.abs(sum - 1) < 1e-5, `${width}: ${sum}`);
    }
    for (const { target, y } of results) t.deepEqual(bitsOf(y), bitsOf(first.y), `${target}, ${width}`);
  }
});

test("only long chains are cut, and what is left between stages fits its place", (t) => {
  const pool = new ExprPool();
  const v = symOf(indexVar("v", 4096));
  if (v === undefined) return t.fail();
  const x = pool.load(0, "f32", { kind: "f32", lanes: 4 }, indexVar("v", 4096), 1);
  const area = { buffer: 2, first: 0, elements: STAGE_VALUES * STAGE_ELEMENTS };
  const long = mathFunction("sigmoid", pool, [mathFunction("tanh", pool, [x])]);
  const stages = stagesOf(pool, area, v, 4096, [long]);
  t.truthy(stages);
  t.not(stages?.roots[0], long);
  t.is(stagesOf(pool, area, v, 4096, [pool.same("mul", x, pool.same("add", x, x))]), null);
  t.is(stagesOf(pool, { ...area, elements: 0 }, v, 4096, [long]), null);
  const [loop] = stages?.loop(4096, 8, [], true) ?? [];
  t.is(loop?.kind, "for");
  const inner = loop?.kind === "for" ? loop.body.flatMap((s) => (s.kind === "for" ? s.body : [])) : [];
  t.true(inner.length > 0 && inner.length <= 2 * STAGE_VALUES && inner.every((s) => s.kind === "store"));
});
