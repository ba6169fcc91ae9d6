// GroupQueryAttention and RotaryEmbedding of com.microsoft against onnxruntime.

import test from "ava";
import type { Tensor } from "../../compiler/ir/tensor.js";
import { type Attribute, agrees, ints, type OneNode, refusalOf, sample } from "./one-node.js";

const HEADS = 4;
const KV = 2;
const D = 16;
const cos = sample("f32", [12, D / 2], 41, -1, 1);
const sin = sample("f32", [12, D / 2], 42, -1, 1);

interface Case {
  readonly batch?: number;
  readonly steps: number;
  readonly past?: number;
  /** Total length of each batch row. */
  readonly lengths: readonly number[];
  readonly total: number;
  readonly attributes?: Record<string, Attribute>;
  readonly packed?: boolean;
  /** From input 7 on. */
  readonly rest?: readonly (Tensor | null)[];
  readonly dims?: OneNode["dims"];
}

function grouped(c: Case): OneNode {
  const batch = c.lengths.length;
  const width = c.packed === true ? HEADS + 2 * KV : HEADS;
  const kv = (seed: number): Tensor | null =>
    c.packed === true ? null : sample("f32", [batch, c.steps, KV * D], seed);
  const past = (seed: number): Tensor | null =>
    c.past === undefined ? null : sample("f32", [batch, KV, c.past, D], seed);
  const lengths = ints(
    "i32",
    [batch],
    c.lengths.map((l) => l - 1),
  );
  return {
    op: "GroupQueryAttention",
    inputs: [
      sample("f32", [batch, c.steps, width * D], 51),
      kv(52),
      kv(53),
      past(54),
      past(55),
      lengths,
      ints("i32", [1], [c.total]),
      ...(c.rest ?? []),
    ],
    weights: [6],
    attributes: { num_heads: HEADS, kv_num_heads: KV, ...c.attributes },
    outputs: ["out", "key", "value"],
    ...(c.dims === undefined ? {} : { dims: c.dims }),
  };
}

const rotary = { do_rotary: 1 };

test("a first prompt", (t) =>
  agrees(
    t,
    grouped({
      steps: 3,
      lengths: [3, 3],
      total: 3,
      dims: { 0: ["b", null, null], 1: ["b", null, null], 2: ["b", null, null], 5: ["b"] },
    }),
  ));
test("a first prompt, packed", (t) => agrees(t, grouped({ steps: 3, lengths: [3, 3], total: 3, packed: true })));
test("a first prompt into a buffer", (t) => agrees(t, grouped({ steps: 3, past: 6, lengths: [3, 3], total: 3 })));
test("a first prompt with rotation", (t) =>
  agrees(t, grouped({ steps: 3, lengths: [3, 3], total: 3, attributes: rotary, rest: [cos, sin] })));
test("a first prompt with rotation of neighbours", (t) =>
  agrees(
    t,
    grouped({
      steps: 3,
      lengths: [3, 3],
      total: 3,
      attributes: { do_rotary: 1, rotary_interleaved: 1 },
      rest: [cos, sin],
    }),
  ));
test("a step after a past", (t) =>
  agrees(t, grouped({ steps: 1, past: 4, lengths: [5, 5], total: 5, attributes: rotary, rest: [cos, sin] })));
test("a step after a past, packed, sizes in ranges", (t) =>
  agrees(
    t,
    grouped({
      steps: 1,
      past: 4,
      lengths: [5, 5],
      total: 5,
      attributes: rotary,
      packed: true,
      rest: [cos, sin],
      dims: { 0: ["b", null, null], 3: ["b", null, "p", null], 4: ["b", null, "p", null], 5: ["b"] },
    }),
  ));
test("a step into a buffer, rows of different lengths", (t) =>
  agrees(t, grouped({ steps: 1, past: 8, lengths: [3, 6], total: 6, attributes: rotary, rest: [cos, sin] })));
test("several steps after a past", (t) =>
  agrees(t, grouped({ steps: 3, past: 4, lengths: [7], total: 7, attributes: rotary, rest: [cos, sin] })));
test("several steps into a buffer", (t) =>
  agrees(t, grouped({ steps: 2, past: 9, lengths: [5], total: 5, attributes: rotary, rest: [cos, sin] })));
test("a window in a prompt", (t) =>
  agrees(t, grouped({ steps: 6, lengths: [6], total: 6, attributes: { local_window_size: 2 } })));
test("a window after a past", (t) =>
  agrees(t, grouped({ steps: 1, past: 7, lengths: [8, 5], total: 8, attributes: { local_window_size: 3 } })));
