// Products of bfloat16 by bfloat16. In strict native code they have the bits of WebAssembly on every level. In relaxed code
// a level's dot products of pairs round in their own way: to nearest or to odd, one or two additions a pair, with numbers
// below the least normal one taken for 0. The bound that documentation states holds for each element.

import test, { type ExecutionContext } from "ava";
import * as ir from "../../compiler/ir/build.js";
import { Builder, type Graph } from "../../compiler/ir/graph.js";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { type CompileOptions, compile, compileStages } from "../../compiler/pipeline.js";
import { load, type Model } from "../../runtime-shim/index.js";
import { loadNative } from "../../runtime-shim/native.js";
import { NATIVE } from "../../targets/native-targets.js";
import { guardedModels } from "../native/rig/guarded.js";
import { type RigName, rigProblem } from "../native/rig/hosts.js";
import { Rig } from "../native/rig/rig.js";
import { bitDifference } from "../support/bits.js";
import { nativeHost } from "../support/native.js";
import { graphOf } from "../support/reference.js";
import { randomOf } from "../support/sample.js";
import { fromValue, toValue } from "../support/values.js";

const host = nativeHost();

const SIZES = [
  [1, 64, 48],
  [1, 8, 3],
  [9, 32, 20],
  [5, 62, 33],
  [16, 34, 16],
  [37, 150, 67],
  [2, 33, 20],
] as const;

/** By name, numbers to multiply. */
const KINDS: Readonly<Record<string, (random: () => number) => number>> = {
  "near 1": (random) => random() * 2 - 1,
  "of all sizes": (random) => (random() < 0.5 ? -1 : 1) * 2 ** Math.floor(random() * 180 - 130) * (1 + random()),
};

interface Product {
  readonly name: string;
  /** [m, k]; [k, m] where it is turned. */
  readonly x: Tensor;
  readonly isTurned: boolean;
  readonly w: Tensor;
  readonly size: readonly [m: number, k: number, n: number];
}

interface Made {
  readonly graph: Graph;
  readonly builder: Builder;
  readonly products: readonly Product[];
}

function made(): Made {
  const builder = new Builder();
  const random = randomOf(17);
  const products = Object.entries(KINDS).flatMap(([kind, draw]) =>
    SIZES.map((size, i): Product => {
      const [m, k, n] = size;
      const isTurned = i % 2 === 1;
      const tensor = (rows: number, columns: number): Tensor =>
        tensorFrom(
          "bf16",
          [rows, columns],
          Array.from({ length: rows * columns }, () => draw(random)),
        );
      return {
        name: `${kind} ${size.join("x")}`,
        isTurned,
        x: isTurned ? tensor(k, m) : tensor(m, k),
        w: tensor(k, n),
        size,
      };
    }),
  );
  const inputs = products.map(({ name, x }) => ir.input(builder, name, "bf16", x.shape));
  const outputs = products.map(({ name, w, isTurned }, i) => {
    const given = inputs[i];
    if (given === undefined) throw new Error("an input is missing");
    const x = isTurned ? ir.transpose(builder, given, [1, 0]) : given;
    return [`y ${name}`, ir.matmul(builder, x, ir.constant(builder, w), "f32")] as const;
  });
  return { graph: graphOf(builder, inputs, Object.fromEntries(outputs)), builder, products };
}

function run(model: Pick<Model, "runSync">, { products }: Made): Record<string, Tensor> {
  const have = model.runSync(Object.fromEntries(products.map(({ name, x }) => [name, toValue(x)])));
  return Object.fromEntries(Object.entries(have).map(([name, v]) => [name, fromValue(v)]));
}

/** The first element that is further from the exact sum than k * 2^-23 of its terms, and what is taken for 0. */
function beyond({ products }: Made, have: Readonly<Record<string, Tensor>>): string | null {
  for (const { name, x, w, size, isTurned } of products) {
    const [m, k, n] = size;
    const y = have[`y ${name}`];
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++) {
        let [exact, terms, least] = [0, 0, 2 * k];
        for (let l = 0; l < k; l++) {
          const [a, b] = [x.at(isTurned ? l * m + i : i * k + l), w.at(l * n + j)];
          exact += a * b;
          terms += Math.abs(a * b);
          least += Math.abs(a) + Math.abs(b);
        }
        const error = Math.abs((y?.at(i * n + j) ?? Number.NaN) - exact);
        const bound = k * 2 ** -23 * terms + 2 ** -126 * least;
        if (!(error <= bound)) return `${name} at ${i}, ${j}: ${error} where ${bound} is the bound`;
      }
  }
  return null;
}

const native = typeof host === "string" ? test.skip : test;
if (typeof host === "string") test("products of bfloat16", (t) => t.pass(`skipped: ${host}`));

native("strict products have the bits of WebAssembly on every level", async (t) => {
  if (typeof host === "string") return;
  const source = made();
  const want = run(await load(compile(source).bundle), source);
  t.is(beyond(source, want), null);
  for (const level of host.levels) {
    const { bundle } = compile(source, { target: host.target, cpus: [level] });
    t.is(bitDifference(run(await loadNative(bundle), source), want), null, level);
  }
});

native("relaxed products are within the bound on every level", async (t) => {
  if (typeof host === "string") return;
  const source = made();
  for (const level of host.levels) {
    const { bundle } = compile(source, { target: host.target, cpus: [level], tier: "relaxed" });
    t.is(beyond(source, run(await loadNative(bundle), source)), null, level);
  }
});

/** Every library of a relaxed bundle, on a rig. */
function onRig(t: ExecutionContext, name: RigName, options: CompileOptions): void {
  const source = made();
  const rig = new Rig(name);
  t.teardown(() => rig.close());
  for (const model of guardedModels(compileStages(source, { ...options, tier: "relaxed" }), rig))
    t.is(beyond(source, run(model, source)), null);
}

const emulated = typeof host === "string" || rigProblem("aarch64") !== null ? test.skip : test;
emulated("relaxed products of aarch64 are within the bound", (t) => {
  for (const level of Object.keys(NATIVE.aarch64.levels)) onRig(t, "aarch64", { target: "aarch64", cpus: [level] });
});
