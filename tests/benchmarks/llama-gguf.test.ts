// The network that llama.cpp is given is the row's: every weight means the same number in both files, in the order in which
// llama.cpp turns heads; and the file says where its parts are.

import test from "ava";
import { decodeMinifloats } from "../../compiler/ir/minifloat.js";
import { SMOLLM } from "../support/architectures/smollm.js";
import { smollmQ4Chat } from "../support/architectures/smollm-q4.js";
import { bytes, floats } from "./data.js";
import { writeGguf } from "./gguf.js";
import { llamaGguf, q4 } from "./llama-gguf.js";

const BLOCK = 32;

/** What MatMulNBits means: neighbours share a byte, the first in its low half. */
function packedWeights(packed: Uint8Array, scales: Float32Array, from: number, to: number): number[] {
  return Array.from({ length: from * to }, (_, i) => {
    const byte = packed[i >> 1] ?? 0;
    return (((byte >> (4 * (i % 2))) & 15) - 8) * (scales[Math.floor(i / BLOCK)] ?? 0);
  });
}

/** What Q4_0 means: 18 bytes for 32 weights, the first 16 in the low halves. */
function blockWeights(blocks: Uint8Array): number[] {
  return Array.from({ length: blocks.length / 18 }, (_, b) => {
    const block = blocks.subarray(b * 18, (b + 1) * 18);
    const [scale = 0] = decodeMinifloats("f16", block.slice(0, 2));
    return Array.from({ length: BLOCK }, (_, j) => {
      const byte = block[2 + (j % 16)] ?? 0;
      return ((j < 16 ? byte & 15 : byte >> 4) - 8) * scale;
    });
  }).flat();
}

test("blocks of both kinds mean the same weights", (t) => {
  const [from, to] = [64, 12];
  const packed = bytes("u8", [(from * to) / 2]).data as Uint8Array;
  // Of few bits, so that 16 hold them.
  const scales = Float32Array.from({ length: (from * to) / BLOCK }, (_, i) => (i + 1) / 64);
  const raw = new Uint8Array(scales.buffer);
  const want = packedWeights(packed, scales, from, to);
  t.deepEqual(blockWeights(q4(packed, raw, { from, to, turned: null })), want);
  // Heads of 6: rows 0, 3, 1, 4, 2, 5 of each, so that what turned together stands together.
  const rows = Array.from({ length: to }, (_, r) => want.slice(r * from, (r + 1) * from));
  const order = [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11];
  t.deepEqual(
    blockWeights(q4(packed, raw, { from, to, turned: 6 })),
    order.flatMap((r) => rows[r] ?? []),
  );
});

test("a file says its version, its counts and where each tensor is", (t) => {
  const one = new Uint8Array(floats([3]).data.buffer);
  const file = writeGguf({ "general.name": "m", "a.b": { u32: 7 } }, [
    { name: "x", type: "f32", shape: [3], bytes: one },
    { name: "y", type: "f32", shape: [3, 1], bytes: one },
  ]);
  const view = new DataView(file.buffer);
  t.is(new TextDecoder().decode(file.subarray(0, 4)), "GGUF");
  t.deepEqual([view.getUint32(4, true), view.getBigUint64(8, true), view.getBigUint64(16, true)], [3, 2n, 2n]);
  // The second tensor stands 32 bytes behind the first.
  t.deepEqual(file.subarray(-12), one);
  t.deepEqual(file.subarray(-44, -32), one);
  t.is(file.length % 32, 12);
});

test("every weight of the row's network is in the file", (t) => {
  const sizes = SMOLLM.small;
  const text = Buffer.from(llamaGguf(smollmQ4Chat.write("small"), sizes)).toString("latin1");
  const layer = [
    "attn_norm",
    "attn_q",
    "attn_k",
    "attn_v",
    "attn_output",
    "ffn_norm",
    "ffn_gate",
    "ffn_up",
    "ffn_down",
  ];
  const names = Array.from({ length: sizes.layers }, (_, i) => layer.map((part) => `blk.${i}.${part}.weight`));
  // A text follows its length, in 8 bytes.
  for (const name of [...names.flat(), "token_embd.weight", "output_norm.weight", "output.weight"])
    t.is(text.split(`${String.fromCharCode(name.length)}${"\0".repeat(7)}${name}`).length, 2, name);
});
