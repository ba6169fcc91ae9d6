// Long computations of vectors in stages. A processor looks only so many operations ahead: where each element takes a chain
// of dozens that wait for each other, too few elements are under way at a time. So a block of elements goes through the
// first half of the chain, and what is alive there is left in scratch memory, then through the second. Each half is
// short enough for many elements at a time. Every element's operations stay what they are, and so do all bits.
//
// In: vector expressions over a loop variable. Out: the stages' stores, the expressions of the last stage, and the loops.

import {
  add,
  atomExpr,
  ceildiv,
  type Dim,
  indexVar,
  min,
  mul,
  range,
  type Sym,
  sub,
  substitute,
} from "../../compiler/ir/dim.js";
import { STAGE_ELEMENTS, STAGE_VALUES } from "../../compiler/schedule/stages.js";
import { type Expr, type ExprPool, type MachineOp, reindex } from "./expr.js";
import type { Stmt } from "./stmt.js";

type Store = Stmt & { readonly kind: "store" };

/** Where stages keep what they leave: elements of a buffer from `first` on. */
export interface StageArea {
  readonly buffer: number;
  readonly first: Dim;
  /** As many as the kernel has for this: 0 for none. */
  readonly elements: number;
}

export interface Stages {
  /** The roots of the computation as the last stage computes them. */
  readonly roots: readonly Expr[];
  /** What the loop variable is inside the loops. */
  readonly at: Dim;
  /** All stages over elements 0 .. to - 1; `to` is a multiple of `step`, and `body` the last stage of `step` elements at `at`. */
  loop(to: Dim, step: number, body: readonly Stmt[], parallel: boolean): Stmt[];
}

/**
 * Stages for vectors over `linear`, which runs up to `size`; null where one stage is as good.
 * @param roots vectors of `lanes` consecutive elements
 */
export function stagesOf(
  pool: ExprPool,
  area: StageArea,
  linear: Sym,
  size: Dim,
  roots: readonly Expr[],
): Stages | null {
  const v = atomExpr(linear);
  const lanes = roots[0]?.type.lanes ?? 1;
  if (area.elements === 0 || range(size).hi < MIN_VECTORS * lanes) return null;
  const blocks = ceildiv(size, STAGE_ELEMENTS);
  const isOne = range(size).hi <= STAGE_ELEMENTS;
  const block = isOne ? 0 : indexVar(`${linear.name}Block`, blocks);
  const start = mul(block, STAGE_ELEMENTS);
  const inside = indexVar(`${linear.name}Inside`, min(STAGE_ELEMENTS, size));
  const at = add(start, inside);
  const slot = (i: number): Dim => add(area.first, i * STAGE_ELEMENTS, sub(v, start));
  const cuts: Store[][] = [];
  const halves = (of: readonly Expr[], used: number): { roots: readonly Expr[]; used: number } => {
    const kept = cut(of, STAGE_VALUES - used);
    if (kept === null) return { roots: of, used };
    const before = halves(kept, used + kept.length);
    cuts.push(
      before.roots.map((value, i): Store => {
        const dtype = value.type.kind === "f32" ? "f32" : "i32";
        return { kind: "store", buffer: area.buffer, dtype, index: slot(used + i), value };
      }),
    );
    const left = new Map(
      kept.map((e, i) => {
        const dtype = e.type.kind === "f32" ? "f32" : "i32";
        return [e, pool.load(area.buffer, dtype, e.type, slot(used + i), 1)] as const;
      }),
    );
    const same = (d: Dim): Dim => d;
    return halves(
      of.map((e) => reindex(pool, e, same, left)),
      before.used,
    );
  };
  const last = halves(roots, 0);
  if (cuts.length === 0) return null;
  const loop = (to: Dim, step: number, body: readonly Stmt[], parallel: boolean): Stmt[] => {
    const end = isOne ? to : min(STAGE_ELEMENTS, sub(to, start));
    const over = (stage: readonly Stmt[]): Stmt => ({ kind: "for", v: inside, from: 0, to: end, step, body: stage });
    const early = cuts.map((stores) =>
      over(
        Array.from({ length: step / lanes }, (_, i) => {
          const later = (d: Dim): Dim => substitute(d, (s) => (s === linear ? add(at, i * lanes) : undefined));
          return stores.map((s) => ({ ...s, index: later(s.index), value: reindex(pool, s.value, later) }));
        }).flat(),
      ),
    );
    const all = [...early, over(body)];
    if (isOne) return all;
    const count = ceildiv(to, STAGE_ELEMENTS);
    return [{ kind: "for", v: block, from: 0, to: count, step: 1, body: all, ...(parallel ? { parallel } : {}) }];
  };
  return { roots: last.roots, at, loop };
}

