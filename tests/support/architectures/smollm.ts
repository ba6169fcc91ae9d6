// A language model of SmolLM's shape (Llama: grouped heads, rotary positions, gated products) with its cache, in float32
// with everything decomposed.

import { type Architecture, at, floats, ids, type Preset, type Sizes, table } from "./architecture.js";
import { GraphWriter } from "./graph-writer.js";
import { attention, causalMask, fromHeads, linear, rmsNorm, shapeOf, sizeOf, toHeads } from "./layers.js";

export const SMOLLM = {
  small: { vocabulary: 64, layers: 2, width: 64, heads: 4, kvHeads: 2, inner: 96, positions: 64 },
  full: { vocabulary: 49152, layers: 30, width: 576, heads: 9, kvHeads: 3, inner: 1536, positions: 2048 },
} as const;

/** Base of the rotary positions' wave lengths. */
export const ROTARY_BASE = 10_000;

/** Names of the caches of each layer, declared as inputs. */
export function cacheInputs(g: GraphWriter, layers: number, heads: number, size: number): [string, string][] {
  return Array.from({ length: layers }, (_, i) => {
    const [key = "", value = ""] = ["key", "value"].map((part) =>
      g.input(`past_key_values.${i}.${part}`, "f32", ["batch", heads, "past", size]),
    );
    return [key, value];
  });
}

export function cacheOutputs(
  g: GraphWriter,
  present: readonly (readonly string[])[],
  heads: number,
  size: number,
): void {
  for (const [i, pair] of present.entries())
    for (const [j, part] of ["key", "value"].entries())
      g.output(`present.${i}.${part}`, pair[j] ?? "", "f32", ["batch", heads, "total", size]);
}

/** cos and sin, [batch, 1, steps, size], of positions i64 [batch, steps]. */
function rotaryTable(g: GraphWriter, positions: string, size: number): { cos: string; sin: string } {
  const rates = Float32Array.from({ length: size / 2 }, (_, i) => ROTARY_BASE ** ((-2 * i) / size));
  const rate = g.constant({ dtype: "f32", shape: [1, size / 2, 1], data: rates });
  const batch = sizeOf(g, positions, 0);
  const column = g.op("Expand", [rate, shapeOf(g, [batch, size / 2, 1])]);
  const row = g.op("Cast", [g.op("Unsqueeze", [positions, g.ints([1])])], { to: 1 });
  const angle = g.op("Transpose", [g.op("MatMul", [column, row])], { perm: [0, 2, 1] });
  const both = g.op("Concat", [angle, angle], { axis: -1 });
  const [cos = "", sin = ""] = ["Cos", "Sin"].map((op) => g.op("Unsqueeze", [g.op(op, [both]), g.ints([1])]));
  return { cos, sin };
}

function rotated(g: GraphWriter, x: string, cos: string, sin: string, size: number): string {
  const half = (start: number, end: number): string =>
    g.op("Slice", [x, g.ints([start]), g.ints([end]), g.ints([3]), g.ints([1])]);
  const turned = g.op("Concat", [g.op("Neg", [half(size / 2, 2 ** 53)]), half(0, size / 2)], { axis: -1 });
  return g.op("Add", [g.op("Mul", [x, cos]), g.op("Mul", [turned, sin])]);
}

/** Each key head once for every query head that shares it. */
function repeated(g: GraphWriter, x: string, kvHeads: number, times: number, size: number): string {
  const [batch, total] = [sizeOf(g, x, 0), sizeOf(g, x, 2)];
  const wide = g.op("Expand", [g.op("Unsqueeze", [x, g.ints([2])]), shapeOf(g, [batch, kvHeads, times, total, size])]);
  return g.op("Reshape", [wide, shapeOf(g, [batch, kvHeads * times, total, size])]);
}

