// Products whose right operand is computed: whether its panels are copied to scratch before tiles of rows read them.

import { type Dim, mul, range } from "../ir/dim.js";
import { bytesOf } from "../ir/dtype.js";
import { constantOf } from "../ir/graph.js";
import type { MatmulForm } from "./contraction.js";
import type { Tile } from "./tiles.js";

/** Tiles of rows that share a panel from which on its copy costs little. */
const LEAST_TILES = 8;
/** Bytes of a row of the operand from which on a panel's rows lie on pages of their own, or share sets of a cache. */
const FAR = 4096;

/** Whether panels are copied: of single floats, for many rows, from rows that lie far apart. */
export function copiesPanels({ a, b, m, n }: MatmulForm, { mr }: Tile): boolean {
  if (constantOf(b) !== undefined || a.type.dtype !== "f32" || b.type.dtype !== "f32") return false;
  return range(m).hi >= LEAST_TILES * mr && mr > 1 && range(n).hi * bytesOf("f32") >= FAR;
}

/** Bytes of a copied panel. */
export function copiedPanelBytes({ k }: MatmulForm, nr: number): Dim {
  return mul(k, nr * bytesOf("f32"));
}
