// blockMatmul, whose weights of few bits stay packed: the compiled kernels against the reference over block sizes, odd
// sizes, kinds of zeros and numbers of rows. Values are small multiples of powers of two, so that every sum is exact and
// the order of additions does not show: results are compared bit for bit.

import test, { type ExecutionContext } from "ava";
import * as ir from "../../compiler/ir/build.js";
import { type Dim, sym } from "../../compiler/ir/dim.js";
import { DTYPES, type DType, intRange } from "../../compiler/ir/dtype.js";
import { Builder, type Value } from "../../compiler/ir/graph.js";
import { StringTable } from "../../compiler/ir/strings.js";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { compile } from "../../compiler/pipeline.js";
import { interpret } from "../../compiler/reference/interpret.js";
import { hasFeature } from "../../runtime-shim/features.js";
import { load, type Model } from "../../runtime-shim/index.js";
import { loadNative } from "../../runtime-shim/native.js";
import { RIG_TARGETS } from "../conformance/targets.js";
import { rigProblem } from "../native/rig/hosts.js";
import { nativeHost } from "../support/native.js";
import { graphOf } from "../support/reference.js";
import { difference, randomOf } from "../support/sample.js";
import { fromValue, toValue } from "../support/values.js";

interface Case {
  readonly dtype: DType;
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly block: number;
  /** "middle": a scalar in the middle of the weights' range. */
  readonly zero: "scalar" | "middle" | "whole" | "real";
  /** Of what type the left operand's integers are, "small" being i16 made of i8 at its ends; null: it is real numbers. */
  readonly integers: "i16" | "i8" | "small" | null;
}

/** Draws from a seed: whole numbers lo..hi, and powers of two. */
function drawer(seed: number): { whole(lo: number, hi: number): () => number; power(): number } {
  const random = randomOf(seed);
  return {
    whole: (lo, hi) => () => lo + Math.floor(random() * (hi - lo + 1)),
    power: () => 2 ** -Math.floor(random() * 4),
  };
}

function made(dtype: DType, shape: readonly number[], draw: () => number): Tensor {
  return tensorFrom(dtype, shape, Array.from({ length: shape.reduce((a, d) => a * d, 1) }, draw));
}

interface Product {
  readonly value: Value;
  readonly inputs: readonly Value[];
  readonly feeds: Readonly<Record<string, Tensor>>;
}

/** The case's product, of inputs with `rows` rows (a number or a symbol). */
function product(b: Builder, { dtype, m, k, n, block, zero, integers }: Case, name: string, rows: Dim): Product {
  const draw = drawer(m * 7 + k * 13 + n * 29 + block);
  const groups = Math.ceil(k / block);
  const { min, max } = intRange(dtype);
  const [lo, hi] = [Number(min), Number(max)];
  const zeros = {
    scalar: () => ir.scalar(b, dtype, draw.whole(lo, hi)()),
    middle: () => ir.scalar(b, dtype, (lo + hi + 1) / 2),
    whole: () => ir.constant(b, made(dtype, [groups, n], draw.whole(lo, hi))),
    real: () =>
      ir.constant(
        b,
        made("f32", [groups, n], () => draw.whole(lo * 2, hi * 2)() / 2),
      ),
  };
  const weight: ir.BlockWeight = {
    w: ir.constant(b, made(dtype, [k, n], draw.whole(lo, hi))),
    scale: ir.constant(b, made("f32", [groups, n], draw.power)),
    zero: zeros[zero](),
    block,
  };
  const feeds: Record<string, Tensor> = {};
  const inputs: Value[] = [];
  const operands: Value[] = [];
  const input = (part: string, t: Tensor): Value => {
    const v = ir.input(b, `${name}${part}`, t.dtype, [rows, ...t.shape.slice(1)]);
    feeds[`${name}${part}`] = t;
    inputs.push(v);
    operands.push(v);
    return v;
  };
  if (integers === null) input("x", made("f32", [m, k], draw.whole(-3, 3)));
  else {
    const small = (): number => (draw.whole(0, 3)() === 0 ? 127 : -128);
    const values = { i16: draw.whole(-3, 3), i8: draw.whole(-128, 127), small };
    const x = made(integers === "small" ? "i8" : integers, [m, k], values[integers]);
    const sums = Array.from({ length: m * groups }, (_, i) => {
      const [row, group] = [Math.floor(i / groups), i % groups];
      let sum = 0;
      for (let at = group * block; at < Math.min(k, (group + 1) * block); at++) sum += x.at(row * k + at);
      return sum;
    });
    const v = input("x", x);
    if (integers === "small") operands[0] = ir.cast(b, v, "i16");
    input("scale", made("f32", [m, groups], draw.power));
    input("sum", tensorFrom("i32", [m, groups], sums));
  }
  return { value: ir.blockMatmul(b, operands, weight), inputs, feeds };
}