function write(preset: Preset): Uint8Array {
  const { vocabulary, layers, width, heads, kvHeads, inner } = SMOLLM[preset];
  const g = new GraphWriter("smollm");
  const size = width / heads;
  const words = g.input("input_ids", "i64", ["batch", "sequence"]);
  const mask = g.input("attention_mask", "i64", ["batch", "past + sequence"]);
  const positions = g.input("position_ids", "i64", ["batch", "sequence"]);
  const caches = cacheInputs(g, layers, kvHeads, size);
  const past = sizeOf(g, caches[0]?.[0] ?? "", 2);
  const total = g.op("Add", [past, sizeOf(g, words, 1)]);
  const causal = causalMask(g, g.op("Range", [past, total, g.ints(1)]), total);
  // Padding of the batch's rows: columns that the mask says are none.
  const column = g.op("Unsqueeze", [g.op("Equal", [mask, g.ints(0)]), g.ints([1, 2])]);
  const bias = g.op("Where", [column, g.float(-3.4028234663852886e38), causal]);
  const { cos, sin } = rotaryTable(g, positions, size);
  const embedding = g.weight([vocabulary, width], 0.5);
  let x = g.op("Gather", [embedding, words]);
  const present: string[][] = [];
  for (const [pastKey, pastValue] of caches) {
    const y = rmsNorm(g, x, width);
    const part = (count: number): string => toHeads(g, linear(g, y, width, count * size, false), count, size);
    const q = rotated(g, part(heads), cos, sin, size);
    const k = rotated(g, part(kvHeads), cos, sin, size);
    const key = g.op("Concat", [pastKey, k], { axis: 2 });
    const value = g.op("Concat", [pastValue, part(kvHeads)], { axis: 2 });
    present.push([key, value]);
    const [wideKey = "", wideValue = ""] = [key, value].map((c) => repeated(g, c, kvHeads, heads / kvHeads, size));
    const mixed = fromHeads(g, attention(g, q, wideKey, wideValue, size, bias), heads, size);
    x = g.op("Add", [x, linear(g, mixed, width, width, false)]);
    const z = rmsNorm(g, x, width);
    const gate = linear(g, z, width, inner, false);
    const gated = g.op("Mul", [g.op("Mul", [gate, g.op("Sigmoid", [gate])]), linear(g, z, width, inner, false)]);
    x = g.op("Add", [x, linear(g, gated, inner, width, false)]);
  }
  const logits = g.op("MatMul", [rmsNorm(g, x, width), g.op("Transpose", [embedding], { perm: [1, 0] })]);
  g.output("logits", logits, "f32", ["batch", "sequence", vocabulary]);
  cacheOutputs(g, present, kvHeads, size);
  return g.encode();
}

/** The words, the mask of all columns and the caches. */
export function decoderFeeds(sizes: Sizes, preset: Preset): ReturnType<Architecture["feeds"]> {
  const { vocabulary, layers, width, heads, kvHeads } = SMOLLM[preset];
  const [batch, steps, past] = [at(sizes, "batch"), at(sizes, "sequence"), at(sizes, "past")];
  const names = Array.from({ length: layers }, (_, i) => ["key", "value"].map((p) => `past_key_values.${i}.${p}`));
  const caches = names.flat().map((n, i) => [n, floats([batch, kvHeads, past, width / heads], 10 + i)]);
  return {
    input_ids: ids([batch, steps], 1, vocabulary),
    attention_mask: table(batch, past + steps, () => 1),
    ...Object.fromEntries(caches),
  };
}

export const decoderSizes = {
  dims: { batch: { lo: 1, hi: 2 }, sequence: { lo: 1, hi: 8 }, past: { lo: 0, hi: 16 } },
  sizes: [
    { batch: 1, sequence: 5, past: 0 },
    { batch: 2, sequence: 1, past: 7 },
    { batch: 1, sequence: 8, past: 16 },
  ],
  fullSizes: { batch: 1, sequence: 1, past: 64 },
};

export const smollm: Architecture = {
  write,
  ...decoderSizes,
  feeds: (sizes, preset) => ({
    ...decoderFeeds(sizes, preset),
    position_ids: table(at(sizes, "batch"), at(sizes, "sequence"), (_, i) => at(sizes, "past") + i),
  }),
};
