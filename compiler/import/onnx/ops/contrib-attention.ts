// Attention, MultiHeadAttention and QAttention of com.microsoft: attention over one sequence or two, with the projections
// in them, masks in several forms, and keys and values of earlier calls in front.

import * as ir from "../../../ir/build.js";
import { type Dim, sub } from "../../../ir/dim.js";
import type { Value } from "../../../ir/graph.js";
import type { NodeContext, Translator, Translators } from "../context.js";
import { attend, maskBias, mergeHeads, scaleOf, splitHeads } from "./contrib-heads.js";
import { centered, matmulOf } from "./matmul.js";

function headsOf(cx: NodeContext): number {
  const heads = cx.int("num_heads");
  return heads >= 1 ? heads : cx.malformed(`has ${heads} heads`);
}

/** Inputs that decoding loops of one runtime use: buffers that calls share, beams. */
function refuseBuffers(cx: NodeContext, inputs: readonly number[]): void {
  if (cx.hasAttribute("past_present_share_buffer") && cx.flag("past_present_share_buffer"))
    cx.fail("unsupported_op", "shares one buffer between past and present", "export with a past of its own size");
  for (const i of inputs)
    if (cx.has(i)) cx.fail("unsupported_op", `takes input ${i}, for buffers shared between calls`);
}

/** Attention over a projection [batch, steps, q + k + v] that is done. */
function selfAttention(
  cx: NodeContext,
  projected: Value,
  inputs: { mask?: Value; past?: Value; bias?: Value },
): Value[] {
  const { b } = cx;
  const heads = headsOf(cx);
  if (cx.flag("do_rotary")) cx.fail("unsupported_op", "rotates positions inside", "export with RotaryEmbedding nodes");
  const width = cx.size(projected, 2, "the width of the projection");
  const sizes = cx.optInts("qkv_hidden_sizes") ?? [width / 3, width / 3, width / 3];
  const [qs = 0, ks = 0, vs = 0] = sizes;
  if (sizes.length !== 3 || qs + ks + vs !== width || sizes.some((n) => n < 1 || n % heads !== 0))
    cx.malformed(`splits ${width} columns into [${sizes.join(", ")}] for ${heads} heads`);
  const part = (start: number, size: number): Value => splitHeads(b, ir.sliceAxis(b, projected, 2, start, size), heads);
  const q = part(0, qs);
  let k = part(qs, ks);
  let v = part(qs + ks, vs);
  const { past } = inputs;
  let before: Dim = 0;
  if (past !== undefined) {
    before = cx.dim(past, 3);
    const old = (i: number): Value => ir.squeeze(b, ir.sliceAxis(b, past, 0, i, 1), [0]);
    k = ir.concat(b, [old(0), k], 2);
    v = ir.concat(b, [old(1), v], 2);
  }
  const mask = maskBias(cx, inputs.mask, q, before, cx.dim(k, 2));
  const biases = [mask, inputs.bias ?? null].filter((x) => x !== null);
  const y = mergeHeads(b, attend(cx, q, k, v, { scale: scaleOf(cx, q), biases }));
  if (!cx.wants(1)) return [y];
  return [y, ir.concat(b, [ir.unsqueeze(b, k, [0]), ir.unsqueeze(b, v, [0])], 0)];
}

function optional<K extends string>(key: K, v: Value | undefined): { readonly [P in K]?: Value } {
  return (v === undefined ? {} : { [key]: v }) as { readonly [P in K]?: Value };
}

/** (input, weights, bias, mask, past, attention bias) */
const attention: Translator = (cx) => {
  refuseBuffers(cx, [6]);
  const product = matmulOf(cx, cx.in(0), cx.in(1));
  const bias = cx.opt(2);
  const projected = bias === undefined ? product : ir.add(cx.b, product, bias);
  return selfAttention(cx, projected, {
    ...optional("mask", cx.opt(3)),
    ...optional("past", cx.opt(4)),
    ...optional("bias", cx.opt(5)),
  });
};

