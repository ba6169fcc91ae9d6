// Attention and what stands around it in transformers: rotary positions, gated linear units, grouped heads. The order of
// steps is that of ONNX's own function bodies: scores, soft cap, bias, softmax; rows with everything masked give zeros.

import * as ir from "../../../ir/build.js";
import { type Dim, floordiv, mul, sub } from "../../../ir/dim.js";
import type { DType } from "../../../ir/dtype.js";
import type { Builder, Value } from "../../../ir/graph.js";
import type { NodeContext, Translator, Translators } from "../context.js";
import { tensorItem } from "../items.js";
import { along } from "./position.js";

/** [batch, heads, steps, size] of a value that may be [batch, steps, heads * size]. */
function heads(cx: NodeContext, v: Value, count: number): Value {
  if (cx.rank(v) === 4) return v;
  if (cx.rank(v) !== 3) cx.malformed(`takes rank 3 or 4, has ${cx.rank(v)}`);
  const width = cx.dim(v, 2);
  if (count < 1) cx.malformed("takes rank 3 with the number of heads as an attribute");
  const apart = ir.reshape(cx.b, v, [cx.dim(v, 0), cx.dim(v, 1), count, floordiv(width, count)]);
  return ir.transpose(cx.b, apart, [0, 2, 1, 3]);
}

/** Key or value heads repeated for the query heads that share them. */
function shared(cx: NodeContext, v: Value, queries: number): Value {
  const have = cx.size(v, 1, "the number of heads");
  if (have === queries) return v;
  if (queries % have !== 0) cx.malformed(`${queries} query heads do not share ${have} key heads evenly`);
  const [n, , t, d] = v.type.shape as [Dim, Dim, Dim, Dim];
  const repeated = ir.broadcast(cx.b, ir.unsqueeze(cx.b, v, [2]), [n, have, queries / have, t, d]);
  return ir.reshape(cx.b, repeated, [n, queries, t, d]);
}

/** What is added to the scores: the mask, causality and padding, or null. */
function biasOf(cx: NodeContext, past: Dim, steps: Dim, total: Dim, dtype: DType): Value | null {
  const { b } = cx;
  const parts: Value[] = [];
  const masked = (keep: Value): Value => ir.select(b, keep, ir.scalar(b, dtype, 0), Number.NEGATIVE_INFINITY);
  const mask = cx.opt(3);
  if (mask !== undefined) {
    const added = mask.type.dtype === "bool" ? masked(mask) : ir.cast(b, mask, dtype);
    const rank = cx.rank(added);
    const short = sub(total, cx.dim(added, rank - 1));
    const edges = Array.from({ length: rank }, (_, i) => (i === rank - 1 ? short : 0));
    const fill = ir.scalar(b, dtype, Number.NEGATIVE_INFINITY);
    parts.push(
      cx.dim(added, rank - 1) === 1 && total !== 1
        ? added
        : ir.pad(
            b,
            added,
            fill,
            edges.map(() => 0),
            edges,
          ),
    );
  }
  const lengths = cx.opt(6);
  const batch = (v: Value): Value => ir.reshape(b, ir.cast(b, v, "i64"), [cx.dim(v, 0), 1, 1, 1]);
  const column = along(b, total, 3, 4);
  if (cx.flag("is_causal")) {
    const row = along(b, steps, 2, 4);
    const offset = lengths === undefined ? ir.dimValue(b, past) : ir.sub(b, batch(lengths), ir.dimValue(b, steps));
    parts.push(masked(ir.le(b, column, ir.add(b, row, offset))));
  }
  if (lengths !== undefined) parts.push(masked(ir.lt(b, column, batch(lengths))));
  const [first, ...rest] = parts;
  return first === undefined ? null : rest.reduce((x, y) => ir.add(b, x, y), first);
}

function joined(b: Builder, past: Value | undefined, now: Value): Value {
  return past === undefined ? now : ir.concat(b, [past, now], 2);
}

