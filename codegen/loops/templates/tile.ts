// The register tile of a contraction: mr rows of `a` by nr columns of `b`, one multiply-add per element and step of k. The
// sums run over k in order whatever the tile is, so every tile gives the same bits. Tiles overlap at the far edges
// instead of shrinking: the last one starts at size - length, and writes some elements a second time with the same value.

import { add, ceildiv, type Dim, indexVar, min, mul, provenLessEqual, sub } from "../../../compiler/ir/dim.js";
import type { DType } from "../../../compiler/ir/dtype.js";
import { bytesOf } from "../../../compiler/ir/dtype.js";
import type { Value } from "../../../compiler/ir/graph.js";
import { choiceOf } from "../../../compiler/schedule/choices.js";
import type { Tile } from "../../../compiler/schedule/tiles.js";
import { ravel, unravel } from "../../../compiler/schedule/views.js";
import { type Expr, I32, type RegKind } from "../expr.js";
import type { Frame } from "../frame.js";
import { decodeNarrow } from "../narrow.js";
import { LANES, parallelLoop, stored, symbolOf } from "../nest.js";
import { fromAccumulator } from "../reduction.js";
import type { Stmt } from "../stmt.js";
import { Vectorizer } from "../vectorize.js";

/** What is multiplied: element types and what the sums are kept in. */
export interface Element {
  readonly a: DType;
  readonly b: DType;
  readonly sum: DType;
}

/** Register kinds that the vector tile has: 32-bit sums of operands that load straight into them, or of two of bfloat16. */
export function tileKind({ a, b, sum }: Element): RegKind | null {
  const narrow = (d: DType): boolean =>
    d === "i8" || d === "u8" || d === "i16" || d === "u16" || d === "i32" || d === "u32";
  if (sum === "f32" && a === b && (a === "f32" || a === "bf16")) return "f32";
  if ((sum === "i32" || sum === "u32") && narrow(a) && narrow(b)) return "i32";
  return null;
}

/**
 * How many elements along k a dot product of the machine takes: four bytes against a packed constant of bytes, of which one
 * side is signed, pairs of 16 bits against one of 8 or 16, or pairs of bfloat16, of which rows have whole ones; 1 where
 * there is none.
 */
export function dotWidth({ a, b, sum }: Element, packed: boolean): 1 | 2 | 4 {
  if (!packed) return 1;
  if (a === "bf16" && b === "bf16" && sum === "f32") return 2;
  if (sum !== "i32") return 1;
  if ((a === "u8" && b === "i8") || (a === "i8" && (b === "u8" || b === "u4"))) return 4;
  return a === "i16" && (b === "i8" || b === "i16") ? 2 : 1;
}

/** Where a row of `a` starts: rows a constant distance apart share one pointer, which is one addition less per step. */
export interface RowAt {
  readonly address: Expr;
  /** Bytes behind it. */
  readonly offset: number;
}

/** Rows that start at these elements of a buffer. */
export function rowsAt(frame: Frame, buffer: number, starts: readonly Dim[], bytes: number): RowAt[] {
  const [first = 0] = starts;
  const address = frame.pool.address(buffer, first, bytes);
  return starts.map((start) => {
    const distance = sub(start, first);
    if (typeof distance === "number" && distance >= 0) return { address, offset: distance * bytes };
    return { address: frame.pool.address(buffer, start, bytes), offset: 0 };
  });
}

/** A moving pointer for every address that rows start from. */
export function rowPointers({ pool }: Frame, rows: readonly (RowAt | null)[]): ReadonlyMap<Expr, Expr> {
  const addresses = new Set(rows.flatMap((r) => (r === null ? [] : [r.address])));
  return new Map([...addresses].map((a, i) => [a, pool.variable(I32, `pa${i}`)] as const));
}

/** What a tile asks for while it multiplies, since others read it next: every step a line, `stride` bytes further. */
export interface Ahead {
  readonly from: Expr;
  readonly stride: Expr;
}

