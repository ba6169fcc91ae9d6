// Sorting items in scratch memory. Few are merged: runs of four in registers, then pairs of runs, each step a choice without
// a branch. Many are distributed by the digits of their keys, the lowest first; a digit that all of them share is skipped.

import { add, indexVar } from "../../../compiler/ir/dim.js";
import { DIGITS, RADIX_LEAST, type SortScratch } from "../../../compiler/schedule/sorting.js";
import { type Expr, I32 } from "../expr.js";
import type { Frame } from "../frame.js";
import { forLoop, LANES } from "../nest.js";
import type { Stmt } from "../stmt.js";
import type { Item, Items } from "./order-items.js";

const set = (target: Expr, value: Expr): Stmt => ({ kind: "set", target, value });

export interface Sorting {
  /** How many items there are at the start of scratch memory. */
  readonly count: Expr;
  /** How many of them have to be in order afterwards, the first ones. */
  readonly wanted: Expr;
  /** Registers: where the sorted items are afterwards, and what is free. */
  readonly from: Expr;
  readonly to: Expr;
}

/** Sorts items of scratch memory; `count` is a register. */
export function sortItems(frame: Frame, items: Items, scratch: SortScratch, sorting: Sorting): Stmt[] {
  const { count, from, to } = sorting;
  const { pool } = frame;
  const start = [set(from, pool.address(frame.scratch, 0, 4)), set(to, pool.address(frame.scratch, scratch.other, 4))];
  const merged = mergeSort(frame, items, sorting);
  if (!scratch.isLong) return [...start, ...merged];
  const isShort = pool.compare("lt", count, pool.i32(RADIX_LEAST));
  return [...start, { kind: "if", mask: isShort, yes: merged, no: radixSort(frame, items, scratch, sorting) }];
}

function exchanged(frame: Frame, from: Expr, to: Expr): Stmt[] {
  const swap = frame.pool.variable(I32, "swap");
  return [set(swap, from), set(from, to), set(to, swap)];
}

/** The order of four, in which no comparison depends on the result of another. */
const NETWORK: readonly (readonly [number, number])[] = [
  [0, 1],
  [2, 3],
  [0, 2],
  [1, 3],
  [1, 2],
];

function mergeSort(frame: Frame, items: Items, { count, wanted, from, to }: Sorting): Stmt[] {
  const { pool } = frame;
  const v = (name: string): Expr => pool.variable(I32, name);
  const [end, at, width, middle, right] = [v("end"), v("at"), v("width"), v("middle"), v("right")];
  const step = (n: number): Expr => pool.i32(n * items.bytes);
  const plus = (a: Expr, b: Expr): Expr => pool.same("add", a, b);
  const less = (a: Expr, b: Expr): Expr => pool.compare("lt", a, b);
  const spare = v("spare");
  const four = [0, 1, 2, 3].map((i) => items.registers(`run${i}_`));
  const place = (i: number): Expr => plus(plus(from, at), step(i));
  const [low, high] = [items.registers("low"), items.registers("high")];
  const runs = NETWORK.flatMap(([i, j]): Stmt[] => {
    const [a, b] = [four[i] ?? low, four[j] ?? high];
    const inOrder = items.before(a, b);
    return [
      ...items.set(low, items.choose(inOrder, a, b)),
      ...items.set(high, items.choose(inOrder, b, a)),
      ...items.set(a, low),
      ...items.set(b, high),
    ];
  });
  const [left, next, out] = [v("left"), v("next"), v("out")];
  const [kept, leftEnd, nextEnd] = [v("kept"), v("leftEnd"), v("nextEnd")];
  const [a, b] = [items.registers("a"), items.registers("b")];
  const merge = mergeRuns(frame, items, { from, to, left, next, out, leftEnd, nextEnd, a, b });
  const bounded = (e: Expr): Expr => pool.same("minS", e, end);
  return [
    set(end, pool.same("mul", count, step(1))),
    // Up to three more make whole runs of four.
    set(at, end),
    set(spare, pool.same("shl", pool.same("shrU", plus(count, pool.i32(3)), pool.i32(2)), pool.i32(2))),
    set(end, pool.same("mul", spare, step(1))),
    {
      kind: "while",
      mask: less(at, end),
      body: [...items.write(plus(from, at), items.last), set(at, plus(at, step(1)))],
    },
    set(at, pool.i32(0)),
    {
      kind: "while",
      mask: less(at, end),
      body: [
        ...four.flatMap((item, i) => items.read(item, place(i))),
        ...runs,
        ...four.flatMap((item, i) => items.write(place(i), item)),
        set(at, plus(at, step(4))),
      ],
    },
    set(width, step(4)),
    set(kept, pool.same("mul", wanted, step(1))),
    {
      kind: "while",
      mask: less(width, end),
      body: [
        set(at, pool.i32(0)),
        {
          kind: "while",
          mask: less(at, end),
          body: [
            set(middle, bounded(plus(at, width))),
            set(right, bounded(plus(middle, width))),
            // What is not among a run's first is not among those of two.
            set(leftEnd, pool.same("minS", middle, plus(at, kept))),
            set(nextEnd, pool.same("minS", right, plus(middle, kept))),
            set(left, at),
            set(next, middle),
            set(out, at),
            ...merge,
            set(at, right),
          ],
        },
        ...exchanged(frame, from, to),
        set(width, pool.same("shl", width, pool.i32(1))),
      ],
    },
  ];
}

