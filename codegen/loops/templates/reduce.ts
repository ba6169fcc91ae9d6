// reduce: a reduction over any axes, and what follows it elementwise. Vectors run over the reduced axis where it is the
// last one, else over the last kept axis; everything else is a scalar loop.

import { add, type Dim, floordiv, indexVar, mul, range, substitute } from "../../../compiler/ir/dim.js";
import { Bug } from "../../../compiler/ir/errors.js";
import { isOp, type Value } from "../../../compiler/ir/graph.js";
import { ravel, unravel } from "../../../compiler/schedule/views.js";
import { type Expr, reindex } from "../expr.js";
import type { Frame } from "../frame.js";
import { forLoop, LANES, mergeAxes, parallelLoop, stored, symbolOf, vectorLoops } from "../nest.js";
import { partialForm, partialLoops } from "../partials.js";
import { accumulator, combine, fromAccumulator, initialOf, type ReduceKind, toAccumulator } from "../reduction.js";
import { Running } from "../running.js";
import type { Stmt } from "../stmt.js";
import { Vectorizer } from "../vectorize.js";

export function lowerReduce(frame: Frame): Stmt[] {
  const { pool, reader, kernel, output, buffer } = frame;
  const { anchor } = kernel;
  const x = anchor.inputs[0];
  const result = anchor.outputs[0];
  if (!isOp(anchor, "reduce") || x === undefined || result === undefined)
    throw new Bug("loops", "reduce without its node");
  const { kind, axes } = anchor.attrs;
  const { dtype, shape } = x.type;
  const keptAxes = shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const place = (kept: readonly Dim[], reduced: readonly Dim[]): Dim[] => {
    const position = new Array<Dim>(shape.length).fill(0);
    for (const [i, axis] of keptAxes.entries()) position[axis] = kept[i] ?? 0;
    for (const [i, axis] of sortedAxes.entries()) position[axis] = reduced[i] ?? 0;
    return position;
  };
  const sortedAxes = [...axes].sort((a, b) => a - b);
  const keptShape = keptAxes.map((axis) => shape[axis] ?? 1);
  const reducedShape = sortedAxes.map((axis) => shape[axis] ?? 1);
  // Merge kept and reduced axes each among themselves.
  const probe = reducedShape.map((size, i) => (size === 1 ? 0 : indexVar(`q${i}`, size)));
  const outer = mergeAxes(pool, keptShape, "i", (p) => reader.at(x, place(p, probe)));
  const inner = mergeAxes(pool, reducedShape, "r", (p) => reader.at(x, place(outer.position, p)));
  const element = toAccumulator(pool, dtype, reader.at(x, place(outer.position, inner.position)));
  const flat = ravel(outer.position, keptShape);
  const finish = (value: Expr): { index: Dim; value: Expr } => {
    reader.held.set(result, () => value);
    reader.reset();
    const out = reader.at(output, unravel(flat, output.type.shape));
    return {
      index: ravel(unravel(flat, output.type.shape), output.type.shape),
      value: stored(pool, output.type.dtype, out),
    };
  };
  const spec: Spec = { frame, kind, x, result, element, outer, inner, finish, buffer: buffer(output) };
  return acrossColumns(spec) ?? alongRows(spec);
}

interface Spec {
  readonly frame: Frame;
  readonly kind: ReduceKind;
  readonly x: Value;
  readonly result: Value;
  readonly element: Expr;
  readonly outer: ReturnType<typeof mergeAxes>;
  readonly inner: ReturnType<typeof mergeAxes>;
  readonly finish: (value: Expr) => { index: Dim; value: Expr };
  readonly buffer: number;
}

/** Loops over the reduced axes: one sum, in order. */
function wrap(body: Stmt[], vars: readonly Dim[], sizes: readonly Dim[], count = vars.length): Stmt[] {
  let out = body;
  for (let i = count - 1; i >= 0; i--) out = [forLoop(vars[i] ?? 0, sizes[i] ?? 1, out)];
  return out;
}

/** Loops over the kept axes: one result each. */
function wrapKept(body: Stmt[], vars: readonly Dim[], sizes: readonly Dim[]): Stmt[] {
  let out = body;
  for (let i = vars.length - 1; i >= 0; i--) out = [parallelLoop(vars[i] ?? 0, sizes[i] ?? 1, out)];
  return out;
}

/** Short rows that run side by side: the few steps of one, and its total, wait for each other. Long ones overlap as it is. */
const SIDE_BY_SIDE = 4;