const SIZES = [
  { m: 1, k: 64, n: 32, block: 32 },
  { m: 1, k: 40, n: 17, block: 16 },
  { m: 2, k: 16, n: 4, block: 16 },
  { m: 4, k: 96, n: 16, block: 32 },
  { m: 5, k: 72, n: 41, block: 16 },
  { m: 7, k: 37, n: 9, block: 64 },
  { m: 6, k: 130, n: 20, block: 128 },
  { m: 9, k: 300, n: 18, block: 256 },
  { m: 9, k: 300, n: 29, block: 256 },
  { m: 15, k: 96, n: 70, block: 32 },
] as const;

/** Everything of one dtype in one graph. */
async function check(t: ExecutionContext, dtype: DType, rowsOf: (m: number) => Dim, isNative = false): Promise<void> {
  const b = new Builder();
  const zeros = (["scalar", "middle", "whole", "real"] as const).filter(
    (z) => z !== "real" || DTYPES[dtype].kind === "uint",
  );
  const cases = SIZES.flatMap((size) =>
    zeros.flatMap((zero) =>
      ([null, "i16", "i8", "small"] as const)
        .filter((integers) => integers === null || zero !== "real")
        // Of wider weights such sums would not be exact in f32.
        .filter((integers) => integers !== "small" || DTYPES[dtype].bits <= 4)
        .map((integers): Case => ({ ...size, dtype, zero, integers })),
    ),
  );
  const products = cases.map((c, i) => product(b, c, `c${i}_`, rowsOf(c.m)));
  const graph = graphOf(
    b,
    products.flatMap((p) => p.inputs),
    Object.fromEntries(products.map((p, i) => [`${i} ${JSON.stringify(cases[i])}`, p.value])),
  );
  const { bundle, plan } = compile({ graph, builder: b });
  const templates = plan.kernels.map((k) => k.template);
  t.true(templates.includes("blockMatmul") && !templates.includes("matmul"), templates.join());
  const threes = plan.kernels.some(({ choices }) => choices["nr"] === 24);
  t.is(threes, DTYPES[dtype].bits <= 4, "three columns share two sums");
  const feeds = Object.assign({}, ...products.map((p) => p.feeds)) as Record<string, Tensor>;
  const want = interpret(graph, feeds).outputs;
  t.is(difference(run(await load(bundle), feeds), want), null);
  if (hasFeature("relaxed-simd")) {
    const relaxed = compile({ graph, builder: b }, { tier: "relaxed" });
    t.is(difference(run(await load(relaxed.bundle), feeds), want), null, "relaxed");
  }
  if (typeof host === "string" || !isNative) return;
  // The widest vectors and the narrowest.
  for (const level of new Set([host.levels[0], host.levels.at(-1)])) {
    if (level === undefined) continue;
    const native = compile({ graph, builder: b }, { target: host.target, cpus: [level] });
    t.is(difference(run(await loadNative(native.bundle), feeds), want), null, level);
  }
  if (aarch64 !== null) await t.notThrowsAsync((await aarch64(graph, b))(feeds, new StringTable()));
}

function run(model: Pick<Model, "runSync">, feeds: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  const have = model.runSync(Object.fromEntries(Object.entries(feeds).map(([name, v]) => [name, toValue(v)])));
  return Object.fromEntries(Object.entries(have).map(([name, v]) => [name, fromValue(v)]));
}

const host = nativeHost();
/** Every level of aarch64, whose results must be WebAssembly's. */
const aarch64 = typeof host === "string" || rigProblem("aarch64") !== null ? null : RIG_TARGETS.aarch64();

for (const dtype of ["u2", "i2", "u4", "i4", "u8", "i8"] as const) {
  test(`products with ${dtype}`, (t) => check(t, dtype, (m) => m, dtype === "u4" || dtype === "i8"));
  test(`products with ${dtype} of any number of rows`, (t) => check(t, dtype, (m) => sym(`m${m}`, 1, 16)));
}

test("the same bits as a product with the weights in f32", async (t) => {
  const [m, k, n, block] = [6, 80, 24, 16];
  const random = randomOf(5);
  const real = (): number => Math.fround(random() * 2 - 1);
  const w = made("u4", [k, n], () => Math.floor(random() * 16));
  const scale = made("f32", [k / block, n], real);
  const zero = made("u4", [k / block, n], () => Math.floor(random() * 16));
  const dequantized = Array.from({ length: k * n }, (_, i) => {
    const at = Math.floor(i / n / block) * n + (i % n);
    return Math.fround((w.at(i) - zero.at(at)) * scale.at(at));
  });
  const x = made("f32", [m, k], real);
  const b = new Builder();
  const input = ir.input(b, "x", "f32", [m, k]);
  const weight = { w: ir.constant(b, w), scale: ir.constant(b, scale), zero: ir.constant(b, zero), block };
  const row = (v: Value, i: number): Value => ir.sliceAxis(b, v, 0, i, 1);
  const outputs = {
    packed: ir.blockMatmul(b, [input], weight),
    first: ir.blockMatmul(b, [row(input, 0)], weight),
    plain: ir.matmul(b, input, ir.constant(b, tensorFrom("f32", [k, n], dequantized))),
  };
  const { bundle } = compile({ graph: graphOf(b, [input], outputs), builder: b });
  const { packed, first, plain } = (await load(bundle)).runSync({ x: toValue(x) });
  if (packed === undefined || first === undefined || plain === undefined) return t.fail("outputs are missing");
  const bits = fromValue(plain).bytes;
  t.deepEqual(fromValue(packed).bytes, bits);
  t.deepEqual(fromValue(first).bytes, bits.subarray(0, n * 4));
});