interface Merge {
  readonly from: Expr;
  readonly to: Expr;
  /** Offsets in bytes: of the two runs' next items, of the output, and of the runs' ends. */
  readonly left: Expr;
  readonly next: Expr;
  readonly out: Expr;
  readonly leftEnd: Expr;
  readonly nextEnd: Expr;
  /** Registers for one item of each run. */
  readonly a: Item;
  readonly b: Item;
}

function mergeRuns(frame: Frame, items: Items, m: Merge): Stmt[] {
  const { pool } = frame;
  const { from, to, left, next, out, leftEnd, nextEnd, a, b } = m;
  const size = pool.i32(items.bytes);
  const plus = (x: Expr, y: Expr): Expr => pool.same("add", x, y);
  const less = (x: Expr, y: Expr): Expr => pool.compare("lt", x, y);
  const taken = pool.variable(I32, "taken");
  const takesLeft = items.before(a, b);
  const isLeft = pool.op(
    "and",
    I32,
    pool.same("neg", pool.op("wrap", I32, pool.op("maskToInt", { kind: "i64", lanes: 1 }, takesLeft))),
    size,
  );
  const rest = (run: Expr, end: Expr): Stmt => ({
    kind: "while",
    mask: less(run, end),
    body: [
      ...items.read(a, plus(from, run)),
      ...items.write(plus(to, out), a),
      set(run, plus(run, size)),
      set(out, plus(out, size)),
    ],
  });
  return [
    {
      kind: "while",
      mask: pool.same("and", less(left, leftEnd), less(next, nextEnd)),
      body: [
        ...items.read(a, plus(from, left)),
        ...items.read(b, plus(from, next)),
        set(taken, isLeft),
        ...items.write(plus(to, out), items.choose(takesLeft, a, b)),
        set(left, plus(left, taken)),
        set(next, pool.same("sub", plus(next, size), taken)),
        set(out, plus(out, size)),
      ],
    },
    rest(left, leftEnd),
    rest(next, nextEnd),
  ];
}

function radixSort(
  frame: Frame,
  items: Items,
  { counts, keyBytes }: SortScratch,
  { count, from, to }: Sorting,
): Stmt[] {
  const { pool } = frame;
  const v = (name: string): Expr => pool.variable(I32, name);
  const plus = (a: Expr, b: Expr): Expr => pool.same("add", a, b);
  const [end, at, digit, sum, here, found] = [v("end"), v("at"), v("digit"), v("sum"), v("here"), v("found")];
  const item = items.registers("a");
  const size = pool.i32(items.bytes);
  const table = v("table");
  const tableOf = (d: number): Expr => pool.address(frame.scratch, add(counts, d * DIGITS), 4);
  const cell = (base: Expr, value: Expr): Expr => plus(base, pool.same("shl", value, pool.i32(2)));
  const load = (address: Expr): Expr => pool.loadAt(address, 0, "i32", I32);
  const put = (address: Expr, value: Expr): Stmt => ({ kind: "storeAt", dtype: "i32", address, offset: 0, value });
  const clear = indexVar("clear", keyBytes * DIGITS);
  const zeros = pool.constant({ kind: "i32", lanes: LANES }, 0);
  const over = (body: Stmt[]): Stmt[] => [
    set(at, pool.i32(0)),
    {
      kind: "while",
      mask: pool.compare("lt", at, end),
      body: [...items.read(item, plus(from, at)), ...body, set(at, plus(at, size))],
    },
  ];
  const lowest = (d: number): Expr => pool.i32(items.lowest + 8 * d);
  const digits = Array.from({ length: keyBytes }, (_, d) => d);
  const tally = digits.flatMap((d): Stmt[] => [
    set(here, items.digit(item, lowest(d))),
    put(cell(tableOf(d), here), plus(load(cell(tableOf(d), here)), pool.i32(1))),
  ]);
  const value = indexVar("value", DIGITS);
  const entry = cell(table, pool.index(value));
  const shift = v("shift");
  const distribute: Stmt[] = [
    set(sum, pool.i32(0)),
    forLoop(value, DIGITS, [
      set(found, load(entry)),
      put(entry, sum),
      set(sum, plus(sum, pool.same("mul", found, size))),
    ]),
    ...over([
      set(here, items.digit(item, shift)),
      set(found, load(cell(table, here))),
      put(cell(table, here), plus(found, size)),
      ...items.write(plus(to, found), item),
    ]),
    ...exchanged(frame, from, to),
  ];
  const isShared = pool.compare("eq", load(cell(table, here)), count);
  return [
    set(end, pool.same("mul", count, size)),
    forLoop(
      clear,
      keyBytes * DIGITS,
      [{ kind: "store", buffer: frame.scratch, dtype: "i32", index: add(counts, clear), value: zeros }],
      LANES,
    ),
    ...over(tally),
    set(digit, pool.i32(0)),
    set(table, tableOf(0)),
    set(shift, pool.i32(items.lowest)),
    {
      kind: "while",
      mask: pool.compare("lt", digit, pool.i32(keyBytes)),
      body: [
        ...items.read(item, from),
        set(here, items.digit(item, shift)),
        { kind: "if", mask: isShared, yes: [], no: distribute },
        set(table, plus(table, pool.i32(4 * DIGITS))),
        set(shift, plus(shift, pool.i32(8))),
        set(digit, plus(digit, pool.i32(1))),
      ],
    },
  ];
}
