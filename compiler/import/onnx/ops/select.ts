// Ops that find things: distinct elements; and Col2Im and Det.

import * as ir from "../../../ir/build.js";
import { mul } from "../../../ir/dim.js";
import type { Value } from "../../../ir/graph.js";
import { tensorFrom } from "../../../ir/tensor.js";
import type { NodeContext, Translator, Translators } from "../context.js";
import { nonzeroOf } from "./index.js";
import { nonMaxSuppression } from "./suppression.js";

/** Order of the rows of [n, width], compared column by column: stable sorts from the last column to the first. */
function rowOrder(cx: NodeContext, rows: Value): Value {
  const { b } = cx;
  const n = cx.dim(rows, 0);
  const width = cx.size(rows, 1, "the size of what is compared");
  if (width > 64) return cx.unknownSize(`compares slices of ${width} elements; up to 64 are sorted`);
  let order = ir.iota(b, "i64", [n]);
  for (let i = width - 1; i >= 0; i--) {
    const column = ir.gather(b, ir.reshape(b, ir.sliceAxis(b, rows, 1, i, 1), [n]), order);
    order = ir.gather(b, order, ir.sort(b, column, 0).indices);
  }
  return order;
}

const unique: Translator = (cx) => {
  const { b } = cx;
  const given = cx.optInt("axis");
  const whole = cx.in(0);
  const isText = whole.type.dtype === "str";
  if (isText && cx.flag("sorted", true))
    cx.fail("unsupported_dtype", "sorts strings, whose order no run knows", "set sorted=0, or sort before the model");
  const source = given === undefined ? ir.flatten(b, whole) : whole;
  // Any order groups: that of the strings' numbers will do.
  const x = isText ? ir.bitcast(b, source, "i32") : source;
  const axis = cx.axis(given ?? 0, cx.rank(x));
  const n = cx.dim(x, axis);
  const order = [axis, ...[...x.type.shape.keys()].filter((i) => i !== axis)];
  const front = ir.transpose(b, x, order);
  const rows = ir.reshape(b, front, [n, mul(1, ...front.type.shape.slice(1))]);
  const sorted = rowOrder(cx, rows);
  const ranked = ir.gather(b, rows, sorted);
  // A row starts a group where it differs from the one before.
  const before = ir.gather(b, ranked, ir.max(b, ir.sub(b, ir.iota(b, "i64", [n]), 1), 0));
  const differs = ir.cast(b, ir.reduce(b, "max", ir.cast(b, ir.ne(b, ranked, before), "i64"), [1]), "bool");
  const starts = ir.or(b, differs, ir.eq(b, ir.iota(b, "i64", [n]), 0));
  const found = nonzeroOf(cx, starts, "count");
  const count = cx.dim(found, 1);
  const at = ir.reshape(b, found, [count]);
  const group = ir.sub(b, ir.cumulate(b, "sum", ir.cast(b, starts, "i64"), 0), 1);
  const inverse = ir.scatter(b, ir.full(b, "i64", [n], 0), sorted, group);
  const counts = ir.scatter(b, ir.full(b, "i64", [count], 0), inverse, ir.full(b, "i64", [n], 1), "add");
  const first = ir.gather(b, sorted, at);
  const back = (rowsAt: Value): Value => {
    const picked = ir.gather(b, ir.transpose(b, source, order), rowsAt);
    const inverseOrder = order.map((_, i) => order.indexOf(i));
    return ir.transpose(b, picked, inverseOrder);
  };
  if (cx.flag("sorted", true)) return [back(first), first, inverse, counts];
  // In the order of first occurrence: groups sorted by it, and their numbers translated.
  const { values, indices } = ir.sort(b, first, 0);
  const renamed = ir.scatter(b, ir.full(b, "i64", [count], 0), indices, ir.iota(b, "i64", [count]));
  return [back(values), values, ir.gather(b, renamed, inverse), ir.gather(b, counts, indices)];
};

