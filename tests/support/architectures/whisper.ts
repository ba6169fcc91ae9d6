// A speech recognizer of Whisper's shape (tiny): the encoder of a spectrogram, and the decoder of one or more tokens with
// its caches: of its own past, which grows, and of the encoder's result.

import { type Architecture, at, floats, ids, type Preset } from "./architecture.js";
import { GraphWriter } from "./graph-writer.js";
import { attention, causalMask, fromHeads, gelu, layerNorm, linear, sizeOf, toHeads } from "./layers.js";

const PRESETS = {
  small: { bands: 8, frames: 40, layers: 2, width: 16, heads: 2, inner: 32, vocabulary: 40, positions: 24 },
  full: { bands: 80, frames: 3000, layers: 4, width: 384, heads: 6, inner: 1536, vocabulary: 51865, positions: 448 },
} as const;

function feedForward(g: GraphWriter, x: string, width: number, inner: number): string {
  const y = linear(g, gelu(g, linear(g, layerNorm(g, x, width), width, inner)), inner, width);
  return g.op("Add", [x, y]);
}

function writeEncoder(preset: Preset): Uint8Array {
  const { bands, frames, layers, width, heads, inner } = PRESETS[preset];
  const g = new GraphWriter("whisper-encoder");
  const sound = g.input("input_features", "f32", ["batch", bands, frames]);
  const conv = (x: string, from: number, stride: number): string =>
    gelu(
      g,
      g.op("Conv", [x, g.weight([width, from, 3], Math.sqrt(2 / (3 * from))), g.weight([width], 0.05)], {
        kernel_shape: [3],
        strides: [stride],
        pads: [1, 1],
      }),
    );
  const columns = conv(conv(sound, bands, 1), width, 2);
  const rows = g.op("Transpose", [columns], { perm: [0, 2, 1] });
  let x = g.op("Add", [rows, g.weight([frames / 2, width], 0.3)]);
  const size = width / heads;
  for (let i = 0; i < layers; i++) {
    const y = layerNorm(g, x, width);
    const [q = "", k = "", v = ""] = [true, false, true].map((bias) =>
      toHeads(g, linear(g, y, width, width, bias), heads, size),
    );
    const mixed = linear(g, fromHeads(g, attention(g, q, k, v, size), heads, size), width, width);
    x = feedForward(g, g.op("Add", [x, mixed]), width, inner);
  }
  g.output("last_hidden_state", layerNorm(g, x, width), "f32", ["batch", frames / 2, width]);
  return g.encode();
}

function writeDecoder(preset: Preset): Uint8Array {
  const { layers, width, heads, inner, vocabulary, positions } = PRESETS[preset];
  const g = new GraphWriter("whisper-decoder");
  const size = width / heads;
  const words = g.input("input_ids", "i64", ["batch", "sequence"]);
  const cache = (i: number, of: "decoder" | "encoder"): [string, string] => {
    const [key = "", value = ""] = ["key", "value"].map((part) =>
      g.input(`past_key_values.${i}.${of}.${part}`, "f32", [
        "batch",
        heads,
        of === "decoder" ? "past" : "frames",
        size,
      ]),
    );
    return [key, value];
  };
  const caches = Array.from({ length: layers }, (_, i) => ({ own: cache(i, "decoder"), cross: cache(i, "encoder") }));
  const past = sizeOf(g, caches[0]?.own[0] ?? "", 2);
  const total = g.op("Add", [past, sizeOf(g, words, 1)]);
  const place = g.op("Range", [past, total, g.ints(1)]);
  const embedding = g.weight([vocabulary, width], 0.5);
  const position = g.op("Gather", [g.weight([positions, width], 0.3), place]);
  let x = g.op("Add", [g.op("Gather", [embedding, words]), position]);
  const mask = causalMask(g, place, total);
  const present: [string, string][] = [];
  for (const { own, cross } of caches) {
    const y = layerNorm(g, x, width);
    const [q = "", k = "", v = ""] = [true, false, true].map((bias) =>
      toHeads(g, linear(g, y, width, width, bias), heads, size),
    );
    const key = g.op("Concat", [own[0], k], { axis: 2 });
    const value = g.op("Concat", [own[1], v], { axis: 2 });
    present.push([key, value]);
    const mixed = linear(g, fromHeads(g, attention(g, q, key, value, size, mask), heads, size), width, width);
    x = g.op("Add", [x, mixed]);
    const query = toHeads(g, linear(g, layerNorm(g, x, width), width, width), heads, size);
    const heard = fromHeads(g, attention(g, query, cross[0], cross[1], size), heads, size);
    x = feedForward(g, g.op("Add", [x, linear(g, heard, width, width)]), width, inner);
  }
  const turned = g.op("Transpose", [embedding], { perm: [1, 0] });
  const logits = g.op("MatMul", [layerNorm(g, x, width), turned]);
  g.output("logits", logits, "f32", ["batch", "sequence", vocabulary]);
  for (const [i, [key, value]] of present.entries()) {
    g.output(`present.${i}.decoder.key`, key, "f32", ["batch", heads, "past + sequence", size]);
    g.output(`present.${i}.decoder.value`, value, "f32", ["batch", heads, "past + sequence", size]);
  }
  return g.encode();
}

export const whisperEncoder: Architecture = {
  write: writeEncoder,
  dims: { batch: { lo: 1, hi: 3 } },
  sizes: [{ batch: 1 }, { batch: 3 }],
  fullSizes: { batch: 1 },
  feeds: (sizes, preset) => {
    const { bands, frames } = PRESETS[preset];
    return { input_features: floats([at(sizes, "batch"), bands, frames], 1) };
  },
};

export const whisperDecoder: Architecture = {
  write: writeDecoder,
  dims: {
    batch: { lo: 1, hi: 2 },
    sequence: { lo: 1, hi: 8 },
    past: { lo: 0, hi: 16 },
    frames: { lo: 4, hi: 20 },
  },
  sizes: [
    { batch: 1, sequence: 4, past: 0, frames: 20 },
    { batch: 2, sequence: 1, past: 5, frames: 4 },
    { batch: 1, sequence: 8, past: 16, frames: 11 },
  ],
  fullSizes: { batch: 1, sequence: 1, past: 64, frames: 1500 },
  feeds: (sizes, preset) => {
    const { layers, width, heads, vocabulary } = PRESETS[preset];
    const [batch, past, frames] = [at(sizes, "batch"), at(sizes, "past"), at(sizes, "frames")];
    const caches = Array.from({ length: layers }, (_, i) =>
      ["decoder.key", "decoder.value", "encoder.key", "encoder.value"].map(
        (part, j): [string, ReturnType<typeof floats>] => [
          `past_key_values.${i}.${part}`,
          floats([batch, heads, j < 2 ? past : frames, width / heads], 10 + 4 * i + j),
        ],
      ),
    );
    return { input_ids: ids([batch, at(sizes, "sequence")], 1, vocabulary), ...Object.fromEntries(caches.flat()) };
  },
};
