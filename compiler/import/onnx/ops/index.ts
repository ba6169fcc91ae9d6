// Ops whose positions are data: gathers, scatters, sorting, counting.

import * as ir from "../../../ir/build.js";
import { type Dim, mul } from "../../../ir/dim.js";
import type { Value } from "../../../ir/graph.js";
import type { NodeContext, Translator, Translators } from "../context.js";
import { dependsOnRegion } from "../session.js";
import { along, flatten, gatherElements, positionsAlong, wrapped } from "./position.js";

const gather: Translator = (cx) => {
  const x = cx.in(0);
  const axis = cx.axis(cx.int("axis", 0), cx.rank(x));
  return ir.gather(cx.b, x, wrapped(cx.b, cx.in(1), cx.dim(x, axis)), axis);
};

const gatherElementsOp: Translator = (cx) => {
  const x = cx.in(0);
  const axis = cx.axis(cx.int("axis", 0), cx.rank(x));
  if (cx.rank(cx.in(1)) !== cx.rank(x)) cx.malformed("takes indices of the data's rank");
  return gatherElements(cx.b, x, wrapped(cx.b, cx.in(1), cx.dim(x, axis)), axis);
};

interface NdIndex {
  /** Flat positions of the slices' first elements, then of all their elements: [...outer, inner]. */
  readonly positions: Value;
  readonly outer: readonly Dim[];
  readonly inner: readonly Dim[];
}

/** Positions that the last axis of `indices` names, after `batch` leading axes that both share. */
function ndIndex(cx: NodeContext, x: Value, indices: Value, batch: number): NdIndex {
  const { b } = cx;
  const rank = cx.rank(indices);
  if (rank < 1) cx.malformed("takes indices of rank 1 and up");
  const k = cx.size(indices, rank - 1, "the last axis of the indices");
  if (batch + k > cx.rank(x) || batch >= rank) cx.malformed(`names ${batch + k} axes of a value of rank ${cx.rank(x)}`);
  const outer = indices.type.shape.slice(0, -1);
  const inner = x.type.shape.slice(batch + k);
  const n = mul(1, ...inner);
  const coordinates: Value[] = [];
  for (let i = 0; i < batch; i++)
    coordinates.push(ir.unsqueeze(b, along(b, cx.dim(indices, i), i, rank - 1), [rank - 1]));
  for (let j = 0; j < k; j++) {
    const part = ir.sliceAxis(b, indices, rank - 1, j, 1);
    coordinates.push(wrapped(b, part, cx.dim(x, batch + j)));
  }
  const shape = [...x.type.shape.slice(0, batch + k), n];
  coordinates.push(ir.reshape(b, ir.iota(b, "i64", [n]), [...outer.map(() => 1), n]));
  return { positions: ir.broadcast(b, flatten(b, shape, coordinates), [...outer, n]), outer, inner };
}

const gatherNd: Translator = (cx) => {
  const x = cx.in(0);
  const { positions, outer, inner } = ndIndex(cx, x, cx.in(1), cx.int("batch_dims", 0));
  return ir.reshape(cx.b, ir.take(cx.b, x, positions), [...outer, ...inner]);
};

function scatterMode(cx: NodeContext): ir.ScatterMode {
  const word = cx.word("reduction", ["none", "add", "mul", "max", "min"], "none");
  return word === "none" ? "set" : word;
}

const scatterNd: Translator = (cx) => {
  const x = cx.in(0);
  const { positions } = ndIndex(cx, x, cx.in(1), 0);
  const updates = ir.reshape(cx.b, cx.in(2), positions.type.shape);
  return ir.scatter(cx.b, x, positions, updates, scatterMode(cx));
};

const scatterElements: Translator = (cx) => {
  const x = cx.in(0);
  const axis = cx.axis(cx.int("axis", 0), cx.rank(x));
  const at = positionsAlong(cx.b, x.type.shape, wrapped(cx.b, cx.in(1), cx.dim(x, axis)), axis);
  return ir.scatter(cx.b, x, at, cx.in(2), scatterMode(cx));
};

/** Writes `update` into a cache along an axis, from a position per batch row on; `circular` wraps. */
const tensorScatter: Translator = (cx) => {
  const { b } = cx;
  const cache = cx.in(0);
  const update = cx.in(1);
  const rank = cx.rank(cache);
  const axis = cx.axis(cx.int("axis", -2), rank);
  if (axis === 0) cx.malformed("writes along axis 0, which is the batch");
  const start = cx.opt(2);
  let at = along(b, cx.dim(update, axis), axis, rank);
  if (start !== undefined)
    at = ir.add(
      b,
      at,
      ir.reshape(b, ir.cast(b, start, "i64"), [cx.dim(cache, 0), ...Array.from({ length: rank - 1 }, () => 1)]),
    );
  if (cx.word("mode", ["linear", "circular"], "linear") === "circular")
    at = ir.mod(b, at, ir.dimValue(b, cx.dim(cache, axis)));
  const positions = positionsAlong(b, cache.type.shape, ir.broadcast(b, at, update.type.shape), axis);
  return ir.scatter(b, cache, positions, update);
};

