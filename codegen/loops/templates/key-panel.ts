// A panel of a few keys for a register tile: element by element of the keys, the keys side by side. Keys lie row by row
// in memory, so square blocks of a vector's lanes are read as rows and turned in registers.

import { add, type Dim, indexVar, mul, substitute } from "../../../compiler/ir/dim.js";
import type { Value } from "../../../compiler/ir/graph.js";
import { type Expr, type ExprPool, reindex } from "../expr.js";
import type { Frame } from "../frame.js";
import { forLoop, LANES, symbolOf } from "../nest.js";
import type { Stmt } from "../stmt.js";
import { Vectorizer } from "../vectorize.js";
import { tileLanes, tiles } from "./tile.js";

/**
 * Fills the scratch's first depth * nr elements with keys `key` .. key + nr - 1: element e of key j goes to e * nr + j.
 */
export function packPanel(
  frame: Frame,
  keys: Value,
  depth: number,
  nr: number,
  key: Dim,
  position: (element: Dim, key: Dim) => Dim[],
): Stmt[] {
  const { reader, scratch } = frame;
  const element = indexVar("element", depth);
  const read = (j: number): Expr => reader.at(keys, position(element, add(key, j)));
  const store = (at: Dim, j: number, value: Expr): Stmt => ({
    kind: "store",
    buffer: scratch,
    dtype: "f32",
    index: add(mul(at, nr), j),
    value,
  });
  let lanes = tileLanes(frame, nr);
  while (lanes > LANES && lanes > depth) lanes /= 2;
  const wide = new Vectorizer(frame.pool, symbolOf(element), lanes);
  const rows = Array.from({ length: nr }, (_, j) => wide.vector(read(j)));
  if (depth < lanes || rows.some((r) => r === null || r.kind !== "load"))
    return [
      forLoop(
        element,
        depth,
        rows.map((_, j) => store(element, j, read(j))),
      ),
    ];
  return tiles(frame, "turn", lanes, depth, (start) => {
    const symbol = symbolOf(element);
    const at = (d: Dim): Dim => substitute(d, (s) => (s === symbol ? start : undefined));
    const moved = rows.flatMap((r) => (r === null ? [] : [reindex(frame.pool, r, at)]));
    const stores: Stmt[] = [];
    for (let j = 0; j < nr; j += lanes)
      for (const [e, column] of turned(frame.pool, moved.slice(j, j + lanes)).entries())
        stores.push(store(add(start, e), j, column));
    return stores;
  });
}

/** As many vectors as they have lanes, as the columns of the block whose rows they are. */
export function turned(pool: ExprPool, rows: readonly Expr[]): Expr[] {
  const half = rows.length / 2;
  let out = [...rows];
  // Each round puts elements of rows half the block apart side by side.
  for (let done = 1; done < rows.length; done *= 2)
    out = out.slice(0, half).flatMap((low, i) => {
      const high = out[i + half] ?? low;
      return [pool.same("zipLow", low, high), pool.same("zipHigh", low, high)];
    });
  return out;
}
