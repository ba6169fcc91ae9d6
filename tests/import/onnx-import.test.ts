// The ONNX importer on small models made here: dimensions, refusals, functions, control flow, external data, and values
// against the reference interpreter.

import { mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { externalReader } from "../../compiler/import/onnx/external.js";
import { importOnnx, type OnnxOptions } from "../../compiler/import/onnx/import.js";
import { formatDim } from "../../compiler/ir/dim.js";
import { Refused } from "../../compiler/ir/errors.js";
import { Builder } from "../../compiler/ir/graph.js";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { interpret } from "../../compiler/reference/interpret.js";
import { type ModelDraft, modelBytes, node, tensorProto, typed } from "../support/onnx-models.js";

function load(m: ModelDraft, options: Partial<OnnxOptions> = {}): ReturnType<typeof importOnnx> {
  return importOnnx(modelBytes(m), { builder: new Builder(), ...options });
}

function refusals(m: ModelDraft, options: Partial<OnnxOptions> = {}): Refused {
  try {
    load(m, options);
  } catch (e) {
    if (e instanceof Refused) return e;
    throw e;
  }
  throw new Error("was imported");
}

const f32 = (shape: readonly number[], values: readonly number[]): Tensor => tensorFrom("f32", shape, values);
const i64 = (values: readonly number[]): Tensor => tensorFrom("i64", [values.length], values);

const relu: ModelDraft = {
  nodes: [node("Relu", ["x"], ["y"])],
  inputs: [typed("x", "f32", ["n", 3, "h", "w"])],
  outputs: ["y"],
};

test("dimensions are found by name, by position and by role", (t) => {
  const { graph } = load(relu, { dims: { n: 2, "x.2": 4, width: { lo: 8, hi: 64, step: 8 } } });
  t.deepEqual(graph.inputs[0]?.type.shape.map(formatDim), ["2", "3", "4", "8*w"]);
});

test("axis 0 is 1 where nothing is said, with a note", (t) => {
  const { graph, notes } = load(relu, { dims: { h: 1, w: 1 } });
  t.is(graph.inputs[0]?.type.shape[0], 1);
  t.is(notes.length, 1);
  t.regex(notes[0] ?? "", /"n".*was not given and is 1/u);
});

test("missing sizes and unknown names are refused together, with the way out", (t) => {
  const { refusals: list } = refusals(relu, { dims: { n: 1, depth: 3 } });
  t.deepEqual(
    list.map((r) => [r.code, r.hint]),
    [
      ["unsupported_shape", 'it has "n", "h", "w"'],
      ["unsupported_shape", "--dim h=<size> or --dim h=<lo>..<hi>"],
      ["unsupported_shape", "--dim w=<size> or --dim w=<lo>..<hi>"],
    ],
  );
});

test("all nodes that cannot be translated are reported", (t) => {
  const { refusals: list } = refusals({
    nodes: [node("Nothing", ["x"], ["a"]), node("Relu", ["a"], ["b"]), node("Less2", ["b"], ["y"])],
    inputs: [typed("x", "f32", [2])],
    outputs: ["y"],
  });
  t.deepEqual(
    list.map((r) => [r.code, r.subject, r.at]),
    [
      ["unsupported_op", "Nothing", 'node "a" (Nothing, opset 17)'],
      ["unsupported_op", "Less2", 'node "y" (Less2, opset 17)'],
    ],
  );
});

test("a graph that reads what nothing computed is malformed", (t) => {
  const { refusals: list } = refusals({
    nodes: [node("Relu", ["z"], ["y"])],
    inputs: [typed("x", "f32", [2])],
    outputs: ["y", "q"],
  });
  t.deepEqual(
    list.map((r) => r.code),
    ["malformed_input", "malformed_input"],
  );
});

test("shape arithmetic is followed symbolically", (t) => {
  const { graph } = load(
    {
      nodes: [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "zero"], ["n"]),
        node("Unsqueeze", ["n", "axes"], ["n1"]),
        node("Concat", ["n1", "rest"], ["target"], { axis: 0 }),
        node("Reshape", ["x", "target"], ["y"]),
      ],
      inputs: [typed("x", "f32", ["n", 4, 6])],
      outputs: ["y"],
      initializers: [
        tensorProto("zero", tensorFrom("i64", [], [0])),
        tensorProto("axes", i64([0])),
        tensorProto("rest", i64([2, -1])),
      ],
    },
    { dims: { n: { lo: 1, hi: 16 } } },
  );
  t.deepEqual(graph.outputs[0]?.value.type.shape.map(formatDim), ["n", "2", "12"]);
  t.is(graph.bindings.length, 0);
});

