/**
 * The nodes of integer expressions: atoms, monomials and terms, their order, and checked integer arithmetic.
 *
 * The order is by structure (kind, name, operands), never by creation, so what is sorted by it prints the same in every
 * process. Nodes are made by dim-poly.ts, which interns them; dim.ts says what a Dim is.
 */
import type { DimExpr } from "./dim-poly.js";

export type Dim = number | DimExpr;

/** A named integer in lo..hi. An index variable has an extent and is in 0..extent-1. Identity is (name, lo, hi, extent). */
export interface Sym {
  readonly kind: "sym";
  readonly id: number;
  readonly name: string;
  readonly lo: number;
  readonly hi: number;
  readonly extent: Dim | null;
  readonly rank: number;
}

export type OpKind = "floordiv" | "mod" | "min" | "max";

export interface OpAtom {
  readonly kind: OpKind;
  readonly id: number;
  readonly a: Dim;
  readonly b: Dim;
  readonly rank: number;
  /** memo of its numeric range */
  bounds: Range | null;
}

export type Atom = Sym | OpAtom;

export interface Range {
  readonly lo: number;
  readonly hi: number;
}

/** A product of atoms, sorted, with repeats for powers. Interned. */
export interface Mono {
  readonly id: number;
  readonly factors: readonly Atom[];
  readonly products: Map<Mono, Mono>;
  bounds: Range | null;
  /** memo of the polynomial that it is */
  expr: Dim | null;
}

export interface Term {
  readonly coeff: number;
  readonly factors: readonly Atom[];
  readonly mono: Mono;
}

export class DimOverflowError extends RangeError {
  override readonly name = "DimOverflowError";
}

let lastId = 0;
/** Ids key the intern tables and never decide an order. */
export function freshId(): number {
  return ++lastId;
}

export function checkedInt(n: number): number {
  if (!Number.isSafeInteger(n)) throw new DimOverflowError(`dimension arithmetic: ${n} is not a safe integer`);
  return n + 0; // -0 becomes 0
}

export function floorModInt(a: number, b: number): number {
  if (b === 0) throw new RangeError("division by zero");
  const r = a % b;
  return (r !== 0 && r < 0 !== b < 0 ? r + b : r) + 0;
}

export function floorDivInt(a: number, b: number): number {
  return checkedInt((a - floorModInt(a, b)) / b);
}

/** Greatest common divisor, never negative. */
export function gcd(x: number, y: number): number {
  let [a, b] = [Math.abs(x), Math.abs(y)];
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}

// ---- order

function order<T extends string | number>(x: T, y: T): number {
  return x < y ? -1 : x > y ? 1 : 0;
}

const KIND_ORDER = { sym: 0, floordiv: 1, mod: 2, min: 3, max: 4 } as const satisfies Record<Atom["kind"], number>;

export function compareAtoms(x: Atom, y: Atom): number {
  if (x === y) return 0;
  if (x.kind === "sym" && y.kind === "sym") {
    const extents = (): number => {
      if (x.extent === null || y.extent === null) return x.extent === y.extent ? 0 : x.extent === null ? -1 : 1;
      return compareDims(x.extent, y.extent);
    };
    return order(x.name, y.name) || extents() || order(x.lo, y.lo) || order(x.hi, y.hi);
  }
  if (x.kind === "sym" || y.kind === "sym") return x.kind === "sym" ? -1 : 1;
  return order(KIND_ORDER[x.kind], KIND_ORDER[y.kind]) || compareDims(x.a, y.a) || compareDims(x.b, y.b);
}

/** Degree descending, then lexicographic: a monomial order, so the first term of a polynomial is its leading term. */
export function compareMonos(x: Mono, y: Mono): number {
  if (x === y) return 0;
  if (x.factors.length !== y.factors.length) return y.factors.length - x.factors.length;
  for (const [i, f] of x.factors.entries()) {
    const g = y.factors[i];
    const c = g === undefined ? 0 : compareAtoms(f, g);
    if (c !== 0) return c;
  }
  return 0;
}

export function compareDims(x: Dim, y: Dim): number {
  if (x === y) return 0;
  if (typeof x === "number" || typeof y === "number") {
    if (typeof x === "number" && typeof y === "number") return order(x, y);
    return typeof x === "number" ? -1 : 1;
  }
  for (const [i, t] of x.terms.entries()) {
    const u = y.terms[i];
    if (u === undefined) return 1;
    const c = compareMonos(t.mono, u.mono) || order(t.coeff, u.coeff);
    if (c !== 0) return c;
  }
  return -1;
}

// ---- memos

/** A rule of two operands that runs once for each pair of them. */
export function memoized(rule: (a: Dim, b: Dim) => Dim): (a: Dim, b: Dim) => Dim {
  const table = new Map<Dim, Map<Dim, Dim>>();
  return (a, b) => {
    let byDividend = table.get(b); // by b first: there are fewer divisors than dividends
    if (byDividend === undefined) {
      byDividend = new Map();
      table.set(b, byDividend);
    }
    const known = byDividend.get(a);
    if (known !== undefined) return known;
    const d = rule(a, b);
    byDividend.set(a, d);
    return d;
  };
}
