// Matrix products, convolutions and linear algebra of com.microsoft against onnxruntime.

import test from "ava";
import { importOnnx } from "../../compiler/import/onnx/import.js";
import { Builder } from "../../compiler/ir/graph.js";
import { compile } from "../../compiler/pipeline.js";
import {
  type Attribute,
  agrees,
  encodeNode,
  floats,
  ints,
  matches,
  type OneNode,
  refusalOf,
  sample,
} from "./one-node.js";

function fused(a: readonly number[], b: readonly number[], attributes: Record<string, Attribute>): OneNode {
  return {
    op: "FusedMatMul",
    inputs: [sample("f32", a), sample("f32", b, 2)],
    attributes,
    dims: { 0: a.map((_, i) => (i === 0 ? "n" : null)) },
  };
}

test("FusedMatMul", (t) => agrees(t, fused([3, 4], [4, 5], { alpha: { f: 0.5 } })));
test("FusedMatMul, left transposed", (t) =>
  agrees(t, { ...fused([4, 3], [4, 5], { transA: 1 }), dims: { 0: [null, "m"] } }));
test("FusedMatMul, right transposed", (t) => agrees(t, fused([3, 4], [5, 4], { transB: 1 })));
test("FusedMatMul with batches", (t) =>
  agrees(t, {
    ...fused([2, 4, 3], [2, 5, 4], { transA: 1, transB: 1 }),
    dims: { 0: ["b", null, null], 1: ["b", null, null] },
  }));
test("FusedMatMul with transposed batches", (t) =>
  agrees(t, {
    ...fused([3, 2, 4], [4, 2, 5], { transBatchA: 1, transBatchB: 1 }),
    dims: { 0: [null, "b", null], 1: [null, "b", null] },
  }));
test("FusedMatMul, everything transposed", (t) =>
  agrees(t, {
    op: "FusedMatMul",
    inputs: [sample("f32", [4, 2, 3, 5]), sample("f32", [6, 2, 3, 4], 2)],
    attributes: { transBatchA: 1, transA: 1, transBatchB: 1, transB: 1, alpha: { f: 2 } },
  }));
test("TransposeMatMul", (t) => agrees(t, { ...fused([4, 3], [4, 5], { transA: 1 }), op: "TransposeMatMul", dims: {} }));

for (const [activation, more] of [
  ["Relu", {}],
  ["Tanh", {}],
  ["LeakyRelu", { activation_alpha: { f: 0.3 } }],
  ["HardSigmoid", { activation_alpha: { f: 0.3 }, activation_beta: { f: 0.4 } }],
] as const)
  test(`FusedGemm with ${activation}`, (t) =>
    agrees(t, {
      op: "FusedGemm",
      inputs: [sample("f32", [3, 4]), sample("f32", [5, 4], 2), sample("f32", [5], 3)],
      attributes: { transB: 1, alpha: { f: 0.5 }, beta: { f: 2 }, activation, ...more },
      dims: { 0: ["m", null] },
    }));

interface Bits {
  readonly bits: number;
  readonly k: number;
  readonly block: number;
  readonly zero?: "packed" | "float";
  readonly bias?: boolean;
  readonly n?: number;
  /** accuracy_level: 4 allows 8-bit integers on the left. */
  readonly level?: number;
}

function quantized({ bits, k, block, zero, bias, n = 6, level = 0 }: Bits): OneNode {
  const blocks = Math.ceil(k / block);
  const zeros =
    zero === undefined
      ? null
      : zero === "packed"
        ? sample("u8", [n, Math.ceil((blocks * bits) / 8)], 4)
        : sample("f32", [n, blocks], 4, 0, 15);
  const inputs = [
    sample("f32", [2, 3, k]),
    sample("u8", [n, blocks, (block * bits) / 8], 2),
    sample("f32", [n, blocks], 3, 0.01, 0.1),
    zeros,
    null,
    bias === true ? sample("f32", [n], 5) : null,
  ];
  return {
    op: "MatMulNBits",
    inputs,
    weights: [1, 2, ...(zeros === null ? [] : [3]), ...(bias === true ? [5] : [])],
    attributes: { K: k, N: n, bits, block_size: block, accuracy_level: level },
    dims: { 0: ["b", "s", null] },
  };
}

for (const c of [
  { bits: 4, k: 32, block: 16 },
  { bits: 4, k: 64, block: 32, zero: "packed" },
  { bits: 4, k: 80, block: 16, zero: "packed", bias: true },
  { bits: 4, k: 40, block: 16 },
  { bits: 4, k: 32, block: 16, zero: "float" },
  { bits: 8, k: 64, block: 32 },
  { bits: 8, k: 32, block: 16, zero: "packed", bias: true },
  { bits: 2, k: 64, block: 32, zero: "packed" },
  { bits: 4, k: 128, block: 64, n: 33 },
  { bits: 4, k: 300, block: 128, n: 19, zero: "packed" },
  { bits: 4, k: 512, block: 256, n: 16, bias: true },
] as const satisfies readonly Bits[])
  test(`MatMulNBits ${JSON.stringify(c)}`, (t) => agrees(t, quantized(c)));

// Which instructions onnxruntime rounds the left operand for differs between machines: half a step of it, over k.
for (const c of [
  { bits: 4, k: 64, block: 32, n: 16, level: 4 },
  { bits: 4, k: 96, block: 32, n: 20, zero: "packed", bias: true, level: 4 },
  { bits: 4, k: 256, block: 128, n: 33, level: 4 },
  { bits: 8, k: 64, block: 32, n: 8, level: 4 },
] as const satisfies readonly Bits[])
  test(`MatMulNBits ${JSON.stringify(c)}`, (t) => agrees(t, quantized(c), { tolerance: 0.02 }));

