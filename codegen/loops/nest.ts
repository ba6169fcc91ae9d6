// Loop nests over a value's elements: axes are merged where every access stays linear, and the innermost loop becomes
// vector where its body has a vector form.

import {
  add,
  type Dim,
  dependsOn,
  floordiv,
  indexVar,
  mul,
  range,
  type Sym,
  sub,
  substitute,
  symOf,
  symsOf,
  terms,
} from "../../compiler/ir/dim.js";
import { DTYPES, type DType } from "../../compiler/ir/dtype.js";
import { Bug } from "../../compiler/ir/errors.js";
import { unravel } from "../../compiler/schedule/views.js";
import { type Expr, type ExprPool, reindex } from "./expr.js";
import { encodeNarrow } from "./narrow.js";
import { type StageArea, stagesOf } from "./stages.js";
import type { Stmt } from "./stmt.js";
import { Vectorizer } from "./vectorize.js";

export function symbolOf(v: Dim): Sym {
  const s = symOf(v);
  if (s === undefined) throw new Bug("loops", "a loop variable is no symbol");
  return s;
}

/** A value in registers as it is stored: masks as bytes, narrow floats as bits. */
export function stored(pool: ExprPool, dtype: DType, e: Expr): Expr {
  const { kind, bits } = DTYPES[dtype];
  if (kind === "bool") return pool.op("maskToInt", { kind: "i32", lanes: e.type.lanes }, e);
  if (kind === "float" && bits < 32) return encodeNarrow(pool, dtype, e);
  return e;
}

/** for v in 0..size */
export function forLoop(v: Dim, size: Dim, body: readonly Stmt[], step = 1): Stmt {
  return { kind: "for", v, from: 0, to: size, step, body };
}

/** As forLoop, of iterations that do not depend on each other. */
export function parallelLoop(v: Dim, size: Dim, body: readonly Stmt[]): Stmt {
  return { kind: "for", v, from: 0, to: size, step: 1, body, parallel: true };
}

/** Loops one after another in which later ones overwrite what earlier ones wrote: none is parallel to another. */
export function inOrder(stmts: readonly Stmt[]): Stmt[] {
  return stmts.map((s) => {
    if (s.kind === "if") return { ...s, yes: inOrder(s.yes), no: inOrder(s.no) };
    if (s.kind !== "for") return s;
    const { parallel: _, ...loop } = s;
    return { ...loop, body: inOrder(s.body) };
  });
}

/** Whether a loop variable occurs only linearly in everything an expression reads. */
function isLinearIn(pool: ExprPool, e: Expr, v: Sym, seen = new Set<Expr>()): boolean {
  if (seen.has(e)) return true;
  seen.add(e);
  const clean = (d: Dim): boolean => {
    for (const t of terms(d))
      for (const f of t.factors) if (f.kind !== "sym" && (dependsOn(f.a, v) || dependsOn(f.b, v))) return false;
    for (const s of symsOf(d)) {
      const dynamic = pool.dynamic.get(s);
      if (dynamic !== undefined && !isLinearIn(pool, dynamic, v, seen)) return false;
    }
    return true;
  };
  switch (e.kind) {
    case "index":
      return clean(e.dim);
    case "load":
    case "address":
      return clean(e.index);
    case "loadAt":
      return isLinearIn(pool, e.address, v, seen);
    case "lane":
      return isLinearIn(pool, e.from, v, seen);
    case "lanes":
      return e.items.every((i) => isLinearIn(pool, i, v, seen));
    case "op":
      return e.args.every((a) => isLinearIn(pool, a, v, seen));
    default:
      return true;
  }
}

export interface Nest {
  /** One loop variable and size per merged group of axes, outermost first. */
  readonly vars: readonly Dim[];
  readonly sizes: readonly Dim[];
  /** Position on the original axes. */
  readonly position: readonly Dim[];
}

/** The nest over `shape` with as few loops as keep `read` linear in each. */
export function mergeAxes(
  pool: ExprPool,
  shape: readonly Dim[],
  prefix: string,
  read: (position: readonly Dim[]) => Expr,
): Nest {
  const build = (groups: readonly (readonly number[])[], tag: string): Nest => {
    const vars: Dim[] = [];
    const sizes: Dim[] = [];
    const position = new Array<Dim>(shape.length).fill(0);
    for (const [g, axes] of groups.entries()) {
      const own = axes.map((axis) => shape[axis] ?? 1);
      const size = mul(1, ...own);
      const v = indexVar(`${prefix}${tag}${g}`, size);
      vars.push(v);
      sizes.push(size);
      for (const [i, p] of unravel(v, own).entries()) position[axes[i] ?? 0] = p;
    }
    return { vars, sizes, position };
  };
  const isClean = (nest: Nest, g: number): boolean => {
    const v = nest.vars[g];
    return v !== undefined && isLinearIn(pool, read(nest.position), symbolOf(v));
  };
  let groups: number[][] = [];
  for (const [axis, size] of shape.entries()) if (size !== 1) groups.push([axis]);
  if (groups.length === 0) return { vars: [], sizes: [], position: shape.map(() => 0) };
  if (groups.length === 1) return build(groups, "");
  const flat = build([groups.flat()], "f");
  if (isClean(flat, 0)) return flat;
  for (let g = groups.length - 1; g > 0; g--) {
    const merged = [
      ...groups.slice(0, g - 1),
      [...(groups[g - 1] ?? []), ...(groups[g] ?? [])],
      ...groups.slice(g + 1),
    ];
    if (isClean(build(merged, `m${g}_`), g - 1)) groups = merged;
  }
  return build(groups, "");
}

