// Ops that reshape, join and split, and those that read or make shapes.

import * as ir from "../../../ir/build.js";
import { type Dim, floordiv, mul, provenEqual, range, sub } from "../../../ir/dim.js";
import type { Value } from "../../../ir/graph.js";
import { broadcastShapes } from "../../../ir/ops/broadcast.js";
import { elementCount } from "../../../ir/types.js";
import type { NodeContext, Translator, Translators } from "../context.js";

/** The axes of a node: an attribute, an input from operator set `since` on, or undefined where neither is given. */
export function axesOf(cx: NodeContext, since: number, input = 1): number[] | undefined {
  if (cx.opset < since) return cx.optInts("axes");
  const v = cx.opt(input);
  return v === undefined ? undefined : cx.numbers(v, "axes");
}

const reshape: Translator = (cx) => {
  const x = cx.in(0);
  if (cx.opset < 5) return reshapeTo(cx, x, cx.intList("shape"), false);
  const target = cx.in(1);
  const zero = cx.opset >= 14 && cx.flag("allowzero");
  const known = oneOpen(cx.partialInts(target));
  return known === null ? dynamicReshape(cx, x, target, zero) : reshapeTo(cx, x, known, zero);
};

/** A target with one size from data: that size is what the others leave, whatever the data says. */
function oneOpen(target: readonly (Dim | null)[] | null): readonly Dim[] | null {
  if (target === null) return null;
  const open = target.filter((d) => d === null).length;
  if (open > 1 || (open === 1 && target.includes(-1))) return null;
  return target.map((d) => d ?? -1);
}

/** 0 copies the input's size (unless `zero`), -1 is what is left. */
function reshapeTo(cx: NodeContext, x: Value, target: readonly Dim[], zero: boolean): Value {
  const total = elementCount(x.type.shape);
  const shape = target.map((d, i) => (d === 0 && !zero ? cx.dim(x, i) : d));
  const open = shape.indexOf(-1);
  if (open !== shape.lastIndexOf(-1)) cx.malformed("has -1 twice in its shape");
  for (const d of shape) if (d !== -1 && range(d).hi < 0) cx.malformed(`has size ${d} in its shape`);
  if (open >= 0) {
    const rest = mul(1, ...shape.filter((d) => d !== -1));
    shape[open] = rest === 0 ? 0 : (shareOf(x, shape, open) ?? floordiv(total, rest));
  }
  return ir.reshape(cx.b, x, shape);
}

/** The size at -1 by cancelling equal factors, which floor division of products may not find. */
function shareOf(x: Value, shape: readonly Dim[], open: number): Dim | null {
  const left = [...x.type.shape];
  for (const [i, d] of shape.entries()) {
    if (i === open || d === 1) continue;
    const at = left.indexOf(d);
    if (at < 0) return null;
    left.splice(at, 1);
  }
  return mul(1, ...left);
}

/** A target that depends on data: its sizes become symbols, after 0 and -1 are settled in the graph. */
function dynamicReshape(cx: NodeContext, x: Value, target: Value, zero: boolean): Value {
  const { b } = cx;
  const n = cx.size(target, 0, "the length of the shape");
  const total = elementCount(x.type.shape);
  let want = ir.cast(b, target, "i64");
  if (!zero) {
    const have = Array.from({ length: n }, (_, i) => x.type.shape[i] ?? 0);
    want = ir.select(b, ir.eq(b, want, 0), ir.dimsOf(b, have), want);
  }
  const open = ir.eq(b, want, -1);
  const rest = ir.prod(b, ir.select(b, open, 1, want));
  want = ir.select(b, open, ir.div(b, ir.dimValue(b, total), rest), want);
  const most = cx.upper(total, "the number of elements");
  const shape = Array.from({ length: n }, (_, i) => cx.element(want, i, "the shape", cx.declaredSize(0, i) ?? most));
  return ir.reshape(b, x, shape);
}

