// A panel of a few keys for a register tile: element by element of the keys, the keys side by side. Keys lie row by row
// in memory, so 4 by 4 blocks are read as rows and turned in registers.

import { add, type Dim, indexVar, mul, substitute } from "../../../compiler/ir/dim.js";
import type { Value } from "../../../compiler/ir/graph.js";
import { type Expr, type ExprPool, reindex } from "../expr.js";
import type { Frame } from "../frame.js";
import { forLoop, LANES, symbolOf } from "../nest.js";
import type { Stmt } from "../stmt.js";
import { Vectorizer } from "../vectorize.js";
import { tiles } from "./tile.js";

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
  const wide = new Vectorizer(frame.pool, symbolOf(element), LANES);
  const rows = Array.from({ length: nr }, (_, j) => wide.vector(read(j)));
  if (depth < LANES || rows.some((r) => r === null || r.kind !== "load"))
    return [
      forLoop(
        element,
        depth,
        rows.map((_, j) => store(element, j, read(j))),
      ),
    ];
  return tiles(frame, "turn", LANES, depth, (start) => {
    const symbol = symbolOf(element);
    const at = (d: Dim): Dim => substitute(d, (s) => (s === symbol ? start : undefined));
    const moved = rows.flatMap((r) => (r === null ? [] : [reindex(frame.pool, r, at)]));
    const stores: Stmt[] = [];
    for (let j = 0; j < nr; j += LANES)
      for (const [e, column] of turned(frame.pool, moved.slice(j, j + LANES)).entries())
        stores.push(store(add(start, e), j, column));
    return stores;
  });
}

/** Four vectors as the four columns of the block whose rows they are. */
export function turned(pool: ExprPool, rows: readonly Expr[]): Expr[] {
  const [r0, r1, r2, r3] = rows;
  if (r0 === undefined || r1 === undefined || r2 === undefined || r3 === undefined) return [];
  const zip = (a: Expr, b: Expr): [Expr, Expr] => [pool.same("zipLow", a, b), pool.same("zipHigh", a, b)];
  const [low02, high02] = zip(r0, r2);
  const [low13, high13] = zip(r1, r3);
  return [...zip(low02, low13), ...zip(high02, high13)];
}
