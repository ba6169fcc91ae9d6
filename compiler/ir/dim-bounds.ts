/**
 * Numeric bounds of integer expressions: intervals, and the elimination of atoms by their symbolic bounds.
 *
 * In: canonical Dims. Out: conservative bounds, a pure function of the Dim. They hold wherever the expression has a
 * value: symbols within their ranges, index variables below their extents, divisors not 0.
 */
import {
  type Atom,
  checkedInt,
  compareAtoms,
  type Dim,
  DimOverflowError,
  floorDivInt,
  gcd,
  type Mono,
  type OpAtom,
  type Range,
  type Sym,
} from "./dim-node.js";
import {
  type DimExpr,
  opExpr,
  polyDivExact,
  polyLinear,
  polyMul,
  polyNeg,
  polySub,
  polySum,
  symsOf,
  termsOf,
} from "./dim-poly.js";

/** Levels of nested questions (signs of coefficients, both operands of a min) that one bound may ask. */
const BUDGET = 4;
const MAX_ELIMINATIONS = 32;

/** A conservative interval for d's value; the ends may be infinite. */
export function range(d: Dim): Range {
  if (typeof d === "number") return { lo: d, hi: d };
  d.bounds ??= intervalIsExact(d)
    ? { lo: intervalLow(d) + 0, hi: intervalHigh(d) + 0 }
    : { lo: lowerBound(d) + 0, hi: -lowerBound(polyNeg(d)) + 0 };
  return d.bounds;
}

/** What f returns, or undefined where it leaves the safe integers: for work that is optional. */
export function attempt<T>(f: () => T): T | undefined {
  try {
    return f();
  } catch (e) {
    if (e instanceof DimOverflowError) return undefined;
    throw e;
  }
}

// An end beyond the safe integers says nothing that a double can say exactly.
const lowEnd = (x: number): number => (x < -Number.MAX_SAFE_INTEGER ? -Infinity : Math.min(x, Number.MAX_SAFE_INTEGER));
const highEnd = (x: number): number => -lowEnd(-x);
const product = (x: number, y: number): number => (x === 0 || y === 0 ? 0 : x * y);

function intervalMul(x: Range, y: Range): Range {
  const ends = [product(x.lo, y.lo), product(x.lo, y.hi), product(x.hi, y.lo), product(x.hi, y.hi)];
  return { lo: lowEnd(Math.min(...ends)), hi: highEnd(Math.max(...ends)) };
}

function monoRange(mono: Mono): Range {
  if (mono.bounds !== null) return mono.bounds;
  let bounds: Range = { lo: 1, hi: 1 };
  for (const f of new Set(mono.factors)) {
    const base = atomRange(f);
    const power = mono.factors.filter((g) => g === f).length;
    let p = base;
    for (let i = 1; i < power; i++) p = intervalMul(p, base);
    if (power % 2 === 0) p = { lo: Math.max(p.lo, 0), hi: p.hi };
    bounds = intervalMul(bounds, p);
  }
  mono.bounds = bounds;
  return bounds;
}

function atomRange(f: Atom): Range {
  if (f.kind === "sym") return f;
  if (f.bounds === null) f.bounds = opRange(f);
  return f.bounds;
}

/** floor(x / y) of interval ends, y >= 1. */
function endDiv(x: number, y: number): number {
  if (!Number.isFinite(x)) return x;
  return Number.isFinite(y) ? floorDivInt(x, y) : x < 0 ? -1 : 0;
}

function opRange(f: OpAtom): Range {
  const a = range(f.a);
  const b = range(f.b);
  switch (f.kind) {
    case "min":
      return { lo: Math.min(a.lo, b.lo), hi: Math.min(a.hi, b.hi) };
    case "max":
      return { lo: Math.max(a.lo, b.lo), hi: Math.max(a.hi, b.hi) };
    case "mod":
      if (b.lo >= 1) return { lo: 0, hi: a.lo >= 0 ? Math.min(a.hi, b.hi - 1) : b.hi - 1 };
      return { lo: Math.min(0, b.lo + 1), hi: Math.max(0, b.hi - 1) };
    case "floordiv": {
      if (b.lo >= 1) {
        return {
          lo: Math.min(endDiv(a.lo, b.lo), endDiv(a.lo, b.hi)),
          hi: Math.max(endDiv(a.hi, b.lo), endDiv(a.hi, b.hi)),
        };
      }
      const most = Math.max(Math.abs(a.lo), Math.abs(a.hi));
      return { lo: -most, hi: most };
    }
  }
}

