// The first few elements of a line's order, as items that are yet to be sorted. A bound is found that at least `count` keys
// do not pass, and few more: the line is cut into groups, about four for each element that is wanted, and as many groups
// have a least key within the bound. Groups are lanes of vectors, so that finding their least keys, counting those within a
// bound and looking for elements within it are loops over vectors. What is within the bound decides nothing about the
// result: sorted, its first `count` items are those of the line.

import { add, type Dim, floordiv, indexVar, mul } from "../../../compiler/ir/dim.js";
import type { SortScratch } from "../../../compiler/schedule/sorting.js";
import { type Expr, I32 } from "../expr.js";
import type { Frame } from "../frame.js";
import { forLoop } from "../nest.js";
import { acrossLanes } from "../reduction.js";
import type { Stmt } from "../stmt.js";
import type { Items } from "./order-items.js";

const set = (target: Expr, value: Expr): Stmt => ({ kind: "set", target, value });

/** Groups for each element that is wanted: with more the bound is closer, and takes longer to find. */
const GROUPS = 4;

/**
 * Writes items from scratch memory's start on, and their number to the register `found`: of the first `count` of `size`
 * keys, which lie in scratch, and of some others, or of all where selecting does not pay.
 */
export function selectItems(
  frame: Frame,
  items: Items,
  scratch: SortScratch,
  size: Dim,
  count: Dim,
  found: Expr,
): Stmt[] {
  const { pool } = frame;
  const v = (name: string): Expr => pool.variable(I32, name);
  const [n, wanted, depth, groups] = [pool.index(size), pool.index(count), v("depth"), v("groups")];
  const lanes = pool.i32(pool.vectorLanes);
  const least = pool.same("maxS", pool.same("mul", wanted, pool.i32(GROUPS)), lanes);
  const columns = pool.same("mul", depth, lanes);
  const pays = pool.same(
    "and",
    pool.compare("le", pool.same("mul", wanted, pool.i32(2)), n),
    pool.compare("le", wanted, groups),
  );
  return [
    set(depth, pool.same("maxS", pool.same("divU", n, least), pool.i32(1))),
    set(groups, pool.same("mul", pool.same("divU", n, columns), lanes)),
    {
      kind: "if",
      mask: pays,
      yes: [
        ...leastOfGroups(frame, scratch, depth, groups),
        ...findBound(frame, scratch, wanted, groups),
        ...collect(frame, items, scratch, size, wanted, found),
      ],
      no: everything(frame, items, scratch, size, found),
    },
  ];
}

/** The least key of each group, `depth` keys a group, to the place of the other items. */
function leastOfGroups(frame: Frame, { keys, other }: SortScratch, depth: Expr, groups: Expr): Stmt[] {
  const { pool } = frame;
  const v = (name: string): Expr => pool.variable(I32, name);
  const [from, to, end, more] = [v("groupFrom"), v("groupTo"), v("groupEnd"), v("groupMore")];
  const wide = { kind: "i32", lanes: pool.vectorLanes } as const;
  const low = pool.variable(wide, "groupLow");
  const step = pool.i32(4 * pool.vectorLanes);
  const bump = (at: Expr): Stmt => set(at, pool.same("add", at, step));
  const key = pool.loadAt(from, 0, "i32", wide);
  return [
    set(from, pool.address(frame.scratch, keys, 4)),
    set(to, pool.address(frame.scratch, other, 4)),
    set(end, pool.same("add", to, pool.same("mul", groups, pool.i32(4)))),
    {
      kind: "while",
      mask: pool.compare("ltU", to, end),
      body: [
        set(low, key),
        bump(from),
        set(more, pool.i32(1)),
        {
          kind: "while",
          mask: pool.compare("lt", more, depth),
          body: [set(low, pool.same("minS", low, key)), bump(from), set(more, pool.same("add", more, pool.i32(1)))],
        },
        { kind: "storeAt", dtype: "i32", address: to, offset: 0, value: low },
        bump(to),
      ],
    },
  ];
}

const bound = ({ pool }: Frame): Expr => pool.variable(I32, "bound");