const topK: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const axis = cx.axis(cx.int("axis", -1), cx.rank(x));
  const d = cx.dim(x, axis);
  const k =
    cx.opset < 10
      ? cx.int("k")
      : (cx.dims(cx.in(1), "k", () => cx.declaredSize(0, axis) ?? cx.session.upper(d))[0] ?? 0);
  const { values, indices } = ir.sort(b, x, axis, cx.flag("largest", true), k);
  return [values, indices];
};

const argReduce =
  (kind: "max" | "min"): Translator =>
  (cx) => {
    const x = cx.in(0);
    const axis = cx.axis(cx.int("axis", 0), cx.rank(x));
    return ir.argreduce(cx.b, kind, x, axis, { keep: cx.flag("keepdims", true), last: cx.flag("select_last_index") });
  };

/** Coordinates of nonzero elements, [rank, count], where `count` is a fresh symbol. */
export function nonzeroOf(cx: NodeContext, x: Value, hint: string): Value {
  const { b, session } = cx;
  if (dependsOnRegion(x)) return cx.unknownSize("the number of elements found depends on a loop's iteration");
  const most = cx.upper(mul(1, ...x.type.shape), "the number of elements");
  return session.axisSymbol(cx.hint(hint), most, (count) => ({ value: ir.nonzero(b, x, count), axis: 1 }));
}

const nonZero: Translator = (cx) => {
  const x = cx.in(0);
  return nonzeroOf(cx, cx.rank(x) === 0 ? ir.reshape(cx.b, x, [1]) : x, "count");
};

const compress: Translator = (cx) => {
  const { b } = cx;
  const given = cx.optInt("axis");
  const x = given === undefined ? ir.flatten(b, cx.in(0)) : cx.in(0);
  const axis = cx.axis(given ?? 0, cx.rank(x));
  const found = nonzeroOf(cx, cx.in(1), "count");
  return ir.gather(b, x, ir.reshape(b, found, [cx.dim(found, 1)]), axis);
};

const oneHot: Translator = (cx) => {
  const { b } = cx;
  const rank = cx.rank(cx.in(0));
  const axis = cx.axis(cx.int("axis", -1), rank + 1);
  const depth =
    cx.ints(ir.cast(b, cx.in(1), "i64"))?.[0] ??
    cx.element(ir.reshape(b, ir.cast(b, cx.in(1), "i64"), [1]), 0, "depth", cx.declaredSize(0, axis));
  const at = ir.unsqueeze(b, wrapped(b, cx.in(0), depth), [axis]);
  const hit = ir.eq(b, along(b, depth, axis, rank + 1), at);
  const [off, on] = [0, 1].map((i) => ir.reshape(b, ir.slice(b, cx.in(2), [i], [1]), []));
  if (off === undefined || on === undefined) return cx.malformed("has no values");
  return ir.select(b, hit, on, off);
};

const cumulative =
  (kind: "sum" | "prod"): Translator =>
  (cx) => {
    const x = cx.in(0);
    const axis = cx.axis(cx.number(cx.in(1), "axis"), cx.rank(x));
    return ir.cumulate(cx.b, kind, x, axis, { exclusive: cx.flag("exclusive"), reverse: cx.flag("reverse") });
  };

const reverseSequence: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const time = cx.axis(cx.int("time_axis", 0), cx.rank(x));
  const batch = cx.axis(cx.int("batch_axis", 1), cx.rank(x));
  return reversedSteps(cx, x, cx.in(1), time, batch, b);
};

/** Along `time`, the first `lengths[batch]` elements in reverse order, the others where they are. */
export function reversedSteps(cx: NodeContext, x: Value, lengths: Value, time: number, batch: number, b = cx.b): Value {
  const rank = cx.rank(x);
  const shape = x.type.shape.map((_, i) => (i === batch ? cx.dim(x, batch) : 1));
  const length = ir.reshape(b, ir.cast(b, lengths, "i64"), shape);
  const t = along(b, cx.dim(x, time), time, rank);
  const at = ir.select(b, ir.lt(b, t, length), ir.sub(b, ir.sub(b, length, 1), t), t);
  return gatherElements(b, x, ir.broadcast(b, at, x.type.shape), time);
}

export const indexOps: Translators = {
  ArgMax: argReduce("max"),
  ArgMin: argReduce("min"),
  Compress: compress,
  CumProd: cumulative("prod"),
  CumSum: cumulative("sum"),
  Gather: gather,
  GatherElements: gatherElementsOp,
  GatherND: gatherNd,
  NonZero: nonZero,
  OneHot: oneHot,
  ReverseSequence: reverseSequence,
  Scatter: scatterElements,
  ScatterElements: scatterElements,
  ScatterND: scatterNd,
  TensorScatter: tensorScatter,
  TopK: topK,
};