/** Columns of blocks summed back into an image: each column's element is added where its block lies. */
const col2im: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const image = cx.numbers(cx.in(1), "the image's shape");
  const block = cx.numbers(cx.in(2), "the block's shape");
  const n = image.length;
  const ones = image.map(() => 1);
  const [dilations, strides] = [cx.optInts("dilations") ?? ones, cx.optInts("strides") ?? ones];
  const pads = cx.optInts("pads") ?? [...ones, ...ones].map(() => 0);
  const counts = image.map((d, i) => {
    const reach = ((block[i] ?? 1) - 1) * (dilations[i] ?? 1) + 1;
    return Math.floor((d + (pads[i] ?? 0) + (pads[i + n] ?? 0) - reach) / (strides[i] ?? 1)) + 1;
  });
  const padded = image.map((d, i) => d + (pads[i] ?? 0) + (pads[i + n] ?? 0));
  const k = block.reduce((p, q) => p * q, 1);
  const blocks = counts.reduce((p, q) => p * q, 1);
  cx.limit(k * blocks, "its table of positions");
  const positions: number[] = [];
  for (let e = 0; e < k; e++)
    for (let w = 0; w < blocks; w++) {
      let flat = 0;
      let [restE, restW] = [k, blocks];
      for (let i = 0; i < n; i++) {
        restE /= block[i] ?? 1;
        restW /= counts[i] ?? 1;
        const inBlock = Math.floor(e / restE) % (block[i] ?? 1);
        const step = Math.floor(w / restW) % (counts[i] ?? 1);
        flat = flat * (padded[i] ?? 1) + step * (strides[i] ?? 1) + inBlock * (dilations[i] ?? 1);
      }
      positions.push(flat);
    }
  const total = padded.reduce((p, q) => p * q, 1);
  const batch = cx.dim(x, 0);
  const channels = cx.size(x, 1, "channels") / k;
  const lead = mul(batch, channels);
  const within = ir.constant(b, tensorFrom("i64", [1, k, blocks], positions));
  const offset = ir.mul(b, ir.reshape(b, ir.iota(b, "i64", [lead]), [lead, 1, 1]), total);
  const flat = ir.broadcast(b, ir.add(b, offset, within), [lead, k, blocks]);
  const empty = ir.full(b, x.type.dtype, [mul(lead, total)], 0);
  const sums = ir.scatter(b, empty, flat, ir.reshape(b, x, [lead, k, blocks]), "add");
  const whole = ir.reshape(b, sums, [batch, channels, ...padded]);
  return ir.slice(b, whole, [0, 0, ...image.map((_, i) => pads[i] ?? 0)], [batch, channels, ...image]);
};

/** Determinants by elimination with row exchanges, one step per column. */
const det: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const rank = cx.rank(x);
  const n = cx.size(x, rank - 1, "the matrix");
  if (rank < 2 || cx.size(x, rank - 2, "the matrix") !== n) cx.malformed("takes square matrices");
  if (n > 64) return cx.unknownSize(`takes the determinant of a ${n} x ${n} matrix; up to 64 are eliminated`);
  let m = ir.reshape(b, x, [mul(1, ...x.type.shape.slice(0, -2)), n, n]);
  const batch = cx.dim(m, 0);
  let result = ir.full(b, x.type.dtype, [batch], 1);
  for (let i = 0; i < n; i++) {
    const size = n - i;
    // Bring the row with the greatest first element to the top; an exchange changes the sign.
    const column = ir.reshape(b, ir.sliceAxis(b, m, 2, 0, 1), [batch, size]);
    const best = ir.argreduce(b, "max", ir.abs(b, column), 1, { keep: true });
    const row = ir.iota(b, "i64", [batch, size], 1);
    const from = ir.select(b, ir.eq(b, row, 0), best, ir.select(b, ir.eq(b, row, best), 0, row));
    const flat = ir.add(b, from, ir.mul(b, ir.iota(b, "i64", [batch, 1], 0), size));
    m = ir.gather(b, ir.reshape(b, m, [mul(batch, size), size]), flat);
    const swapped = ir.reshape(b, ir.ne(b, best, 0), [batch]);
    const pivot = ir.reshape(b, ir.slice(b, m, [0, 0, 0], [batch, 1, 1]), [batch]);
    result = ir.mul(b, result, ir.select(b, swapped, ir.neg(b, pivot), pivot));
    if (size === 1) break;
    const top = ir.slice(b, m, [0, 0, 1], [batch, 1, size - 1]);
    const side = ir.slice(b, m, [0, 1, 0], [batch, size - 1, 1]);
    const safe = ir.select(b, ir.eq(b, pivot, 0), 1, pivot);
    const factor = ir.div(b, side, ir.reshape(b, safe, [batch, 1, 1]));
    m = ir.sub(b, ir.slice(b, m, [0, 1, 1], [batch, size - 1, size - 1]), ir.mul(b, factor, top));
  }
  return ir.reshape(b, result, x.type.shape.slice(0, -2));
};

export const selectOps: Translators = {
  Col2Im: col2im,
  Det: det,
  NonMaxSuppression: nonMaxSuppression,
  Unique: unique,
};
