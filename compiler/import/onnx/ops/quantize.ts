// Quantization: scales and zero points per tensor, per axis or per block, and the integer products that use them.

import * as ir from "../../../ir/build.js";
import { ceildiv, type Dim } from "../../../ir/dim.js";
import { type DType, intRange, isFloat, isInteger } from "../../../ir/dtype.js";
import type { Builder, Value } from "../../../ir/graph.js";
import type { NodeContext, Translator, Translators } from "../context.js";
import { convolve } from "./conv.js";
import { centered, matmulOf } from "./matmul.js";

/** A scale or zero point with x's rank: a scalar, a vector along `axis`, or blocks along it repeated. */
function spread(cx: NodeContext, v: Value, x: Value): Value {
  const { b } = cx;
  const rank = cx.rank(x);
  const block = cx.int("block_size", 0);
  if (cx.rank(v) === 0 || (cx.rank(v) === 1 && v.type.shape[0] === 1 && block === 0)) return ir.reshape(b, v, []);
  const axis = cx.axis(cx.int("axis", 1), rank);
  if (block === 0) {
    if (cx.rank(v) !== 1) cx.malformed(`takes a scale of rank 0 or 1, has rank ${cx.rank(v)}`);
    return ir.reshape(
      b,
      v,
      x.type.shape.map((_, i) => (i === axis ? cx.dim(v, 0) : 1)),
    );
  }
  if (cx.rank(v) !== rank) cx.malformed(`takes a scale of rank ${rank} for blocks, has rank ${cx.rank(v)}`);
  const d = cx.dim(x, axis);
  const blocks = ceildiv(d, block);
  const apart = ir.unsqueeze(b, v, [axis + 1]);
  const repeated = ir.broadcast(
    b,
    apart,
    apart.type.shape.map((n, i) => (i === axis + 1 ? block : n)),
  );
  const joined = v.type.shape.map(
    (n, i): Dim =>
      i === axis ? (typeof blocks === "number" ? blocks * block : cx.unknownSize("blocks along a dynamic axis")) : n,
  );
  return ir.sliceAxis(b, ir.reshape(b, repeated, joined), axis, 0, d);
}

/** Rounded to nearest even, shifted, cut to the dtype's range. */
export function quantized(cx: NodeContext, real: Value, zero: Value | undefined, to: DType): Value {
  const { b } = cx;
  if (isFloat(to)) {
    const shifted = zero === undefined ? real : ir.add(b, real, ir.cast(b, zero, real.type.dtype));
    return ir.cast(b, shifted, to, cx.flag("saturate", true));
  }
  const { min, max } = intRange(to);
  const rounded = ir.round(b, real);
  const shifted = zero === undefined ? rounded : ir.add(b, rounded, ir.cast(b, zero, real.type.dtype));
  return ir.cast(b, ir.min(b, ir.max(b, shifted, Number(min)), Number(max)), to, true);
}

const quantizeLinear: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const scale = spread(cx, cx.in(1), x);
  const zero = cx.opt(2);
  const to = zero?.type.dtype ?? cx.dtype("output_dtype", "u8");
  const wide: DType = x.type.dtype === "f64" ? "f64" : "f32";
  const real = ir.div(b, ir.cast(b, x, wide), ir.cast(b, scale, wide));
  return quantized(cx, real, zero === undefined ? undefined : spread(cx, zero, x), to);
};

const dequantizeLinear: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const scale = cx.in(1);
  const zero = cx.opt(2);
  const to = cx.dtype("output_dtype", scale.type.dtype);
  const wide: DType = scale.type.dtype === "f64" || to === "f64" ? "f64" : "f32";
  const through: DType = isInteger(x.type.dtype) ? "i32" : wide;
  const whole = ir.cast(b, x, through);
  const shifted = zero === undefined ? whole : ir.sub(b, whole, spread(cx, ir.cast(b, zero, through), x));
  return ir.cast(b, ir.mul(b, ir.cast(b, shifted, wide), ir.cast(b, spread(cx, scale, x), wide)), to);
};

const dynamicQuantizeLinear: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const most = ir.max(b, ir.reduceMax(b, x), 0);
  const least = ir.min(b, ir.reduceMin(b, x), 0);
  const span = ir.div(b, ir.sub(b, most, least), 255);
  const scale = ir.select(b, ir.eq(b, span, 0), 1, span);
  const zero = ir.round(b, ir.min(b, ir.max(b, ir.div(b, ir.neg(b, least), scale), 0), 255));
  const shifted = ir.add(b, ir.round(b, ir.div(b, x, scale)), zero);
  const y = ir.cast(b, ir.min(b, ir.max(b, shifted, 0), 255), "u8", true);
  return [y, scale, ir.cast(b, zero, "u8", true)];
};

/** A scale of one row of a left operand, or one column of a right one. */
function aside(b: Builder, v: Value, rank: number, axis: number): Value {
  const n = v.type.shape[0] ?? 1;
  if (v.type.shape.length === 0 || (v.type.shape.length === 1 && n === 1)) return ir.reshape(b, v, []);
  if (v.type.shape.length > 1) return v;
  return ir.reshape(
    b,
    v,
    Array.from({ length: rank }, (_, i) => (i === axis + rank ? n : 1)),
  );
}

const qlinearMatmul: Translator = (cx) => {
  const { b } = cx;
  const [x, y] = [cx.in(0), cx.in(3)];
  const sums = matmulOf(cx, centered(cx, x, cx.in(2), -2), centered(cx, y, cx.in(5), -1), "i32");
  const rank = cx.rank(sums);
  const single = (v: Value): Value => ir.cast(b, v, "f32");
  const scale = ir.div(
    b,
    ir.mul(b, aside(b, single(cx.in(1)), rank, -2), aside(b, single(cx.in(4)), rank, -1)),
    aside(b, single(cx.in(6)), rank, -1),
  );
  return quantized(cx, ir.mul(b, single(sums), scale), aside(b, cx.in(7), rank, -1), cx.in(7).type.dtype);
};

const qlinearConv: Translator = (cx) => {
  const { b } = cx;
  const [x, w] = [cx.in(0), cx.in(3)];
  const sums = convolve(cx, centered(cx, x, cx.in(2), 1), centered(cx, w, cx.in(5), 0), "i32");
  const rank = cx.rank(sums);
  const bias = cx.opt(8);
  const channel = (v: Value): Value => aside(b, v, rank, 1 - rank);
  const total = bias === undefined ? sums : ir.add(b, sums, channel(bias));
  const scale = ir.div(b, ir.mul(b, channel(cx.in(1)), channel(cx.in(4))), channel(cx.in(6)));
  return quantized(cx, ir.mul(b, ir.cast(b, total, "f32"), scale), channel(cx.in(7)), cx.in(7).type.dtype);
};

export const quantizeOps: Translators = {
  DequantizeLinear: dequantizeLinear,
  DynamicQuantizeLinear: dynamicQuantizeLinear,
  QLinearConv: qlinearConv,
  QLinearMatMul: qlinearMatmul,
  QuantizeLinear: quantizeLinear,
};
