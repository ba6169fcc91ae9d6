// Operators that draw random numbers: the distribution, fresh numbers in every run, the same sequence after a reset, and
// the same numbers on the reference and in WebAssembly.

import test from "ava";
import { importOnnx, type OnnxImport } from "../../compiler/import/onnx/import.js";
import { ATTRIBUTE_TYPE, type Draft } from "../../compiler/import/onnx/proto.js";
import { encodeMessage } from "../../compiler/import/onnx/wire.js";
import { Builder } from "../../compiler/ir/graph.js";
import { scalarTensor, type Tensor } from "../../compiler/ir/tensor.js";
import { compile } from "../../compiler/pipeline.js";
import { interpret } from "../../compiler/reference/interpret.js";
import { load } from "../../runtime-shim/index.js";
import { fromValue, toValue } from "../support/values.js";
import { encodeNode, floats, type OneNode } from "./one-node.js";

interface Runner {
  readonly run: () => readonly number[];
  readonly reset: () => void;
  readonly states: readonly string[];
}

const bytesOf = (n: OneNode): Uint8Array => encodeNode({ domain: "", version: 17, ...n });

function imported(bytes: Uint8Array): OnnxImport & { builder: Builder } {
  const builder = new Builder();
  return { ...importOnnx(bytes, { builder }), builder };
}

async function runner(bytes: Uint8Array, inputs: Readonly<Record<string, Tensor>> = {}): Promise<Runner> {
  const { graph, builder } = imported(bytes);
  const model = await load(compile({ graph, builder }).bundle);
  const feeds = Object.fromEntries(Object.entries(inputs).map(([name, t]) => [name, toValue(t)]));
  const run = (): number[] => {
    const [first] = Object.values(model.runSync(feeds));
    return first === undefined ? [] : fromValue(first).numbers();
  };
  return { run, reset: () => model.reset(), states: model.states.map((s) => s.name) };
}

const mean = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0) / xs.length;
const deviation = (xs: readonly number[]): number => Math.sqrt(mean(xs.map((x) => (x - mean(xs)) ** 2)));

interface Case {
  readonly name: string;
  readonly node: OneNode;
  readonly mean: number;
  readonly deviation: number;
}

const half = floats([100, 50], new Array<number>(5000).fill(0.25));
const CASES: readonly Case[] = [
  {
    name: "RandomUniform",
    node: { op: "RandomUniform", inputs: [], attributes: { shape: [100, 50], low: { f: 1 }, high: { f: 3 } } },
    mean: 2,
    deviation: 2 / Math.sqrt(12),
  },
  {
    name: "RandomUniform with a seed",
    node: { op: "RandomUniform", inputs: [], attributes: { shape: [100, 50], seed: { f: 7 } } },
    mean: 0.5,
    deviation: 1 / Math.sqrt(12),
  },
  {
    name: "RandomNormal",
    node: { op: "RandomNormal", inputs: [], attributes: { shape: [100, 50], mean: { f: 3 }, scale: { f: 2 } } },
    mean: 3,
    deviation: 2,
  },
  { name: "RandomNormalLike", node: { op: "RandomNormalLike", inputs: [half] }, mean: 0, deviation: 1 },
  { name: "RandomUniformLike", node: { op: "RandomUniformLike", inputs: [half] }, mean: 0.5, deviation: 0.2887 },
  { name: "Bernoulli", node: { op: "Bernoulli", inputs: [half] }, mean: 0.25, deviation: Math.sqrt(0.1875) },
  {
    name: "Multinomial",
    node: {
      op: "Multinomial",
      inputs: [floats([1, 4], [Math.log(0.5), Number.NEGATIVE_INFINITY, Math.log(0.25), Math.log(0.25)])],
      attributes: { sample_size: 5000 },
    },
    mean: 1.25,
    deviation: Math.sqrt(1.6875),
  },
];

