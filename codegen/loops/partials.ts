// Partial results of a reduction along contiguous elements. Of sums and products their number depends on the size alone:
// four, or sixteen of a long one, element i going to partial i mod n. Targets keep them in as few registers as their
// vectors allow; the order in which they are combined is the same for all.

import { add, type Dim, floordiv, mul, range, substitute } from "../../compiler/ir/dim.js";
import type { DType } from "../../compiler/ir/dtype.js";
import type { Expr, ExprPool, RegKind } from "./expr.js";
import { LANES, symbolOf } from "./nest.js";
import { acrossLanes, acrossWays, type ReduceKind, WAYS } from "./reduction.js";
import type { Stages } from "./stages.js";
import type { Stmt } from "./stmt.js";

/** How the partial results of a size lie in registers: `vectors` of `lanes` each. */
export interface PartialForm {
  readonly lanes: number;
  readonly vectors: number;
  /** Whether a row is long enough for several registers to pay. */
  readonly isLong: boolean;
}

/** Partial results of a greatest or least, whose steps are one short instruction. */
const EXTREME_WAYS = 2;

export function partialForm(pool: ExprPool, size: Dim, kinds: readonly ReduceKind[]): PartialForm {
  const isLong = range(size).hi >= 4 * WAYS * LANES;
  const lanes = Math.min(pool.vectorLanes, isLong ? WAYS * LANES : LANES);
  // Greatest and least are the same in any order: as many partials as keep registers from waiting for each other.
  if (isLong && kinds.every((k) => k === "max" || k === "min")) return { lanes, vectors: EXTREME_WAYS, isLong };
  return { lanes, vectors: isLong ? (WAYS * LANES) / lanes : 1, isLong };
}

export class Partials {
  readonly #pool: ExprPool;
  /** The registers, full width. */
  readonly wide: readonly Expr[];
  /** The first four partials: what is left of a row goes there, in vectors of four. */
  readonly first: Expr;

  constructor(pool: ExprPool, kind: RegKind, name: string, { lanes, vectors }: PartialForm) {
    this.#pool = pool;
    this.wide = Array.from({ length: vectors }, (_, w) => pool.variable({ kind, lanes }, `wide${name}_${w}`));
    const [first] = this.wide;
    this.first = first === undefined || lanes > LANES ? pool.variable({ kind, lanes: LANES }, `first${name}`) : first;
  }

  /** The register of a step. */
  at(register: number | "first"): Expr {
    return (register === "first" ? undefined : this.wide[register]) ?? this.first;
  }

  clear(initial: number | bigint): Stmt[] {
    // Where there are no rows nothing is narrowed, and the first partials are read as they stand here.
    const all = new Set([...this.wide, this.first]);
    return [...all].map((target) => ({ kind: "set", target, value: this.#pool.constant(target.type, initial) }));
  }

  /** Between the full width and vectors of four. */
  narrow(): Stmt[] {
    const [first] = this.wide;
    return first === undefined || first === this.first
      ? []
      : [{ kind: "set", target: this.first, value: this.#four(first, 0) }];
  }

  /** Undoes `narrow`, where more rows follow. */
  widen(): Stmt[] {
    const [first] = this.wide;
    if (first === undefined || first === this.first) return [];
    const rest = Array.from({ length: first.type.lanes - LANES }, (_, i) => this.#pool.lane(first, LANES + i));
    const low = Array.from({ length: LANES }, (_, lane) => this.#pool.lane(this.first, lane));
    return [{ kind: "set", target: first, value: this.#pool.lanes([...low, ...rest]) }];
  }

  /** All partials as one value. */
  total(kind: ReduceKind, dtype: DType): Expr {
    const fours = this.wide.flatMap((w, i) =>
      Array.from({ length: w.type.lanes / LANES }, (_, part) =>
        i === 0 && part === 0 ? this.first : this.#four(w, part * LANES),
      ),
    );
    return acrossLanes(this.#pool, kind, dtype, acrossWays(this.#pool, kind, dtype, fours));
  }

  #four(from: Expr, start: number): Expr {
    if (from.type.lanes === LANES) return from;
    return this.#pool.lanes(Array.from({ length: LANES }, (_, lane) => this.#pool.lane(from, start + lane)));
  }
}

/**
 * Loops over `v` up to `main`, a multiple of four: all registers at a time, then four elements at a time. `step` gives the
 * statements for one register: its number, or "first"; its width; and what moves an index expression to its elements.
 * With stages, what it gives for a number is their last.
 */
export function partialLoops(
  v: Dim,
  main: Dim,
  { lanes, vectors }: PartialForm,
  partials: readonly Partials[],
  step: (register: number | "first", lanes: number, later: (d: Dim) => Dim) => Stmt[],
  stages: Stages | null = null,
): Stmt[] {
  const linear = symbolOf(v);
  const shifted =
    (from: Dim, by: number) =>
    (d: Dim): Dim =>
      from === v && by === 0 ? d : substitute(d, (s) => (s === linear ? add(from, by) : undefined));
  const count = lanes * vectors;
  const end = mul(floordiv(main, count), count);
  const all = Array.from({ length: vectors }, (_, w) => step(w, lanes, shifted(stages?.at ?? v, w * lanes))).flat();
  const out: Stmt[] = [
    ...(stages?.loop(end, count, all, false) ?? [
      { kind: "for", v, from: 0, to: end, step: count, body: all } as const,
    ]),
    ...partials.flatMap((p) => p.narrow()),
  ];
  if (end !== main)
    out.push({ kind: "for", v, from: end, to: main, step: LANES, body: step("first", LANES, shifted(v, 0)) });
  return out;
}
