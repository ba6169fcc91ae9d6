// NonMaxSuppression.

import * as ir from "../../../ir/build.js";
import { add, type Dim, min, mul } from "../../../ir/dim.js";
import type { Value } from "../../../ir/graph.js";
import type { NodeContext, Translator } from "../context.js";
import { dependsOnRegion } from "../session.js";
import { nonzeroOf } from "./index.js";
import { along, flatten } from "./position.js";

/**
 * Greedy suppression per batch row and class. Each step of a loop picks, in all of them at once, the best box that is left
 * and drops those that overlap it, until none is left or as many are picked as may be.
 */
export const nonMaxSuppression: Translator = (cx) => {
  const { b } = cx;
  const [boxes, scores] = [cx.in(0), cx.in(1)];
  const [batch, count] = [cx.dim(boxes, 0), cx.dim(boxes, 1)];
  const classes = cx.dim(scores, 1);
  const number = (i: number, otherwise: number): Value =>
    cx.has(i)
      ? ir.reshape(b, ir.cast(b, cx.in(i), i === 2 ? "i64" : "f32"), [])
      : ir.scalar(b, i === 2 ? "i64" : "f32", otherwise);
  const iouThreshold = number(3, 0);
  const corners = cornersOf(cx, boxes);
  if (count === 0) return ir.full(b, "i64", [0, 3], 0);
  const most = number(2, 0);
  const limit = cx.known(most)?.at(0);
  const slots = limit === undefined ? count : min(Math.max(limit, 0), count);
  const { order, eligible } = cx.has(4) ? passing(cx, scores, ir.gt(b, scores, number(4, 0))) : everyBox(cx, scores);
  const all = order.type.shape;
  const candidates = cx.dim(order, 2);
  /** Corner coordinates in order of score: [batch, classes, candidates]. */
  const ordered = corners.map((v) => {
    const flat = flatten(b, [batch, count], [ir.reshape(b, along(b, batch, 0, 1), [batch, 1, 1]), order]);
    return ir.take(b, v, ir.broadcast(b, flat, all));
  });
  const area = (v: readonly Value[]): Value =>
    ir.mul(b, ir.sub(b, part(v, 2), part(v, 0)), ir.sub(b, part(v, 3), part(v, 1)));
  const areas = area(ordered);
  const trips = ir.max(b, ir.min(b, most, ir.dimValue(b, candidates)), 0);
  const [, kept] = ir.loop(b, {
    trips,
    count: 0,
    carried: [eligible, ir.full(b, "i64", [batch, classes, slots], -1)],
    body: (i, [alive, picked]) => {
      if (alive === undefined || picked === undefined) return cx.malformed("has no boxes");
      const first = ir.argreduce(b, "max", ir.cast(b, alive, "i32"), 2, { keep: true });
      const at = flatten(b, all, [along(b, batch, 0, 3), along(b, classes, 1, 3), first]);
      const mine = (v: Value): Value => ir.take(b, v, at);
      const has = mine(alive);
      const low = [0, 1].map((k) => ir.max(b, part(ordered, k), mine(part(ordered, k))));
      const high = [2, 3].map((k) => ir.min(b, part(ordered, k), mine(part(ordered, k))));
      const sides = low.map((l, k) => ir.max(b, ir.sub(b, high[k] ?? l, l), 0));
      const overlap = ir.mul(b, part(sides, 0), part(sides, 1));
      const union = ir.sub(b, ir.add(b, areas, mine(areas)), overlap);
      const iou = ir.select(b, ir.gt(b, union, 0), ir.div(b, overlap, union), 0);
      const apart = ir.not(b, ir.or(b, ir.gt(b, iou, iouThreshold), ir.eq(b, along(b, candidates, 2, 3), first)));
      const here = ir.and(b, ir.eq(b, along(b, slots, 2, 3), i), has);
      return {
        condition: ir.cast(b, ir.reduce(b, "max", ir.cast(b, has, "i32"), [0, 1, 2]), "bool"),
        carried: [ir.and(b, alive, apart), ir.select(b, here, first, picked)],
      };
    },
  });
  if (kept === undefined) return cx.malformed("has no boxes");
  const found = nonzeroOf(cx, ir.ge(b, kept, 0), "count");
  const n = cx.dim(found, 1);
  const row = (i: number): Value => ir.reshape(b, ir.sliceAxis(b, found, 0, i, 1), [n]);
  const rank = ir.take(b, kept, flatten(b, [batch, classes, slots], [row(0), row(1), row(2)]));
  const box = ir.take(b, order, flatten(b, all, [row(0), row(1), rank]));
  return ir.transpose(
    b,
    ir.concat(
      b,
      [row(0), row(1), box].map((v) => ir.reshape(b, v, [1, n])),
      0,
    ),
    [1, 0],
  );
};

