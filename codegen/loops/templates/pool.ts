// pool: the greatest or least of windows, and what follows it elementwise. Neither depends on an order, so windows are
// taken apart: a line of results first takes the extremes across its rows of the image, column by column, in vectors
// whatever the layout. They wait in scratch memory, between what stands for the columns outside the image, for those
// along the line. Rows outside the image are left out. All comparisons are of integers (ordered.ts).

import {
  add,
  ceildiv,
  type Dim,
  floordiv,
  indexVar,
  max,
  min,
  mul,
  provenLessEqual,
  sub,
} from "../../../compiler/ir/dim.js";
import { Bug } from "../../../compiler/ir/errors.js";
import { isOp, type Value } from "../../../compiler/ir/graph.js";
import {
  type Pooling,
  type PoolLine,
  poolingOf,
  poolLine,
  type WindowAxis,
} from "../../../compiler/schedule/pooling.js";
import { ravel, unravel } from "../../../compiler/schedule/views.js";
import { type Expr, I32 } from "../expr.js";
import type { Frame } from "../frame.js";
import { forLoop, LANES, parallelLoop, stored, symbolOf, vectorLoops } from "../nest.js";
import { type Ordered, orderedAs } from "../ordered.js";
import type { Stmt } from "../stmt.js";
import { Vectorizer } from "../vectorize.js";

/** More elements of a window than this are visited in a loop. */
const UNROLLED = 16;

type Store = Stmt & { readonly kind: "store" };

/** The elements of a window along one axis that lie in the image. */
interface Taps {
  readonly length: number;
  readonly from: Dim;
  readonly to: Dim;
}

interface Pool {
  readonly frame: Frame;
  readonly form: Pooling;
  readonly line: PoolLine;
  readonly ordered: Ordered;
  readonly result: Value;
  /** Position of a line: on every axis before the last that has windows. */
  readonly outer: readonly Dim[];
  readonly last: WindowAxis;
}

export function lowerPool(frame: Frame): Stmt[] {
  const { pool, kernel } = frame;
  const { anchor } = kernel;
  const form = isOp(anchor, "reduce") ? poolingOf(anchor, kernel.inputs) : null;
  const result = anchor.outputs[0];
  const last = form?.windows.at(-1);
  if (form === null || result === undefined || last === undefined) throw new Bug("loops", "pool without its windows");
  const sizes = form.counts.slice(0, last.axis);
  const outer = sizes.map((size, axis) => (size === 1 ? 0 : indexVar(`i${axis}`, size)));
  const ordered = orderedAs(pool, form.kind, form.from.type.dtype);
  const p: Pool = { frame, form, line: poolLine(form), ordered, result, outer, last };
  let body = [...acrossRows(p), ...outside(p), ...alongLine(p)];
  for (const [axis, v] of [...outer.entries()].reverse()) if (v !== 0) body = [parallelLoop(v, sizes[axis] ?? 1, body)];
  return body;
}

/** Loops over `v` that store the extreme of the elements at some taps: in vectors, and one at a time. */
function extremes(
  { frame: { pool }, ordered }: Pool,
  v: Dim,
  size: Dim,
  taps: readonly Taps[],
  element: (at: readonly Dim[]) => Expr,
  store: (extreme: Expr) => Store,
): Stmt[] {
  const count = taps.reduce((n, t) => n * t.length, 1);
  const isUnrolled = count <= UNROLLED && taps.every((t) => t.from === 0 && t.to === t.length);
  const acc = pool.variable(ordered.type, "acc");
  const vars = taps.map((t, i) => indexVar(`tap${i}`, t.length));
  const scalar = store(isUnrolled ? everyTap(taps).map(element).reduce(ordered.combine) : acc);
  const next = isUnrolled ? null : ordered.combine(acc, element(vars));
  const block = (lanes: number): Stmt[] | null => {
    const wide = pool.variable({ ...ordered.type, lanes }, `acc${lanes}`);
    const vectorizer = new Vectorizer(pool, symbolOf(v), lanes);
    vectorizer.bind(acc, wide);
    const value = vectorizer.vector(scalar.value);
    const step = next === null ? null : vectorizer.vector(next);
    if (value === null || (next !== null && step === null)) return null;
    return looped(wide, step, { ...scalar, value });
  };
  const looped = (target: Expr, step: Expr | null, last: Store): Stmt[] => {
    if (step === null) return [last];
    let body: Stmt[] = [{ kind: "set", target, value: step }];
    for (const [i, t] of [...taps.entries()].reverse())
      body = [{ kind: "for", v: vars[i] ?? 0, from: t.from, to: t.to, step: 1, body }];
    const start = pool.splat(ordered.initial, target.type.lanes);
    return [{ kind: "set", target, value: start }, ...body, last];
  };
  // What is left of a line is one more vector, which begins before the last one ends.
  const main = mul(floordiv(size, LANES), LANES);
  const tail = main !== size && provenLessEqual(LANES, size) ? block(LANES) : null;
  if (tail === null) return vectorLoops(pool, v, size, block, looped(acc, next, scalar), false);
  const end: Stmt = { kind: "for", v, from: sub(size, LANES), to: size, step: LANES, body: tail };
  return [...vectorLoops(pool, v, main, block, [], false), end];
}

