// Contractions of bytes for targets of which only some machines multiply bytes. Their rows are bytes that are widened to 16
// bits: machines with dot products of bytes read what is widened, the others what it is widened to. Both have a buffer,
// and the kernel that widens does nothing where nobody reads what it makes.

import { bytesOf } from "../ir/dtype.js";
import { constantOf, isOp, type Node, type Value } from "../ir/graph.js";
import { blockForm } from "./blocks.js";
import { chooseTile, isContiguousA, matmulForm, tileShape } from "./contraction.js";
import { widenedPanelBytes } from "./paired.js";
import type { TileChooser } from "./tiles.js";
import type { Uses } from "./uses.js";

export interface ByteRows {
  /** The rows in bytes, by contraction. */
  readonly rows: ReadonlyMap<Node, Value>;
  /** Casts whose results are read in 16 bits by such contractions alone. */
  readonly widenings: ReadonlySet<Node>;
}

/** What a contraction's rows are widened from, where tiles of bytes by packed bytes compute it; null otherwise. */
function rowsInBytes(node: Node, tiles: TileChooser): Value | null {
  const [a, b] = node.inputs;
  if (a === undefined || b?.type.dtype !== "i8" || constantOf(b) === undefined) return null;
  const [bytes] = a.node.op === "cast" && a.type.dtype === "i16" ? a.node.inputs : [];
  if (bytes?.type.dtype !== "u8" || node.outputs[0]?.type.dtype !== "i32" || blockForm(node) !== null) return null;
  const { template, choices } = chooseTile(node, tiles);
  const form = template === "matmul" ? matmulForm(node) : null;
  if (form === null ? template !== "conv" : !isContiguousA({ ...form, a: bytes })) return null;
  if (isOp(node, "conv") && node.attrs.layout !== "nhwc") return null;
  const isWide = tileShape(node).columns >= Number(choices["nr"]);
  return isWide && widenedPanelBytes(node, template, choices, bytesOf("i32")) > 0 ? bytes : null;
}

/** Those of a graph; none for targets whose machines are alike. */
export function byteRowsOf({ usersFirst, of, rooted }: Uses, tiles: TileChooser): ByteRows {
  const rows = new Map<Node, Value>();
  if (!tiles.widensBytes) return { rows, widenings: new Set() };
  for (const node of usersFirst) {
    const bytes = node.op === "matmul" || node.op === "conv" ? rowsInBytes(node, tiles) : null;
    if (bytes !== null) rows.set(node, bytes);
  }
  const isRows = (v: Value): boolean => (of.get(v) ?? []).every((u) => u.operand === 0 && rows.has(u.node));
  const made = [...rows.keys()].flatMap((node) => node.inputs.slice(0, 1));
  return { rows, widenings: new Set(made.filter((v) => !rooted.has(v) && isRows(v)).map((v) => v.node)) };
}
