// ai.onnx.preview.training: the suite's optimizer cases on the reference, and gradients against those worked out by hand.

import { existsSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { importOnnx } from "../../compiler/import/onnx/import.js";
import { ATTRIBUTE_TYPE, type Draft } from "../../compiler/import/onnx/proto.js";
import { encodeMessage } from "../../compiler/import/onnx/wire.js";
import { type Refusal, Refused } from "../../compiler/ir/errors.js";
import { Builder } from "../../compiler/ir/graph.js";
import { tensorFrom } from "../../compiler/ir/tensor.js";
import { interpret } from "../../compiler/reference/interpret.js";
import { TARGETS } from "../conformance/targets.js";
import { judgeCase } from "../support/onnx-judge.js";
import { suiteFolder } from "../support/suites.js";

const suite = suiteFolder("onnx");

for (const name of [
  "test_adam",
  "test_adam_multiple",
  "test_adagrad",
  "test_adagrad_multiple",
  "test_momentum",
  "test_momentum_multiple",
  "test_nesterov_momentum",
]) {
  const folder = suite === null ? null : join(suite, "node", name);
  if (folder === null || !existsSync(folder)) continue;
  test(name, async (t) => {
    const { reference } = TARGETS;
    if (reference === undefined) return t.fail("there is no reference");
    const verdict = await judgeCase(folder, reference, false);
    t.is(verdict.status, "passed", verdict.detail);
  });
}

interface NodeSpec {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly xs?: readonly string[];
  readonly zs?: readonly string[];
  readonly y?: string;
}

function model(
  inputs: readonly string[],
  shape: readonly number[],
  nodes: readonly NodeSpec[],
  outputs: readonly string[],
): Uint8Array {
  const bytes = (s: string): Uint8Array => new TextEncoder().encode(s);
  const strings = (name: string, list: readonly string[] | undefined): Draft<"AttributeProto">[] =>
    list === undefined ? [] : [{ name, strings: list.map(bytes), type: ATTRIBUTE_TYPE.strings }];
  return encodeMessage("ModelProto", {
    irVersion: 8n,
    opsetImport: [
      { domain: "", version: 17n },
      { domain: "ai.onnx.preview.training", version: 1n },
    ],
    graph: {
      name: "gradient",
      node: nodes.map((n) => ({
        opType: n.op,
        domain: n.op === "Gradient" ? "ai.onnx.preview.training" : "",
        input: n.inputs,
        output: n.outputs,
        attribute: [
          ...strings("xs", n.xs),
          ...strings("zs", n.zs),
          ...(n.y === undefined ? [] : [{ name: "y", s: bytes(n.y), type: ATTRIBUTE_TYPE.string }]),
        ],
      })),
      input: inputs.map((name) => ({
        name,
        type: { tensorType: { elemType: 1, shape: { dim: shape.map((d) => ({ dimValue: BigInt(d) })) } } },
      })),
      output: outputs.map((name) => ({ name })),
    },
  });
}

function run(bytes: Uint8Array, values: Readonly<Record<string, number>>): Record<string, number[]> {
  const { graph } = importOnnx(bytes, { builder: new Builder() });
  const { outputs } = interpret(
    graph,
    Object.fromEntries(Object.entries(values).map(([k, v]) => [k, tensorFrom("f32", [], [v])])),
  );
  return Object.fromEntries(Object.entries(outputs).map(([k, v]) => [k, v.numbers()]));
}

const sum: NodeSpec = { op: "Add", inputs: ["a", "b"], outputs: ["c"] };
const product: NodeSpec = { op: "Mul", inputs: ["c", "a"], outputs: ["d"] };

test("Gradient of a sum", (t) => {
  const gradient = { op: "Gradient", inputs: ["a", "b"], outputs: ["da", "db"], xs: ["a", "b"], y: "c" };
  t.deepEqual(run(model(["a", "b"], [], [sum, gradient], ["c", "da", "db"]), { a: 2, b: 5 }), {
    c: [7],
    da: [1],
    db: [1],
  });
});

test("Gradient of (a + b) * a", (t) => {
  const gradient = { op: "Gradient", inputs: ["a", "b"], outputs: ["da", "db"], xs: ["a", "b"], y: "d" };
  const ran = run(model(["a", "b"], [], [sum, product, gradient], ["d", "da", "db"]), { a: 2, b: 5 });
  t.deepEqual(ran, { d: [14], da: [2 * 2 + 5], db: [2] });
});

test("Gradient with a tensor held fixed, at other values", (t) => {
  // d = c * a where c is given: d(d)/da = c, at c = e.
  const gradient = { op: "Gradient", inputs: ["a", "e"], outputs: ["da"], xs: ["a"], zs: ["c"], y: "d" };
  const ran = run(model(["a", "b", "e"], [], [sum, product, gradient], ["da"]), { a: 2, b: 5, e: 11 });
  t.deepEqual(ran, { da: [11] });
});

test("Gradient of a gradient", (t) => {
  // y = a^3: y' = 3 a^2, y'' = 6 a.
  const nodes: NodeSpec[] = [
    { op: "Mul", inputs: ["a", "a"], outputs: ["s"] },
    { op: "Mul", inputs: ["s", "a"], outputs: ["y"] },
    { op: "Gradient", inputs: ["a"], outputs: ["g"], xs: ["a"], y: "y" },
    { op: "Gradient", inputs: ["a"], outputs: ["h"], xs: ["a"], y: "g" },
  ];
  t.deepEqual(run(model(["a"], [], nodes, ["g", "h"]), { a: 3 }), { g: [27], h: [18] });
});

test("Gradient of what is no scalar is refused", (t) => {
  const gradient = { op: "Gradient", inputs: ["a"], outputs: ["da"], xs: ["a"], y: "c" };
  const error = t.throws(
    () => importOnnx(model(["a", "b"], [3], [sum, gradient], ["da"]), { builder: new Builder() }),
    { instanceOf: Refused },
  );
  const [first]: readonly Refusal[] = error?.refusals ?? [];
  t.is(first?.code, "unsupported_gradient");
});