function intervalLow(d: Dim): number {
  let low = 0;
  for (const t of termsOf(d)) {
    const r = monoRange(t.mono);
    low = lowEnd(low + lowEnd(product(t.coeff, t.coeff > 0 ? r.lo : r.hi)));
  }
  return low;
}

function intervalHigh(d: Dim): number {
  let high = 0;
  for (const t of termsOf(d)) {
    const r = monoRange(t.mono);
    high = highEnd(high + highEnd(product(t.coeff, t.coeff > 0 ? r.hi : r.lo)));
  }
  return high;
}

/** Whether interval arithmetic already gives d's exact bounds: independent numeric symbols, each in one term. */
function intervalIsExact(d: DimExpr): boolean {
  const seen: Atom[] = [];
  for (const t of d.terms) {
    for (const f of t.factors) {
      if (f.kind !== "sym" || f.rank > 0 || seen.includes(f)) return false;
      seen.push(f);
    }
  }
  return true;
}

/**
 * A number that d is never below: interval arithmetic, and better, the elimination of one atom after another by its own
 * (symbolic) bound, chosen by the sign of its coefficient. A pure function of (d, budget), so results are reproducible.
 */
export function lowerBound(d: Dim, budget = BUDGET): number {
  if (typeof d === "number") return d;
  d.lower ??= [];
  const known = d.lower[budget];
  if (known !== undefined) return known;
  let best = intervalLow(d);
  if (budget > 0 && !intervalIsExact(d)) best = Math.max(best, attempt(() => eliminateAll(d, budget)) ?? -Infinity);
  d.lower[budget] = best;
  return best;
}

function eliminateAll(d: DimExpr, budget: number): number {
  let best = -Infinity;
  let scale = 1; // cur <= scale * d
  let cur: Dim = d;
  for (let step = 0; step < MAX_ELIMINATIONS && typeof cur !== "number"; step++) {
    const next: Step | null = eliminateOne(cur, budget);
    if (next === null) break;
    if (typeof next === "number") return Math.max(best, Math.ceil(next / scale));
    cur = next.d;
    scale = checkedInt(scale * next.scale);
    best = Math.max(best, Math.ceil(intervalLow(cur) / scale));
  }
  if (best < 0 && typeof cur !== "number") best = Math.max(best, Math.ceil(endpointsBound(cur, budget) / scale));
  if (best < 0) best = Math.max(best, scaledBound(d, budget));
  return best;
}

/** Either d' <= scale * d with an atom gone, or, as a number, a bound of d itself. */
type Step = { readonly d: Dim; readonly scale: number } | number;

function eliminateOne(d: DimExpr, budget: number): Step | null {
  for (const atom of atomsByRank(d)) {
    const linear = polyLinear(d, atom);
    if (linear === null) continue;
    const { coeff, rest } = linear;
    const sign = signOf(coeff, budget - 1);
    if (atom.kind === "min" || atom.kind === "max") {
      const [x, y] = [atom.a, atom.b].map((v) => lowerBound(polySum([rest, polyMul(coeff, v)]), budget - 1));
      if (x === undefined || y === undefined) continue;
      // the atom is one of its operands; and a min is at most each of them, a max at least
      return sign === (atom.kind === "min" ? -1 : 1) ? Math.max(x, y) : Math.min(x, y);
    }
    // together with its quotient a mod is known exactly
    if (atom.kind === "mod" && hasQuotient(d, atom)) {
      const quotient = opExpr("floordiv", atom.a, atom.b);
      return { d: polySum([rest, polyMul(coeff, polySub(atom.a, polyMul(atom.b, quotient)))]), scale: 1 };
    }
    if (sign === 0) continue;
    const step = atom.kind === "floordiv" ? divisionStep(atom, coeff, rest, sign, budget) : null;
    if (step !== null) return step;
    const bound = sign > 0 ? lowest(atom, budget) : highest(atom, budget);
    if (bound !== null) return { d: polySum([rest, polyMul(coeff, bound)]), scale: 1 };
  }
  return null;
}

