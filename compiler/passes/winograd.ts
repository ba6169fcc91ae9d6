// 3x3 convolutions of stride 1 by Winograd's minimal filtering. In f32 that rounds differently, so F(4x4, 3x3) is of the relaxed
// tier: 36 products per pair of channels and tile of 4 by 4 results instead of 144. Integers have the same bits either way and
// take it in every tier, where the target multiplies pairs of 16 bits at best.

import type { Builder, NodeOf, Value } from "../ir/graph.js";
import { rewrite, rule } from "../ir/rewrite.js";
import { tensorFrom } from "../ir/tensor.js";
import type { Pass } from "./pass.js";
import { inputOf } from "./shapes.js";
import { integerWinograd } from "./winograd-integers.js";
import { convByTiles, costsOf, type Filter, filterAt, tiledConvOf, transformedWeights } from "./winograd-tiles.js";

/** The part of a direct convolution's time that tiles may take at most. */
const WORTH = 0.75;

/** F(4x4, 3x3) in f32. These points keep the matrices' entries, and so the errors, small; weights are divided by the norms. */
function realFilter(): Filter {
  const { filter, norms } = filterAt([0, 1, -1, 0.5, -2]);
  return { ...filter, g: filter.g.map((row, i) => row.map((v) => v / (norms[i] ?? 1))) };
}

const REAL = realFilter();

function realWinograd(b: Builder, node: NodeOf<"conv">, multipliesPerWeight: number): Value | null {
  const conv = tiledConvOf(node);
  if (conv === null || node.attrs.dtype !== "f32" || inputOf(node).type.dtype !== "f32") return null;
  const { direct, tiled } = costsOf(conv, [REAL, REAL], multipliesPerWeight);
  if (tiled >= WORTH * direct) return null;
  const shape = [REAL.tile, REAL.tile, conv.c, conv.m];
  const transformed = tensorFrom(conv.weights.dtype, shape, transformedWeights(conv, [REAL, REAL]));
  return convByTiles(b, conv, [REAL, REAL], transformed, { pixel: "f32", sum: "f32" });
}

export const winograd: Pass = {
  name: "winograd",
  after: {
    layout: "it takes convolutions with channels last",
    tidy: "it takes weights that are constants",
    integers: "it takes integers of 16 bits",
  },
  run: (b, graph, { tier = "strict", multipliesPerWeight = 4, multipliesPerByte, pairProducts = false }) =>
    rewrite(b, graph, [
      ...(tier === "relaxed" ? [rule("winograd", "conv", (node) => realWinograd(b, node, multipliesPerWeight))] : []),
      ...(pairProducts
        ? [rule("winograd-integers", "conv", (n) => integerWinograd(b, n, { multipliesPerWeight, multipliesPerByte }))]
        : []),
    ]),
};
