// Quantized operators of com.microsoft against onnxruntime. Sums are exact; where an operator's real value lies next to a
// tie, runtimes that order their factors differently may be one apart.

import test from "ava";
import { tensorFrom } from "../../compiler/ir/tensor.js";
import { type Attribute, agrees, ints, type OneNode, refusalOf, sample } from "./one-node.js";

const scale = (v: number) => tensorFrom("f32", [], [v]);
const zero = (dtype: "u8" | "i8", v: number) => tensorFrom(dtype, [], [v]);

for (const dtype of ["u8", "i8"] as const) {
  const z = dtype === "u8" ? 120 : -3;
  const x = sample(dtype, [2, 3, 4]);
  const dims = { 0: ["n", null, null] };
  const unary = (op: string, attributes: Record<string, Attribute> = {}, out = 0.03): OneNode => ({
    op,
    inputs: [x, scale(0.05), zero(dtype, z), scale(out), zero(dtype, z + 5)],
    weights: [1, 2, 3, 4],
    attributes,
    dims,
  });

  test(`QLinearAdd of ${dtype}`, (t) =>
    agrees(
      t,
      {
        op: "QLinearAdd",
        inputs: [
          x,
          scale(0.05),
          zero(dtype, z),
          sample(dtype, [3, 1], 2),
          scale(0.03),
          zero(dtype, 7),
          scale(0.09),
          zero(dtype, 9),
        ],
        weights: [1, 2, 4, 5, 6, 7],
        dims,
      },
      { ties: true },
    ));
  test(`QLinearMul of ${dtype}`, (t) =>
    agrees(
      t,
      {
        op: "QLinearMul",
        inputs: [
          x,
          scale(0.05),
          zero(dtype, z),
          sample(dtype, [4], 2),
          scale(0.03),
          zero(dtype, 7),
          scale(0.2),
          zero(dtype, 9),
        ],
        weights: [1, 2, 4, 5, 6, 7],
        dims,
      },
      { ties: true },
    ));
  test(`QLinearSigmoid of ${dtype}`, (t) => agrees(t, unary("QLinearSigmoid", {}, 1 / 256)));
  test(`QLinearLeakyRelu of ${dtype}`, (t) =>
    agrees(t, unary("QLinearLeakyRelu", { alpha: { f: 0.2 } }), { ties: true }));
  test(`QLinearSoftmax of ${dtype}`, (t) =>
    agrees(t, unary("QLinearSoftmax", { opset: 13, axis: -1 }, 1 / 256), { ties: true }));
  test(`QLinearSoftmax over the tail, ${dtype}`, (t) =>
    agrees(t, unary("QLinearSoftmax", { opset: 12, axis: 1 }, 1 / 256), { ties: true }));
  test(`QLinearConcat of ${dtype}`, (t) =>
    agrees(
      t,
      {
        op: "QLinearConcat",
        inputs: [
          scale(0.05),
          zero(dtype, z),
          x,
          scale(0.05),
          zero(dtype, z),
          sample(dtype, [2, 2, 4], 3),
          scale(0.021),
          zero(dtype, 3),
        ],
        weights: [0, 1, 3, 4, 6, 7],
        attributes: { axis: 1 },
        dims: { 2: ["n", null, null], 5: ["n", null, null] },
      },
      { ties: true },
    ));
  test(`QLinearGlobalAveragePool of ${dtype}`, (t) =>
    agrees(
      t,
      {
        ...unary("QLinearGlobalAveragePool"),
        inputs: [sample(dtype, [2, 3, 5, 4], 4), ...unary("").inputs.slice(1)],
        dims: { 0: ["n", null, "h", null] },
      },
      { ties: true },
    ));
  test(`QLinearGlobalAveragePool, channels last, ${dtype}`, (t) =>
    agrees(
      t,
      {
        ...unary("QLinearGlobalAveragePool", { channels_last: 1 }),
        inputs: [sample(dtype, [2, 5, 4, 3], 4), ...unary("").inputs.slice(1)],
        dims: {},
      },
      { ties: true },
    ));
  test(`QLinearAveragePool of ${dtype}`, (t) =>
    agrees(
      t,
      {
        ...unary("QLinearAveragePool", { kernel_shape: [3, 2], pads: [1, 0, 1, 1], strides: [2, 1] }),
        inputs: [sample(dtype, [2, 3, 5, 4], 4), ...unary("").inputs.slice(1)],
        dims: { 0: ["n", null, null, null] },
      },
      { ties: true },
    ));
  test(`QLinearAveragePool, channels last, ${dtype}`, (t) =>
    agrees(
      t,
      {
        ...unary("QLinearAveragePool", {
          kernel_shape: [2, 2],
          channels_last: 1,
          count_include_pad: 1,
          pads: [1, 1, 0, 0],
        }),
        inputs: [sample(dtype, [2, 5, 4, 3], 4), ...unary("").inputs.slice(1)],
        dims: {},
      },
      { ties: true },
    ));
  test(`QLinearWhere of ${dtype}`, (t) =>
    agrees(
      t,
      {
        op: "QLinearWhere",
        inputs: [
          ints("bool", [2, 3, 1], [1, 0, 1, 0, 0, 1]),
          x,
          scale(0.05),
          zero(dtype, z),
          sample(dtype, [4], 5),
          scale(0.02),
          zero(dtype, 1),
          scale(0.06),
          zero(dtype, 4),
        ],
        weights: [2, 3, 5, 6, 7, 8],
      },
      { ties: true },
    ));
  test(`QuantizeLinear and DequantizeLinear of ${dtype}`, async (t) => {
    await agrees(t, {
      op: "QuantizeLinear",
      inputs: [
        sample("f32", [2, 3, 4], 6),
        tensorFrom("f32", [3], [0.01, 0.02, 0.03]),
        tensorFrom(dtype, [3], [1, 2, 3]),
      ],
      attributes: { axis: 1 },
      dims,
    });
    await agrees(t, {
      op: "DequantizeLinear",
      inputs: [x, tensorFrom("f32", [3], [0.01, 0.02, 0.03]), tensorFrom(dtype, [3], [1, 2, 3])],
      attributes: { axis: 1 },
      dims,
    });
  });
}

