// What the attention operators of com.microsoft share: heads, masks, and softmax(q k' * scale + bias) v. Scores are summed
// and normalized in f32 where the values are narrower.

import * as ir from "../../../ir/build.js";
import { add, type Dim, floordiv, mul } from "../../../ir/dim.js";
import type { DType } from "../../../ir/dtype.js";
import type { Builder, Value } from "../../../ir/graph.js";
import type { NodeContext } from "../context.js";
import { along } from "./position.js";

/** [batch, steps, heads * size] to [batch, heads, steps, size]. */
export function splitHeads(b: Builder, v: Value, heads: number): Value {
  const [n = 1, s = 1, width = 1] = v.type.shape;
  return ir.transpose(b, ir.reshape(b, v, [n, s, heads, floordiv(width, heads)]), [0, 2, 1, 3]);
}

/** [batch, heads, steps, size] to [batch, steps, heads * size]. */
export function mergeHeads(b: Builder, v: Value): Value {
  const [n = 1, heads = 1, s = 1, size = 1] = v.type.shape;
  return ir.reshape(b, ir.transpose(b, v, [0, 2, 1, 3]), [n, s, mul(heads, size)]);
}

/** Key or value heads repeated for the query heads that share them. */
export function sharedHeads(cx: NodeContext, v: Value, queries: number): Value {
  const [n = 1, heads = 1, s = 1, size = 1] = v.type.shape;
  if (heads === queries) return v;
  if (typeof heads !== "number" || queries % heads !== 0)
    return cx.malformed(`${queries} query heads do not share the key heads evenly`);
  const repeated = ir.broadcast(cx.b, ir.unsqueeze(cx.b, v, [2]), [n, heads, queries / heads, s, size]);
  return ir.reshape(cx.b, repeated, [n, queries, s, size]);
}

/** The `scale` attribute; 1 / sqrt(size) where it is absent or 0. */
export function scaleOf(cx: NodeContext, q: Value): number {
  return cx.float("scale", 0) || 1 / Math.sqrt(cx.size(q, 3, "the head size"));
}

export interface Attend {
  readonly scale: number;
  /** Scores are cap * tanh(scores / cap); not capped where it is 0. */
  readonly cap?: number;
  /** Added to the scores, in this order. */
  readonly biases?: readonly Value[];
  /** Where it does not hold, a key has no weight. */
  readonly keep?: Value | null;
  /** One more score per head, [heads, 1, 1] or a scalar, that takes weight and has no value. */
  readonly sink?: Value | null;
}

/** q[b, n, s, d], k[b, n, t, d], v[b, n, t, e] to [b, n, s, e]. */
export function attend(cx: NodeContext, q: Value, k: Value, v: Value, options: Attend): Value {
  const { b } = cx;
  const { dtype } = q.type;
  const wide: DType = dtype === "f64" ? "f64" : "f32";
  const real = (x: Value): Value => ir.cast(b, x, wide);
  const product = ir.matmul(b, real(q), ir.swapAxes(b, real(k)), wide);
  let scores = ir.mul(b, product, options.scale);
  const cap = options.cap ?? 0;
  if (cap !== 0) scores = ir.mul(b, ir.tanh(b, ir.div(b, scores, cap)), cap);
  for (const bias of options.biases ?? []) scores = ir.add(b, scores, real(bias));
  const { keep, sink } = options;
  if (keep !== undefined && keep !== null) scores = ir.select(b, keep, scores, Number.NEGATIVE_INFINITY);
  let weights: Value;
  if (sink === undefined || sink === null) weights = ir.softmax(b, scores, 3);
  else {
    const last = scores.type.shape[3] ?? 1;
    const extra = ir.broadcast(b, real(sink), [...scores.type.shape.slice(0, 3), 1]);
    weights = ir.sliceAxis(b, ir.softmax(b, ir.concat(b, [scores, extra], 3), 3), 3, 0, last);
  }
  return ir.cast(b, ir.matmul(b, weights, real(v), wide), dtype);
}

/** Scores' bias [b or 1, 1, s or 1, t]: the node's mask, then causality; null where it has neither. */
export function maskBias(cx: NodeContext, mask: Value | undefined, q: Value, past: Dim, total: Dim): Value | null {
  const { b } = cx;
  const filter = cx.float("mask_filter_value", -10000);
  const batch = cx.dim(q, 0);
  const steps = cx.dim(q, 2);
  const zero = ir.scalar(b, "f32", 0);
  const kept = (keep: Value): Value => ir.select(b, keep, zero, filter);
  let bias = mask === undefined ? null : kept(keptKeys(cx, mask, batch, steps, past, total));
  if (cx.flag("unidirectional")) {
    const allowed = ir.le(b, along(b, total, 3, 4), ir.add(b, along(b, steps, 2, 4), ir.dimValue(b, past)));
    bias = ir.select(b, allowed, bias ?? zero, LOWEST);
  }
  return bias;
}

/** What takes a key out of the softmax altogether and keeps rows finite: the least f32. */
const LOWEST = -3.4028234663852886e38;

/** Truth values [b, 1, s or 1, t] of a mask in any of its forms. */
function keptKeys(cx: NodeContext, mask: Value, batch: Dim, steps: Dim, past: Dim, total: Dim): Value {
  const { b } = cx;
  const positive = (v: Value): Value => ir.gt(b, v, 0);
  const shaped = (v: Value, shape: readonly Dim[]): Value => ir.reshape(b, v, shape);
  switch (cx.rank(mask)) {
    case 1: {
      const length = cx.dim(mask, 0);
      const key = along(b, total, 3, 4);
      const part = (start: Dim): Value =>
        shaped(ir.cast(b, ir.sliceAxis(b, mask, 0, start, batch), "i64"), [batch, 1, 1, 1]);
      if (length === batch) return ir.lt(b, key, part(0));
      if (length === mul(2, batch)) return ir.and(b, ir.lt(b, key, part(0)), ir.ge(b, key, part(batch)));
      if (length === add(mul(3, batch), 2))
        return cx.fail("unsupported_layout", "takes a mask of cumulated lengths", "give the mask as [batch, keys]");
      return cx.malformed(`takes a mask of one or two numbers per batch row`);
    }
    case 2:
      return positive(shaped(mask, [batch, 1, 1, total]));
    case 3:
      return positive(shaped(mask, [batch, 1, steps, total]));
    case 4:
      return positive(ir.slice(b, mask, [0, 0, past, 0], [batch, cx.dim(mask, 1), steps, total]));
    default:
      return cx.malformed(`takes a mask of rank 1 to 4, has ${cx.rank(mask)}`);
  }
}