/** (input, weight, bias, input scale, weight scale, mask, input zero, weight zero, past), the first two in 8 bits. */
const qAttention: Translator = (cx) => {
  const { b } = cx;
  const sums = matmulOf(cx, centered(cx, cx.in(0), cx.opt(6), -2), centered(cx, cx.in(1), cx.opt(7), -1), "i32");
  const scale = ir.mul(b, ir.reshape(b, cx.in(3), []), perColumn(cx, cx.in(4)));
  const projected = ir.add(b, ir.mul(b, ir.cast(b, sums, "f32"), scale), cx.in(2));
  return selfAttention(cx, projected, { ...optional("mask", cx.opt(5)), ...optional("past", cx.opt(8)) });
};

/** A scale of the whole, or of each column. */
function perColumn(cx: NodeContext, v: Value): Value {
  return v.type.shape.every((d) => d === 1) ? ir.reshape(cx.b, v, []) : v;
}

interface Operands {
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
}

/** Queries, keys and values per head, with the projections' bias, from any of the layouts. */
function operands(cx: NodeContext, heads: number): Operands {
  const { b } = cx;
  const query = cx.in(0);
  const bias = cx.opt(3);
  const key = cx.opt(1);
  const width = (v: Value): Dim => cx.dim(v, cx.rank(v) - 1);
  const packed = (v: Value, i: number): Value => {
    const one = ir.squeeze(b, ir.sliceAxis(b, v, 3, i, 1), [3]);
    return ir.transpose(b, one, [0, 2, 1, 3]);
  };
  const perHead = (v: Value, start: Dim, size: Dim): Value => {
    if (bias === undefined) return v;
    const part = ir.sliceAxis(b, bias, 0, start, size);
    return ir.add(b, v, ir.reshape(b, part, [heads, 1, cx.dim(v, 3)]));
  };
  if (cx.rank(query) === 5) {
    const size = cx.size(query, 4, "the head size") * heads;
    const at = (i: number): Value => perHead(packed(query, i), i * size, size);
    return { q: at(0), k: at(1), v: at(2) };
  }
  if (cx.rank(query) !== 3) cx.malformed(`takes queries of rank 3 or 5, has ${cx.rank(query)}`);
  const hidden = cx.size(query, 2, "the width of the queries");
  const q = perHead(splitHeads(b, query, heads), 0, hidden);
  if (key === undefined) return cx.malformed("takes keys, or queries packed with keys and values");
  if (cx.rank(key) === 5)
    return { q, k: perHead(packed(key, 0), hidden, hidden), v: perHead(packed(key, 1), 2 * hidden, hidden) };
  const value = cx.in(2);
  // Keys and values of a cross attention that were projected before.
  if (cx.rank(key) === 4) return { q, k: key, v: value };
  return {
    q,
    k: perHead(splitHeads(b, key, heads), hidden, hidden),
    v: perHead(splitHeads(b, value, heads), 2 * hidden, width(value)),
  };
}

/** (query, key, value, bias, key padding mask, attention bias, past key, past value) */
const multiHeadAttention: Translator = (cx) => {
  const { b } = cx;
  refuseBuffers(cx, [8, 9]);
  if (cx.wants(3)) cx.fail("unsupported_op", "gives its scores as an output");
  const heads = headsOf(cx);
  const { q, k: key, v: value } = operands(cx, heads);
  const [pastKey, pastValue] = [cx.opt(6), cx.opt(7)];
  const k = pastKey === undefined ? key : ir.concat(b, [pastKey, key], 2);
  const v = pastValue === undefined ? value : ir.concat(b, [pastValue, value], 2);
  const total = cx.dim(k, 2);
  const mask = maskBias(cx, cx.opt(4), q, sub(total, cx.dim(key, 2)), total);
  const biases = [mask, cx.opt(5) ?? null].filter((x) => x !== null);
  return [mergeHeads(b, attend(cx, q, k, v, { scale: scaleOf(cx, q), biases })), k, v];
};

export const contribAttention: Translators = {
  Attention: attention,
  MultiHeadAttention: multiHeadAttention,
  QAttention: qAttention,
};