/** The start and the step of a tile's pointer ahead. */
function askAhead({ pool }: Frame, ahead: Ahead | null): { readonly start: Stmt[]; readonly step: Stmt[] } {
  if (ahead === null) return { start: [], step: [] };
  const at = pool.variable(I32, "ahead");
  return {
    start: [{ kind: "set", target: at, value: ahead.from }],
    step: [
      { kind: "prefetch", address: at },
      { kind: "set", target: at, value: pool.same("add", at, ahead.stride) },
    ],
  };
}

/**
 * acc += a[i] . b over `steps` dot products along k (dotWidth). Rows whose length is no multiple of that read some elements
 * more, against zeros. `width`: columns of a step of the panel, of which the tile's are the first.
 */
export function accumulateDots(
  frame: Frame,
  element: Element,
  acc: readonly (readonly Expr[])[],
  rows: readonly RowAt[],
  panel: Expr,
  steps: Dim,
  width: number,
  ahead: Ahead | null = null,
): Stmt[] {
  const { pool } = frame;
  const lanes = acc[0]?.[0]?.type.lanes ?? LANES;
  const wide = { kind: "i32", lanes } as const;
  const dot = dotWidth(element, true);
  const pa = rowPointers(frame, rows);
  const pb = pool.variable(I32, "pb");
  const end = pool.variable(I32, "pend");
  const columnBytes = dot * bytesOf(element.b);
  const step = width * columnBytes;
  const body: Stmt[] = [];
  const columns = (acc[0] ?? []).map((_, j) => {
    const b = pool.variable(wide, `b${lanes}_${j}`);
    // Pairs of bytes are widened as they are read.
    const [dtype, type] = columnBytes < 4 ? (["i8", { ...wide, lanes: 2 * lanes }] as const) : (["i32", wide] as const);
    const load = pool.loadAt(pb, j * lanes * columnBytes, dtype, type);
    body.push({ kind: "set", target: b, value: load });
    return b;
  });
  for (const [i, row] of acc.entries()) {
    const a = pool.variable(wide, `a${lanes}`);
    const { address = pb, offset = 0 } = rows[i] ?? {};
    body.push({ kind: "set", target: a, value: pool.loadAt(pa.get(address) ?? pb, offset, "i32", wide, true) });
    for (const [j, target] of row.entries()) {
      const b = columns[j] ?? a;
      body.push({ kind: "set", target, value: dotOnto(frame, element, a, b, target) });
    }
  }
  for (const p of pa.values()) body.push({ kind: "set", target: p, value: pool.same("add", p, pool.i32(4)) });
  body.push({ kind: "set", target: pb, value: pool.same("add", pb, pool.i32(step)) });
  const asked = askAhead(frame, ahead);
  body.push(...asked.step);
  return [
    ...asked.start,
    ...[...pa].map(([value, target]): Stmt => ({ kind: "set", target, value })),
    { kind: "set", target: pb, value: panel },
    { kind: "set", target: end, value: pool.same("add", pb, pool.index(mul(steps, step))) },
    { kind: "while", mask: pool.compare("ltU", pb, end), body },
  ];
}

/** Lanes of a tile's vectors: its columns are whole vectors. */
export function tileLanes({ pool }: Frame, nr: number): number {
  let lanes = pool.vectorLanes;
  while (lanes > LANES && nr % lanes !== 0) lanes /= 2;
  return lanes;
}

/** sum + a . b over the elements of each lane: of bytes the unsigned side first. */
export function dotOnto({ pool }: Frame, element: Element, a: Expr, b: Expr, sum: Expr): Expr {
  if (element.a === "bf16") return pool.op("dotBf16", sum.type, a, b, sum);
  if (dotWidth(element, true) === 2) return pool.same("add", sum, pool.same("dot16", a, b));
  if (element.a === "u8") return pool.same("dot8", a, b, sum);
  return pool.same(element.b === "u4" ? "dot7" : "dot8", b, a, sum);
}

export function accumulators(frame: Frame, kind: RegKind, { mr, nr }: Tile, lanes = tileLanes(frame, nr)): Expr[][] {
  return Array.from({ length: mr }, (_, i) =>
    Array.from({ length: nr / lanes }, (_, j) => frame.pool.variable({ kind, lanes }, `acc${lanes}_${i}_${j}`)),
  );
}

