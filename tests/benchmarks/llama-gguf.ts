// The ONNX file of a Llama with 4-bit weights (tests/support/architectures/smollm-q4.ts) as the GGUF file of the same network:
// the same weights in llama.cpp's blocks (Q4_0, whose scales have 16 bits), under llama.cpp's names, with a vocabulary of
// made-up words. So the peer computes what we compute, and its results can be compared.

import type { GraphProto, NodeProto, TensorProto } from "../../compiler/import/onnx/proto.js";
import { decodeMessage } from "../../compiler/import/onnx/wire.js";
import { encodeMinifloats } from "../../compiler/ir/minifloat.js";
import { ROTARY_BASE, type SMOLLM } from "../support/architectures/smollm.js";
import { type GgufTensor, type GgufValue, writeGguf } from "./gguf.js";

export type LlamaSizes = (typeof SMOLLM)[keyof typeof SMOLLM];

const BLOCK = 32;
const SCALE_BYTES = 2;

/** The products of a layer, in the order of the file. */
const PRODUCTS = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"] as const;

export function llamaGguf(onnx: Uint8Array, sizes: LlamaSizes): Uint8Array {
  const { graph } = decodeMessage("ModelProto", onnx, "llama");
  if (graph === undefined) throw new Error("the ONNX file has no graph");
  const weights: Weights = new Map(graph.initializer.map((t) => [t.name ?? "", t]));
  const tensors = [embedding(graph, weights, sizes), ...products(graph, weights, sizes), ...norms(graph, weights)];
  return writeGguf({ ...hyperparameters(sizes), ...vocabulary(sizes.vocabulary) }, tensors);
}

type Weights = ReadonlyMap<string, TensorProto>;

function rawOf(weights: Weights, name: string | undefined): Uint8Array {
  const raw = weights.get(name ?? "")?.rawData;
  if (raw === undefined) throw new Error(`${name ?? "an input"} is no weight of the file`);
  return raw;
}

function embedding(graph: GraphProto, weights: Weights, { width, vocabulary: words }: LlamaSizes): GgufTensor {
  const gather = graph.node.find((n) => n.opType === "Gather" && weights.get(n.input[0] ?? "")?.dims.length === 2);
  return { name: "token_embd.weight", type: "f32", shape: [width, words], bytes: rawOf(weights, gather?.input[0]) };
}

/** Each adds the scale of the sum that it normalizes: of a layer's attention, of its products, and of the end. */
function norms(graph: GraphProto, weights: Weights): GgufTensor[] {
  const found = graph.node.flatMap((n) =>
    n.opType === "SimplifiedLayerNormalization"
      ? [rawOf(weights, n.input[1])]
      : n.opType === "SkipSimplifiedLayerNormalization"
        ? [rawOf(weights, n.input[2])]
        : [],
  );
  return found.map((bytes, i) => {
    const name = i === found.length - 1 ? "output_norm" : `blk.${i >> 1}.${i % 2 === 0 ? "attn_norm" : "ffn_norm"}`;
    return { name: `${name}.weight`, type: "f32", shape: [bytes.length / 4], bytes };
  });
}

function products(graph: GraphProto, weights: Weights, { heads, kvHeads }: LlamaSizes): GgufTensor[] {
  const found = graph.node.filter((n) => n.opType === "MatMulNBits");
  return found.map((node, i) => {
    const part = PRODUCTS[i % PRODUCTS.length];
    const isLast = i === found.length - 1;
    const name = isLast ? "output" : `blk.${Math.floor(i / PRODUCTS.length)}.${part ?? ""}`;
    const turned = isLast ? 1 : part === "attn_q" ? heads : part === "attn_k" ? kvHeads : 1;
    const [from, to] = [sizeOf(node, "K"), sizeOf(node, "N")];
    const bytes = q4(rawOf(weights, node.input[1]), rawOf(weights, node.input[2]), {
      from,
      to,
      turned: isLast || turned === 1 ? null : to / turned,
    });
    return { name: `${name}.weight`, type: "q4_0", shape: [from, to], bytes };
  });
}

