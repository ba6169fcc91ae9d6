// sort: the first elements of each line along an axis in order, and where they were. Elements become items that are whole
// numbers (order-items.ts), a line's first few are selected where they are few (selection.ts), and items are sorted
// (sort-items.ts).

import { add, indexVar, min, mul } from "../../../compiler/ir/dim.js";
import { Bug } from "../../../compiler/ir/errors.js";
import { isOp } from "../../../compiler/ir/graph.js";
import { sortScratch } from "../../../compiler/schedule/sorting.js";
import { ravel } from "../../../compiler/schedule/views.js";
import { type Expr, I32, I64 } from "../expr.js";
import type { Frame } from "../frame.js";
import { forLoop, stored, symbolOf, vectorLoops } from "../nest.js";
import type { Stmt } from "../stmt.js";
import { Vectorizer } from "../vectorize.js";
import { around } from "./lines.js";
import { Items, orderKey } from "./order-items.js";
import { selectItems } from "./selection.js";
import { sortItems } from "./sort-items.js";

export function lowerSort(frame: Frame): Stmt[] {
  const { pool, kernel, buffer, reader } = frame;
  const { anchor } = kernel;
  const x = anchor.inputs[0];
  const [values, indices] = anchor.outputs;
  if (!isOp(anchor, "sort") || x === undefined || values === undefined || indices === undefined)
    throw new Bug("loops", "sort without its node");
  const { axis, descending, count } = anchor.attrs;
  const { shape, dtype } = x.type;
  const { position, wrap } = around(shape, axis);
  const size = shape[axis] ?? 1;
  const scratch = sortScratch(anchor);
  const items = new Items(frame, scratch.itemBytes);
  const v = (name: string): Expr => pool.variable(I32, name);
  const [found, from, to] = [v("found"), v("from"), v("to")];
  const set = (target: Expr, value: Expr): Stmt => ({ kind: "set", target, value });
  const at = indexVar("at", size);
  const key = orderKey(pool, dtype, reader.at(x, position(at)), descending);
  const fill = (): Stmt[] => {
    const place = pool.address(frame.scratch, mul(scratch.itemBytes / 4, at), 4);
    return [forLoop(at, size, items.write(place, items.make(key, pool.index(at)))), set(found, pool.index(size))];
  };
  const select = (): Stmt[] => {
    const store = {
      kind: "store",
      buffer: frame.scratch,
      dtype: "i32",
      index: add(scratch.keys, at),
      value: key,
    } as const;
    const vector = (lanes: number): Stmt[] | null => {
      const value = new Vectorizer(pool, symbolOf(at), lanes).vector(key);
      return value === null ? null : [{ ...store, value }];
    };
    return [
      ...vectorLoops(pool, at, size, vector, [store], false),
      ...selectItems(frame, items, scratch, size, count, found),
    ];
  };
  const done = indexVar("done", count);
  const rank = v("rank");
  const item = items.registers("sorted");
  const ranked = reader.dynamicIndex(rank, size);
  const index = ravel(position(done), values.type.shape);
  return wrap([
    ...(scratch.selects ? select() : fill()),
    ...sortItems(frame, items, scratch, { count: found, wanted: pool.index(count), from, to }),
    // No more than there are, whatever is asked for.
    forLoop(done, min(count, size), [
      ...items.read(item, pool.same("add", from, pool.index(mul(scratch.itemBytes, done)))),
      set(rank, items.index(item)),
      {
        kind: "store",
        buffer: buffer(values),
        dtype,
        index,
        value: stored(pool, dtype, reader.at(x, position(ranked))),
      },
      { kind: "store", buffer: buffer(indices), dtype: "i64", index, value: pool.op("extendS", I64, rank) },
    ]),
  ]);
}
