// Damaged ONNX files: an import ends with a graph or with Refused, soon, whatever the bytes are. Seeded, so that a failure
// is found again by its number.

import test from "ava";
import { importOnnx } from "../../compiler/import/onnx/import.js";
import { decodeMessage, encodeMessage } from "../../compiler/import/onnx/wire.js";
import { Refused } from "../../compiler/ir/errors.js";
import { Builder } from "../../compiler/ir/graph.js";
import { tensorFrom } from "../../compiler/ir/tensor.js";
import { type ModelDraft, modelBytes, node, tensorProto, typed } from "../support/onnx-models.js";

const ROUNDS = Number(process.env["PSIONIC_FUZZ_ROUNDS"] ?? 1500);
const LIMIT_MS = 5000;

function random(seed: number): (below: number) => number {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const seeds: readonly ModelDraft[] = [
  {
    nodes: [
      node("Conv", ["x", "w"], ["c"], { pads: [1, 1, 1, 1], strides: [2, 2] }),
      node("Relu", ["c"], ["r"]),
      node("MaxPool", ["r"], ["p"], { kernel_shape: [2, 2], ceil_mode: 1 }),
      node("Resize", ["p", "", "scales"], ["z"], { mode: "linear" }),
      node("Shape", ["z"], ["s"]),
      node("Slice", ["s", "zero", "two"], ["head"]),
      node("Concat", ["head", "minus"], ["target"], { axis: 0 }),
      node("Reshape", ["z", "target"], ["f"]),
      node("Softmax", ["f"], ["y"], { axis: -1 }),
    ],
    inputs: [typed("x", "f32", [1, 2, 8, 8])],
    outputs: ["y"],
    initializers: [
      tensorProto(
        "w",
        tensorFrom(
          "f32",
          [3, 2, 3, 3],
          Array.from({ length: 54 }, (_, i) => i / 54),
        ),
      ),
      tensorProto("scales", tensorFrom("f32", [4], [1, 1, 2, 2])),
      tensorProto("zero", tensorFrom("i64", [1], [0])),
      tensorProto("two", tensorFrom("i64", [1], [2])),
      tensorProto("minus", tensorFrom("i64", [1], [-1])),
    ],
  },
  {
    nodes: [
      node("Loop", ["n", "", "x"], ["last", "all"], {
        body: {
          name: "body",
          node: [node("Add", ["v", "v"], ["v2"]), node("Identity", ["go"], ["go2"]), node("Neg", ["v2"], ["o"])],
          input: [typed("i", "i64", []), typed("go", "bool", []), typed("v", "f32", [2])],
          output: [{ name: "go2" }, { name: "v2" }, { name: "o" }],
        },
      }),
      node("If", ["c"], ["y"], {
        then_branch: { name: "t", node: [node("Exp", ["last"], ["e"])], output: [{ name: "e" }] },
        else_branch: {
          name: "f",
          node: [node("Gather", ["all", "zero"], ["g"], { axis: 0 })],
          output: [{ name: "g" }],
        },
      }),
    ],
    inputs: [typed("x", "f32", [2]), typed("c", "bool", [])],
    outputs: ["y"],
    initializers: [tensorProto("n", tensorFrom("i64", [], [3])), tensorProto("zero", tensorFrom("i64", [], [0]))],
  },
];

function mutated(source: Uint8Array, other: Uint8Array, pick: (below: number) => number): Uint8Array {
  const bytes = new Uint8Array(source);
  const at = (): number => pick(bytes.length);
  switch (pick(5)) {
    case 0:
      return bytes.slice(0, at());
    case 1:
      for (let i = pick(8); i >= 0; i--) bytes[at()] = pick(256);
      return bytes;
    case 2:
      for (let i = pick(4); i >= 0; i--) {
        const where = at();
        bytes[where] = (bytes[where] ?? 0) ^ (1 << pick(8));
      }
      return bytes;
    case 3: {
      const [from, to, start] = [at(), at(), pick(other.length)];
      return Uint8Array.of(
        ...bytes.subarray(0, from),
        ...other.subarray(start, start + pick(64)),
        ...bytes.subarray(to),
      );
    }
    default: {
      // A long varint where a length or a size may stand.
      const where = at();
      const huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, pick(128)].slice(pick(8));
      return Uint8Array.of(...bytes.subarray(0, where), ...huge, ...bytes.subarray(where + 1));
    }
  }
}

function attempt(bytes: Uint8Array): "graph" | "refused" {
  try {
    importOnnx(bytes, { builder: new Builder(), dims: {}, bound: 64 });
    return "graph";
  } catch (e) {
    if (e instanceof Refused) return "refused";
    throw e;
  }
}

test("damaged models give a graph or a refusal", (t) => {
  const files = seeds.map(modelBytes);
  const pick = random(20240607);
  let refused = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const source = files[round % files.length] ?? new Uint8Array();
    const bytes = mutated(source, files[(round + 1) % files.length] ?? source, pick);
    const start = process.cpuUsage();
    try {
      if (attempt(bytes) === "refused") refused++;
    } catch (e) {
      t.fail(`round ${round}: ${e instanceof Error ? (e.stack ?? e.message) : String(e)}`);
      return;
    }
    // The processor's time, since a busy machine is no fault of the importer.
    if (process.cpuUsage(start).user > LIMIT_MS * 1000) t.fail(`round ${round} took longer than ${LIMIT_MS} ms`);
  }
  t.true(refused > ROUNDS / 4, `${refused} of ${ROUNDS} were refused`);
});

test("the models themselves round-trip through the codec", (t) => {
  for (const bytes of seeds.map(modelBytes)) {
    const model = decodeMessage("ModelProto", bytes, "seed");
    t.deepEqual(encodeMessage("ModelProto", model), bytes);
  }
});

test("hostile structure is refused with the place", (t) => {
  const varint = (n: number): number[] => (n < 128 ? [n] : [(n & 127) | 128, ...varint(Math.floor(n / 128))]);
  /** Graphs in attributes in nodes, thousands deep: each level's length in front of the next. */
  let deep: number[] = [];
  for (let i = 0; i < 600; i++) {
    const graph = [0x0a, ...varint(deep.length), ...deep];
    const attribute = [0x32, ...varint(graph.length), ...graph];
    deep = [0x2a, ...varint(attribute.length), ...attribute];
  }
  const node_ = [0x0a, ...varint(deep.length), ...deep];
  const cases: readonly [string, number[], RegExp][] = [
    ["truncated length", [0x3a, 0x80], /byte 1: no valid varint/u],
    ["length past the end", [0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f], /bytes, 0 are left/u],
    ["a group", [0x3b, 0x3c], /wire type 3|group/u],
    ["field number 0", [0x00], /tag/u],
    ["deep nesting", [0x3a, ...varint(node_.length), ...node_], /nest more than/u],
    ["two graphs", [0x3a, 0x00, 0x3a, 0x00], /occurs twice/u],
    ["wrong wire type", [0x38, 0x01], /wire type 0, want 2/u],
    ["invalid text", [0x12, 0x01, 0xff], /UTF-8/u],
  ];
  for (const [name, bytes, pattern] of cases)
    t.throws(
      () => decodeMessage("ModelProto", Uint8Array.from(bytes), "bad.onnx"),
      { instanceOf: Refused, message: pattern },
      name,
    );
});
