// blockMatmul: a product with weights of few bits that share scales and zeros in blocks along k. The row of the op table;
// its meaning is the decomposition.

import * as ir from "../build.js";
import { ceildiv, type Dim, sub } from "../dim.js";
import { DTYPES, isInteger } from "../dtype.js";
import type { Builder, Value } from "../graph.js";
import { arity, type InferContext, type OpSpec } from "../op-spec.js";
import { elementCount, type TensorType } from "../types.js";
import type { compositeAttrs } from "./schemas.js";

type Schema = (typeof compositeAttrs)["blockMatmul"];
type Cx = InferContext<{ readonly block: number }>;

function wantShape(cx: Cx, name: string, t: TensorType, shape: readonly Dim[]): void {
  if (t.shape.length !== shape.length)
    cx.fail(`blockMatmul: ${name} takes rank ${shape.length}, has rank ${t.shape.length}`);
  for (const [i, d] of shape.entries()) cx.unify(t.shape[i] ?? 1, d, `blockMatmul: axis ${i} of ${name}`);
}

function infer(cx: Cx): readonly TensorType[] {
  const [x, w, scale, zero, xScale, xSum] = cx.types;
  if (x === undefined || w === undefined || scale === undefined || zero === undefined)
    return cx.fail("blockMatmul takes x, w, scale and zero");
  const { block } = cx.attrs;
  const [k, n] = w.shape;
  if (x.shape.length < 2 || k === undefined || n === undefined || w.shape.length !== 2)
    return cx.fail(`blockMatmul takes x of rank 2 and up and w of rank 2, has ${x.shape.length} and ${w.shape.length}`);
  if (block < 1) cx.fail(`blockMatmul takes blocks of 1 and up, has ${block}`);
  if (!isInteger(w.dtype) || DTYPES[w.dtype].bits > 8) cx.fail(`blockMatmul takes w of at most 8 bits, has ${w.dtype}`);
  if (scale.dtype !== "f32") cx.fail(`blockMatmul takes scales in f32, has ${scale.dtype}`);
  cx.unify(x.shape.at(-1) ?? 1, k, "blockMatmul: inner dimensions");
  const groups = ceildiv(k, block);
  wantShape(cx, "scale", scale, [groups, n]);
  if (zero.shape.length > 0) wantShape(cx, "zero", zero, [groups, n]);
  const lead = x.shape.slice(0, -1);
  if (isInteger(x.dtype)) {
    if (xScale?.dtype !== "f32" || xSum?.dtype !== "i32" || !isInteger(zero.dtype))
      return cx.fail("blockMatmul of integers takes scales in f32, sums in i32 and zeros in integers");
    wantShape(cx, "xScale", xScale, [...lead, groups]);
    wantShape(cx, "xSum", xSum, [...lead, groups]);
  } else if (x.dtype !== "f32" || xScale !== undefined)
    cx.fail(`blockMatmul takes f32 alone or integers with their scales and sums, has ${x.dtype}`);
  return [{ dtype: "f32", shape: [...lead, n] }];
}

function decompose(b: Builder, inputs: readonly Value[], { block }: { readonly block: number }): readonly Value[] {
  const [x, w, scale, zero, xScale, xSum] = inputs;
  if (x === undefined || w === undefined || scale === undefined || zero === undefined)
    throw new RangeError("blockMatmul has no weight");
  if (xScale === undefined || xSum === undefined) return [realProduct(b, x, w, scale, zero, block)];
  return [integerProduct(b, x, w, scale, zero, xScale, xSum, block)];
}

/** x . ((w - zero) * scale) */
function realProduct(b: Builder, x: Value, w: Value, scale: Value, zero: Value, block: number): Value {
  const [k = 1, n = 1] = w.type.shape;
  const spread = (v: Value): Value => {
    const [groups = 1] = v.type.shape;
    if (v.type.shape.length === 0 || groups === 1) return v;
    const apart = ir.broadcast(b, ir.unsqueeze(b, v, [1]), [groups, block, n]);
    return ir.sliceAxis(b, ir.reshape(b, apart, [elementCount([groups, block]), n]), 0, 0, k);
  };
  const shifted = ir.sub(b, ir.cast(b, w, "f32"), spread(ir.cast(b, zero, "f32")));
  return ir.matmul(b, x, ir.mul(b, shifted, spread(scale)), "f32");
}

/** The blocks' products, [g, m, n], times both scales, summed over the blocks. */
function integerProduct(
  b: Builder,
  x: Value,
  w: Value,
  scale: Value,
  zero: Value,
  xScale: Value,
  xSum: Value,
  block: number,
): Value {
  const [k = 1, n = 1] = w.type.shape;
  const [groups = 1] = scale.type.shape;
  const lead = x.type.shape.slice(0, -1);
  const rows = elementCount(lead);
  const whole = (v: Value, axis: number): Value => {
    const have = elementCount([groups, block]);
    const wide = ir.cast(b, v, "i32");
    if (have === k) return wide;
    const high = v.type.shape.map((_, i) => (i === axis ? sub(have, k) : 0));
    return ir.pad(
      b,
      wide,
      0,
      high.map(() => 0),
      high,
    );
  };
  const left = ir.reshape(b, whole(x, lead.length), [rows, groups, block]);
  const right = ir.reshape(b, whole(w, 0), [groups, block, n]);
  const products = ir.matmul(b, ir.transpose(b, left, [1, 0, 2]), right, "i32");
  const perRow = (v: Value): Value => ir.unsqueeze(b, ir.transpose(b, ir.reshape(b, v, [rows, groups]), [1, 0]), [2]);
  const perColumn = (v: Value): Value => (v.type.shape.length === 0 ? v : ir.unsqueeze(b, v, [1]));
  const exact = ir.sub(b, products, ir.mul(b, perRow(xSum), perColumn(ir.cast(b, zero, "i32"))));
  const scales = ir.mul(b, perRow(xScale), perColumn(scale));
  const sums = ir.sum(b, ir.mul(b, ir.cast(b, exact, "f32"), scales), [0]);
  return ir.reshape(b, sums, [...lead, n]);
}

export const blockMatmulRow: Omit<OpSpec<Schema>, "attrs"> = {
  class: "composite",
  arity: arity(4, 6),
  infer,
  decompose,
};
