// map: every output element is an expression of the inputs at one position. Where the output's innermost axis strides
// through the inputs and another axis runs along them, square blocks of a vector's lanes are read as rows and turned in
// registers, as many as fill the cache lines that they touch.

import {
  add,
  type Dim,
  indexVar,
  linearIn,
  mul,
  provenLessEqual,
  type Sym,
  substitute,
} from "../../../compiler/ir/dim.js";
import { gcd } from "../../../compiler/ir/dim-node.js";
import { bytesOf } from "../../../compiler/ir/dtype.js";
import { stageElements } from "../../../compiler/schedule/stages.js";
import { type Position, ravel } from "../../../compiler/schedule/views.js";
import { type Expr, reindex } from "../expr.js";
import type { Frame } from "../frame.js";
import { forLoop, LANES, mergeAxes, type Nest, parallelLoop, stored, storeNest, symbolOf } from "../nest.js";
import type { Stmt } from "../stmt.js";
import { Vectorizer } from "../vectorize.js";
import { turned } from "./key-panel.js";
import { pairedNest } from "./paired.js";
import { tiles } from "./tile.js";

export function lowerMap(frame: Frame): Stmt[] {
  const { pool, reader, output, buffer } = frame;
  const { shape, dtype } = output.type;
  const read = (position: Position): Expr => reader.at(output, position);
  const nest = mergeAxes(pool, shape, "i", read);
  const value = read(nest.position);
  const area = { buffer: frame.scratch, first: 0, elements: stageElements(frame.kernel.nodes) };
  return (
    pairedNest(frame, nest, value) ??
    turnedNest(frame, nest, value) ??
    storeNest(pool, nest, buffer(output), dtype, (p) => ravel(p, shape), value, area)
  );
}

/** How loads move with a loop variable: how many by 1, the strides of those that move farther, and how many otherwise. */
interface Strides {
  unit: number;
  far: Dim[];
  odd: number;
}

function strides(e: Expr, v: Sym, into: Strides, seen: Set<Expr>): void {
  if (seen.has(e)) return;
  seen.add(e);
  if (e.kind === "load") {
    const linear = linearIn(e.index, v);
    if (linear === null || bytesOf(e.dtype) !== 4) into.odd++;
    else if (linear.coeff === 1) into.unit++;
    else if (linear.coeff !== 0) into.far.push(linear.coeff);
  } else if (e.kind === "op") for (const a of e.args) strides(a, v, into, seen);
}

function stridesOf(e: Expr, v: Dim): Strides {
  const into = { unit: 0, far: [], odd: 0 };
  strides(e, symbolOf(v), into, new Set());
  return into;
}

const LINE_BYTES = 64;
/** A first-level cache that any machine has: 32 KiB, a line's place given by its address's lowest twelve bits. */
const CACHE = { sets: 64, ways: 8 };

/** Whether a column of `count` rows, `stride` elements of four bytes apart, stays in cache until its line's next column. */
function staysInCache(count: Dim, stride: Dim): boolean {
  if (typeof stride !== "number") return false;
  const bytes = Math.abs(stride) * 4;
  const isAligned = bytes % LINE_BYTES === 0;
  const sets = isAligned ? CACHE.sets / gcd(bytes / LINE_BYTES, CACHE.sets) : CACHE.sets;
  const lines = isAligned ? 1 : 2;
  return provenLessEqual(mul(count, lines), sets * CACHE.ways);
}

/**
 * Elements of a size that are turned together where a column is gone from the cache before its lines are done: a line's,
 * or fewer where the last, overlapping span would be much again.
 */
function spanOf(size: Dim, lanes: number): number {
  let span = LINE_BYTES / 4;
  const isMuch = (n: number): boolean => Math.ceil(n / span) * span > n * 1.06;
  while (span > lanes && (!provenLessEqual(span, size) || (typeof size === "number" && isMuch(size)))) span /= 2;
  return Math.max(span, lanes);
}

/** A span's blocks of a vector's lanes, one after the other. */
function blocks(name: string, span: number, lanes: number, from: Dim, body: (at: Dim) => Stmt[]): Stmt[] {
  if (span === lanes) return body(from);
  const i = indexVar(name, span / lanes);
  return [forLoop(i, span / lanes, body(add(from, mul(i, lanes))))];
}

function turnedNest(frame: Frame, nest: Nest, value: Expr): Stmt[] | null {
  const { pool, reader, output, buffer } = frame;
  const { shape, dtype } = output.type;
  const last = nest.vars.length - 1;
  const v = nest.vars[last];
  const sizeV = nest.sizes[last];
  if (v === undefined || sizeV === undefined || last < 1 || bytesOf(dtype) !== 4) return null;
  const inner = stridesOf(value, v);
  if (inner.far.length === 0 || inner.unit > 0 || inner.odd > 0 || !provenLessEqual(LANES, sizeV)) return null;
  const across = nest.vars.findIndex((u, i) => {
    if (i === last || !provenLessEqual(LANES, nest.sizes[i] ?? 1)) return false;
    const s = stridesOf(value, u);
    return s.unit > 0 && s.far.length === 0 && s.odd === 0;
  });
  const u = nest.vars[across];
  const sizeU = nest.sizes[across];
  if (u === undefined || sizeU === undefined) return null;
  let lanes = pool.vectorLanes;
  while (lanes > LANES && !(provenLessEqual(lanes, sizeU) && provenLessEqual(lanes, sizeV))) lanes /= 2;
  const positionAt = (atU: Dim, atV: Dim): Dim[] =>
    nest.position.map((p) => substitute(p, (s) => (s === symbolOf(u) ? atU : s === symbolOf(v) ? atV : undefined)));
  // Rows of a block, as vectors along u from `start` on.
  const start = indexVar("start", sizeU);
  const vectorizer = new Vectorizer(pool, symbolOf(start), lanes);
  const block = (atU: Dim, atV: Dim): Stmt[] | null => {
    const rows: Expr[] = [];
    for (let i = 0; i < lanes; i++) {
      const row = vectorizer.vector(stored(pool, dtype, reader.at(output, positionAt(start, add(atV, i)))));
      if (row === null) return null;
      rows.push(reindex(pool, row, (d) => substitute(d, (s) => (s === symbolOf(start) ? atU : undefined))));
    }
    return turned(pool, rows).map(
      (c, j): Stmt => ({
        kind: "store",
        buffer: buffer(output),
        dtype,
        index: ravel(positionAt(add(atU, j), atV), shape),
        value: c,
      }),
    );
  };
  let failed = false;
  const turnedAt = (atU: Dim, atV: Dim): Stmt[] => {
    const stores = block(atU, atV);
    if (stores === null) failed = true;
    return stores ?? [];
  };
  const stays = inner.far.every((stride) => staysInCache(sizeV, stride));
  const [spanU, spanV] = stays ? [lanes, lanes] : [spanOf(sizeU, lanes), spanOf(sizeV, lanes)];
  let body = tiles(frame, "turnU", spanU, sizeU, (startU) =>
    tiles(frame, "turnV", spanV, sizeV, (startV) =>
      blocks("blockU", spanU, lanes, startU, (atU) =>
        blocks("blockV", spanV, lanes, startV, (atV) => turnedAt(atU, atV)),
      ),
    ),
  );
  if (failed) return null;
  for (let i = last - 1; i >= 0; i--)
    if (i !== across) body = [parallelLoop(nest.vars[i] ?? 0, nest.sizes[i] ?? 1, body)];
  return body;
}
