// The channels of an image that the lanes of a vector of results read, in a convolution whose groups are so small that a
// vector has the results of several.

import type { GroupSize } from "../../../compiler/schedule/tiles.js";
import type { Expr, ExprPool, Reg } from "../expr.js";
import { LANES } from "../nest.js";

/** Reads channels of the image, `element` behind the tile's first one: one in every lane, or as many as there are lanes. */
export type ReadChannels = (element: number, type: Reg, splat: boolean) => Expr;

/** Input `p` of each lane's group in the `j`-th vector of a tile, which begins at a group and has whole ones: `results` of them. */
export function groupLanes(
  pool: ExprPool,
  type: Reg,
  { inputs, results }: Pick<GroupSize, "inputs" | "results">,
  [j, p]: readonly [number, number],
  columns: number,
  read: ReadChannels,
): Expr {
  const { kind, lanes } = type;
  const elements = Array.from({ length: lanes }, (_, l) => Math.floor((j * lanes + l) / results) * inputs + p);
  const [first = 0] = elements;
  if (elements.every((e) => e === first)) return read(first, type, true);
  if (elements.every((e, l) => e === first + l)) return read(first, type, false);
  // Whole vectors of what the tile reads, so that nothing behind it is read.
  const width = (columns / results) * inputs;
  let piece = lanes;
  while (width % piece !== 0) piece /= 2;
  if (piece < LANES) return pool.lanes(elements.map((e) => read(e, { kind, lanes: 1 }, false)));
  return pool.lanes(elements.map((e) => pool.lane(read(e - (e % piece), { kind, lanes: piece }, false), e % piece)));
}