const attention: Translator = (cx) => {
  const { b } = cx;
  const flat = cx.rank(cx.in(0)) === 3;
  const q = heads(cx, cx.in(0), cx.int("q_num_heads", 0));
  const kvHeads = cx.int("kv_num_heads", 0);
  const key = joined(b, cx.opt(4), heads(cx, cx.in(1), kvHeads));
  const value = joined(b, cx.opt(5), heads(cx, cx.in(2), kvHeads));
  const count = cx.size(q, 1, "the number of heads");
  const { dtype } = q.type;
  const size = cx.size(q, 3, "the head size");
  // Both operands are scaled by the root, as the function body does: their product is smaller on the way.
  const root = Math.sqrt(cx.optFloat("scale") ?? 1 / Math.sqrt(size));
  const scaled = (v: Value): Value => ir.mul(b, v, root);
  const keys = ir.swapAxes(b, shared(cx, key, count));
  const wide = softmaxType(cx, dtype);
  const raw = ir.matmul(b, scaled(q), scaled(keys), dtype);
  const cap = cx.float("softcap", 0);
  const capped = cap === 0 ? raw : ir.mul(b, ir.tanh(b, ir.div(b, raw, cap)), cap);
  const past = cx.has(4) ? cx.dim(cx.in(4), 2) : 0;
  const bias = biasOf(cx, past, cx.dim(q, 2), cx.dim(key, 2), dtype);
  const biased = bias === null ? capped : ir.add(b, capped, bias);
  let weights = ir.cast(b, ir.softmax(b, ir.cast(b, biased, wide), 3), dtype);
  if (bias !== null) {
    const empty = ir.eq(b, ir.reduce(b, "max", bias, [cx.rank(bias) - 1], true), Number.NEGATIVE_INFINITY);
    weights = ir.select(b, empty, 0, weights);
  }
  const mixed = ir.matmul(b, weights, shared(cx, value, count), dtype);
  const [n, , t, d] = mixed.type.shape as [Dim, Dim, Dim, Dim];
  const y = flat ? ir.reshape(b, ir.transpose(b, mixed, [0, 2, 1, 3]), [n, t, mul(count, d)]) : mixed;
  const scores = [raw, capped, biased, weights][cx.int("qk_matmul_output_mode", 0)];
  return [y, key, value, scores ?? cx.malformed("has an unknown qk_matmul_output_mode")];
};

function softmaxType(cx: NodeContext, dtype: DType): DType {
  return cx.dtype("softmax_precision", dtype === "f64" ? "f64" : "f32");
}

/** ai.onnx.preview: scores and probabilities pass through graphs of the model's own. */
const flexAttention: Translator = (cx) => {
  const { b } = cx;
  const q = cx.in(0);
  const count = cx.size(q, 1, "the number of heads");
  const { dtype } = q.type;
  const root = Math.sqrt(cx.optFloat("scale") ?? 1 / Math.sqrt(cx.size(q, 3, "the head size")));
  const keys = ir.swapAxes(b, shared(cx, cx.in(1), count));
  const scores = ir.matmul(b, ir.mul(b, q, root), ir.mul(b, keys, root), dtype);
  const through = (name: string, v: Value): Value => {
    if (!cx.hasAttribute(name)) return v;
    const [out] = cx.translateGraph(cx.graph(name), cx.scope.subgraph(false), [tensorItem(v)]);
    return out?.kind === "tensor" ? out.value : cx.malformed(`its ${name} gives no tensor`);
  };
  const wide = softmaxType(cx, dtype);
  const weights = ir.softmax(b, through("score_mod", ir.cast(b, scores, wide)), 3);
  return ir.matmul(b, ir.cast(b, through("prob_mod", weights), dtype), shared(cx, cx.in(2), count), dtype);
};

const rotaryEmbedding: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const flat = cx.rank(x) === 3;
  // Inside: [batch, steps, heads, size].
  const count = cx.int("num_heads", 0);
  const apart = flat
    ? ir.reshape(b, x, [cx.dim(x, 0), cx.dim(x, 1), count, floordiv(cx.dim(x, 2), Math.max(1, count))])
    : ir.transpose(b, x, [0, 2, 1, 3]);
  const size = cx.size(apart, 3, "the head size");
  const rotated = cx.int("rotary_embedding_dim", 0) || size;
  const half = rotated / 2;
  if (!Number.isInteger(half) || rotated > size) cx.malformed(`rotates ${rotated} of ${size} elements`);
  const ids = cx.opt(3);
  const angle = (i: number): Value => {
    const cache = ids === undefined ? cx.in(i) : ir.gather(b, cx.in(i), ids);
    return ir.unsqueeze(b, ir.sliceAxis(b, cache, 2, 0, half), [2]);
  };
  const [cos, sin] = [angle(1), angle(2)];
  const interleaved = cx.flag("interleaved");
  const part = (i: number): Value => ir.sliceAxis(b, apart, 3, interleaved ? i : i * half, half, interleaved ? 2 : 1);
  const [x1, x2] = [part(0), part(1)];
  const real = ir.sub(b, ir.mul(b, cos, x1), ir.mul(b, sin, x2));
  const imaginary = ir.add(b, ir.mul(b, sin, x1), ir.mul(b, cos, x2));
  const turned = interleaved
    ? ir.reshape(b, ir.concat(b, [ir.unsqueeze(b, real, [4]), ir.unsqueeze(b, imaginary, [4])], 4), [
        ...real.type.shape.slice(0, 3),
        rotated,
      ])
    : ir.concat(b, [real, imaginary], 3);
  const whole =
    rotated === size ? turned : ir.concat(b, [turned, ir.sliceAxis(b, apart, 3, rotated, size - rotated)], 3);
  return flat ? ir.reshape(b, whole, x.type.shape) : ir.transpose(b, whole, [0, 2, 1, 3]);
};

