// A sentence encoder of MiniLM's shape (BERT with six layers), in float32 and with its products in 8 bits, the
// activations quantized at run time.

import { type Architecture, at, ids, type Preset, type Sizes, table } from "./architecture.js";
import { GraphWriter } from "./graph-writer.js";
import { attention, fromHeads, gelu, layerNorm, sizeOf, toHeads } from "./layers.js";

const PRESETS = {
  small: { vocabulary: 50, positions: 32, layers: 2, width: 24, heads: 3, inner: 48 },
  full: { vocabulary: 30522, positions: 512, layers: 6, width: 384, heads: 12, inner: 1536 },
} as const;

/** How a weight is stored and multiplied. */
interface Arithmetic {
  readonly linear: (x: string, from: number, to: number) => string;
  readonly lookup: (ids: string, rows: number, width: number) => string;
}

function inFloat(g: GraphWriter): Arithmetic {
  return {
    linear: (x, from, to) => {
      const y = g.op("MatMul", [x, g.weight([from, to], Math.sqrt(1 / from))]);
      return g.op("Add", [g.weight([to], 0.02), y]);
    },
    lookup: (index, rows, width) => g.op("Gather", [g.weight([rows, width], 0.5), index]),
  };
}

/** Unsigned weights with a zero point; a value is quantized once, however many products take it. */
function inBytes(g: GraphWriter): Arithmetic {
  const quantized = new Map<string, string[]>();
  const weight = (shape: readonly number[]): string => {
    const size = shape.reduce((n, d) => n * d, 1);
    return g.constant({ dtype: "u8", shape, data: Uint8Array.from(g.whole(size, 1, 255)) });
  };
  const scaleOf = (deviation: number): number => (deviation * Math.sqrt(12)) / 254;
  return {
    linear: (x, from, to) => {
      const [q = "", scale = "", zero = ""] = quantized.get(x) ?? g.ops("DynamicQuantizeLinear", [x], 3);
      quantized.set(x, [q, scale, zero]);
      const whole = g.op("MatMulInteger", [q, weight([from, to]), zero, g.small("u8", 128)]);
      const both = g.op("Mul", [scale, g.float(scaleOf(Math.sqrt(1 / from)))]);
      const y = g.op("Mul", [g.op("Cast", [whole], { to: 1 }), both]);
      return g.op("Add", [g.weight([to], 0.02), y]);
    },
    lookup: (index, rows, width) => {
      const row = g.op("Gather", [weight([rows, width]), index]);
      return g.op("DequantizeLinear", [row, g.float(scaleOf(0.5)), g.small("u8", 128)]);
    },
  };
}

function write(preset: Preset, bytes: boolean): Uint8Array {
  const { vocabulary, positions, layers, width, heads, inner } = PRESETS[preset];
  const g = new GraphWriter(bytes ? "minilm-int8" : "minilm");
  const { linear, lookup } = bytes ? inBytes(g) : inFloat(g);
  const [words, mask, types] = ["input_ids", "attention_mask", "token_type_ids"].map((name) =>
    g.input(name, "i64", ["batch", "sequence"]),
  );
  const steps = g.op("Unsqueeze", [sizeOf(g, words ?? "", 1), g.ints([0])]);
  const all = g.constant({
    dtype: "i64",
    shape: [1, positions],
    data: BigInt64Array.from({ length: positions }, (_, i) => BigInt(i)),
  });
  const place = g.op("Slice", [all, g.ints([0]), steps, g.ints([1])]);
  const token = g.op("Add", [lookup(words ?? "", vocabulary, width), lookup(types ?? "", 2, width)]);
  let x = layerNorm(g, g.op("Add", [token, lookup(place, positions, width)]), width);
  const kept = g.op("Cast", [g.op("Unsqueeze", [mask ?? "", g.ints([1, 2])])], { to: 1 });
  const bias = g.op("Mul", [g.op("Sub", [g.float(1), kept]), g.float(-3.4028234663852886e38)]);
  const size = width / heads;
  for (let i = 0; i < layers; i++) {
    const [q = "", k = "", v = ""] = [0, 1, 2].map(() => toHeads(g, linear(x, width, width), heads, size));
    const mixed = linear(fromHeads(g, attention(g, q, k, v, size, bias), heads, size), width, width);
    x = layerNorm(g, g.op("Add", [mixed, x]), width);
    x = layerNorm(g, g.op("Add", [linear(gelu(g, linear(x, width, inner)), inner, width), x]), width);
  }
  g.output("last_hidden_state", x, "f32", ["batch", "sequence", width]);
  return g.encode();
}

/** The last rows are padded at their end. */
function feeds(sizes: Sizes, preset: Preset): ReturnType<Architecture["feeds"]> {
  const [batch, steps] = [at(sizes, "batch"), at(sizes, "sequence")];
  return {
    input_ids: ids([batch, steps], 1, PRESETS[preset].vocabulary),
    attention_mask: table(batch, steps, (row, column) => (column < Math.max(1, steps - 2 * row) ? 1 : 0)),
    token_type_ids: table(batch, steps, (_, column) => (column < steps / 2 ? 0 : 1)),
  };
}

const shared = {
  dims: { batch: { lo: 1, hi: 4 }, sequence: { lo: 1, hi: 32 } },
  sizes: [
    { batch: 1, sequence: 7 },
    { batch: 3, sequence: 32 },
    { batch: 4, sequence: 1 },
  ],
  fullSizes: { batch: 1, sequence: 128 },
  feeds,
};

export const minilm: Architecture = { write: (preset) => write(preset, false), ...shared };
export const minilmInt8: Architecture = { write: (preset) => write(preset, true), ...shared };
