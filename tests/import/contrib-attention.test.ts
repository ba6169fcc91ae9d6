// Attention of com.microsoft against onnxruntime: masks in their forms, causality, a past, biases, layouts.

import test from "ava";
import type { Tensor } from "../../compiler/ir/tensor.js";
import { type Attribute, agrees, ints, matches, type OneNode, oracle, refusalOf, sample } from "./one-node.js";

const B = 2;
const S = 3;
const H = 8;
const input = sample("f32", [B, S, 6]);
const weights = sample("f32", [6, 3 * H], 2, -1, 1);
const bias = sample("f32", [3 * H], 3, -1, 1);

function attention(
  rest: readonly (Tensor | null)[],
  attributes: Record<string, Attribute> = {},
  more: Partial<OneNode> = {},
): OneNode {
  return {
    op: "Attention",
    inputs: [input, weights, bias, ...rest],
    attributes: { num_heads: 2, ...attributes },
    ...more,
  };
}

const dims = { 0: ["b", "s", null] };

test("Attention", (t) => agrees(t, attention([], {}, { dims })));
test("Attention without a bias, with a scale", async (t) => {
  // onnxruntime reads a bias that is not there; zeros say the same.
  const node = { op: "Attention", inputs: [input, weights], attributes: { num_heads: 4, scale: { f: 0.3 } } };
  const zeros = sample("f32", [3 * H], 3, 0, 0);
  await matches(t, node, await oracle({ ...node, inputs: [input, weights, zeros] }));
});
test("Attention, causal", (t) => agrees(t, attention([], { unidirectional: 1 }, { dims })));
test("Attention with value heads of another size", (t) =>
  agrees(t, {
    op: "Attention",
    inputs: [input, sample("f32", [6, 8 + 8 + 4], 2), sample("f32", [20], 3)],
    attributes: { num_heads: 2, qkv_hidden_sizes: [8, 8, 4] },
  }));
test("Attention with a mask per key", (t) =>
  agrees(t, attention([ints("i32", [B, S], [1, 1, 0, 0, 1, 1])], {}, { dims: { ...dims, 3: ["b", "s"] } })));
test("Attention with a mask per key, causal", (t) =>
  agrees(t, attention([ints("i32", [B, S], [1, 1, 0, 0, 1, 1])], { unidirectional: 1 })));
test("Attention with a mask per key, causal, of a light filter", (t) =>
  agrees(t, attention([ints("i32", [B, S], [1, 1, 0, 0, 1, 1])], { unidirectional: 1, mask_filter_value: { f: -2 } })));
test("Attention with lengths", (t) =>
  agrees(t, attention([ints("i32", [B], [2, 3])], {}, { dims: { ...dims, 3: ["b"] } })));
test("Attention with ends and starts", (t) => agrees(t, attention([ints("i32", [2 * B], [2, 3, 0, 1])])));
test("Attention with a row that sees nothing", (t) => agrees(t, attention([ints("i32", [B, S], [0, 0, 0, 0, 1, 1])])));
test("Attention with a mask per query and key", (t) =>
  agrees(t, attention([ints("i32", [B, S, S], [1, 0, 0, 1, 1, 0, 1, 1, 1, 0, 1, 1, 0, 0, 1, 1, 0, 1])])));
test("Attention with a past", (t) =>
  agrees(
    t,
    attention(
      [null, sample("f32", [2, B, 2, 4, H / 2], 5)],
      { unidirectional: 1 },
      { outputs: ["out", "present"], dims: { ...dims, 4: [null, "b", null, "p", null] } },
    ),
  ));
test("Attention with a past and a mask of its length", (t) =>
  agrees(
    t,
    attention(
      [ints("i32", [B, S + 1], [0, 1, 1, 1, 1, 1, 1, 1]), sample("f32", [2, B, 2, 1, H / 2], 5)],
      { unidirectional: 1 },
      { outputs: ["out", "present"] },
    ),
  ));
test("Attention with a bias of the scores", (t) =>
  agrees(t, attention([null, null, sample("f32", [1, 2, S, S], 6)], { unidirectional: 1 })));
test("Attention that rotates inside is refused", (t) => {
  t.is(refusalOf(attention([], { do_rotary: 1 })).code, "unsupported_op");
});
test("a mask of cumulated lengths is refused", (t) => {
  t.is(refusalOf(attention([ints("i32", [3 * B + 2], [2, 3, 0, 2, 5, 0, 2, 5])])).code, "unsupported_layout");
});