export function clearTile(frame: Frame, acc: readonly (readonly Expr[])[]): Stmt[] {
  return acc.flat().map((target) => ({ kind: "set", target, value: frame.pool.constant(target.type, 0) }));
}

/**
 * acc += a[i] * b over `steps` of k: row pointers advance by `strideA` bytes, the panel's by `strideB`.
 */
export function accumulate(
  frame: Frame,
  element: Element,
  acc: readonly (readonly Expr[])[],
  rows: readonly RowAt[],
  panel: Expr,
  steps: Dim,
  strideA: Expr,
  strideB: Expr,
  ahead: Ahead | null = null,
): Stmt[] {
  const { pool } = frame;
  const wide = acc[0]?.[0]?.type ?? { kind: "f32", lanes: LANES };
  const { lanes } = wide;
  const pa = rowPointers(frame, rows);
  const pb = pool.variable(I32, "pb");
  const end = pool.variable(I32, "pend", false);
  const read = (dtype: DType, at: Expr, offset: number, splat: boolean): Expr =>
    dtype === "bf16"
      ? decodeNarrow(pool, dtype, pool.loadAt(at, offset, dtype, { kind: "i32", lanes }, splat))
      : pool.loadAt(at, offset, dtype, wide, splat);
  const stmts: Stmt[] = [...pa].map(([value, target]) => ({ kind: "set", target, value }));
  stmts.push({ kind: "set", target: pb, value: panel });
  // A panel whose rows are one row in memory (a broadcast one, or the only one) stays where it is: its steps are counted.
  const isFixed = strideB.kind === "const" && strideB.value === 0;
  const length = isFixed ? pool.index(steps) : pool.same("add", pb, pool.same("mul", pool.index(steps), strideB));
  stmts.push({ kind: "set", target: end, value: length });
  const body: Stmt[] = [];
  const columns = (acc[0] ?? []).map((_, j) => {
    const b = pool.variable(wide, `b${lanes}_${j}`);
    body.push({ kind: "set", target: b, value: read(element.b, pb, j * lanes * bytesOf(element.b), false) });
    return b;
  });
  for (const [i, row] of acc.entries()) {
    const a = pool.variable(wide, `a${lanes}`);
    const { address = pb, offset = 0 } = rows[i] ?? {};
    body.push({ kind: "set", target: a, value: read(element.a, pa.get(address) ?? pb, offset, true) });
    for (const [j, target] of row.entries())
      body.push({ kind: "set", target, value: pool.same("madd", a, columns[j] ?? a, target) });
  }
  for (const p of pa.values()) body.push({ kind: "set", target: p, value: pool.same("add", p, strideA) });
  const [moved, by] = isFixed ? [end, pool.i32(-1)] : [pb, strideB];
  body.push({ kind: "set", target: moved, value: pool.same("add", moved, by) });
  const asked = askAhead(frame, ahead);
  body.push(...asked.step);
  stmts.push(...asked.start);
  stmts.push({ kind: "while", mask: pool.compare("ltU", isFixed ? pool.i32(0) : pb, end), body });
  return stmts;
}

/** The start of a tile that may overlap the one before: min(t * length, size - length), as an index of its own. */
function tileStart(frame: Frame, t: Dim, length: number, size: Dim): Dim {
  const { pool } = frame;
  const last = sub(size, length);
  const start = pool.same("minS", pool.index(mul(t, length)), pool.index(last));
  return frame.reader.dynamicIndex(start, sub(size, length - 1));
}

/** What is to be done for a tile that starts there, the `at`-th of its loop. */
export type TileBody = (start: Dim, at: Dim) => Stmt[];

/** Loops over tiles of `length` along `size`, which is at least `length`. */
export function tiles(frame: Frame, name: string, length: number, size: Dim, body: TileBody): Stmt[] {
  if (size === length) return body(0, 0);
  const count = ceildiv(size, length);
  const t = indexVar(name, count);
  return [parallelLoop(t, count, body(tileStart(frame, t, length, size), t))];
}

