// Reductions of short rows, several of which run side by side: each row has the bits that it has alone, whatever it holds, on
// WebAssembly and on every level of CPUs that this machine has.

import test, { type ExecutionContext } from "ava";
import fc from "fast-check";
import * as ir from "../../compiler/ir/build.js";
import { type Dim, sym } from "../../compiler/ir/dim.js";
import { Builder } from "../../compiler/ir/graph.js";
import { compile } from "../../compiler/pipeline.js";
import { load, type Model } from "../../runtime-shim/index.js";
import { loadNative } from "../../runtime-shim/native.js";
import { nativeHost } from "../support/native.js";
import { graphOf } from "../support/reference.js";
import { randomOf } from "../support/sample.js";

const MOST_ROWS = 40;
const SPECIAL = [0, -0, Number.NaN, Infinity, -Infinity, 1e-40, 3e38];
const host = nativeHost();

const cases = fc.record({
  kind: fc.constantFrom("sum", "prod", "max", "min"),
  rows: fc.integer({ min: 4, max: MOST_ROWS }),
  length: fc.integer({ min: 8, max: 70 }),
  outer: fc.constantFrom(1, 3),
  isOpen: fc.boolean(),
  isSpecial: fc.boolean(),
  level: fc.nat(20),
  seed: fc.integer(),
});
type Case = typeof cases extends fc.Arbitrary<infer T> ? T : never;

function source({ kind, length, outer, isOpen }: Case, count: number) {
  const b = new Builder();
  const rows: Dim = isOpen ? sym("rows", 1, MOST_ROWS) : count;
  const x = ir.input(b, "x", "f32", [outer, rows, length]);
  const bias = ir.input(b, "bias", "f32", [outer, rows]);
  const y = ir.add(b, ir.reduce(b, kind, ir.mul(b, x, x), [2]), bias);
  return { graph: graphOf(b, [x, bias], { y }), builder: b };
}

async function models(c: Case, count: number): Promise<Model[]> {
  const onWasm = await load(compile(source(c, count)).bundle);
  if (typeof host === "string") return [onWasm];
  const cpus = [host.levels[c.level % host.levels.length] ?? ""];
  return [onWasm, await loadNative(compile(source(c, count), { target: host.target, cpus }).bundle)];
}

function valuesOf(model: Model, x: Float32Array, bias: Float32Array, shape: readonly number[]): readonly number[] {
  const y = model.runSync({ x: { data: x, shape }, bias: { data: bias, shape: shape.slice(0, 2) } })["y"]?.data;
  return y instanceof Float32Array ? [...y] : [];
}

async function holds(t: ExecutionContext, c: Case): Promise<void> {
  const { rows, length, outer } = c;
  const random = randomOf(c.seed);
  const draw = (): number =>
    c.isSpecial && random() < 0.1 ? (SPECIAL[Math.floor(random() * SPECIAL.length)] ?? 0) : random() * 2 - 1;
  const drawn = (count: number): Float32Array => Float32Array.from({ length: count }, draw);
  const [x, bias] = [drawn(outer * rows * length), drawn(outer * rows)];
  const together = (await models(c, rows)).map((m) => valuesOf(m, x, bias, [outer, rows, length]));
  const [alone] = await models({ ...c, outer: 1, isOpen: false }, 1);
  if (alone === undefined) return t.fail("no model");
  const each = Array.from({ length: outer * rows }, (_, r) => {
    const row = x.slice(r * length, (r + 1) * length);
    return valuesOf(alone, row, bias.slice(r, r + 1), [1, 1, length])[0];
  });
  for (const bits of together) t.deepEqual(bits, each, JSON.stringify(c));
}

test("rows side by side have the bits of rows alone", async (t) => {
  await fc.assert(
    fc.asyncProperty(cases, async (c) => await holds(t, c)),
    { numRuns: 15 * Number(process.env["PSIONIC_RUNS"] ?? "1") },
  );
});
