// Operators of com.microsoft that move elements: gathers, also from blocks of quantized rows, distances between rows, and
// older forms of what ONNX has itself by now.

import * as ir from "../../../ir/build.js";
import type { DType } from "../../../ir/dtype.js";
import type { Value } from "../../../ir/graph.js";
import type { NodeContext, Translator, Translators } from "../context.js";
import { unpacked } from "./contrib-nbits.js";
import { through } from "./contrib-through.js";
import { indexOps } from "./index.js";
import { makeOps } from "./make.js";
import { wrapped } from "./position.js";
import { sampleOps } from "./sample.js";

/** Distances of every row of one matrix to every row of the other. */
const cdist: Translator = (cx) => {
  const { b } = cx;
  const metric = cx.word("metric", ["sqeuclidean", "euclidean"], "sqeuclidean");
  const apart = ir.sub(b, ir.unsqueeze(b, cx.in(0), [1]), ir.unsqueeze(b, cx.in(1), [0]));
  const squares = ir.sum(b, ir.square(b, apart), [2]);
  return metric === "euclidean" ? ir.sqrt(b, squares) : squares;
};

const expandDims: Translator = (cx) => {
  const x = cx.in(0);
  const axis = cx.number(cx.in(1), "the axis");
  return ir.unsqueeze(cx.b, x, [cx.axis(axis, cx.rank(x) + 1)]);
};

/** One number per block of `block` elements along the last axis, repeated for each of them. */
function perElement(cx: NodeContext, v: Value, block: number, width: number): Value {
  const { b } = cx;
  const rank = cx.rank(v);
  const blocks = cx.size(v, rank - 1, "the number of blocks");
  const repeated = ir.broadcast(b, ir.unsqueeze(b, v, [rank]), [...v.type.shape, block]);
  const flat = ir.reshape(b, repeated, [...v.type.shape.slice(0, -1), blocks * block]);
  return ir.sliceAxis(b, flat, rank - 1, 0, width);
}

/** Rows of a quantized table, as reals: (data, indices, scales, zero points). */
const gatherBlockQuantized: Translator = (cx) => {
  const { b } = cx;
  const data = cx.in(0);
  const rank = cx.rank(data);
  const bits = cx.int("bits", 4);
  const block = cx.int("block_size", 128);
  const packed = data.type.dtype === "u8";
  if (bits !== 4 && bits !== 8) return cx.fail("unsupported_dtype", `has elements of ${bits} bits, takes 4 or 8`);
  const axis = cx.axis(cx.int("gather_axis", 0), rank);
  if (axis === rank - 1 || cx.axis(cx.int("quantize_axis", 1), rank) !== rank - 1)
    return cx.fail("unsupported_layout", "gathers along its last axis, or has its blocks along another");
  const indices = wrapped(b, cx.in(1), cx.dim(data, axis));
  const scales = cx.in(2);
  const wide: DType = scales.type.dtype === "f64" ? "f64" : "f32";
  const taken = (v: Value): Value => ir.gather(b, v, indices, axis);
  const plain = (v: Value): Value => (packed ? unpacked(cx, v, bits) : v);
  const quantized = ir.cast(b, plain(taken(data)), wide);
  const width = cx.size(quantized, cx.rank(quantized) - 1, "the width of a row");
  const zero = cx.opt(3);
  const blocks = cx.size(scales, cx.rank(scales) - 1, "the number of blocks");
  let shift = ir.scalar(b, wide, packed ? 2 ** (bits - 1) : 0);
  if (zero !== undefined) {
    const all = plain(taken(zero));
    const cut = ir.sliceAxis(b, all, cx.rank(all) - 1, 0, blocks);
    shift = perElement(cx, ir.cast(b, cut, wide), block, width);
  }
  const scale = perElement(cx, ir.cast(b, taken(scales), wide), block, width);
  return ir.cast(b, ir.mul(b, ir.sub(b, quantized, shift), scale), scales.type.dtype);
};

export const contribSelect: Translators = {
  CDist: cdist,
  ExpandDims: expandDims,
  GatherBlockQuantized: gatherBlockQuantized,
  GatherND: (cx) => through(cx, indexOps, "GatherND", [cx.in(0), cx.in(1)]),
  GridSample: (cx) => through(cx, sampleOps, "GridSample", [cx.in(0), cx.in(1)], { opset: 16 }),
  Range: (cx) => through(cx, makeOps, "Range", [cx.in(0), cx.in(1), cx.opt(2) ?? ir.oneOf(cx.b, cx.in(0))]),
};
