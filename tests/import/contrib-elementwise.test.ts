// Activations and normalizations of com.microsoft against onnxruntime.

import test from "ava";
import { tensorFrom } from "../../compiler/ir/tensor.js";
import { agrees, floats, ints, matches, onReference, sample } from "./one-node.js";

const x = sample("f32", [2, 3, 8]);
const dims = { 0: ["n", "s", null] };

test("Gelu", (t) => agrees(t, { op: "Gelu", inputs: [x], dims }));
test("FastGelu", (t) => agrees(t, { op: "FastGelu", inputs: [x], dims }));
test("FastGelu with a bias", (t) => agrees(t, { op: "FastGelu", inputs: [x, sample("f32", [8], 2)], dims }));
test("BiasGelu", (t) => agrees(t, { op: "BiasGelu", inputs: [x, sample("f32", [8], 3)], dims }));
test("QuickGelu", (t) => agrees(t, { op: "QuickGelu", inputs: [x], dims }));
test("QuickGelu with alpha", (t) =>
  agrees(t, { op: "QuickGelu", inputs: [x], attributes: { alpha: { f: 0.7 } }, dims }));

test("BiasSplitGelu is the product of its halves, the second through Gelu", async (t) => {
  const bias = sample("f32", [8], 4);
  const sum = x.numbers().map((v, i) => Math.fround(v + bias.at(i % 8)));
  const gelu = onReference({ op: "Gelu", inputs: [tensorFrom("f32", [2, 3, 8], sum)] }, false)["out"];
  const want = sum.flatMap((v, i) => (i % 8 < 4 ? [v * (gelu?.at(i + 4) ?? 0)] : []));
  await matches(t, { op: "BiasSplitGelu", inputs: [x, bias], dims }, { out: floats([2, 3, 4], want) });
});

const scale = sample("f32", [8], 5);
const bias = sample("f32", [8], 6);

test("LayerNormalization of operator set 1, with its statistics", (t) =>
  agrees(t, { op: "LayerNormalization", domain: "", inputs: [x, scale, bias], outputs: ["out", "mean", "dev"], dims }));
test("SimplifiedLayerNormalization", (t) =>
  agrees(t, {
    op: "SimplifiedLayerNormalization",
    domain: "",
    inputs: [x, scale],
    attributes: { epsilon: { f: 0.01 } },
    dims,
  }));

test("SkipLayerNormalization", (t) =>
  agrees(t, {
    op: "SkipLayerNormalization",
    inputs: [x, sample("f32", [2, 3, 8], 7), scale, bias],
    dims: { 0: ["n", "s", null], 1: ["n", "s", null] },
  }));
test("SkipLayerNormalization with a bias and the sum", (t) =>
  agrees(t, {
    op: "SkipLayerNormalization",
    inputs: [x, sample("f32", [2, 3, 8], 7), scale, null, sample("f32", [8], 8)],
    outputs: ["out", "", "", "sum"],
    attributes: { epsilon: { f: 1e-3 } },
  }));
test("SkipLayerNormalization with a skip for all rows", (t) =>
  agrees(t, { op: "SkipLayerNormalization", inputs: [x, sample("f32", [1, 3, 8], 7), scale, bias] }));
test("SkipSimplifiedLayerNormalization", (t) =>
  agrees(t, {
    op: "SkipSimplifiedLayerNormalization",
    inputs: [x, sample("f32", [2, 3, 8], 7), scale],
    outputs: ["out", "", "", "sum"],
    dims: { 0: ["n", "s", null], 1: ["n", "s", null] },
  }));
test("SkipSimplifiedLayerNormalization with a bias", (t) =>
  agrees(t, { op: "SkipSimplifiedLayerNormalization", inputs: [x, sample("f32", [2, 3, 8], 7), scale, bias] }));

const ids = ints("i32", [2, 4], [1, 5, 0, 2, 3, 3, 4, 1]);
const words = sample("f32", [6, 8], 11);
const positions = sample("f32", [5, 8], 12);
const segments = sample("f32", [2, 8], 13);

test("EmbedLayerNormalization", (t) =>
  agrees(t, {
    op: "EmbedLayerNormalization",
    inputs: [
      ids,
      ints("i32", [2, 4], [0, 0, 1, 1, 0, 1, 1, 1]),
      words,
      positions,
      segments,
      scale,
      bias,
      ints("i32", [2, 4], [1, 1, 1, 0, 1, 1, 0, 0]),
    ],
    outputs: ["out", "mask", "sum"],
    dims: { 0: ["n", "s"], 1: ["n", "s"], 7: ["n", "s"] },
  }));
test("EmbedLayerNormalization without segments and mask", (t) =>
  agrees(t, {
    op: "EmbedLayerNormalization",
    inputs: [ids, null, words, positions, null, scale, bias],
    outputs: ["out", "mask"],
  }));
test("EmbedLayerNormalization with positions of its own", (t) =>
  agrees(t, {
    op: "EmbedLayerNormalization",
    inputs: [ids, null, words, positions, null, scale, bias, null, ints("i32", [1, 4], [3, 1, 0, 4])],
    outputs: ["out", "mask"],
  }));

/** Group normalization in double precision, channels last. */
function groupNorm(
  v: readonly number[],
  n: number,
  pixels: number,
  c: number,
  groups: number,
  gamma: readonly number[],
  beta: readonly number[],
): number[] {
  const out = v.slice();
  for (let i = 0; i < n; i++)
    for (let g = 0; g < groups; g++) {
      const at: number[] = [];
      for (let p = 0; p < pixels; p++)
        for (let k = 0; k < c / groups; k++) at.push((i * pixels + p) * c + (g * c) / groups + k);
      const mean = at.reduce((s, j) => s + (v[j] ?? 0), 0) / at.length;
      const variance = at.reduce((s, j) => s + ((v[j] ?? 0) - mean) ** 2, 0) / at.length;
      for (const j of at)
        out[j] = (((v[j] ?? 0) - mean) / Math.sqrt(variance + 1e-5)) * (gamma[j % c] ?? 0) + (beta[j % c] ?? 0);
    }
  return out;
}

const image = sample("f32", [2, 3, 2, 8], 21);

test("GroupNorm with channels last and SiLU", (t) => {
  const y = groupNorm(image.numbers(), 2, 6, 8, 4, scale.numbers(), bias.numbers()).map((v) => v / (1 + Math.exp(-v)));
  const node = {
    op: "GroupNorm",
    inputs: [image, scale, bias],
    attributes: { activation: 1, groups: 4 },
    dims: { 0: ["n", "h", null, null] },
  };
  return matches(t, node, { out: floats([2, 3, 2, 8], y) });
});
test("SkipGroupNorm gives the sum too", (t) => {
  const skip = sample("f32", [2, 8], 22);
  const sum = image.numbers().map((v, i) => Math.fround(v + skip.at(Math.floor(i / 48) * 8 + (i % 8))));
  const y = groupNorm(sum, 2, 6, 8, 2, scale.numbers(), bias.numbers());
  const node = {
    op: "SkipGroupNorm",
    inputs: [image, scale, bias, skip],
    attributes: { activation: 0, groups: 2 },
    outputs: ["out", "sum"],
  };
  return matches(t, node, { out: floats([2, 3, 2, 8], y), sum: floats([2, 3, 2, 8], sum) });
});
