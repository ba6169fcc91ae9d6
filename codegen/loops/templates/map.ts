// map: every output element is an expression of the inputs at one position. Where the output's innermost axis strides
// through the inputs and another axis runs along them, square blocks of a vector's lanes are read as rows and turned in
// registers.

import { add, type Dim, indexVar, linearIn, provenLessEqual, type Sym, substitute } from "../../../compiler/ir/dim.js";
import { bytesOf } from "../../../compiler/ir/dtype.js";
import { stageElements } from "../../../compiler/schedule/stages.js";
import { type Position, ravel } from "../../../compiler/schedule/views.js";
import type { Expr } from "../expr.js";
import type { Frame } from "../frame.js";
import { LANES, mergeAxes, type Nest, parallelLoop, stored, storeNest, symbolOf } from "../nest.js";
import type { Stmt } from "../stmt.js";
import { Vectorizer } from "../vectorize.js";
import { turned } from "./key-panel.js";
import { tiles } from "./tile.js";

export function lowerMap(frame: Frame): Stmt[] {
  const { pool, reader, output, buffer } = frame;
  const { shape, dtype } = output.type;
  const read = (position: Position): Expr => reader.at(output, position);
  const nest = mergeAxes(pool, shape, "i", read);
  const value = read(nest.position);
  const area = { buffer: frame.scratch, first: 0, elements: stageElements(frame.kernel.nodes) };
  return (
    turnedNest(frame, nest, value) ?? storeNest(pool, nest, buffer(output), dtype, (p) => ravel(p, shape), value, area)
  );
}

/** How loads move with a loop variable: strides other than 0 and 1 are counted apart. */
function strides(e: Expr, v: Sym, into: { unit: number; far: number; odd: number }, seen: Set<Expr>): void {
  if (seen.has(e)) return;
  seen.add(e);
  if (e.kind === "load") {
    const linear = linearIn(e.index, v);
    if (linear === null || bytesOf(e.dtype) !== 4) into.odd++;
    else if (linear.coeff === 1) into.unit++;
    else if (linear.coeff !== 0) into.far++;
  } else if (e.kind === "op") for (const a of e.args) strides(a, v, into, seen);
}

function stridesOf(e: Expr, v: Dim): { unit: number; far: number; odd: number } {
  const into = { unit: 0, far: 0, odd: 0 };
  strides(e, symbolOf(v), into, new Set());
  return into;
}

function turnedNest(frame: Frame, nest: Nest, value: Expr): Stmt[] | null {
  const { pool, reader, output, buffer } = frame;
  const { shape, dtype } = output.type;
  const last = nest.vars.length - 1;
  const v = nest.vars[last];
  const sizeV = nest.sizes[last];
  if (v === undefined || sizeV === undefined || last < 1 || bytesOf(dtype) !== 4) return null;
  const inner = stridesOf(value, v);
  if (inner.far === 0 || inner.unit > 0 || inner.odd > 0 || !provenLessEqual(LANES, sizeV)) return null;
  const across = nest.vars.findIndex((u, i) => {
    if (i === last || !provenLessEqual(LANES, nest.sizes[i] ?? 1)) return false;
    const s = stridesOf(value, u);
    return s.unit > 0 && s.far === 0 && s.odd === 0;
  });
  const u = nest.vars[across];
  const sizeU = nest.sizes[across];
  if (u === undefined || sizeU === undefined) return null;
  let lanes = pool.vectorLanes;
  while (lanes > LANES && !(provenLessEqual(lanes, sizeU) && provenLessEqual(lanes, sizeV))) lanes /= 2;
  const positionAt = (atU: Dim, atV: Dim): Dim[] =>
    nest.position.map((p) => substitute(p, (s) => (s === symbolOf(u) ? atU : s === symbolOf(v) ? atV : undefined)));
  let failed = false;
  const block = (startU: Dim, startV: Dim): Stmt[] => {
    // A start that is a number still needs a variable to vectorize over, whose range is that of the lanes.
    const base = typeof startU === "number" ? indexVar("turn", lanes) : startU;
    if (typeof startU === "number") pool.dynamic.set(symbolOf(base), pool.i32(startU));
    const vectorizer = new Vectorizer(pool, symbolOf(base), lanes);
    const rows: Expr[] = [];
    for (let i = 0; i < lanes; i++) {
      const row = vectorizer.vector(stored(pool, dtype, reader.at(output, positionAt(base, add(startV, i)))));
      if (row === null) failed = true;
      else rows.push(row);
    }
    return turned(pool, rows).map(
      (c, j): Stmt => ({
        kind: "store",
        buffer: buffer(output),
        dtype,
        index: ravel(positionAt(add(startU, j), startV), shape),
        value: c,
      }),
    );
  };
  let body = tiles(frame, "turnU", lanes, sizeU, (startU) =>
    tiles(frame, "turnV", lanes, sizeV, (startV) => block(startU, startV)),
  );
  if (failed) return null;
  for (let i = last - 1; i >= 0; i--)
    if (i !== across) body = [parallelLoop(nest.vars[i] ?? 0, nest.sizes[i] ?? 1, body)];
  return body;
}