const query = sample("f32", [B, S, H], 11);
const key = sample("f32", [B, 5, H], 12);
const value = sample("f32", [B, 5, 6], 13);
const cross = { 0: ["b", "s", null], 1: ["b", "t", null], 2: ["b", "t", null] };

function multi(
  inputs: readonly (Tensor | null)[],
  attributes: Record<string, Attribute> = {},
  more: Partial<OneNode> = {},
): OneNode {
  return { op: "MultiHeadAttention", inputs, attributes: { num_heads: 2, ...attributes }, ...more };
}

test("MultiHeadAttention", (t) => agrees(t, multi([query, key, value], {}, { dims: cross })));
test("MultiHeadAttention with a bias", (t) =>
  agrees(t, multi([query, key, value, sample("f32", [H + H + 6], 14)], { scale: { f: 0.2 } }, { dims: cross })));
test("MultiHeadAttention with lengths", (t) =>
  agrees(t, multi([query, key, value, null, ints("i32", [B], [2, 5])], {}, { dims: { ...cross, 4: ["b"] } })));
test("MultiHeadAttention with a mask per key", (t) =>
  agrees(t, multi([query, key, value, null, ints("i32", [B, 5], [1, 0, 1, 1, 0, 0, 0, 1, 1, 1])])));
test("MultiHeadAttention with a mask per query and key", (t) =>
  agrees(
    t,
    multi([
      query,
      key,
      value,
      null,
      ints(
        "i32",
        [B, S, 5],
        Array.from({ length: 30 }, (_, i) => Number(i % 3 > 0)),
      ),
    ]),
  ));
test("MultiHeadAttention, causal over one sequence", (t) =>
  agrees(t, multi([query, sample("f32", [B, S, H], 15), sample("f32", [B, S, H], 16)], { unidirectional: 1 })));
test("MultiHeadAttention with a bias of the scores", (t) =>
  agrees(t, multi([query, key, value, null, null, sample("f32", [B, 1, S, 5], 17)])));
test("MultiHeadAttention with a past", (t) =>
  agrees(
    t,
    multi(
      [
        query,
        sample("f32", [B, S, H], 15),
        sample("f32", [B, S, H], 16),
        null,
        null,
        null,
        sample("f32", [B, 2, 4, 4], 18),
        sample("f32", [B, 2, 4, 4], 19),
      ],
      { unidirectional: 1 },
      {
        outputs: ["out", "key", "value"],
        dims: {
          0: ["b", "s", null],
          1: ["b", "s", null],
          2: ["b", "s", null],
          6: ["b", null, "p", null],
          7: ["b", null, "p", null],
        },
      },
    ),
  ));
test("MultiHeadAttention over keys and values that were projected before", (t) =>
  agrees(
    t,
    multi([query, sample("f32", [B, 2, 5, 4], 21), sample("f32", [B, 2, 5, 4], 22), sample("f32", [3 * H], 23)]),
  ));

const u8 = sample("u8", [B, S, 6], 31);
const i8 = sample("i8", [6, 3 * H], 32, -60, 60);
const scale = (v: number): Tensor => sample("f32", [1], 1, v, v);

test("QAttention", (t) =>
  agrees(t, {
    op: "QAttention",
    inputs: [u8, i8, bias, scale(0.01), scale(0.02), null, ints("u8", [1], [120]), ints("i8", [1], [3])],
    weights: [1, 2, 3, 4, 6, 7],
    attributes: { num_heads: 2 },
    dims,
  }));
test("QAttention with a scale per column, lengths and a past", (t) =>
  agrees(t, {
    op: "QAttention",
    inputs: [
      u8,
      i8,
      bias,
      scale(0.01),
      sample("f32", [3 * H], 35, 0.01, 0.03),
      ints("i32", [B, S + 2], [1, 1, 1, 1, 0, 0, 1, 1, 1, 1]),
      ints("u8", [1], [120]),
      null,
      sample("f32", [2, B, 2, 2, 4], 36),
    ],
    weights: [1, 2, 3, 4, 6],
    attributes: { num_heads: 2, unidirectional: 1 },
    outputs: ["out", "present"],
  }));