const flatten: Translator = (cx) => {
  const x = cx.in(0);
  const rank = cx.rank(x);
  const axis = cx.int("axis", 1);
  const at = axis === rank ? rank : cx.axis(axis, rank);
  const { shape } = x.type;
  return ir.reshape(cx.b, x, [elementCount(shape.slice(0, at)), elementCount(shape.slice(at))]);
};

const squeeze: Translator = (cx) => {
  const x = cx.in(0);
  const axes = axesOf(cx, 13);
  if (axes !== undefined) return ir.squeeze(cx.b, x, cx.axes(axes, cx.rank(x)));
  for (const [i, d] of x.type.shape.entries())
    if (typeof d !== "number" && range(d).lo <= 1)
      cx.unknownSize(`axis ${i} may or may not have size 1`, "name the axes to squeeze");
  return ir.squeeze(
    cx.b,
    x,
    [...x.type.shape.keys()].filter((i) => x.type.shape[i] === 1),
  );
};

const unsqueeze: Translator = (cx) => {
  const x = cx.in(0);
  const axes = axesOf(cx, 13) ?? cx.malformed("has no axes");
  return ir.unsqueeze(cx.b, x, cx.axes(axes, cx.rank(x) + axes.length));
};

const transpose: Translator = (cx) => {
  const x = cx.in(0);
  const rank = cx.rank(x);
  const reversed = Array.from({ length: rank }, (_, i) => rank - 1 - i);
  return ir.transpose(cx.b, x, cx.axes(cx.optInts("perm") ?? reversed, rank));
};

const concat: Translator = (cx) => {
  const xs = cx.all();
  const [first] = xs;
  if (first === undefined) return cx.malformed("has no inputs");
  return ir.concat(cx.b, xs, cx.axis(cx.int("axis", cx.opset < 4 ? 1 : undefined), cx.rank(first)));
};

const split: Translator = (cx) => {
  const x = cx.in(0);
  const axis = cx.axis(cx.int("axis", 0), cx.rank(x));
  const d = cx.dim(x, axis);
  const input = cx.opt(1);
  const given = input === undefined ? cx.optInts("split") : cx.dims(input, "split");
  const sizes = given ?? equalParts(cx, d, cx.optInt("num_outputs") ?? cx.outputs);
  const out: Value[] = [];
  let start: Dim = 0;
  for (const size of sizes) {
    out.push(ir.sliceAxis(cx.b, x, axis, start, size));
    start = sub(start, mul(-1, size));
  }
  if (!provenEqual(start, d)) cx.b.require(start, d, "Split: the parts' sizes add up to the axis");
  if (typeof start === "number" && typeof d === "number" && start !== d)
    cx.malformed(`parts of ${start} in all of an axis of ${d}`);
  return out;
};

/** Sizes of `n` parts: all the same, or the last one smaller (from operator set 18 on). */
function equalParts(cx: NodeContext, d: Dim, n: number): Dim[] {
  if (n < 1 || n > 1 << 16) cx.malformed(`splits into ${n} outputs`);
  if (typeof d !== "number") {
    const part = floordiv(d, n);
    if (!provenEqual(mul(part, n), d))
      cx.unknownSize(`an axis of ${d} does not divide into ${n} equal parts for all its sizes`);
    return Array.from({ length: n }, () => part);
  }
  const chunk = Math.ceil(d / n);
  if (chunk * n !== d && (cx.opset < 18 || cx.opset === 0))
    cx.malformed(`an axis of ${d} does not divide into ${n} equal parts`);
  return Array.from({ length: n }, (_, i) => Math.max(0, Math.min(chunk, d - i * chunk)));
}

const shape: Translator = (cx) => {
  const of = cx.in(0).type.shape;
  return ir.dimsOf(cx.b, of.slice(cx.int("start", 0), cx.optInt("end") ?? of.length));
};

const size: Translator = (cx) => ir.dimValue(cx.b, elementCount(cx.in(0).type.shape));

