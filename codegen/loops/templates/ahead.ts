// ahead: the weights of a convolution come from memory while its tiles multiply. Tiles that pass by a panel ask for lines of the
// next one in turns, one line of every step's row each, so that it is in the second-level cache when its own tiles begin.

import { add, type Dim, mod, mul } from "../../../compiler/ir/dim.js";
import { panelElements } from "../../../compiler/plan/pack.js";
import type { Expr } from "../expr.js";
import type { Frame } from "../frame.js";
import type { Panels } from "../stmt.js";
import type { Ahead } from "./tile.js";

const LINE = 64;
/** Bytes of a panel that stay in the second-level cache beside the next one and what tiles read, at most. */
const MOST_BYTES = 256 * 1024;
/** Bytes of all panels, at least: fewer are still in cache when a network's next run reads them. */
const LEAST_BYTES = 128 * 1024;
/** Rows of a tile whose steps have time for it, at least. */
const LEAST_ROWS = 4;

/**
 * What a tile of so many rows asks for while it reads a panel from `at` on; `tile` is its number among those that pass by.
 * Null where that would not help. `bytes`: of an element of the panel.
 */
export function aheadOf(
  { pool, unit }: Frame,
  panels: Panels | null,
  bytes: number,
  rows: number,
  tile: Dim,
  at: Expr,
): Ahead | null {
  if (!unit.prefetches || panels === null || rows < LEAST_ROWS) return null;
  const panel = panelElements(panels) * bytes;
  const all = panel * panels.batch * Math.ceil(panels.n / panels.nr);
  if (panel > MOST_BYTES || all < LEAST_BYTES) return null;
  const step = panels.nr * panels.pair * bytes;
  const lead = pool.index(add(panel, mul(mod(tile, Math.ceil(step / LINE)), LINE)));
  return { from: pool.same("add", at, lead), stride: pool.i32(step) };
}
