// GroupQueryAttention of com.microsoft: causal attention with shared key heads over a cache. Each batch row has its own
// length, so new keys are written at positions that data decides, and every step sees what is at or before its own.

import * as ir from "../../../ir/build.js";
import { type Dim, max, provenEqual, sub } from "../../../ir/dim.js";
import type { Value } from "../../../ir/graph.js";
import type { NodeContext, Translator, Translators } from "../context.js";
import { attend, mergeHeads, scaleOf, sharedHeads } from "./contrib-heads.js";
import { rotated } from "./contrib-rotary.js";
import { along, flatten } from "./position.js";

interface Parts {
  /** [batch, steps, heads, size] */
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
}

function partsOf(cx: NodeContext, heads: number, kvHeads: number): Parts {
  const { b } = cx;
  const query = cx.in(0);
  const [batch, steps] = [cx.dim(query, 0), cx.dim(query, 1)];
  const width = cx.size(query, 2, "the width of the queries");
  const split = (v: Value, count: number, size: number): Value => ir.reshape(b, v, [batch, steps, count, size]);
  const key = cx.opt(1);
  if (key !== undefined) {
    if (cx.rank(key) !== 3) cx.malformed(`takes keys of rank 3, has ${cx.rank(key)}`);
    const size = width / heads;
    return { q: split(query, heads, size), k: split(key, kvHeads, size), v: split(cx.in(2), kvHeads, size) };
  }
  const size = width / (heads + 2 * kvHeads);
  if (!Number.isInteger(size)) cx.malformed(`${width} columns do not divide into ${heads} and twice ${kvHeads} heads`);
  const part = (start: number, count: number): Value =>
    split(ir.sliceAxis(b, query, 2, start * size, count * size), count, size);
  return { q: part(0, heads), k: part(heads, kvHeads), v: part(heads + kvHeads, kvHeads) };
}

function refuseModes(cx: NodeContext): void {
  for (const name of ["k_quant_type", "v_quant_type"])
    if (cx.str(name, "NONE") !== "NONE") cx.fail("unsupported_dtype", "keeps its cache quantized");
  if (cx.has(12) || cx.has(13)) cx.fail("unsupported_dtype", "keeps its cache quantized");
  if (cx.flag("sliding_window_cache")) cx.fail("unsupported_layout", "keeps a cache of its window only");
  if (cx.wants(3) || cx.int("qk_output", 0) !== 0) cx.fail("unsupported_op", "gives its scores as an output");
}

/** Per-head root mean square normalization of queries or keys. */
function headNorm(cx: NodeContext, x: Value, weight: Value | undefined): Value {
  const { b } = cx;
  if (weight === undefined) return x;
  const wide = ir.cast(b, x, "f32");
  const square = ir.mean(b, ir.square(b, wide), [3], true);
  const normal = ir.div(b, wide, ir.sqrt(b, ir.add(b, square, cx.float("qk_norm_epsilon", 1e-6))));
  return ir.cast(b, ir.mul(b, normal, ir.cast(b, weight, "f32")), x.type.dtype);
}

/** The cache up to `start` (i64 [batch, 1, 1, 1]), then the new rows, then zeros. */
function appended(cx: NodeContext, past: Value | undefined, now: Value, start: Value | null, length: Dim): Value {
  const { b } = cx;
  if (start === null) return padded(cx, now, length);
  const at = ir.sub(b, along(b, length, 2, 4), start);
  const inside = ir.and(b, ir.ge(b, at, 0), ir.lt(b, at, ir.dimValue(b, cx.dim(now, 2))));
  const moved = movedTo(cx, now, ir.select(b, inside, at, 0), length);
  if (past === undefined) return ir.select(b, inside, moved, 0);
  return ir.select(b, inside, moved, ir.select(b, ir.lt(b, at, 0), padded(cx, past, length), 0));
}

/** The rows `row` (i64 [batch, 1, length, 1]) of the new ones. */
function movedTo(cx: NodeContext, now: Value, row: Value, length: Dim): Value {
  const { b } = cx;
  const [batch = 1, heads = 1, steps = 1, size = 1] = now.type.shape;
  if (steps === 1) return now;
  // Whole rows, which vectors read.
  if (batch === 1) return ir.gather(b, now, ir.reshape(b, row, [length]), 2);
  const coordinates = [along(b, batch, 0, 4), along(b, heads, 1, 4), row, along(b, size, 3, 4)];
  const positions = flatten(b, now.type.shape, coordinates);
  return ir.take(b, now, ir.broadcast(b, positions, [batch, heads, length, size]));
}

/** Zeros behind axis 2 up to a length, which is at least what it has. */
function padded(cx: NodeContext, v: Value, length: Dim): Value {
  return ir.pad(cx.b, v, 0, [0, 0, 0, 0], [0, 0, sub(length, cx.dim(v, 2)), 0]);
}