/** The common shape of a value and a target; sizes that must agree and are not proven to are checked when it runs. */
export function commonShape(cx: NodeContext, x: readonly Dim[], target: readonly Dim[]): readonly Dim[] {
  return broadcastShapes([x, target], (a, d, what) => {
    if (provenEqual(a, d)) return a;
    if (typeof a === "number" && typeof d === "number") return cx.malformed(`cannot broadcast ${a} to ${d}`);
    // A size from data is 1 or this one: anything else the model must not compute.
    if (typeof a === "number" && cx.session.isBound(d)) return a;
    cx.b.require(a, d, `${cx.op}: ${what}`);
    return d;
  });
}

const expand: Translator = (cx) => {
  const x = cx.in(0);
  const rank = (i: number): number => (cx.rank(cx.in(1)) === 0 ? 0 : cx.size(cx.in(1), 0, "the shape's length") - i);
  const declared = (i: number): number | undefined => cx.declaredSize(0, Math.max(0, cx.rank(x) - rank(0)) + i);
  return ir.broadcast(cx.b, x, commonShape(cx, x.type.shape, cx.dims(cx.in(1), "the shape", declared)));
};

const tile: Translator = (cx) => {
  const x = cx.in(0);
  const rank = cx.rank(x);
  const most = (i: number): number | undefined => {
    const out = cx.declaredSize(0, i);
    const d = x.type.shape[i];
    return out !== undefined && typeof d === "number" && d > 0 ? Math.floor(out / d) : undefined;
  };
  const repeats = cx.opset < 6 ? tileOnAxis(cx, x) : cx.dims(cx.in(1), "repeats", most);
  if (repeats.length !== rank) cx.malformed(`has ${repeats.length} repeats for rank ${rank}`);
  const apart: Dim[] = [];
  const spread: Dim[] = [];
  for (const [i, d] of x.type.shape.entries()) {
    apart.push(1, d);
    spread.push(repeats[i] ?? 1, d);
  }
  const shape = x.type.shape.map((d, i) => mul(d, repeats[i] ?? 1));
  return ir.reshape(cx.b, ir.broadcast(cx.b, ir.reshape(cx.b, x, apart), spread), shape);
};

function tileOnAxis(cx: NodeContext, x: Value): Dim[] {
  const axis = cx.axis(cx.number(cx.in(2), "axis"), cx.rank(x));
  const times = cx.number(cx.in(1), "tiles");
  return x.type.shape.map((_, i) => (i === axis ? times : 1));
}

const depthToSpace: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const s = cx.int("blocksize");
  if (s < 1 || cx.rank(x) !== 4) cx.malformed("takes rank 4 and a block size of at least 1");
  const [n, c, h, w] = [cx.dim(x, 0), cx.size(x, 1, "channels"), cx.dim(x, 2), cx.dim(x, 3)];
  const out = c / (s * s);
  const crd = cx.word("mode", ["DCR", "CRD"], "DCR") === "CRD";
  const apart = ir.reshape(b, x, crd ? [n, out, s, s, h, w] : [n, s, s, out, h, w]);
  const mixed = ir.transpose(b, apart, crd ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2]);
  return ir.reshape(b, mixed, [n, out, mul(h, s), mul(w, s)]);
};

const spaceToDepth: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const s = cx.int("blocksize");
  if (s < 1 || cx.rank(x) !== 4) cx.malformed("takes rank 4 and a block size of at least 1");
  const [n, c] = [cx.dim(x, 0), cx.dim(x, 1)];
  const [h, w] = [floordiv(cx.dim(x, 2), s), floordiv(cx.dim(x, 3), s)];
  const apart = ir.reshape(b, x, [n, c, h, s, w, s]);
  return ir.reshape(b, ir.transpose(b, apart, [0, 3, 5, 1, 2, 4]), [n, mul(c, s * s), h, w]);
};

export const shapeOps: Translators = {
  Concat: concat,
  DepthToSpace: depthToSpace,
  Expand: expand,
  Flatten: flatten,
  Reshape: reshape,
  Shape: shape,
  Size: size,
  SpaceToDepth: spaceToDepth,
  Split: split,
  Squeeze: squeeze,
  Tile: tile,
  Transpose: transpose,
  Unsqueeze: unsqueeze,
};
