// Gathers and older forms of ONNX's operators in com.microsoft against onnxruntime; narrow floats against f32.

import test, { type ExecutionContext } from "ava";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { type Attribute, agrees, ints, type OneNode, onReference, sample } from "./one-node.js";

for (const metric of ["euclidean", "sqeuclidean"])
  test(`CDist, ${metric}`, (t) =>
    agrees(t, {
      op: "CDist",
      inputs: [sample("f32", [3, 4]), sample("f32", [5, 4], 2)],
      attributes: { metric },
      dims: { 0: ["n", null], 1: ["m", null] },
    }));
test("ExpandDims", (t) =>
  agrees(t, {
    op: "ExpandDims",
    inputs: [sample("f32", [3, 4]), ints("i32", [], [-1])],
    weights: [1],
    dims: { 0: ["n", null] },
  }));
test("GatherND", (t) =>
  agrees(t, {
    op: "GatherND",
    inputs: [sample("f32", [3, 4, 2]), ints("i64", [2, 2], [0, 1, 2, 3])],
    dims: { 0: ["n", null, null] },
  }));
test("Range", (t) =>
  agrees(t, {
    op: "Range",
    inputs: [ints("i64", [], [2]), ints("i64", [], [11]), ints("i64", [], [3])],
    weights: [0, 1, 2],
  }));
test("GridSample", (t) =>
  agrees(t, {
    op: "GridSample",
    inputs: [sample("f32", [1, 2, 4, 5]), sample("f32", [1, 3, 3, 2], 2, -1, 1)],
    attributes: { mode: "bilinear" },
  }));

for (const bits of [4, 8])
  for (const zero of [false, true])
    test(`GatherBlockQuantized of ${bits} bits${zero ? " with zero points" : ""}`, (t) =>
      agrees(t, {
        op: "GatherBlockQuantized",
        inputs: [
          sample("u8", [6, (32 * bits) / 8]),
          ints("i64", [2, 2], [5, 0, 3, -1]),
          sample("f32", [6, 2], 3, 0.01, 0.1),
          zero ? sample("u8", [6, bits === 4 ? 1 : 2], 4) : null,
        ],
        weights: zero ? [0, 2, 3] : [0, 2],
        attributes: { bits, block_size: 16, gather_axis: 0, quantize_axis: 1 },
        dims: { 1: ["b", null] },
      }));

/** The same node in 16 bits is near the one in 32. */
function near(t: ExecutionContext, n: OneNode): void {
  const narrow = (v: Tensor | null): Tensor | null =>
    v?.dtype === "f32" ? tensorFrom("f16", v.shape, v.numbers()) : v;
  const rounded = n.inputs.map(narrow);
  const wide = rounded.map((v) => (v?.dtype === "f16" ? tensorFrom("f32", v.shape, v.numbers()) : v));
  const want = onReference({ ...n, inputs: wide }, false);
  for (const [name, have] of Object.entries(onReference({ ...n, inputs: rounded }, false))) {
    const w = want[name];
    if (w === undefined || w.dtype !== "f32") continue;
    t.is(have.dtype, "f16", name);
    const most = Math.max(...w.numbers().map(Math.abs));
    const error = Math.max(...w.numbers().map((v, i) => Math.abs(v - have.at(i)))) / most;
    t.true(error < 4e-3, `${n.op} ${name}: ${error}`);
  }
}

const x = sample("f32", [1, 3, 32], 5, -1, 1);
const cache = { do_rotary: 1, num_heads: 2, kv_num_heads: 1 } satisfies Record<string, Attribute>;

test("f16", (t) => {
  near(t, {
    op: "SkipSimplifiedLayerNormalization",
    inputs: [x, x, sample("f32", [32], 6)],
    outputs: ["out", "", "", "sum"],
  });
  near(t, { op: "SkipLayerNormalization", inputs: [x, x, sample("f32", [32], 6), sample("f32", [32], 7)] });
  near(t, { op: "SimplifiedLayerNormalization", domain: "", inputs: [x, sample("f32", [32], 6)] });
  near(t, {
    op: "MatMulNBits",
    inputs: [x, sample("u8", [4, 2, 8]), sample("f32", [4, 2], 8, 0.01, 0.1)],
    attributes: { K: 32, N: 4, bits: 4, block_size: 16 },
  });
  near(t, {
    op: "RotaryEmbedding",
    inputs: [x, ints("i64", [1], [2]), sample("f32", [8, 8], 9, -1, 1), sample("f32", [8, 8], 10, -1, 1)],
  });
  near(t, { op: "MultiHeadAttention", inputs: [x, x, x], attributes: { num_heads: 2, unidirectional: 1 } });
  near(t, {
    op: "GroupQueryAttention",
    inputs: [
      x,
      sample("f32", [1, 3, 16], 11),
      sample("f32", [1, 3, 16], 12),
      sample("f32", [1, 1, 4, 16], 13),
      sample("f32", [1, 1, 4, 16], 14),
      ints("i32", [1], [6]),
      ints("i32", [1], [7]),
      sample("f32", [9, 8], 15, -1, 1),
      sample("f32", [9, 8], 16, -1, 1),
    ],
    weights: [6],
    attributes: cache,
    outputs: ["out", "key", "value"],
  });
  for (const op of ["Gelu", "FastGelu", "QuickGelu"]) near(t, { op, inputs: [x] });
  near(t, {
    op: "GroupNorm",
    inputs: [sample("f32", [1, 2, 2, 8], 17), sample("f32", [8], 18), sample("f32", [8], 19)],
    attributes: { activation: 1, groups: 2 },
  });
});