/** Stores one element per iteration of a nest; where there is an area for it, in stages that pay. */
export function storeNest(
  pool: ExprPool,
  nest: Nest,
  buffer: number,
  dtype: DType,
  index: (position: readonly Dim[]) => Dim,
  value: Expr,
  area?: StageArea,
): Stmt[] {
  const at = index(nest.position);
  const out = stored(pool, dtype, value);
  const scalar: Stmt = { kind: "store", buffer, dtype, index: at, value: out };
  const inner = nest.vars.at(-1);
  const size = nest.sizes.at(-1);
  if (inner === undefined || size === undefined) return [scalar];
  let body: Stmt[] = innerLoop(pool, inner, size, scalar, area);
  for (let i = nest.vars.length - 2; i >= 0; i--) body = [parallelLoop(nest.vars[i] ?? 0, nest.sizes[i] ?? 1, body)];
  return body;
}

/** The narrowest vectors: what is left over by wider ones goes through these before single elements. */
export const LANES = 4;

/** Widths of the vectors that a loop uses one after another, up to `most` elements. */
function widthsOf(pool: ExprPool, most: number): readonly number[] {
  return [...new Set([pool.vectorLanes, LANES])].filter((lanes) => lanes <= most);
}

/**
 * A loop over elements as loops over vectors, widest first, and over what is left. `vector(lanes)`: the statements of so
 * many elements, null where they have no vector form. It starts at `from`, a multiple of the lanes.
 */
export function vectorLoops(
  pool: ExprPool,
  v: Dim,
  size: Dim,
  vector: (lanes: number) => readonly Stmt[] | null,
  single: readonly Stmt[],
  parallel: boolean,
  from: Dim = 0,
): Stmt[] {
  const stmts: Stmt[] = [];
  const loop = (start: Dim, to: Dim, step: number, body: readonly Stmt[]): void => {
    stmts.push({ kind: "for", v, from: start, to, step, body, ...(parallel ? { parallel } : {}) });
  };
  let done = from;
  for (const lanes of widthsOf(pool, range(size).hi)) {
    const main = mul(floordiv(size, lanes), lanes);
    const body = main === done ? null : vector(lanes);
    if (body === null) continue;
    loop(done, main, lanes, body);
    done = main;
  }
  if (done !== size) loop(done, size, 1, single);
  return stmts;
}

/** The innermost loop around one store: vectors as far as they go, then single elements. */
function innerLoop(pool: ExprPool, v: Dim, size: Dim, store: Stmt & { kind: "store" }, area?: StageArea): Stmt[] {
  const linear = symbolOf(v);
  const isVector = DTYPES[store.dtype].bits <= 32 && isUnitStride(store.index, linear);
  const vector = (lanes: number): Expr | null =>
    isVector ? new Vectorizer(pool, linear, lanes).vector(store.value) : null;
  const lanes = pool.vectorLanes;
  const widest = range(size).hi >= 4 * lanes ? vector(lanes) : null;
  const stores = (l: number): Stmt[] | null => {
    const value = vector(l);
    return value === null ? null : [{ ...store, value }];
  };
  if (widest === null || countOps(widest) < MIN_OPS_TO_PAIR) return vectorLoops(pool, v, size, stores, [store], true);
  // Long chains of operations wait for each other: two of them side by side do not.
  const done = mul(floordiv(size, 2 * lanes), 2 * lanes);
  const stages = area === undefined ? null : stagesOf(pool, area, linear, size, [widest]);
  const value = stages?.roots[0] ?? widest;
  const body = [0, lanes].map((by): Stmt => {
    const later = (d: Dim): Dim => substitute(d, (s) => (s === linear ? add(stages?.at ?? v, by) : undefined));
    return { ...store, index: later(store.index), value: reindex(pool, value, later) };
  });
  const pairs = stages?.loop(done, 2 * lanes, body, true) ?? [
    { kind: "for", v, from: 0, to: done, step: 2 * lanes, body, parallel: true },
  ];
  return [...pairs, ...vectorLoops(pool, v, size, stores, [store], true, done)];
}

const MIN_OPS_TO_PAIR = 12;

function countOps(e: Expr, seen = new Set<Expr>()): number {
  if (seen.has(e) || e.kind !== "op" || e.type.lanes === 1) return 0;
  seen.add(e);
  return e.args.reduce((n, a) => n + countOps(a, seen), 1);
}

function isUnitStride(index: Dim, v: Sym): boolean {
  const one = sub(index, 0);
  for (const t of terms(one)) {
    const own = t.factors.filter((f) => f === v).length;
    if (own === 0) {
      if (t.factors.some((f) => f.kind !== "sym" && (dependsOn(f.a, v) || dependsOn(f.b, v)))) return false;
      continue;
    }
    if (own !== 1 || t.factors.length !== 1 || t.coeff !== 1) return false;
  }
  return dependsOn(index, v);
}
