// Products of f32 of all the forms that tiles take, on WebAssembly and on every level of CPUs that this machine has: sizes that
// tiles and panels do not divide, rows known only at run time, constant and computed right operands, batches, operands
// read through a transposition. Each element has the bits of a plain sum in order. Few columns of a constant, whose sums have an
// order of their own, are in inner-products.test.ts.

import test, { type ExecutionContext } from "ava";
import fc from "fast-check";
import * as ir from "../../compiler/ir/build.js";
import { type Dim, sym } from "../../compiler/ir/dim.js";
import { Builder, type Value } from "../../compiler/ir/graph.js";
import { tensorFrom } from "../../compiler/ir/tensor.js";
import { compile } from "../../compiler/pipeline.js";
import { load } from "../../runtime-shim/index.js";
import { loadNative } from "../../runtime-shim/native.js";
import { nativeHost } from "../support/native.js";
import { graphOf } from "../support/reference.js";
import { randomOf } from "../support/sample.js";

interface Product {
  readonly batch: number;
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly right: "constant" | "input" | "transposed";
  readonly isOpen: boolean;
  /** Which of this machine's levels, modulo their number. */
  readonly level: number;
  readonly seed: number;
}

const host = nativeHost();
const MOST_ROWS = 400;

const any: fc.Arbitrary<Product> = fc.record({
  batch: fc.constantFrom(1, 1, 3),
  m: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 41, max: MOST_ROWS })),
  k: fc.oneof(fc.integer({ min: 1, max: 70 }), fc.constantFrom(256, 1024)),
  n: fc.oneof(fc.integer({ min: 1, max: 24 }), fc.integer({ min: 1, max: 130 }), fc.constantFrom(192, 256)),
  right: fc.constantFrom("constant", "input", "transposed"),
  isOpen: fc.boolean(),
  level: fc.nat(20),
  seed: fc.integer(),
});
const products = any.filter(({ n, right }) => right !== "constant" || n > 3);

/** Right operands whose rows lie far apart, for many rows of the left one: panels of them are copied in native code. */
const wide: fc.Arbitrary<Product> = fc
  .record({ product: products, m: fc.integer({ min: 112, max: 140 }), n: fc.integer({ min: 1024, max: 1100 }) })
  .map(({ product, m, n }) => ({ ...product, m, n, k: Math.min(product.k, 40), right: "input" }));

function drawn(count: number, random: () => number): Float32Array {
  return Float32Array.from({ length: count }, () => random() * 2 - 1);
}

function source({ batch, m, k, n, right, isOpen }: Product, b: Float32Array) {
  const builder = new Builder();
  const rows: Dim = isOpen ? sym("m", 1, MOST_ROWS) : m;
  const outer = batch === 1 ? [] : [batch];
  const left = ir.input(builder, "a", "f32", [...outer, rows, k]);
  const inputs: Value[] = [left];
  const operand = (): Value => {
    const shape = [...outer, k, n];
    if (right === "constant") return ir.constant(builder, tensorFrom("f32", shape, [...b]));
    const swapped = [...outer, n, k];
    const own = ir.input(builder, "b", "f32", right === "input" ? shape : swapped);
    inputs.push(own);
    const axes = shape.map((_, i) => i);
    return right === "input" ? own : ir.transpose(builder, own, [...axes.slice(0, -2), ...axes.slice(-2).reverse()]);
  };
  const y = ir.max(builder, ir.matmul(builder, left, operand(), "f32"), -1);
  return { graph: graphOf(builder, inputs, { y }), builder };
}

function expected({ batch, m, k, n }: Product, a: Float32Array, b: Float32Array): Float32Array {
  const out = new Float32Array(batch * m * n);
  for (let g = 0; g < batch; g++)
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let at = 0; at < k; at++)
          sum = Math.fround(sum + Math.fround((a[(g * m + i) * k + at] ?? 0) * (b[(g * k + at) * n + j] ?? 0)));
        out[(g * m + i) * n + j] = Math.max(-1, sum);
      }
  return out;
}

function swapped({ batch, k, n }: Product, b: Float32Array): Float32Array {
  const out = new Float32Array(b.length);
  for (let g = 0; g < batch; g++)
    for (let i = 0; i < k; i++) for (let j = 0; j < n; j++) out[(g * n + j) * k + i] = b[(g * k + i) * n + j] ?? 0;
  return out;
}

async function holds(t: ExecutionContext, product: Product): Promise<void> {
  const { batch, m, k, n, right } = product;
  const random = randomOf(product.seed);
  const [a, b] = [drawn(batch * m * k, random), drawn(batch * k * n, random)];
  const want = expected(product, a, b);
  const outer = batch === 1 ? [] : [batch];
  const feeds = {
    a: { data: a, shape: [...outer, m, k] },
    ...(right === "input" ? { b: { data: b, shape: [...outer, k, n] } } : {}),
    ...(right === "transposed" ? { b: { data: swapped(product, b), shape: [...outer, n, k] } } : {}),
  };
  const onWasm = await load(compile(source(product, b)).bundle);
  t.deepEqual(onWasm.runSync(feeds)["y"]?.data, want, `wasm ${JSON.stringify(product)}`);
  if (typeof host === "string") return;
  const cpu = host.levels[product.level % host.levels.length] ?? "";
  const { bundle } = compile(source(product, b), { target: host.target, cpus: [cpu], threads: true });
  for (const threads of [1, 2]) {
    const model = await loadNative(bundle, { threads });
    t.deepEqual(model.runSync(feeds)["y"]?.data, want, `${cpu}, ${threads} threads ${JSON.stringify(product)}`);
    model.dispose();
  }
}

test("products with wide right operands have them too", async (t) => {
  await fc.assert(
    fc.asyncProperty(wide, async (product) => await holds(t, product)),
    { numRuns: 4 * Number(process.env["PSIONIC_RUNS"] ?? "1") },
  );
});

test("products have the bits of sums in order", async (t) => {
  await fc.assert(
    fc.asyncProperty(products, async (product) => await holds(t, product)),
    { numRuns: 10 * Number(process.env["PSIONIC_RUNS"] ?? "1") },
  );
});