/** b*floordiv(a, b) is in a-b+1 .. a for b >= 1; scales everything by what coeff lacks to be a multiple of b. */
function divisionStep(atom: OpAtom, coeff: Dim, rest: Dim, sign: number, budget: number): Step | null {
  const { a, b } = atom;
  if (lowerBound(b, budget - 1) < 1) return null;
  const r = atomRange(atom);
  if (Number.isFinite(sign > 0 ? r.lo : r.hi) && !related(a, polySum([coeff, rest]))) return null;
  let scale = 1;
  if (typeof b === "number") scale = b / termsOf(coeff).reduce((g, t) => gcd(g, t.coeff), b);
  const q = polyDivExact(polyMul(coeff, scale), b);
  if (q === null) return null;
  const bound = sign > 0 ? polySum([a, polyNeg(b), 1]) : a;
  return { d: polySum([polyMul(rest, scale), polyMul(q, bound)]), scale };
}

function lowest(atom: Atom, budget: number): Dim | null {
  if (atom.kind === "mod" && lowerBound(atom.b, budget - 1) >= 1) return 0;
  const { lo } = atomRange(atom);
  return Number.isFinite(lo) ? lo : null;
}

function highest(atom: Atom, budget: number): Dim | null {
  if (atom.kind === "sym" && atom.extent !== null) return polySum([atom.extent, -1]);
  const { hi } = atomRange(atom);
  if (atom.kind === "mod" && typeof atom.b !== "number" && lowerBound(atom.b, budget - 1) >= 1) {
    return polySum([atom.b, -1]);
  }
  if (Number.isFinite(hi)) return hi;
  const shrinks =
    atom.kind === "floordiv" && lowerBound(atom.a, budget - 1) >= 0 && lowerBound(atom.b, budget - 1) >= 1;
  return shrinks ? atom.a : null;
}

/** d is linear in a variable whose coefficient has no known sign: its least value is at an end. */
function endpointsBound(d: DimExpr, budget: number): number {
  for (const atom of atomsByRank(d)) {
    const linear = polyLinear(d, atom);
    if (atom.kind !== "sym" || linear === null) continue;
    const ends = [lowest(atom, budget), highest(atom, budget)];
    const lows = ends.map((e) =>
      e === null ? -Infinity : lowerBound(polySum([linear.rest, polyMul(linear.coeff, e)]), budget - 1),
    );
    const low = Math.min(...lows);
    if (low > -Infinity) return low;
  }
  return -Infinity;
}

/** d >= 0 if b*d > -b for a symbolic divisor b >= 1 in d: this is how floordiv(x, W) < H follows from x < H*W. */
function scaledBound(d: DimExpr, budget: number): number {
  for (const atom of atomsByRank(d)) {
    if (atom.kind !== "floordiv" || typeof atom.b === "number" || lowerBound(atom.b, budget - 1) < 1) continue;
    const { b } = atom;
    if (lowerBound(polySum([polyMul(b, d), b, -1]), budget - 1) >= 0) return 0;
  }
  return -Infinity;
}

function hasQuotient(d: DimExpr, m: OpAtom): boolean {
  return d.terms.some((t) => t.factors.some((f) => f.kind === "floordiv" && f.a === m.a && f.b === m.b));
}

function signOf(d: Dim, budget: number): number {
  if (typeof d === "number") return Math.sign(d);
  return lowerBound(d, budget) >= 0 ? 1 : lowerBound(polyNeg(d), budget) >= 0 ? -1 : 0;
}

function atomsByRank(d: DimExpr): Atom[] {
  return [...new Set(d.terms.flatMap((t) => t.factors))].sort(
    (x, y) => y.rank - x.rank || modFirst(x, y) || compareAtoms(x, y),
  );
}

/** A mod goes before its quotient, with which it is known exactly. */
function modFirst(x: Atom, y: Atom): number {
  return Number(y.kind === "mod") - Number(x.kind === "mod");
}

/** Whether a symbol, or one that its extent depends on, is in both. */
function related(x: Dim, y: Dim): boolean {
  const others = reach(y);
  for (const s of reach(x)) if (others.has(s)) return true;
  return false;
}

function reach(d: Dim): ReadonlySet<Sym> {
  if (typeof d === "number") return symsOf(d);
  if (d.reach === null) {
    const found = new Set(symsOf(d));
    for (const s of symsOf(d)) if (s.extent !== null) for (const t of reach(s.extent)) found.add(t);
    d.reach = found;
  }
  return d.reach;
}

export function isPositive(d: Dim): boolean {
  return lowerBound(d) >= 1;
}

export function isNegative(d: Dim): boolean {
  return lowerBound(polyNeg(d)) >= 1;
}