for (const dtype of ["f16", "bf16"] as const)
  test(`products with constants of ${dtype}: the bits of f32, in two bytes each`, async (t) => {
    const [m, k, n] = [6, 33, 24];
    const random = randomOf(6);
    const values = [Number.NaN, Infinity, -Infinity, -0, 2 ** -24, -(2 ** -133)];
    let i = 0;
    const draw = (): number => {
      i++;
      // A column of its own for each value that is no ordinary number.
      return i % n < values.length && i > n * 3 && i < n * 4 ? (values[i % n] ?? 0) : random() * 2 - 1;
    };
    const w = made(dtype, [k, n], draw);
    const x = made("f32", [m, k], () => Math.fround(random() * 2 - 1));
    const b = new Builder();
    const input = ir.input(b, "x", "f32", [m, k]);
    const half = ir.cast(b, input, dtype);
    const outputs = {
      packed: ir.matmul(b, input, ir.constant(b, w), "f32"),
      first: ir.matmul(b, ir.sliceAxis(b, input, 0, 0, 1), ir.constant(b, w), "f32"),
      rounded: ir.matmul(b, half, ir.constant(b, w), dtype),
    };
    const { bundle, plan } = compile({ graph: graphOf(b, [input], outputs), builder: b });
    t.false(plan.kernels.some((kernel) => kernel.template === "matmul"));
    t.is(plan.memory.weights.bytes, Math.ceil(k / 2) * n * 4 + Math.ceil(k / 2) * 8 * 4);
    const have = (await load(bundle)).runSync({ x: toValue(x) });
    const c = new Builder();
    const xc = ir.input(c, "x", "f32", [m, k]);
    const wide = ir.constant(c, tensorFrom("f32", [k, n], w.numbers()));
    const rounded = ir.cast(c, ir.cast(c, xc, dtype), "f32");
    const plain = {
      packed: ir.matmul(c, xc, wide),
      first: ir.matmul(c, ir.sliceAxis(c, xc, 0, 0, 1), wide),
      rounded: ir.cast(c, ir.matmul(c, rounded, wide), dtype),
    };
    const want = (await load(compile({ graph: graphOf(c, [xc], plain), builder: c }).bundle)).runSync({
      x: toValue(x),
    });
    const tensors = (views: typeof have): Record<string, Tensor> =>
      Object.fromEntries(Object.entries(views).map(([name, v]) => [name, fromValue(v)]));
    t.is(difference(tensors(have), tensors(want)), null);
  });

test("weights take as many bytes as they have bits, and their scales", (t) => {
  const [k, n, block] = [256, 64, 32];
  const b = new Builder();
  const x = ir.input(b, "x", "f32", [1, k]);
  const draw = drawer(1);
  const y = ir.blockMatmul(b, [x], {
    w: ir.constant(b, made("u4", [k, n], draw.whole(0, 15))),
    scale: ir.constant(b, made("f32", [k / block, n], draw.power)),
    zero: ir.scalar(b, "u4", 8),
    block,
  });
  const { plan } = compile({ graph: graphOf(b, [x], { y }), builder: b });
  t.is(plan.memory.weights.bytes, (k * n) / 2 + (k / block) * n * 4);
});

test("what no kernel takes is decomposed", async (t) => {
  const b = new Builder();
  const draw = drawer(2);
  const x = ir.input(b, "x", "f32", [3, 20]);
  const weight = (n: number, block: number): ir.BlockWeight => ({
    w: ir.constant(b, made("u4", [20, n], draw.whole(0, 15))),
    scale: ir.constant(b, made("f32", [Math.ceil(20 / block), n], draw.power)),
    zero: ir.scalar(b, "u4", 7),
    block,
  });
  // Blocks that end inside a word, and fewer columns than a vector has.
  const outputs = { blocks: ir.blockMatmul(b, [x], weight(8, 10)), narrow: ir.blockMatmul(b, [x], weight(3, 16)) };
  const graph = graphOf(b, [x], outputs);
  const { bundle, plan } = compile({ graph, builder: b });
  t.false(plan.kernels.some((k) => k.template === "blockMatmul"));
  const given = made("f32", [3, 20], draw.whole(-3, 3));
  const have = (await load(bundle)).runSync({ x: toValue(given) });
  const tensors = Object.fromEntries(Object.entries(have).map(([name, v]) => [name, fromValue(v)]));
  t.is(difference(tensors, interpret(graph, { x: given }).outputs), null);
});