for (const c of CASES)
  test(c.name, async (t) => {
    const bytes = bytesOf(c.node);
    const [input] = c.node.inputs;
    const inputs: Record<string, Tensor> = input === undefined || input === null ? {} : { in0: input };
    const { run, reset, states } = await runner(bytes, inputs);
    t.deepEqual(states, ["random.counter"]);
    const [first, second] = [run(), run()];
    for (const xs of [first, second]) {
      t.is(xs.length, 5000);
      t.true(Math.abs(mean(xs) - c.mean) < 5 * (c.deviation / Math.sqrt(5000)), `mean ${mean(xs)}, want ${c.mean}`);
      t.true(Math.abs(deviation(xs) / c.deviation - 1) < 0.06, `deviation ${deviation(xs)}, want ${c.deviation}`);
    }
    t.notDeepEqual(first, second);
    reset();
    t.deepEqual([run(), run()], [first, second]);
    const { graph, notes } = imported(bytes);
    t.regex(notes.join("\n"), /random\.counter/);
    const later = interpret(graph, inputs, { states: { "random.counter": scalarTensor("i64", 1) } });
    t.is(later.states["random.counter"]?.at(0), 2);
    const reference = Object.values(later.outputs)[0]?.numbers() ?? [];
    const worst = Math.max(...reference.map((x, i) => Math.abs(x - (second[i] ?? Number.NaN))));
    t.true(worst < 1e-4, `the reference differs by ${worst}`);
  });

const uniform = (output: string, seed?: number): Draft<"NodeProto"> => ({
  opType: "RandomUniform",
  output: [output],
  attribute: [
    { name: "shape", ints: [8n], type: ATTRIBUTE_TYPE.ints },
    ...(seed === undefined ? [] : [{ name: "seed", f: seed, type: ATTRIBUTE_TYPE.float }]),
  ],
});

const model = (graph: Draft<"GraphProto">): Uint8Array =>
  encodeMessage("ModelProto", { irVersion: 8n, opsetImport: [{ domain: "", version: 17n }], graph });

test("nodes without a seed differ; two with one seed do not", (t) => {
  const names = ["a", "b", "c", "d"];
  const bytes = model({
    name: "g",
    node: [uniform("a"), uniform("b"), uniform("c", 3), uniform("d", 3)],
    output: names.map((name) => ({ name })),
  });
  const { outputs } = interpret(imported(bytes).graph, {});
  const [a, b, c, d] = names.map((n) => outputs[n]?.numbers());
  t.notDeepEqual(a, b);
  t.notDeepEqual(a, c);
  t.deepEqual(c, d);
});

test("every iteration of a loop draws its own numbers", async (t) => {
  const scalar = (name: string, elemType: number): Draft<"ValueInfoProto"> => ({
    name,
    type: { tensorType: { elemType, shape: {} } },
  });
  const body: Draft<"GraphProto"> = {
    name: "body",
    node: [uniform("r", 3), { opType: "Identity", input: ["go"], output: ["on"] }],
    input: [scalar("i", 7), scalar("go", 9)],
    output: [scalar("on", 9), { name: "r" }],
  };
  const bytes = model({
    name: "g",
    initializer: [{ name: "n", dataType: 7, int64Data: [3n] }],
    node: [
      {
        opType: "Loop",
        input: ["n", ""],
        output: ["rows"],
        attribute: [{ name: "body", g: body, type: ATTRIBUTE_TYPE.graph }],
      },
    ],
    output: [{ name: "rows" }],
  });
  const { run } = await runner(bytes);
  const [first, second] = [run(), run()];
  t.is(new Set([...first, ...second]).size, 48);
  t.deepEqual(Object.values(interpret(imported(bytes).graph, {}).outputs)[0]?.numbers(), first);
});

test("training dropout drops other elements in every run", async (t) => {
  const x = floats([1000], new Array<number>(1000).fill(1));
  const dropout = encodeNode({
    op: "Dropout",
    domain: "",
    version: 13,
    inputs: [x, floats([], [0.5]), scalarTensor("bool", 1)],
    weights: [1, 2],
    outputs: ["y", "mask"],
  });
  const { run } = await runner(dropout, { in0: x });
  const [first, second] = [run(), run()];
  t.true(first.every((v) => v === 0 || v === 2));
  t.true(Math.abs(mean(first) - 1) < 0.2);
  t.notDeepEqual(first, second);
});