test("a soft cap", (t) =>
  agrees(t, grouped({ steps: 3, lengths: [3], total: 3, attributes: { softcap: { f: 0.5 } } })));
test("a soft cap and a bias", (t) =>
  agrees(
    t,
    grouped({
      steps: 3,
      lengths: [3],
      total: 3,
      attributes: { softcap: { f: 0.5 } },
      rest: [null, null, null, sample("f32", [1, HEADS, 3, 3], 61)],
    }),
  ));
test("a bias after a past", (t) =>
  agrees(
    t,
    grouped({
      steps: 1,
      past: 4,
      lengths: [5, 5],
      total: 5,
      rest: [null, null, null, sample("f32", [2, 1, 1, 5], 62)],
    }),
  ));
test("smooth softmax", (t) =>
  agrees(t, grouped({ steps: 3, lengths: [3], total: 3, attributes: { smooth_softmax: 1 } })));
test("a sink per head", (t) =>
  agrees(t, grouped({ steps: 3, lengths: [3], total: 3, rest: [null, null, null, null, sample("f32", [HEADS], 63)] })));
test("a scale", (t) => agrees(t, grouped({ steps: 3, lengths: [3], total: 3, attributes: { scale: { f: 0.9 } } })));
test("positions of its own", (t) =>
  agrees(
    t,
    grouped({
      steps: 1,
      past: 4,
      lengths: [5, 5],
      total: 5,
      attributes: rotary,
      rest: [cos, sin, ints("i64", [2, 1], [7, 2])],
    }),
  ));
test("positions of its own in a prompt", (t) =>
  agrees(
    t,
    grouped({
      steps: 3,
      lengths: [3, 3],
      total: 3,
      attributes: rotary,
      rest: [cos, sin, ints("i64", [2, 3], [0, 1, 2, 0, 1, 2])],
    }),
  ));
test("the total length is data", (t) =>
  agrees(t, { ...grouped({ steps: 1, past: 4, lengths: [5, 5], total: 5 }), weights: [] }));
for (const c of [
  { steps: 1, past: 4, lengths: [5, 5], total: 5 },
  { steps: 3, past: 8, lengths: [3, 3], total: 3 },
  { steps: 4, past: 3, lengths: [7], total: 7 },
])
  test(`lengths are data and sizes in ranges, ${JSON.stringify(c)}`, (t) => {
    const state = ["b", null, "p", null];
    const node = grouped({
      ...c,
      attributes: rotary,
      rest: [cos, sin],
      dims: { 0: ["b", "s", null], 1: ["b", "s", null], 2: ["b", "s", null], 3: state, 4: state, 5: ["b"] },
    });
    return agrees(t, { ...node, weights: [] });
  });
test("without causality", (t) => agrees(t, grouped({ steps: 3, lengths: [3], total: 3, attributes: { causal: 0 } })));
test("a window's own cache is refused", (t) => {
  t.is(
    refusalOf(
      grouped({
        steps: 1,
        past: 4,
        lengths: [5],
        total: 5,
        attributes: { sliding_window_cache: 1, local_window_size: 4 },
      }),
    ).code,
    "unsupported_layout",
  );
});

const flat = sample("f32", [2, 3, 16], 71);
const apart = sample("f32", [2, 2, 3, 8], 72);
const ids = ints("i64", [2, 3], [0, 1, 2, 5, 6, 7]);
const start = ints("i64", [1], [4]);

function turn(x: Tensor, at: Tensor, attributes: Record<string, Attribute> = {}, width = 4): OneNode {
  return {
    op: "RotaryEmbedding",
    inputs: [x, at, sample("f32", [12, width], 73, -1, 1), sample("f32", [12, width], 74, -1, 1)],
    attributes,
    dims:
      x === flat
        ? { 0: ["b", "s", null], ...(at === ids ? { 1: ["b", "s"] } : {}) }
        : { 0: ["b", null, "s", null], ...(at === ids ? { 1: ["b", "s"] } : {}) },
  };
}

test("RotaryEmbedding of rank 3", (t) => agrees(t, turn(flat, ids)));
test("RotaryEmbedding of rank 3 from one position on", (t) => agrees(t, turn(flat, start)));
test("RotaryEmbedding of rank 4", (t) => agrees(t, turn(apart, ids)));
test("RotaryEmbedding of neighbours", (t) => agrees(t, turn(apart, start, { interleaved: 1 })));
test("RotaryEmbedding of a part", (t) => agrees(t, turn(flat, ids, { rotary_embedding_dim: 4, num_heads: 2 }, 2)));