/** Halves the range of keys until as many groups as are wanted lie within it, and at most a quarter more. */
function findBound(frame: Frame, { other }: SortScratch, wanted: Expr, groups: Expr): Stmt[] {
  const { pool } = frame;
  const v = (name: string): Expr => pool.variable(I32, name);
  const [low, middle, at, end, total] = [v("low"), v("middle"), v("boundAt"), v("boundEnd"), v("boundTotal")];
  const high = bound(frame);
  const wide = { kind: "i32", lanes: pool.vectorLanes } as const;
  const within = pool.variable(wide, "within");
  const isWithin = pool.compare("le", pool.loadAt(at, 0, "i32", wide), pool.splat(middle, wide.lanes));
  const half = pool.same("shrS", pool.same("xor", low, high), pool.i32(1));
  const most = pool.same("add", wanted, pool.same("shrU", wanted, pool.i32(2)));
  return [
    set(low, pool.i32(-(2 ** 31))),
    set(high, pool.i32(2 ** 31 - 1)),
    {
      kind: "while",
      mask: pool.compare("lt", low, high),
      body: [
        set(middle, pool.same("add", pool.same("and", low, high), half)),
        set(within, pool.constant(wide, 0)),
        set(at, pool.address(frame.scratch, other, 4)),
        set(end, pool.same("add", at, pool.same("mul", groups, pool.i32(4)))),
        {
          kind: "while",
          mask: pool.compare("ltU", at, end),
          body: [
            set(within, pool.same("add", within, pool.op("maskToInt", wide, isWithin))),
            set(at, pool.same("add", at, pool.i32(4 * wide.lanes))),
          ],
        },
        set(total, acrossLanes(pool, "sum", "i32", within)),
        {
          kind: "if",
          mask: pool.compare("lt", total, wanted),
          yes: [set(low, pool.same("add", middle, pool.i32(1)))],
          no: [
            set(high, middle),
            { kind: "if", mask: pool.compare("le", total, most), yes: [set(low, middle)], no: [] },
          ],
        },
      ],
    },
  ];
}

/** Items of the keys below the bound, and of as many that are equal to it as may be wanted. */
function collect(frame: Frame, items: Items, { keys }: SortScratch, size: Dim, wanted: Expr, found: Expr): Stmt[] {
  const { pool } = frame;
  const v = (name: string): Expr => pool.variable(I32, name);
  const [bits, ties, enough, key, lane, to] = [v("bits"), v("ties"), v("enough"), v("key"), v("lane"), v("itemsTo")];
  const lanes = pool.vectorLanes;
  const block = indexVar("block", floordiv(size, lanes));
  const rest = indexVar("rest", size);
  const limit = bound(frame);
  const whole = mul(lanes, floordiv(size, lanes));
  const atKeys = (at: Dim): Expr => pool.address(frame.scratch, add(keys, at), 4);
  const vector = pool.loadAt(atKeys(mul(block, lanes)), 0, "i32", { kind: "i32", lanes });
  const within = pool.op("laneBits", I32, pool.compare("le", vector, pool.splat(limit, lanes)));
  const place = pool.same("add", to, pool.same("mul", found, pool.i32(items.bytes)));
  // Of those that are equal to the bound no more than are wanted can be among the first.
  const isEnough = pool.same(
    "and",
    pool.compare("eq", key, limit),
    pool.compare("le", wanted, pool.same("add", ties, pool.i32(1))),
  );
  const tie = pool.op("maskToInt", I32, pool.compare("eq", key, limit));
  const take = (index: Expr): Stmt => ({
    kind: "if",
    mask: pool.compare("le", key, limit),
    yes: [
      ...items.write(place, items.make(key, index)),
      set(found, pool.same("add", found, pool.i32(1))),
      set(enough, pool.op("maskToInt", I32, isEnough)),
      // None of the next bound's is counted yet.
      set(ties, pool.same("and", pool.same("add", ties, tie), pool.same("sub", enough, pool.i32(1)))),
      set(limit, pool.same("sub", limit, enough)),
    ],
    no: [],
  });
  const laneIndex = pool.same("add", pool.index(mul(block, lanes)), lane);
  const laneKey = pool.loadAt(
    pool.same("add", atKeys(mul(block, lanes)), pool.same("shl", lane, pool.i32(2))),
    0,
    "i32",
    I32,
  );
  return [
    set(found, pool.i32(0)),
    set(ties, pool.i32(0)),
    set(to, pool.address(frame.scratch, 0, 4)),
    forLoop(block, floordiv(size, lanes), [
      set(bits, within),
      {
        kind: "while",
        mask: pool.compare("ne", bits, pool.i32(0)),
        body: [
          set(lane, pool.op("lowestBit", I32, bits)),
          set(key, laneKey),
          take(laneIndex),
          set(bits, pool.same("and", bits, pool.same("sub", bits, pool.i32(1)))),
        ],
      },
    ]),
    {
      kind: "for",
      v: rest,
      from: whole,
      to: size,
      step: 1,
      body: [set(key, pool.loadAt(atKeys(rest), 0, "i32", I32)), take(pool.index(rest))],
    },
  ];
}

function everything(frame: Frame, items: Items, { keys }: SortScratch, size: Dim, found: Expr): Stmt[] {
  const { pool } = frame;
  const at = indexVar("all", size);
  const key = pool.load(frame.scratch, "i32", I32, add(keys, at));
  return [
    forLoop(
      at,
      size,
      items.write(pool.address(frame.scratch, mul(items.bytes / 4, at), 4), items.make(key, pool.index(at))),
    ),
    set(found, pool.index(size)),
  ];
}
