// A reduction of long rows over an outer axis that may be empty: nothing is added, and every result is the reduction's start.

import test from "ava";
import * as ir from "../../compiler/ir/build.js";
import { sym } from "../../compiler/ir/dim.js";
import { Builder } from "../../compiler/ir/graph.js";
import { compile } from "../../compiler/pipeline.js";
import { load, type Model } from "../../runtime-shim/index.js";
import { loadNative } from "../../runtime-shim/native.js";
import { nativeHost } from "../support/native.js";
import { graphOf } from "../support/reference.js";

const builder = new Builder();
const x = ir.input(builder, "x", "f32", [sym("n", 0, 16), 8, 64]);
const outputs = { sum: ir.sum(builder, x, [0, 2]), max: ir.reduceMax(builder, x, [0, 2]) };
const source = { graph: graphOf(builder, [x], outputs), builder };

function results(model: Model): unknown[] {
  return [0, 2].map((n) => {
    const out = model.runSync({ x: { data: new Float32Array(n * 8 * 64).fill(1.5), shape: [n, 8, 64] } });
    return [out["sum"]?.data, out["max"]?.data];
  });
}

const filled = (value: number): Float32Array => new Float32Array(8).fill(value);
const WANT = [
  [filled(0), filled(Number.NEGATIVE_INFINITY)],
  [filled(192), filled(1.5)],
];

test("on WebAssembly", async (t) => {
  t.deepEqual(results(await load(compile(source).bundle)), WANT);
});

const host = nativeHost();
for (const level of typeof host === "string" ? [] : host.levels)
  test(`in native code, ${level}`, async (t) => {
    if (typeof host === "string") return;
    const { bundle } = compile(source, { target: host.target, cpus: [level] });
    t.deepEqual(results(await loadNative(bundle)), WANT);
  });
if (typeof host === "string") test.skip(`in native code: ${host}`, () => {});