/** The length of as few blocks of at most `most` as there can be, and as equal: threads share them. */
export function evenBlock(count: Dim, most: number): number {
  return typeof count === "number" && count > 0 ? Math.ceil(count / Math.ceil(count / most)) : most;
}

/**
 * `tiles` in blocks: `around` gets the loops over the tiles of one block and may put other loops around them, so that
 * the block's rows are read from cache again; `inBlock` is how many tiles a block has, at most. `perTile`: bytes of a
 * tile's rows.
 */
export function blockedTiles(
  frame: Frame,
  name: string,
  length: number,
  size: Dim,
  perTile: number,
  around: (inner: (body: TileBody) => Stmt[], inBlock: Dim) => Stmt[],
): Stmt[] {
  const most = Math.max(4, Math.floor((choiceOf(frame.kernel, "block") * 1024) / Math.max(1, perTile)));
  const count = ceildiv(size, length);
  const block = evenBlock(count, most);
  if (size === length || provenLessEqual(count, block))
    return around((body) => tiles(frame, name, length, size, body), count);
  const blocks = ceildiv(count, block);
  const b = indexVar(`${name}Block`, blocks);
  const t = indexVar(name, count);
  const from = mul(b, block);
  const inner = (body: TileBody): Stmt[] => [
    {
      kind: "for",
      v: t,
      from,
      to: min(add(from, block), count),
      step: 1,
      body: body(tileStart(frame, t, length, size), sub(t, from)),
      parallel: true,
    },
  ];
  return [parallelLoop(b, blocks, around(inner, block))];
}

/** One body where `size >= length` is settled, else both under a test. */
export function whenAtLeast(frame: Frame, size: Dim, length: number, large: () => Stmt[], small: () => Stmt[]): Stmt[] {
  if (provenLessEqual(length, size)) return large();
  if (provenLessEqual(size, length - 1)) return small();
  const { pool } = frame;
  const mask = pool.compare("le", pool.i32(length), pool.index(size));
  return [{ kind: "if", mask, yes: large(), no: small() }];
}

/** The parts of a panel's columns that tiles take one after another. */
export function tileParts(panel: number, nr: number, body: (part: Dim) => Stmt[]): Stmt[] {
  if (panel === nr) return body(0);
  const part = indexVar("part", panel / nr);
  return [parallelLoop(part, panel / nr, body(mul(part, nr)))];
}

/** Panels of `nr` of a constant's columns: one where there are fewer, which its last columns are added to. */
export function panelTiles(frame: Frame, nr: number, columns: Dim, body: TileBody): Stmt[] {
  return typeof columns === "number" && columns < nr ? body(0, 0) : tiles(frame, "panel", nr, columns, body);
}

/** The parts of a panel that tiles of `nr` columns take, where the panel has columns behind the last of `columns`. */
export function panelParts(frame: Frame, panel: number, nr: number, columns: Dim, body: (part: Dim) => Stmt[]): Stmt[] {
  if (typeof columns !== "number" || columns >= panel) return tileParts(panel, nr, body);
  return columns < nr ? body(0) : tiles(frame, "part", nr, columns, body);
}

/** Rows of a tile below which there is a tile of a few rows before single ones. */
const FEW = 4;

/** Tiles of `mr` rows where there are as many; of fewer where the number of rows is only known when it runs. */
export function rowTiles(frame: Frame, size: Dim, mr: number, body: (mr: number) => Stmt[]): Stmt[] {
  if (mr === 1) return body(1);
  const fewer = mr > FEW ? Math.ceil(mr / 3) : 1;
  return whenAtLeast(
    frame,
    size,
    mr,
    () => body(mr),
    () => rowTiles(frame, size, fewer, body),
  );
}

/** Where a tile's elements go after the epilogue, which ends at `value`. */
export interface Target {
  readonly value: Value;
  readonly buffer: number;
  /** Element `flat` of the value, row-major, in row `i` of the tile. */
  index(flat: Dim, i: number, column: Dim): Dim;
}

/** The kernel's output. */
export function outputTarget({ output, buffer }: Frame): Target {
  const { shape } = output.type;
  return { value: output, buffer: buffer(output), index: (flat) => ravel(unravel(flat, shape), shape) };
}