/** One result at a time, or a few; the innermost reduced axis in vectors where it is contiguous. */
function alongRows({ frame, kind, x, element, outer, inner, finish, buffer }: Spec): Stmt[] {
  const { pool, output } = frame;
  const { dtype } = x.type;
  const type = accumulator(dtype);
  const acc = pool.variable(type, "acc");
  const start: Stmt = { kind: "set", target: acc, value: pool.constant(type, initialOf(kind, dtype)) };
  const step: Stmt & { kind: "set" } = { kind: "set", target: acc, value: combine(pool, kind, dtype, acc, element) };
  const last = inner.vars.length - 1;
  const v = inner.vars[last];
  const size = inner.sizes[last];
  const out = finish(fromAccumulator(pool, dtype, acc));
  const store: Stmt & { kind: "store" } = { kind: "store", buffer, dtype: output.type.dtype, ...out };
  const isVector = v !== undefined && range(size ?? 0).hi >= 2 * LANES && contiguous(pool, element, v, LANES) !== null;
  if (v === undefined || size === undefined || !isVector)
    return wrapKept([start, ...wrap([step], inner.vars, inner.sizes), store], outer.vars, outer.sizes);
  const main = mul(floordiv(size, LANES), LANES);
  const form = partialForm(pool, size, [kind]);
  const row = outer.vars.at(-1);
  const rows = outer.sizes.at(-1);
  /** Results `row` .. `row` + count - 1, whose partial results run side by side. */
  const together = (count: number): Stmt[] => {
    const lines = Array.from({ length: count }, (_, r) => {
      const own = pool.variable(type, r === 0 ? "acc" : `acc_${r}`);
      const at = (d: Dim): Dim => (r === 0 || row === undefined ? d : shiftedBy(d, row, r));
      const moved = (e: Expr): Expr => reindex(pool, e, at, new Map([[acc, own]]));
      return { own, at, moved, running: new Running(pool, kind, dtype, r === 0 ? "" : `_row${r}`, form) };
    });
    const partials = lines.flatMap((l) => l.running.partials);
    const loops = partialLoops(v, main, form, partials, (register, lanes, later) => {
      const vector = contiguous(pool, element, v, lanes);
      return vector === null
        ? []
        : lines.flatMap((l) => l.running.step(register, reindex(pool, l.moved(vector), later)));
    });
    const widen = partials.flatMap((p) => p.widen());
    const rest = lines.map(({ own, moved }): Stmt => ({ kind: "set", target: own, value: moved(step.value) }));
    return [
      ...lines.flatMap((l) => l.running.clear()),
      ...wrap(last > 0 ? [...loops, ...widen] : loops, inner.vars, inner.sizes, last),
      ...lines.map(({ own, running }): Stmt => ({ kind: "set", target: own, value: running.total() })),
      ...(main === size
        ? []
        : wrap([{ kind: "for", v, from: main, to: size, step: 1, body: rest }], inner.vars, inner.sizes, last)),
      ...lines.map(({ at, moved }): Stmt => ({ ...store, index: at(out.index), value: moved(out.value) })),
    ];
  };
  const count = form.isLong ? 1 : SIDE_BY_SIDE;
  // An index that data decides is computed for one row.
  if (
    count === 1 ||
    row === undefined ||
    rows === undefined ||
    range(rows).hi < count ||
    pool.dynamic.size > 0 ||
    last > 0
  )
    return wrapKept(together(1), outer.vars, outer.sizes);
  const whole = mul(floordiv(rows, count), count);
  const several: Stmt = { kind: "for", v: row, from: 0, to: whole, step: count, body: together(count), parallel: true };
  const single: Stmt = { kind: "for", v: row, from: whole, to: rows, step: 1, body: together(1), parallel: true };
  return wrapKept(whole === rows ? [several] : [several, single], outer.vars.slice(0, -1), outer.sizes.slice(0, -1));
}

function shiftedBy(d: Dim, v: Dim, by: number): Dim {
  const symbol = symbolOf(v);
  return substitute(d, (s) => (s === symbol ? add(v, by) : undefined));
}

/** The vector form over `v`, where it needs no element-by-element gathers. */
function contiguous(pool: Frame["pool"], e: Expr, v: Dim, lanes: number): Expr | null {
  const vector = new Vectorizer(pool, symbolOf(v), lanes).vector(e);
  return vector === null || gathers(vector, new Set()) ? null : vector;
}

function gathers(e: Expr, seen: Set<Expr>): boolean {
  if (seen.has(e)) return false;
  seen.add(e);
  if (e.kind === "lanes") return true;
  return e.kind === "op" && e.args.some((a) => gathers(a, seen));
}