test("a shape from data becomes bound symbols", (t) => {
  const { graph } = load({
    nodes: [node("Reshape", ["x", "shape"], ["y"])],
    inputs: [typed("x", "f32", [12]), typed("shape", "i64", [2])],
    outputs: ["y"],
  });
  t.is(graph.bindings.length, 2);
  const x = f32(
    [12],
    Array.from({ length: 12 }, (_, i) => i),
  );
  const run = (shape: number[]): readonly number[] | undefined =>
    interpret(graph, { x, shape: i64(shape) }).outputs["y"]?.shape;
  t.deepEqual(run([3, 4]), [3, 4]);
  t.deepEqual(run([-1, 2]), [6, 2]);
});

test("functions are inlined, with their attributes and left-out inputs", (t) => {
  const { graph } = load({
    nodes: [node("Scale", ["x"], ["y"], { by: { float: 3 } }, "mine")],
    inputs: [typed("x", "f32", [2])],
    outputs: ["y"],
    functions: [
      {
        name: "Scale",
        domain: "mine",
        input: ["a", "low"],
        output: ["c"],
        attribute: ["by"],
        opsetImport: [{ domain: "", version: 17n }],
        node: [
          {
            opType: "Constant",
            output: ["k"],
            attribute: [{ name: "value_float", refAttrName: "by", type: 1 }],
          },
          node("Mul", ["a", "k"], ["p"]),
          node("Clip", ["p", "low"], ["c"]),
        ],
      },
    ],
  });
  t.deepEqual(interpret(graph, { x: f32([2], [1, -2]) }).outputs["y"]?.numbers(), [3, -6]);
});

test("functions that call themselves are refused", (t) => {
  const { refusals: list } = refusals({
    nodes: [node("F", ["x"], ["y"], {}, "mine")],
    inputs: [typed("x", "f32", [2])],
    outputs: ["y"],
    functions: [
      { name: "F", domain: "mine", input: ["a"], output: ["b"], node: [node("F", ["a"], ["b"], {}, "mine")] },
    ],
  });
  t.true(list.some((r) => r.code === "resource_limit"));
});

const branch = (op: string): object => ({ name: op, node: [node(op, ["x"], [op])], output: [{ name: op }] });

test("nodes run after what they read, in whatever order the file lists them", (t) => {
  // y = -(x + x) where c, else x + x: the sum is read by the branches alone, and comes last in the file.
  const branchOf = (op: string): object => ({ node: [node(op, ["sum"], ["out"])], output: [{ name: "out" }] });
  const nodes = [
    node("If", ["c"], ["chosen"], { then_branch: branchOf("Neg"), else_branch: branchOf("Identity") }),
    node("Relu", ["chosen"], ["y"]),
    node("Add", ["x", "x"], ["sum"]),
  ];
  const inputs = [typed("x", "f32", [2]), typed("c", "bool", [])];
  const feeds = { x: f32([2], [1, -2]), c: tensorFrom("bool", [], [1]) };
  const run = (order: readonly number[]): readonly number[] | undefined => {
    const { graph } = load({ nodes: order.flatMap((i) => nodes[i] ?? []), inputs, outputs: ["y"] });
    return interpret(graph, feeds).outputs["y"]?.numbers();
  };
  for (const order of [
    [2, 0, 1],
    [0, 1, 2],
    [1, 0, 2],
  ])
    t.deepEqual(run(order), [0, 4], String(order));
});

test("nodes that need each other are refused", (t) => {
  const nodes = [node("Add", ["x", "b"], ["a"]), node("Neg", ["a"], ["b"]), node("Abs", ["d"], ["d"])];
  const { refusals: list } = refusals({ nodes, inputs: [typed("x", "f32", [2])], outputs: ["a"] });
  t.deepEqual(
    list.map((r) => [r.code, r.detail]),
    [
      ["malformed_input", 'its input "a" is computed by nothing before it'],
      ["malformed_input", 'its input "d" is computed by nothing before it'],
    ],
  );
});