/**
 * Stores a tile through the epilogue. `flat(i, column)`: row-major offset of an element of the contraction's result;
 * `column` is the index variable or number of the tile's first column, `columns` how many of the tile's are stored.
 */
export function storeTile(
  frame: Frame,
  result: Value,
  acc: readonly (readonly Expr[])[],
  column: Dim,
  flat: (i: number, column: Dim) => Dim,
  target: Target = outputTarget(frame),
  columns = Number.POSITIVE_INFINITY,
): Stmt[] {
  const { pool, reader } = frame;
  const { shape, dtype } = target.value.type;
  const out: Stmt[] = [];
  const store = (sum: Expr, i: number, from: number, name: string): void => {
    const { kind, lanes } = sum.type;
    // A tile that starts at column 0 still needs a variable to vectorize over, whose range is that of the lanes.
    const base = typeof column === "number" ? indexVar(`column0x${lanes}`, lanes) : column;
    if (typeof column === "number") pool.dynamic.set(symbolOf(base), pool.i32(column));
    const scalar = pool.variable({ kind, lanes: 1 }, name);
    reader.held.set(result, () => fromAccumulator(pool, result.type.dtype, scalar));
    reader.reset();
    const first = shift(base, from);
    const at = flat(i, first);
    const value = stored(pool, dtype, reader.at(target.value, unravel(at, shape)));
    const vectorizer = new Vectorizer(pool, symbolOf(base), lanes);
    vectorizer.bind(scalar, sum);
    const vector = bytesOf(dtype) > 4 ? null : vectorizer.vector(value);
    const index = target.index(at, i, first);
    if (vector !== null) out.push({ kind: "store", buffer: target.buffer, dtype, index, value: vector });
    else out.push(...storeLanes(frame, result, sum, i, first, flat, target));
  };
  /** The first `count` lanes of a vector: two parts of it, which may overlap, or one after another. */
  const storeSome = (sum: Expr, i: number, from: number, count: number): void => {
    let width = sum.type.lanes;
    while (width > count) width /= 2;
    const lane = (l: number): Expr => pool.lane(sum, l);
    if (width < LANES) {
      for (let l = 0; l < count; l++) {
        const at = shift(column, from + l);
        out.push(storeElement(frame, result, lane(l), flat(i, at), i, at, target));
      }
      return;
    }
    for (const start of new Set([0, count - width])) {
      const part = pool.lanes(Array.from({ length: width }, (_, l) => lane(start + l)));
      store(part, i, from + start, `part${i}_${from + start}`);
    }
  };
  for (const [i, row] of acc.entries()) {
    for (const [j, sum] of row.entries()) {
      const from = j * sum.type.lanes;
      if (columns >= from + sum.type.lanes) store(sum, i, from, `sum${i}_${j}`);
      // A vector behind the last column has zeros alone.
      else if (columns > from) storeSome(sum, i, from, columns - from);
    }
  }
  return out;
}

/** The epilogue lane by lane, where it has no vector form. */
function storeLanes(
  frame: Frame,
  result: Value,
  sum: Expr,
  i: number,
  column: Dim,
  flat: (i: number, column: Dim) => Dim,
  target: Target,
): Stmt[] {
  const { pool } = frame;
  return Array.from({ length: sum.type.lanes }, (_, lane) => {
    const at = shift(column, lane);
    return storeElement(frame, result, pool.lane(sum, lane), flat(i, at), i, at, target);
  });
}

/** Stores one sum through the epilogue. */
export function storeElement(
  frame: Frame,
  result: Value,
  sum: Expr,
  flat: Dim,
  i: number,
  column: Dim,
  target: Target,
): Stmt {
  const { pool, reader } = frame;
  const { shape, dtype } = target.value.type;
  reader.held.set(result, () => fromAccumulator(pool, result.type.dtype, sum));
  reader.reset();
  const value = stored(pool, dtype, reader.at(target.value, unravel(flat, shape)));
  return { kind: "store", buffer: target.buffer, dtype, index: target.index(flat, i, column), value };
}

function shift(base: Dim, by: number): Dim {
  return by === 0 ? base : sub(base, -by);
}