/** Several neighbouring results at a time, one per lane: for reductions over leading axes. */
function acrossColumns({ frame, kind, x, element, outer, inner, finish, buffer }: Spec): Stmt[] | null {
  const { pool, output } = frame;
  const { dtype } = x.type;
  const last = outer.vars.length - 1;
  const v = outer.vars[last];
  const size = outer.sizes[last];
  if (v === undefined || size === undefined || range(size).hi < LANES) return null;
  const reducedVar = inner.vars.at(-1);
  const isAlong = reducedVar !== undefined && contiguous(pool, element, reducedVar, LANES) !== null;
  // Elements that lie apart are better picked than rows too short for vectors summed one after the other.
  const isShort = range(inner.sizes.at(-1) ?? 1).hi < 2 * LANES;
  const vectorOf = (lanes: number): Expr | null =>
    isShort ? new Vectorizer(pool, symbolOf(v), lanes).vector(element) : contiguous(pool, element, v, lanes);
  const narrow = vectorOf(LANES);
  if (narrow === null || (isAlong && !isShort && !cheaper(narrow))) return null;
  const type = accumulator(dtype);
  const acc = pool.variable(type, "acc");
  const out = finish(fromAccumulator(pool, dtype, acc));
  const rest = outer.vars.slice(0, last);
  const store: Stmt & { kind: "store" } = { kind: "store", buffer, dtype: output.type.dtype, ...out };
  const block = (target: Expr, value: Expr, stores: readonly Stmt[]): Stmt[] => [
    { kind: "set", target, value: pool.constant(target.type, initialOf(kind, dtype)) },
    ...wrap([{ kind: "set", target, value: combine(pool, kind, dtype, target, value) }], inner.vars, inner.sizes),
    ...stores,
  ];
  /** Results one by one, where what follows the reduction has no vectors. */
  const apart = (sums: Expr): Stmt[] =>
    Array.from({ length: sums.type.lanes }, (_, lane) => {
      const at = (d: Dim): Dim => shiftedBy(d, v, lane);
      return {
        ...store,
        index: at(out.index),
        value: reindex(pool, out.value, at, new Map([[acc, pool.lane(sums, lane)]])),
      };
    });
  const wide = (lanes: number): Stmt[] | null => {
    const sums = pool.variable({ kind: type.kind, lanes }, `wide${lanes}`);
    const vectorizer = new Vectorizer(pool, symbolOf(v), lanes);
    vectorizer.bind(acc, sums);
    const vector = vectorOf(lanes);
    const result = vectorizer.vector(out.value);
    return vector === null ? null : block(sums, vector, result === null ? apart(sums) : [{ ...store, value: result }]);
  };
  if (wide(LANES) === null) return null;
  const [several, done] = sideBySide();
  const columns = [...several, ...vectorLoops(pool, v, size, wide, block(acc, element, [store]), true, done)];
  return wrapKept(columns, rest, outer.sizes.slice(0, last));

  /** A few vectors at a time, and where they end: the steps of one wait for each other. */
  function sideBySide(): [Stmt[], Dim] {
    const lanes = pool.vectorLanes;
    const step = SIDE_BY_SIDE * lanes;
    const vector = v === undefined ? null : contiguous(pool, element, v, lanes);
    // An index that data decides is computed for one vector.
    if (v === undefined || size === undefined || range(size).hi < step || isShort) return [[], 0];
    if (pool.dynamic.size > 0 || vector === null) return [[], 0];
    const parts = Array.from({ length: SIDE_BY_SIDE }, (_, w) => {
      const sums = pool.variable({ kind: type.kind, lanes }, `wide${lanes}_${w}`);
      const vectorizer = new Vectorizer(pool, symbolOf(v), lanes);
      vectorizer.bind(acc, sums);
      const at = (d: Dim): Dim => (w === 0 ? d : shiftedBy(d, v, w * lanes));
      const final = vectorizer.vector(out.value);
      return { sums, at, final: final === null ? null : reindex(pool, final, at), value: reindex(pool, vector, at) };
    });
    if (parts.some((p) => p.final === null)) return [[], 0];
    const body: Stmt[] = [
      ...parts.map(({ sums }): Stmt => {
        return { kind: "set", target: sums, value: pool.constant(sums.type, initialOf(kind, dtype)) };
      }),
      ...wrap(
        parts.map(({ sums, value }): Stmt => {
          return { kind: "set", target: sums, value: combine(pool, kind, dtype, sums, value) };
        }),
        inner.vars,
        inner.sizes,
      ),
      ...parts.map(({ at, final }): Stmt => {
        const value = final ?? acc;
        return { kind: "store", buffer, dtype: output.type.dtype, index: at(out.index), value };
      }),
    ];
    const end = mul(floordiv(size, step), step);
    return [[{ kind: "for", v, from: 0, to: end, step, body, parallel: true }], end];
  }
}

/** Whether the columns' vector form reads memory contiguously, not the same elements for all lanes. */
function cheaper(vector: Expr): boolean {
  return hasContiguousLoad(vector, new Set());
}

function hasContiguousLoad(e: Expr, seen: Set<Expr>): boolean {
  if (seen.has(e)) return false;
  seen.add(e);
  if (e.kind === "load") return e.stride === 1;
  return e.kind === "op" && e.args.some((a) => hasContiguousLoad(a, seen));
}
