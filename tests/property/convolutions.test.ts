// Convolutions of floats and of bytes over sizes, windows, strides, dilations, groups and paddings that tiles fit and do not
// fit, with known and with symbolic widths: on WebAssembly and on every level of CPUs that this machine has, against the
// reference. Values are small whole numbers, so that every sum is exact and results are compared bit for bit.
// PSIONIC_RUNS multiplies the number of cases, PSIONIC_SEED adds to the seeds.

import test from "ava";
import fc from "fast-check";
import * as ir from "../../compiler/ir/build.js";
import { sym } from "../../compiler/ir/dim.js";
import type { DType } from "../../compiler/ir/dtype.js";
import { Builder, type Value } from "../../compiler/ir/graph.js";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { compile } from "../../compiler/pipeline.js";
import { interpret } from "../../compiler/reference/interpret.js";
import { load, type Model } from "../../runtime-shim/index.js";
import { loadNative } from "../../runtime-shim/native.js";
import { bitDifference } from "../support/bits.js";
import { nativeHost } from "../support/native.js";
import { graphOf } from "../support/reference.js";
import { randomOf } from "../support/sample.js";
import { fromValue, toValue } from "../support/values.js";
import { type WindowAxis, windowAxis } from "../support/window-axis.js";

const times = Number(process.env["PSIONIC_RUNS"] ?? "1");
const shift = Number(process.env["PSIONIC_SEED"] ?? "0");

interface Case {
  readonly height: WindowAxis;
  readonly width: WindowAxis;
  readonly channels: number;
  readonly outs: number;
  readonly groups: number;
  readonly isSymbolic: boolean;
  readonly isBytes: boolean;
}

const axis = (longest: number): fc.Arbitrary<WindowAxis> =>
  windowAxis({
    size: fc.integer({ min: 1, max: longest }),
    taps: fc.integer({ min: 1, max: 5 }),
    stride: fc.integer({ min: 1, max: 3 }),
    dilation: fc.constantFrom(1, 1, 2, 3),
    low: fc.integer({ min: 0, max: 5 }),
    high: fc.integer({ min: 0, max: 5 }),
  });

const convolution: fc.Arbitrary<Case> = fc.record({
  height: axis(5),
  width: axis(48),
  channels: fc.integer({ min: 1, max: 9 }),
  outs: fc.constantFrom(2, 4, 5, 8, 11, 14, 16, 21, 32, 37),
  groups: fc.constantFrom(1, 1, 1, 2),
  isSymbolic: fc.boolean(),
  isBytes: fc.boolean(),
});

function input(b: Builder, name: string, c: Case, dtype: DType): Value {
  const width = c.isSymbolic ? sym(`${name}.width`, c.width.size, c.width.size + 60) : c.width.size;
  return ir.input(b, name, dtype, [1, c.height.size, width, c.channels * c.groups]);
}

/** One case and its input. */
function build(b: Builder, name: string, c: Case, random: () => number): { x: Value; y: Value; feed: Tensor } {
  const dtype = c.isBytes ? "u8" : "f32";
  const whole = (lo: number, hi: number) => (): number => lo + Math.floor(random() * (hi - lo + 1));
  const tensor = (dtype: DType, shape: readonly number[], draw: () => number): Tensor =>
    tensorFrom(dtype, shape, Array.from({ length: shape.reduce((n, d) => n * d, 1) }, draw));
  const { height, width, channels, outs, groups } = c;
  const x = input(b, name, c, dtype);
  const shape = [1, height.size, width.size, channels * groups];
  const feed = tensor(dtype, shape, c.isBytes ? whole(0, 255) : whole(-8, 8));
  const window = [height.taps, width.taps, channels, outs * groups];
  const weights = ir.constant(b, tensor(c.isBytes ? "i8" : "f32", window, c.isBytes ? whole(-128, 127) : whole(-8, 8)));
  const wide = (v: Value): Value => (c.isBytes ? ir.cast(b, v, "i32") : v);
  const y = ir.conv(b, wide(x), wide(weights), {
    strides: [height.stride, width.stride],
    dilations: [height.dilation, width.dilation],
    low: [height.low, width.low],
    high: [height.high, width.high],
    groups,
    layout: "nhwc",
    ...(c.isBytes ? { dtype: "i32" as const } : {}),
  });
  return { x, y: ir.add(b, y, c.isBytes ? 1 : 0.5), feed };
}

function run(model: Model, feeds: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  const have = model.runSync(Object.fromEntries(Object.entries(feeds).map(([name, v]) => [name, toValue(v)])));
  return Object.fromEntries(Object.entries(have).map(([name, v]) => [name, fromValue(v)]));
}

const host = nativeHost();

async function judge(cases: readonly Case[]): Promise<void> {
  const b = new Builder();
  const random = randomOf(cases.length + shift);
  const made = cases.map((c, i) => build(b, `x${i}`, c, random));
  const outputs = Object.fromEntries(made.map(({ y }, i) => [`y${i}`, y]));
  const feeds = Object.fromEntries(made.map(({ feed }, i) => [`x${i}`, feed]));
  const graph = graphOf(
    b,
    made.map(({ x }) => x),
    outputs,
  );
  const want = interpret(graph, feeds).outputs;
  const same = (have: Record<string, Tensor>, where: string): void => {
    const found = bitDifference(have, want);
    if (found !== null) throw new Error(`${where}: ${found}`);
  };
  same(run(await load(compile({ graph, builder: b }).bundle), feeds), "wasm");
  if (typeof host === "string") return;
  for (const level of host.levels) {
    const { bundle } = compile({ graph, builder: b }, { target: host.target, cpus: [level], threads: true });
    for (const threads of [1, 2]) {
      const model = await loadNative(bundle, { threads });
      same(run(model, feeds), `${level}, ${threads} threads`);
      model.dispose();
    }
  }
}

test("convolutions are what the reference says", async (t) => {
  const property = fc.asyncProperty(fc.array(convolution, { minLength: 1, maxLength: 8 }), judge);
  const result = await fc.check(property, { numRuns: 6 * times, seed: 7 + shift });
  const cause = result.errorInstance instanceof Error ? result.errorInstance.message : "";
  const counterexample = JSON.stringify(result.counterexample);
  t.false(result.failed, `seed ${result.seed}, path ${result.counterexamplePath ?? ""}: ${cause}\n${counterexample}`);
});

test("an image that passes by its weights in strips", async (t) => {
  const alone = { stride: 1, dilation: 1, low: 1, high: 1 };
  const height = { ...alone, size: 90, taps: 2, stride: 2 };
  const width = { ...alone, size: 10, taps: 1 };
  const c = { height, width, channels: 128, outs: 64, groups: 1, isSymbolic: false, isBytes: false };
  await t.notThrowsAsync(judge([c]));
});
