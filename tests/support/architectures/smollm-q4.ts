// The language model of smollm.ts as onnxruntime's own exporter writes it: weights of 4 bits in blocks, grouped attention
// and normalizations as single nodes. In the small preset, every other layer turns its heads by nodes of their own.

import type { Architecture, Preset } from "./architecture.js";
import { at, table } from "./architecture.js";
import { GraphWriter } from "./graph-writer.js";
import { cacheInputs, cacheOutputs, decoderFeeds, decoderSizes, ROTARY_BASE, SMOLLM } from "./smollm.js";

const CONTRIB = "com.microsoft";
const BLOCK = 32;

/** 0: products of real numbers. 4: of 8-bit integers, as exporters for CPUs write it. */
type AccuracyLevel = 0 | 4;

interface Form {
  readonly level: AccuracyLevel;
  /** Logits of the last word of the prompt alone, which is what a chat asks for. */
  readonly lastOnly?: boolean;
}

/** x · w, w of 4 bits. */
function product(g: GraphWriter, x: string, from: number, to: number, level: AccuracyLevel): string {
  const blocks = from / BLOCK;
  const bytes = g.constant({
    dtype: "u8",
    shape: [to, blocks, BLOCK / 2],
    data: Uint8Array.from(g.whole((to * from) / 2, 0, 255)),
  });
  // Sixteen levels of a deviation of 4.6.
  const scales = g.weight([to * blocks], 0.02 / Math.sqrt(from), Math.sqrt(1 / from) / 4.6);
  return g.op(
    "MatMulNBits",
    [x, bytes, scales],
    { K: from, N: to, bits: 4, block_size: BLOCK, accuracy_level: level },
    CONTRIB,
  );
}

/** cos and sin of each position, [positions, size / 2]. */
function rotaryCaches(g: GraphWriter, positions: number, size: number): string[] {
  return [Math.cos, Math.sin].map((f) => {
    const data = new Float32Array((positions * size) / 2);
    for (let i = 0; i < data.length; i++) {
      const [position, pair] = [Math.floor((2 * i) / size), i % (size / 2)];
      data[i] = f(position * ROTARY_BASE ** ((-2 * pair) / size));
    }
    return g.constant({ dtype: "f32", shape: [positions, size / 2], data });
  });
}

function write(preset: Preset, { level, lastOnly = false }: Form): Uint8Array {
  const { vocabulary, layers, width, heads, kvHeads, inner, positions } = SMOLLM[preset];
  const g = new GraphWriter("smollm-q4");
  const size = width / heads;
  const words = g.input("input_ids", "i64", ["batch", "sequence"]);
  const mask = g.input("attention_mask", "i64", ["batch", "past + sequence"]);
  const place = g.input("position_ids", "i64", ["batch", "sequence"]);
  const caches = cacheInputs(g, layers, kvHeads, size);
  const [cos = "", sin = ""] = rotaryCaches(g, positions, size);
  const last = g.op("Sub", [g.op("ReduceSum", [mask, g.ints([1])], { keepdims: 0 }), g.ints(1)]);
  const lengths = g.op("Cast", [last], { to: 6 });
  const columns = g.op("Gather", [g.op("Shape", [mask]), g.ints(1)], { axis: 0 });
  const total = g.op("Cast", [columns], { to: 6 });
  const scale = (): string => g.weight([width], 0.1, 1);
  const times = (v: string, from: number, to: number): string => product(g, v, from, to, level);
  const epsilon = { epsilon: { f: 1e-5 } };
  let x = g.op("Gather", [g.weight([vocabulary, width], 0.5), words]);
  let y = g.op("SimplifiedLayerNormalization", [x, scale()], { ...epsilon, axis: -1, stash_type: 1 });
  // Adds a branch to the sum of all so far, and normalizes it.
  const join = (branch: string): void => {
    const inputs = [x, branch, scale()];
    const results = g.ops("SkipSimplifiedLayerNormalization", inputs, 4, epsilon, CONTRIB, [0, 3]);
    const [normal = "", , , sum = ""] = results;
    [x, y] = [sum, normal];
  };
  const present: string[][] = [];
  for (const [i, [pastKey, pastValue]] of caches.entries()) {
    let [q = "", k = ""] = [times(y, width, width), times(y, width, kvHeads * size)];
    const v = times(y, width, kvHeads * size);
    const apart = preset === "small" && i % 2 === 1;
    if (apart)
      [q, k] = [
        g.op("RotaryEmbedding", [q, place, cos, sin], {}, CONTRIB),
        g.op("RotaryEmbedding", [k, place, cos, sin], {}, CONTRIB),
      ];
    const attributes = { num_heads: heads, kv_num_heads: kvHeads, do_rotary: apart ? 0 : 1, rotary_interleaved: 0 };
    const inputs = [q, k, v, pastKey, pastValue, lengths, total, ...(apart ? [] : [cos, sin])];
    const [mixed = "", key = "", value = ""] = g.ops("GroupQueryAttention", inputs, 3, attributes, CONTRIB);
    present.push([key, value]);
    join(times(mixed, width, width));
    const gate = times(y, width, inner);
    const gated = g.op("Mul", [g.op("Mul", [gate, g.op("Sigmoid", [gate])]), times(y, width, inner)]);
    join(times(gated, inner, width));
  }
  const rows = lastOnly ? g.op("Gather", [y, g.ints([-1])], { axis: 1 }) : y;
  g.output("logits", times(rows, width, vocabulary), "f32", ["batch", lastOnly ? 1 : "sequence", vocabulary]);
  cacheOutputs(g, present, kvHeads, size);
  return g.encode();
}

function decoder(form: Form): Architecture {
  return {
    write: (preset) => write(preset, form),
    ...decoderSizes,
    feeds: (sizes, preset) => ({
      ...decoderFeeds(sizes, preset),
      position_ids: table(at(sizes, "batch"), at(sizes, "sequence"), (_, i) => at(sizes, "past") + i),
    }),
  };
}

export const smollmQ4 = decoder({ level: 0 });
export const smollmQ4Int8 = decoder({ level: 4 });
export const smollmQ4Chat = decoder({ level: 4, lastOnly: true });