/** Vectors that a stage takes at least: fewer are all under way at once as it is. */
const MIN_VECTORS = 8;

/** Cycles from an operation's operands to its result, on processors of the day. */
function latencyOf(op: MachineOp): number {
  switch (op) {
    case "div":
    case "sqrt":
      return 11;
    case "mul":
    case "add":
    case "sub":
    case "toFloatS":
    case "toIntS":
      return 3;
    case "madd":
      return 5;
    case "bits":
      return 0;
    default:
      return 1;
  }
}

/** Operations that it takes at most: a target may spell it in fewer. */
function operationsOf(op: MachineOp): number {
  return op === "bits" ? 0 : op === "madd" ? 2 : 1;
}

/** Operations that may wait at a time, and those that run in a cycle when none waits. */
const WINDOW = 150;
const WIDTH = 4;

interface Shape {
  /** Cycles until each value is there. */
  readonly depth: ReadonlyMap<Expr, number>;
  readonly count: number;
  readonly longest: number;
}

/** Whether every vector computes it: neither loaded nor the same for all. */
function isComputed(e: Expr): e is Expr & { kind: "op" } {
  return e.kind === "op" && e.type.lanes > 1 && e.op !== "splat";
}

/** The shape of a computation that finds some values ready. */
function shapeOf(roots: readonly Expr[], ready: ReadonlySet<Expr> = new Set()): Shape {
  const depth = new Map<Expr, number>();
  let count = 0;
  const visit = (e: Expr): number => {
    const seen = depth.get(e);
    if (seen !== undefined) return seen;
    let cycles = 0;
    if (isComputed(e) && !ready.has(e)) {
      cycles = Math.max(0, ...e.args.map(visit)) + latencyOf(e.op);
      count += operationsOf(e.op);
    }
    depth.set(e, cycles);
    return cycles;
  };
  const longest = Math.max(0, ...roots.map(visit));
  return { depth, count, longest };
}

/** Cycles of one vector through a stage: its operations at full width, or as they wait for each other. */
function cyclesOf({ count, longest }: Shape, moved: number): number {
  const all = count + moved + 2;
  return Math.max(all / WIDTH, (all * longest) / WINDOW);
}

/** What a cut is worth at least: this part of the time. */
const GAIN = 0.05;

/** The values to keep where a computation is best cut in two, at most `most`; null where it is best left whole. */
function cut(roots: readonly Expr[], most: number): readonly Expr[] | null {
  const whole = shapeOf(roots);
  let best = cyclesOf(whole, 0) * (1 - GAIN);
  let chosen: readonly Expr[] | null = null;
  for (const limit of new Set(whole.depth.values())) {
    if (limit === 0 || limit >= whole.longest) continue;
    const kept = aliveAt(roots, whole.depth, limit);
    if (kept.length === 0 || kept.length > most) continue;
    const first = shapeOf(kept);
    const second = shapeOf(roots, new Set(kept));
    const cycles = cyclesOf(first, kept.length) + cyclesOf(second, kept.length);
    if (cycles >= best) continue;
    best = cycles;
    chosen = kept;
  }
  return chosen;
}

/** Values of depth `limit` at most that deeper ones read. Masks and what one operation gives are computed again. */
function aliveAt(roots: readonly Expr[], depth: ReadonlyMap<Expr, number>, limit: number): Expr[] {
  const lanes = roots[0]?.type.lanes;
  const kept = new Set<Expr>();
  const seen = new Set<Expr>();
  const visit = (e: Expr): void => {
    if (seen.has(e) || !isComputed(e)) return;
    seen.add(e);
    const isShallow = e.args.every((a) => (depth.get(a) ?? 0) === 0);
    const fits = (e.type.kind === "f32" || e.type.kind === "i32") && e.type.lanes === lanes;
    if (fits && !isShallow && (depth.get(e) ?? 0) <= limit) kept.add(e);
    else for (const a of e.args) visit(a);
  };
  for (const r of roots) visit(r);
  return [...kept];
}