test("MatMulNBits keeps weights in their bits", (t) => {
  const c = { bits: 4, k: 256, block: 32, n: 64 } as const;
  const builder = new Builder();
  const { graph } = importOnnx(encodeNode(quantized(c)), { builder, name: "bits" });
  const { plan } = compile({ graph, builder });
  t.is(plan.memory.weights.bytes, (c.k * c.n) / 2 + (c.k / c.block) * c.n * 4);
});

test("MatMulNBits with an order of groups is refused", (t) => {
  const n = quantized({ bits: 4, k: 32, block: 16 });
  t.is(
    refusalOf({
      ...n,
      inputs: [
        ...n.inputs.slice(0, 4),
        ints(
          "i32",
          [32],
          Array.from({ length: 32 }, (_, i) => i >> 4),
        ),
        null,
      ],
    }).code,
    "unsupported_op",
  );
});
test("MatMulNBits of 3 bits is refused", (t) => {
  const n = quantized({ bits: 4, k: 32, block: 16 });
  t.is(refusalOf({ ...n, attributes: { ...n.attributes, bits: 3 } }).code, "unsupported_dtype");
});

const image = sample("f32", [2, 3, 6, 5], 11);
const kernel = sample("f32", [4, 3, 3, 3], 12);

for (const [activation, parameters] of [
  ["Relu", []],
  ["Clip", [-0.5, 1.5]],
  ["LeakyRelu", [0.2]],
  ["HardSigmoid", [0.1, 0.4]],
  ["Sigmoid", []],
] as const)
  test(`FusedConv with ${activation}`, (t) =>
    agrees(t, {
      op: "FusedConv",
      inputs: [image, kernel, sample("f32", [4], 13)],
      attributes: {
        activation,
        pads: [1, 1, 1, 1],
        strides: [2, 1],
        ...(parameters.length > 0 ? { activation_params: { fs: parameters } } : {}),
      },
      dims: { 0: ["n", null, "h", null] },
    }));
test("FusedConv with an addition", (t) =>
  agrees(t, {
    op: "FusedConv",
    inputs: [image, kernel, sample("f32", [4], 13), sample("f32", [2, 4, 4, 3], 14)],
    attributes: { activation: "Relu" },
  }));
test("FusedConv with an unknown activation is refused", (t) => {
  t.is(
    refusalOf({ op: "FusedConv", inputs: [image, kernel], attributes: { activation: "Mish2" } }).code,
    "unsupported_op",
  );
});

test("NhwcMaxPool", (t) =>
  agrees(t, {
    op: "NhwcMaxPool",
    inputs: [sample("u8", [2, 6, 5, 3], 15)],
    attributes: { kernel_shape: [3, 2], strides: [2, 2], pads: [1, 0, 1, 1] },
    dims: { 0: ["n", null, null, null] },
  }));
test("NhwcMaxPool of i8", (t) =>
  agrees(t, { op: "NhwcMaxPool", inputs: [sample("i8", [1, 6, 5, 3], 15)], attributes: { kernel_shape: [2, 2] } }));
test("ConvTransposeWithDynamicPads", (t) =>
  agrees(t, {
    op: "ConvTransposeWithDynamicPads",
    inputs: [
      sample("f32", [1, 3, 4, 4], 16),
      sample("f32", [3, 2, 3, 3], 17),
      ints("i64", [4], [1, 0, 1, 1]),
      sample("f32", [2], 18),
    ],
    weights: [2],
    attributes: { strides: [2, 2], output_padding: [1, 0] },
  }));

test("Inverse", (t) =>
  agrees(
    t,
    { op: "Inverse", inputs: [sample("f32", [2, 4, 4], 21)], dims: { 0: ["b", null, null] } },
    { tolerance: 1e-4 },
  ));
test("Inverse that must exchange rows", (t) =>
  agrees(t, { op: "Inverse", inputs: [floats([3, 3], [0, 2, 1, 1, 0, 0, 3, 0, 1])] }));
test("Inverse of f64", (t) => agrees(t, { op: "Inverse", inputs: [sample("f64", [5, 5], 22)] }, { tolerance: 1e-10 }));
test("Trilu", (t) =>
  agrees(t, {
    op: "Trilu",
    inputs: [sample("f32", [2, 4, 5], 23), ints("i64", [], [1])],
    attributes: { upper: 0 },
    dims: { 0: ["b", null, "w"] },
  }));
test("Trilu of i64", (t) => agrees(t, { op: "Trilu", inputs: [ints("i64", [3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9])] }));

test("Rfft and Irfft", async (t) => {
  for (const n of [6, 8]) {
    const x = sample("f32", [2, n], 24);
    const bins = n / 2 + 1;
    const spectrum: number[] = [];
    for (let r = 0; r < 2; r++)
      for (let k = 0; k < bins; k++) {
        let [re, im] = [0, 0];
        for (let j = 0; j < n; j++) {
          re += x.at(r * n + j) * Math.cos((2 * Math.PI * j * k) / n);
          im -= x.at(r * n + j) * Math.sin((2 * Math.PI * j * k) / n);
        }
        spectrum.push(re, im);
      }
    const freq = floats([2, bins, 2], spectrum);
    const attributes = { signal_ndim: 1, normalized: 0, onesided: 1 };
    await matches(t, { op: "Rfft", inputs: [x], attributes, dims: { 0: ["b", null] } }, { out: freq });
    await matches(t, { op: "Irfft", inputs: [freq], attributes, dims: { 0: ["b", null, null] } }, { out: x });
  }
});