/** A depthwise convolution over time that keeps the last inputs for the next call. */
const causalConv: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const w = cx.in(1);
  const keep = cx.size(w, 2, "the kernel's size") - 1;
  const past = cx.opt(3);
  const padded = past === undefined ? ir.pad(b, x, 0, [0, 0, keep], [0, 0, 0]) : ir.concat(b, [past, x], 2);
  const plain = ir.conv(b, padded, w, { groups: cx.size(x, 1, "channels") });
  const bias = cx.opt(2);
  const y = bias === undefined ? plain : ir.add(b, plain, ir.reshape(b, bias, [cx.dim(bias, 0), 1]));
  const activation = cx.word("activation", ["none", "silu", "swish"], "none");
  const wide = ir.cast(b, y, y.type.dtype === "f64" ? "f64" : "f32");
  const out = activation === "none" ? y : ir.cast(b, ir.mul(b, wide, ir.sigmoid(b, wide)), y.type.dtype);
  return [out, ir.sliceAxis(b, padded, 2, sub(cx.dim(padded, 2), keep), keep)];
};

/** A recurrence over time whose state is a matrix per head; four rules say what is kept and what is written. */
const linearAttention: Translator = (cx) => {
  const { b } = cx;
  const [qHeads, kvHeads] = [cx.int("q_num_heads"), cx.int("kv_num_heads")];
  const rule = cx.word("update_rule", ["linear", "gated", "delta", "gated_delta"], "gated_delta");
  const { dtype } = cx.in(0).type;
  const wide: DType = dtype === "f64" ? "f64" : "f32";
  const [batch, steps] = [cx.dim(cx.in(0), 0), cx.dim(cx.in(0), 1)];
  /** [steps, batch, heads, size] */
  const perStep = (v: Value, count: number): Value => {
    const apart = ir.reshape(b, v, [batch, steps, count, floordiv(cx.dim(v, 2), count)]);
    return ir.transpose(b, ir.cast(b, apart, wide), [1, 0, 2, 3]);
  };
  const [q, k, v] = [perStep(cx.in(0), qHeads), perStep(cx.in(1), kvHeads), perStep(cx.in(2), kvHeads)];
  const perHead = (x: Value): Value => perStep(x, kvHeads);
  const decay = rule.startsWith("gated") ? perHead(cx.in(4)) : null;
  const beta = rule.endsWith("delta") ? betaOf(cx, cx.in(5), batch, steps, wide) : null;
  const [keySize, valueSize] = [cx.dim(k, 3), cx.dim(v, 3)];
  const start =
    cx.opt(3) === undefined ? ir.full(b, wide, [batch, kvHeads, keySize, valueSize], 0) : ir.cast(b, cx.in(3), wide);
  const scale = cx.float("scale", 0) || 1 / Math.sqrt(cx.size(q, 3, "the key size"));
  const [last, outputs] = ir.loop(b, {
    trips: ir.dimValue(b, steps),
    count: steps,
    carried: [start],
    body: (t, [state]) => {
      if (state === undefined) return cx.malformed("has no state");
      const at = (x: Value): Value => ir.gather(b, x, t, 0);
      const kept = decay === null ? state : ir.mul(b, state, ir.unsqueeze(b, ir.exp(b, at(decay)), [3]));
      const column = ir.unsqueeze(b, at(k), [3]);
      let write = at(v);
      if (beta !== null) {
        const found = ir.squeeze(b, ir.matmul(b, ir.swapAxes(b, kept), column), [3]);
        write = ir.mul(b, at(beta), ir.sub(b, write, found));
      }
      const next = ir.add(b, kept, ir.matmul(b, column, ir.unsqueeze(b, write, [2])));
      const read = ir.matmul(b, ir.unsqueeze(b, at(q), [2]), shared(cx, next, qHeads));
      return { carried: [next], scanned: [ir.mul(b, ir.squeeze(b, read, [2]), scale)] };
    },
  });
  if (last === undefined || outputs === undefined) return cx.malformed("has no outputs");
  const y = ir.reshape(b, ir.transpose(b, outputs, [1, 0, 2, 3]), [batch, steps, mul(qHeads, valueSize)]);
  return [ir.cast(b, y, dtype), ir.cast(b, last, dtype)];
};

/** [batch, steps, heads or 1] to [steps, batch, heads or 1, 1]. */
function betaOf(cx: NodeContext, v: Value, batch: Dim, steps: Dim, wide: DType): Value {
  const apart = ir.reshape(cx.b, v, [batch, steps, cx.dim(v, 2), 1]);
  return ir.transpose(cx.b, ir.cast(cx.b, apart, wide), [1, 0, 2, 3]);
}

const swiglu: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  return ir.mul(b, ir.mul(b, x, ir.sigmoid(b, ir.mul(b, x, cx.float("alpha", 1)))), cx.in(1));
};

export const attentionOps: Translators = {
  Attention: attention,
  CausalConvWithState: causalConv,
  LinearAttention: linearAttention,
  RotaryEmbedding: rotaryEmbedding,
  SwiGLU: swiglu,
};

export const previewOps: Translators = { FlexAttention: flexAttention };