/** Every combination of taps, in order. */
function everyTap(taps: readonly Taps[]): Dim[][] {
  return taps.reduce<Dim[][]>(
    (all, t) => all.flatMap((at) => Array.from({ length: t.length }, (_, i) => [...at, i])),
    [[]],
  );
}

/** The extremes across the rows of a line's windows, to scratch. */
function acrossRows(p: Pool): Stmt[] {
  const { frame, form, line, ordered, outer, last } = p;
  const { pool, reader, scratch } = frame;
  const { shape } = form.from.type;
  const rows = form.windows.slice(0, -1);
  const behind = shape.slice(last.axis + 1);
  const size = mul(line.image, line.width);
  const v = indexVar("column", size);
  const element = (taps: readonly Dim[]): Expr => {
    const position = [...outer, ...unravel(v, [shape[last.axis] ?? 1, ...behind])];
    for (const [i, w] of rows.entries()) position[w.axis] = add(firstTap(w, outer), mul(taps[i] ?? 0, w.dilation));
    return ordered.encode(reader.at(form.from, position));
  };
  const store = (extreme: Expr): Store => ({
    kind: "store",
    buffer: scratch,
    dtype: "i32",
    index: add(mul(line.before, line.width), v),
    value: extreme,
  });
  const all = rows.map(({ length }): Taps => ({ length, from: 0, to: length }));
  const whole = extremes(p, v, size, all, element, store);
  const inside = rows.flatMap((w) => insideOf(pool, w, firstTap(w, outer), shape[w.axis] ?? 1));
  const [mask, ...more] = inside;
  if (mask === undefined) return whole;
  const some = rows.map((w): Taps => {
    const first = firstTap(w, outer);
    const from = max(0, ceildiv(sub(0, first), w.dilation));
    return { length: w.length, from, to: min(w.length, ceildiv(sub(shape[w.axis] ?? 1, first), w.dilation)) };
  });
  const both = more.reduce((a, b) => pool.same("and", a, b), mask);
  return [{ kind: "if", mask: both, yes: whole, no: extremes(p, v, size, some, element, store) }];
}

/** Where a window's first element lies on its axis. */
function firstTap({ axis, stride, low }: WindowAxis, outer: readonly Dim[]): Dim {
  return sub(mul(outer[axis] ?? 0, stride), low);
}

/** What has to hold for a window to lie inside the image, as far as it is not known. */
function insideOf(pool: Frame["pool"], { length, dilation }: WindowAxis, first: Dim, size: Dim): Expr[] {
  const last = add(first, (length - 1) * dilation);
  return [
    ...(provenLessEqual(0, first) ? [] : [pool.compare("le", pool.i32(0), pool.index(first))]),
    ...(provenLessEqual(add(last, 1), size) ? [] : [pool.compare("lt", pool.index(last), pool.index(size))]),
  ];
}

/** What stands for the columns before and behind the image. */
function outside({ frame: { pool, scratch }, line, ordered }: Pool): Stmt[] {
  const fill = (from: Dim, count: Dim): Stmt[] => {
    if (count === 0) return [];
    const v = indexVar("outside", count);
    const store = (lanes: number): Stmt[] => [
      { kind: "store", buffer: scratch, dtype: "i32", index: add(from, v), value: pool.splat(ordered.initial, lanes) },
    ];
    return vectorLoops(pool, v, count, store, store(1), false);
  };
  const end = add(line.before, line.image);
  return [
    ...fill(0, mul(line.before, line.width)),
    ...fill(mul(end, line.width), mul(sub(line.places, end), line.width)),
  ];
}

/** The extremes along a line, and what follows: vectors along the line, or across what lies side by side at its places. */
function alongLine(p: Pool): Stmt[] {
  const { frame, form, line, ordered, result, outer, last } = p;
  const { pool, reader, scratch, output, buffer } = frame;
  const { shape, dtype } = output.type;
  const count = form.counts[last.axis] ?? 1;
  const behind = form.counts.slice(last.axis + 1);
  const isSingle = line.width === 1;
  const place = indexVar("place", count);
  const beside = isSingle ? 0 : indexVar("beside", line.width);
  const flat = ravel([...outer, place, ...unravel(beside, behind)], form.counts);
  const element = ([tap = 0]: readonly Dim[]): Expr => {
    const at = add(mul(place, last.stride), mul(tap, last.dilation));
    return pool.load(scratch, "i32", I32, add(mul(at, line.width), beside));
  };
  const store = (extreme: Expr): Store => {
    reader.held.set(result, () => ordered.decode(extreme));
    reader.reset();
    const value = stored(pool, dtype, reader.at(output, unravel(flat, shape)));
    return { kind: "store", buffer: buffer(output), dtype, index: flat, value };
  };
  const taps: Taps[] = [{ length: last.length, from: 0, to: last.length }];
  if (isSingle) return extremes(p, place, count, taps, element, store);
  return [forLoop(place, count, extremes(p, beside, line.width, taps, element, store))];
}