/** The boxes that a row may pick, best first: their indices and whether they are any, [batch, classes, candidates]. */
interface Candidates {
  readonly order: Value;
  readonly eligible: Value;
}

function everyBox({ b }: NodeContext, scores: Value): Candidates {
  return { order: ir.sort(b, scores, 2, true).indices, eligible: ir.full(b, "bool", scores.type.shape, 1) };
}

/**
 * Only the boxes that pass the threshold, which are few: each row's are moved to its front and sorted there. There are as
 * many places as the fullest row needs, which the run counts; inside a loop's body it cannot, and there is one for every box.
 */
function passing(cx: NodeContext, scores: Value, passes: Value): Candidates {
  const { b } = cx;
  const [batch, classes, count] = [cx.dim(passes, 0), cx.dim(passes, 1), cx.dim(passes, 2)];
  const ones = ir.cast(b, passes, "i64");
  const perRow = ir.reduce(b, "sum", ones, [2], true);
  const places = placesFor(cx, perRow, count);
  // Boxes that do not pass go to one place more, behind the others.
  const wide: Dim[] = [batch, classes, add(places, 1)];
  const place = ir.select(b, passes, ir.cumulate(b, "sum", ones, 2, { exclusive: true }), ir.dimValue(b, places));
  const flat = flatten(b, wide, [along(b, batch, 0, 3), along(b, classes, 1, 3), place]);
  const box = ir.broadcast(b, along(b, count, 2, 3), passes.type.shape);
  const n = mul(batch, classes, count);
  const moved = ir.scatter(
    b,
    ir.full(b, "i64", [mul(1, ...wide)], 0),
    ir.reshape(b, ir.broadcast(b, flat, passes.type.shape), [n]),
    ir.reshape(b, box, [n]),
  );
  const all: Dim[] = [batch, classes, places];
  const boxes = ir.slice(b, ir.reshape(b, moved, wide), [0, 0, 0], all);
  const row = (last: Value): Value => flatten(b, all, [along(b, batch, 0, 3), along(b, classes, 1, 3), last]);
  const ofBox = flatten(b, passes.type.shape, [along(b, batch, 0, 3), along(b, classes, 1, 3), boxes]);
  const eligible = ir.broadcast(b, ir.lt(b, along(b, places, 2, 3), perRow), all);
  // Empty places sort behind all boxes, and equal scores keep their order.
  const ranks = ir.sort(
    b,
    ir.select(b, eligible, ir.take(b, scores, ofBox), Number.NEGATIVE_INFINITY),
    2,
    true,
  ).indices;
  return { order: ir.take(b, boxes, row(ranks)), eligible };
}

function placesFor(cx: NodeContext, perRow: Value, count: Dim): Dim {
  const { b } = cx;
  if (dependsOnRegion(perRow)) return count;
  const greatest = ir.reshape(b, ir.reduce(b, "max", perRow, [0, 1, 2]), [1]);
  return min(cx.element(ir.max(b, greatest, 1), 0, "candidates", cx.upper(count, "the number of boxes")), count);
}

function part(list: readonly Value[], i: number): Value {
  const v = list[i];
  if (v === undefined) throw new RangeError(`part ${i} of ${list.length}`);
  return v;
}

/** y1, x1, y2, x2 with the lesser first: [batch, boxes] each. */
function cornersOf(cx: NodeContext, boxes: Value): Value[] {
  const { b } = cx;
  const at = (i: number): Value => ir.squeeze(b, ir.sliceAxis(b, boxes, 2, i, 1), [2]);
  const [p, q, r, s] = [at(0), at(1), at(2), at(3)];
  if (cx.flag("center_point_box")) {
    const half = (v: Value): Value => ir.div(b, v, 2);
    return [ir.sub(b, q, half(s)), ir.sub(b, p, half(r)), ir.add(b, q, half(s)), ir.add(b, p, half(r))];
  }
  return [ir.min(b, p, r), ir.min(b, q, s), ir.max(b, p, r), ir.max(b, q, s)];
}