test("an If that is decided at import keeps one branch; else both", (t) => {
  const m = (condition: ModelDraft["initializers"]): ModelDraft => ({
    nodes: [node("If", ["c"], ["y"], { then_branch: branch("Neg"), else_branch: branch("Abs") })],
    inputs: [typed("x", "f32", [2]), ...(condition === undefined ? [typed("c", "bool", [])] : [])],
    outputs: ["y"],
    ...(condition === undefined ? {} : { initializers: condition }),
  });
  const fixed = load(m([tensorProto("c", tensorFrom("bool", [], [1]))]));
  t.is(fixed.graph.outputs[0]?.value.node.op, "neg");
  const open = load(m(undefined));
  t.is(open.graph.outputs[0]?.value.node.op, "if");
  const x = f32([2], [1, -2]);
  const run = (c: number): number[] | undefined =>
    interpret(open.graph, { x, c: tensorFrom("bool", [], [c]) }).outputs["y"]?.numbers();
  t.deepEqual(run(1), [-1, 2]);
  t.deepEqual(run(0), [1, 2]);
});

test("inputs can be fixed at compile time", (t) => {
  const { graph } = load(
    {
      nodes: [node("ReduceSum", ["x", "axes"], ["y"], { keepdims: 0 })],
      inputs: [typed("x", "f32", [2, 3]), typed("axes", "i64", [1])],
      outputs: ["y"],
    },
    { values: { axes: i64([1]) } },
  );
  t.is(graph.inputs.length, 1);
  t.deepEqual(interpret(graph, { x: f32([2, 3], [1, 2, 3, 4, 5, 6]) }).outputs["y"]?.numbers(), [6, 15]);
});

const external = (location: string, extra: readonly { key: string; value: string }[] = []): ModelDraft => ({
  nodes: [node("Add", ["x", "w"], ["y"])],
  inputs: [typed("x", "f32", [2])],
  outputs: ["y"],
  initializers: [
    {
      name: "w",
      dims: [2n],
      dataType: 1,
      dataLocation: 1,
      externalData: [{ key: "location", value: location }, ...extra],
    },
  ],
});

test("external data is read from the model's folder only", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "psionic-onnx-"));
  const outside = mkdtempSync(join(tmpdir(), "psionic-outside-"));
  const data = new Float32Array([9, 10, 20]);
  writeFileSync(join(folder, "w.bin"), new Uint8Array(data.buffer));
  writeFileSync(join(outside, "w.bin"), new Uint8Array(data.buffer));
  symlinkSync(join(outside, "w.bin"), join(folder, "link.bin"));
  const readExternal = externalReader(folder);
  const { graph } = load(
    external("w.bin", [
      { key: "offset", value: "4" },
      { key: "length", value: "8" },
    ]),
    { readExternal },
  );
  t.deepEqual(interpret(graph, { x: f32([2], [1, 2]) }).outputs["y"]?.numbers(), [11, 22]);
  for (const location of ["../w.bin", "/etc/passwd", "a/../../w.bin", "c:\\w.bin", "link.bin"])
    t.is(refusals(external(location), { readExternal }).refusals[0]?.code, "sandbox_policy_denied", location);
  t.is(refusals(external("w.bin")).refusals[0]?.code, "sandbox_policy_denied");
  for (const [key, value] of [
    ["length", "4"],
    ["offset", "8"],
    ["offset", "-1"],
    ["length", "1e99"],
  ] as const)
    t.is(
      refusals(external("w.bin", [{ key, value }]), { readExternal }).refusals[0]?.code,
      "malformed_input",
      `${key} ${value}`,
    );
});

test("tensor encodings: packed 4-bit, half patterns, raw and fields", (t) => {
  const m = (proto: object): ModelDraft => ({
    nodes: [node("Cast", ["w"], ["y"], { to: 1 })],
    inputs: [],
    outputs: ["y"],
    initializers: [{ name: "w", ...proto }],
  });
  const read = (proto: object): number[] | undefined => interpret(load(m(proto)).graph, {}).outputs["y"]?.numbers();
  t.deepEqual(read({ dims: [3n], dataType: 22, int32Data: [0x7f, 0x08] }), [-1, 7, -8]);
  t.deepEqual(read({ dims: [3n], dataType: 21, rawData: Uint8Array.of(0x7f, 0x08) }), [15, 7, 8]);
  t.deepEqual(read({ dims: [2n], dataType: 10, int32Data: [0x3c00, 0xc000] }), [1, -2]);
  t.deepEqual(read({ dims: [1n], dataType: 16, rawData: Uint8Array.of(0x80, 0x3f) }), [1]);
  t.deepEqual(read({ dims: [2n], dataType: 7, int64Data: [5n, -6n] }), [5, -6]);
  t.throws(() => load(m({ dims: [3n], dataType: 1, floatData: [1, 2] })), {
    instanceOf: Refused,
    message: /takes 3 values, has 2/u,
  });
  t.throws(() => load(m({ dims: [1n << 40n, 1n << 40n], dataType: 1 })), { instanceOf: Refused, message: /elements/u });
});