test("a scale per channel where one is wanted is refused", (t) => {
  const inputs = [sample("u8", [2, 3]), sample("f32", [3]), zero("u8", 3), scale(0.1), zero("u8", 3)];
  t.is(refusalOf({ op: "QLinearSigmoid", inputs }).code, "unsupported_layout");
});

const a = sample("f32", [2, 3, 8], 11);
const w = sample("i8", [8, 5], 12);
const matrix = { 0: ["n", null, null] };

test("DynamicQuantizeMatMul", (t) =>
  agrees(t, { op: "DynamicQuantizeMatMul", inputs: [a, w, scale(0.02)], weights: [1, 2], dims: matrix }));
test("DynamicQuantizeMatMul with a scale and a zero point per column, and a bias", (t) =>
  agrees(t, {
    op: "DynamicQuantizeMatMul",
    inputs: [a, w, sample("f32", [5], 13, 0.01, 0.1), sample("i8", [5], 14), sample("f32", [5], 15)],
    weights: [1, 2, 3, 4],
    dims: matrix,
  }));

const q = sample("u8", [2, 3, 8], 16);
test("MatMulIntegerToFloat", (t) =>
  agrees(t, { op: "MatMulIntegerToFloat", inputs: [q, w, scale(0.1), scale(0.02)], weights: [1, 2, 3], dims: matrix }));
test("MatMulIntegerToFloat with everything", (t) =>
  agrees(t, {
    op: "MatMulIntegerToFloat",
    inputs: [
      q,
      w,
      scale(0.1),
      sample("f32", [5], 13, 0.01, 0.1),
      zero("u8", 130),
      sample("i8", [5], 14),
      sample("f32", [5], 15),
    ],
    weights: [1, 2, 3, 4, 5, 6],
    dims: matrix,
  }));

function gemm(outputs: boolean, attributes: Record<string, Attribute>, c: boolean): OneNode {
  return {
    op: "QGemm",
    inputs: [
      sample("u8", attributes["transA"] === 1 ? [8, 4] : [4, 8], 17),
      scale(0.1),
      zero("u8", 100),
      sample("i8", attributes["transB"] === 1 ? [5, 8] : [8, 5], 18),
      sample("f32", [5], 19, 0.01, 0.05),
      sample("i8", [5], 20),
      c ? sample("i32", [5], 21, -500, 500) : null,
      ...(outputs ? [scale(3), zero("u8", 90)] : []),
    ],
    weights: [1, 2, 3, 4, 5, ...(c ? [6] : []), ...(outputs ? [7, 8] : [])],
    attributes,
  };
}

test("QGemm to f32", (t) => agrees(t, gemm(false, { transB: 1, alpha: { f: 0.5 } }, true)));
test("QGemm to f32, left transposed", (t) => agrees(t, gemm(false, { transA: 1 }, false)));
test("QGemm to u8", (t) => agrees(t, gemm(true, { alpha: { f: 2 } }, true), { ties: true }));

test("QLinearConv with channels last", (t) =>
  agrees(
    t,
    {
      op: "QLinearConv",
      inputs: [
        sample("u8", [1, 6, 5, 3], 31),
        scale(0.1),
        zero("u8", 110),
        sample("i8", [4, 3, 3, 3], 32),
        sample("f32", [4], 33, 0.01, 0.02),
        ints("i8", [4], [0, 0, 0, 0]),
        scale(0.7),
        zero("u8", 100),
        sample("i32", [4], 34, -300, 300),
      ],
      weights: [1, 2, 3, 4, 5, 6, 7, 8],
      attributes: { channels_last: 1, pads: [1, 1, 1, 1], kernel_shape: [3, 3] },
    },
    { ties: true },
  ));