function sizeOf(node: NodeProto, name: string): number {
  return Number(node.attribute.find((a) => a.name === name)?.i ?? 0n);
}

interface Product {
  readonly from: number;
  readonly to: number;
  /** Columns of a head whose positions turn: llama.cpp turns neighbours, the file the two halves. */
  readonly turned: number | null;
}

/**
 * Blocks of Q4_0: the scale, then 16 bytes, of which byte j has weight j in its low and j + 16 in its high half; MatMulNBits
 * has neighbours in a byte. Both mean (q - 8) * scale.
 */
export function q4(packed: Uint8Array, scaleBytes: Uint8Array, { from, to, turned }: Product): Uint8Array {
  const blocks = from / BLOCK;
  const half = BLOCK / 2;
  const rowBytes = blocks * (SCALE_BYTES + half);
  const scales = encodeMinifloats("f16", new Float32Array(scaleBytes.slice().buffer));
  const out = new Uint8Array(to * rowBytes);
  for (let row = 0; row < to; row++) {
    const source = turned === null ? row : sourceRow(row, turned);
    for (let b = 0; b < blocks; b++) {
      const at = row * rowBytes + b * (SCALE_BYTES + half);
      const block = source * blocks + b;
      for (let i = 0; i < SCALE_BYTES; i++) out[at + i] = scales[block * SCALE_BYTES + i] ?? 0;
      for (let j = 0; j < half; j += 2) {
        const low = packed[block * half + j / 2] ?? 0;
        const high = packed[block * half + (j + half) / 2] ?? 0;
        out[at + SCALE_BYTES + j] = (low & 15) | ((high & 15) << 4);
        out[at + SCALE_BYTES + j + 1] = (low >> 4) | (high & 0xf0);
      }
    }
  }
  return out;
}

/** The row of the file that stands at a row of llama.cpp's, where neighbours take the place of halves. */
function sourceRow(row: number, size: number): number {
  const within = row % size;
  return row - within + (within >> 1) + (within % 2) * (size / 2);
}

function hyperparameters(sizes: LlamaSizes): Record<string, GgufValue> {
  const { layers, width, heads, kvHeads, inner, positions, vocabulary: words } = sizes;
  return {
    "general.architecture": "llama",
    "general.name": "benchmark",
    "llama.context_length": { u32: positions },
    "llama.embedding_length": { u32: width },
    "llama.block_count": { u32: layers },
    "llama.feed_forward_length": { u32: inner },
    "llama.attention.head_count": { u32: heads },
    "llama.attention.head_count_kv": { u32: kvHeads },
    "llama.attention.layer_norm_rms_epsilon": { f32: 1e-5 },
    "llama.rope.dimension_count": { u32: width / heads },
    "llama.rope.freq_base": { f32: ROTARY_BASE },
    "llama.vocab_size": { u32: words },
  };
}

/** Kinds of words in llama.cpp's vocabularies. */
const NORMAL = 1;
const UNKNOWN = 2;
const CONTROL = 3;
const BYTE = 6;

/** The words that every such vocabulary has, then made-up ones. */
function vocabulary(words: number): Record<string, GgufValue> {
  const fixed = [
    ["<unk>", UNKNOWN] as const,
    ["<s>", CONTROL] as const,
    ["</s>", CONTROL] as const,
    ...Array.from({ length: 256 }, (_, b) => [`<0x${b.toString(16).toUpperCase().padStart(2, "0")}>`, BYTE] as const),
  ];
  const at = (i: number) => fixed[i] ?? ([`w${i}`, NORMAL] as const);
  const all = Array.from({ length: words }, (_, i) => at(i));
  return {
    "tokenizer.ggml.model": "llama",
    "tokenizer.ggml.tokens": all.map(([text]) => text),
    "tokenizer.ggml.scores": { f32s: new Float32Array(words) },
    "tokenizer.ggml.token_type": { i32s: Int32Array.from(all, ([, kind]) => kind) },
    "tokenizer.ggml.bos_token_id": { u32: 1 },
    "tokenizer.ggml.eos_token_id": { u32: 2 },
    "tokenizer.ggml.unknown_token_id": { u32: 0 },
  };
}