const groupQueryAttention: Translator = (cx) => {
  const { b } = cx;
  refuseModes(cx);
  const [heads, kvHeads] = [cx.int("num_heads"), cx.int("kv_num_heads")];
  if (heads < 1 || kvHeads < 1) cx.malformed(`has ${heads} query and ${kvHeads} key heads`);
  const parts = partsOf(cx, heads, kvHeads);
  const [batch, steps] = [cx.dim(parts.q, 0), cx.dim(parts.q, 1)];
  const [pastKey, pastValue] = [cx.opt(3), cx.opt(4)];
  const pastLength = pastKey === undefined ? 0 : cx.dim(pastKey, 2);
  const [total = 0] = cx.dims(ir.reshape(b, cx.in(6), [1]), "the total sequence length");
  const length = max(total, pastLength);
  const lengths = ir.reshape(b, ir.add(b, ir.cast(b, cx.in(5), "i64"), 1), [batch, 1, 1, 1]);
  // A first prompt starts at 0, whatever padding it has.
  const start = provenEqual(total, steps)
    ? null
    : ir.select(
        b,
        ir.eq(b, ir.dimValue(b, total), ir.dimValue(b, steps)),
        0,
        ir.sub(b, lengths, ir.dimValue(b, steps)),
      );
  let q = headNorm(cx, parts.q, cx.opt(14));
  let k = headNorm(cx, parts.k, cx.opt(15));
  if (cx.flag("do_rotary")) {
    const positions = positionsOf(cx, start, batch, steps, total);
    const rows = (i: number): Value => ir.gather(b, cx.in(i), positions, 0);
    const [cos, sin] = [rows(7), rows(8)];
    const interleaved = cx.flag("rotary_interleaved");
    q = rotated(cx, q, cos, sin, interleaved);
    k = rotated(cx, k, cos, sin, interleaved);
  }
  const toHeads = (x: Value): Value => ir.transpose(b, x, [0, 2, 1, 3]);
  const key = appended(cx, pastKey, toHeads(k), start, length);
  const value = appended(cx, pastValue, toHeads(parts.v), start, length);
  const options = {
    scale: scaleOf(cx, toHeads(q)),
    cap: cx.float("softcap", 0),
    biases: attentionBias(cx, length),
    keep: keptKeys(cx, start, lengths, steps, length),
    sink: sinkOf(cx, heads),
  };
  const y = attend(cx, toHeads(q), sharedHeads(cx, key, heads), sharedHeads(cx, value, heads), options);
  return [mergeHeads(b, y), key, value];
};

/** i64 [batch or 1, steps]: the node's own, or counted from the start. */
function positionsOf(cx: NodeContext, start: Value | null, batch: Dim, steps: Dim, total: Dim): Value {
  const { b } = cx;
  const counted = ir.iota(b, "i64", [1, steps], 1);
  const given = cx.opt(9);
  if (given !== undefined) {
    // Of a first prompt only the first position counts.
    const first = ir.reshape(b, ir.sliceAxis(b, ir.flatten(b, given), 0, 0, 1), []);
    const prompt = ir.add(b, counted, first);
    if (start === null) return prompt;
    const isPrompt = ir.eq(b, ir.dimValue(b, total), ir.dimValue(b, steps));
    return ir.select(b, isPrompt, prompt, given);
  }
  return start === null ? counted : ir.add(b, counted, ir.reshape(b, start, [batch, 1]));
}

/** Keys at or before a step's own position, no further back than the window. */
function keptKeys(cx: NodeContext, start: Value | null, lengths: Value, steps: Dim, length: Dim): Value {
  const { b } = cx;
  const key = along(b, length, 3, 4);
  const window = cx.int("local_window_size", -1);
  if (!cx.flag("causal", true)) {
    if (window > 0) cx.malformed("has a local window and is not causal");
    return ir.lt(b, key, lengths);
  }
  const row = along(b, steps, 2, 4);
  const own = start === null ? row : ir.add(b, row, start);
  const causal = ir.le(b, key, own);
  return window > 0 ? ir.and(b, causal, ir.gt(b, key, ir.sub(b, own, window))) : causal;
}

/** The bias of the scores, with zeros where the cache is longer. */
function attentionBias(cx: NodeContext, length: Dim): Value[] {
  const { b } = cx;
  const bias = cx.opt(10);
  if (bias === undefined) return [];
  const have = cx.dim(bias, 3);
  if (provenEqual(have, length)) return [bias];
  const turned = ir.transpose(b, bias, [0, 1, 3, 2]);
  return [ir.transpose(b, padded(cx, turned, length), [0, 1, 3, 2])];
}

function sinkOf(cx: NodeContext, heads: number): Value | null {
  const { b } = cx;
  const sink = cx.opt(11);
  if (sink !== undefined) return ir.reshape(b, sink, [heads, 1, 1]);
  return cx.flag("smooth_softmax") ? ir.scalar(b, "f32", 0) : null;
}

export const contribGroupQuery: Translators = { GroupQueryAttention: groupQueryAttention };
