/**
 * What makes a Dim canonical: numeric and symbolic bounds, proofs from them, and the rules of each operation.
 *
 * In: canonical Dims. Out: canonical Dims; `op(a, b)` is a pure function of its arguments, and calling it on the
 * arguments of an atom that it returned gives that atom again (so text round-trips). Rules hold wherever the original
 * expression has a value: symbols within their ranges, index variables below their extents, divisors not 0.
 */
import {
  type Atom,
  atomExpr,
  atomOf,
  checkedInt,
  compareAtoms,
  compareDims,
  type Dim,
  type DimExpr,
  DimOverflowError,
  floorDivInt,
  floorModInt,
  type Mono,
  monoDiv,
  monoOf,
  ONE,
  type OpAtom,
  opExpr,
  polyDivExact,
  polyDivRem,
  polyLinear,
  polyMul,
  polyNeg,
  polyOf,
  polySub,
  polySum,
  polyTerm,
  type Range,
  type Sym,
  symsOf,
  termsOf,
} from "./dim.js";

// ---- bounds

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
function attempt<T>(f: () => T): T | undefined {
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
function lowerBound(d: Dim, budget = BUDGET): number {
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

function gcd(x: number, y: number): number {
  let [a, b] = [Math.abs(x), Math.abs(y)];
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}

// ---- proofs

/** a <= b wherever both have a value. Sound, incomplete; so are the two below. */
export function provenLessEqual(a: Dim, b: Dim): boolean {
  return a === b || attempt(() => lowerBound(sub(b, a)) >= 0) === true;
}

export function provenLess(a: Dim, b: Dim): boolean {
  return a !== b && attempt(() => lowerBound(sub(b, add(a, 1))) >= 0) === true;
}

export function provenEqual(a: Dim, b: Dim): boolean {
  return a === b || (provenLessEqual(a, b) && provenLessEqual(b, a));
}

// ---- sums and products

export function add(...parts: Dim[]): Dim {
  return recombine(polySum(parts));
}

export function sub(a: Dim, b: Dim): Dim {
  return recombine(polySub(a, b));
}

export function neg(d: Dim): Dim {
  return recombine(polyNeg(d));
}

export function mul(...factors: Dim[]): Dim {
  return recombine(factors.reduce(polyMul, 1));
}

/** n*floordiv(x, n) + mod(x, n) is x, and n*mod(floordiv(x, n), m) + mod(x, n) is mod(x, n*m), times any factor. */
function recombine(d: Dim): Dim {
  if (typeof d === "number" || !d.terms.some((t) => t.factors.some((f) => f.kind === "mod"))) return d;
  if (d.canonical === null) {
    const next = attempt(() => recombineOnce(d)) ?? d;
    d.canonical = next === d ? d : recombine(next);
  }
  return d.canonical;
}

function recombineOnce(d: DimExpr): Dim {
  for (const t of d.terms) {
    for (const m of t.factors) {
      if (m.kind !== "mod") continue;
      const [low] = termsOf(atomExpr(m));
      const mono = low === undefined ? null : monoDiv(t.mono, low.mono);
      if (mono === null) continue;
      const outer = polyTerm(1, mono);
      const stride = polyMul(outer, m.b);
      const quotient = floordiv(m.a, m.b);
      const whole = replaceUnits(
        d,
        t.coeff,
        [polyMul(outer, atomExpr(m)), polyMul(stride, quotient)],
        polyMul(outer, m.a),
      );
      if (whole !== d) return whole;
      for (const digit of d.terms.flatMap((u) => u.factors)) {
        if (digit.kind !== "mod" || digit.a !== quotient || !isPositive(digit.b)) continue;
        const wider = attempt(() => mod(m.a, mul(m.b, digit.b)));
        if (wider === undefined) continue;
        const from = [polyMul(outer, atomExpr(m)), polyMul(stride, atomExpr(digit))];
        const merged = replaceUnits(d, t.coeff, from, polyMul(outer, wider));
        if (merged !== d) return merged;
      }
    }
  }
  return d;
}

/** Replaces as many whole multiples of the sum of `from` in d as there are (at most `limit`) by `to`. */
function replaceUnits(d: DimExpr, limit: number, from: readonly Dim[], to: Dim): Dim {
  let units = limit;
  for (const want of termsOf(polySum(from))) {
    const have = d.terms.find((t) => t.mono === want.mono)?.coeff ?? 0;
    const k = Math.trunc(have / want.coeff);
    if (k === 0 || k > 0 !== limit > 0) return d;
    if (Math.abs(k) < Math.abs(units)) units = k;
  }
  return polySum([d, ...from.map((part) => polyMul(-units, part)), polyMul(units, to)]);
}

// ---- floordiv and mod

function memoized(rule: (a: Dim, b: Dim) => Dim): (a: Dim, b: Dim) => Dim {
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

function isPositive(d: Dim): boolean {
  return lowerBound(d) >= 1;
}

function isNegative(d: Dim): boolean {
  return lowerBound(polyNeg(d)) >= 1;
}

/** floor(a / b), as Python's //. */
export function floordiv(a: Dim, b: Dim): Dim {
  if (typeof a === "number" && typeof b === "number") return floorDivInt(checkedInt(a), checkedInt(b));
  if (b === 0) throw new RangeError(`division by zero: floordiv(${a}, 0)`);
  if (b === 1) return a;
  return floordivRules(a, b);
}

/** a - b*floordiv(a, b), as Python's %: the sign of b. */
export function mod(a: Dim, b: Dim): Dim {
  if (typeof a === "number" && typeof b === "number") return floorModInt(checkedInt(a), checkedInt(b));
  if (b === 0) throw new RangeError(`division by zero: mod(${a}, 0)`);
  if (b === 1) return 0;
  return modRules(a, b);
}

/** ceil(a / b). */
export function ceildiv(a: Dim, b: Dim): Dim {
  return isPositive(b) ? floordiv(add(a, b, -1), b) : neg(floordiv(neg(a), b));
}

const floordivRules = memoized((a, b): Dim => {
  if (isNegative(b)) return floordiv(neg(a), neg(b));
  const block = blockOf(a, b);
  if (block !== undefined) return block;
  const { q, r } = split(a, b);
  if (q !== 0) return add(q, floordiv(r, b));
  const shared = shareFactor(a, b);
  if (shared !== null) return floordiv(shared.a, shared.b);
  const inner = atomOf(a);
  if (inner?.kind === "mod") {
    const digits = polyDivExact(inner.b, b);
    if (digits !== null && isPositive(b) && isPositive(digits)) return mod(floordiv(inner.a, b), digits);
  }
  return attempt(() => mergeFloordivs(a, b)) ?? opExpr("floordiv", a, b);
});

/** floordiv(s + floordiv(x, n), b) is floordiv(n*s + x, n*b) for b >= 1. */
function mergeFloordivs(a: Dim, b: Dim): Dim | undefined {
  const quotients = termsOf(a).filter(
    (t) => t.coeff === 1 && t.factors.length === 1 && t.factors[0]?.kind === "floordiv",
  );
  const inner = quotients[0]?.factors[0];
  if (inner?.kind !== "floordiv" || quotients.length > 1 || !isPositive(b)) return undefined;
  const s = polySub(a, atomExpr(inner));
  return floordiv(add(mul(inner.b, s), inner.a), mul(inner.b, b));
}

const modRules = memoized((a, b): Dim => {
  if (isNegative(b)) return neg(mod(neg(a), neg(b)));
  const block = blockOf(a, b);
  if (block !== undefined) return sub(a, mul(block, b));
  const { q, r } = split(a, b);
  if (q !== 0) return mod(r, b);
  const shared = shareFactor(a, b);
  if (shared !== null) return add(mul(shared.g, mod(shared.a, shared.b)), shared.r);
  return attempt(() => dropInnerMods(a, b)) ?? recombine(opExpr("mod", a, b));
});

/** mod(c*mod(x, n) + s, b) is mod(c*x + s, b) where b divides c*n. */
function dropInnerMods(a: Dim, b: Dim): Dim | undefined {
  for (const t of termsOf(a)) {
    for (const m of t.factors) {
      const [low] = m.kind === "mod" ? termsOf(atomExpr(m)) : [];
      const mono = low === undefined ? null : monoDiv(t.mono, low.mono);
      if (m.kind !== "mod" || mono === null) continue;
      const c = polyTerm(t.coeff, mono);
      if (polyDivExact(polyMul(c, m.b), b) === null) continue;
      return mod(add(polySub(a, polyTerm(t.coeff, t.mono)), mul(c, m.a)), b);
    }
  }
  return undefined;
}

/** The k for which a is proven in k*b .. (k+1)*b - 1. Symbolic proofs try only 0 and -1. */
function blockOf(a: Dim, b: Dim): number | undefined {
  if (a === 0) return 0;
  const { lo, hi } = range(a);
  if (typeof b === "number" && Number.isFinite(lo) && Number.isFinite(hi)) {
    const k = floorDivInt(lo, b);
    if (k === floorDivInt(hi, b)) return k;
  }
  if (lo >= 0 && provenLess(a, b)) return 0;
  if (hi < 0 && provenLessEqual(polyNeg(b), a)) return -1;
  return undefined;
}

/** a = q*b + r with as much in q as b divides term by term; for a b of several terms see splitGroups. */
function split(a: Dim, b: Dim): { q: Dim; r: Dim } {
  const [lead, ...others] = termsOf(b);
  if (lead === undefined) throw new RangeError("division by zero");
  if (others.length > 0) {
    const q = add(...splitGroups(a, b));
    return q === 0 ? { q, r: a } : { q, r: sub(a, mul(q, b)) };
  }
  const q = new Map<Mono, number>();
  const r = new Map<Mono, number>();
  for (const t of termsOf(a)) {
    const mono = monoDiv(t.mono, lead.mono);
    const k = mono === null ? 0 : t.mono === ONE ? floorDivInt(t.coeff, lead.coeff) : Math.trunc(t.coeff / lead.coeff);
    if (mono !== null && k !== 0) q.set(mono, k);
    r.set(t.mono, checkedInt(t.coeff - k * lead.coeff));
  }
  return q.size === 0 ? { q: 0, r: a } : { q: recombine(polyOf(q)), r: recombine(polyOf(r)) };
}

/** a by the factors that b does not have: each group is a polynomial in b's atoms that b divides exactly, or is left. */
function splitGroups(a: Dim, b: Dim): Dim[] {
  const own = new Set(termsOf(b).flatMap((t) => t.factors));
  const groups = new Map<Mono, Dim[]>();
  for (const t of termsOf(a)) {
    const outer = monoOf(t.factors.filter((f) => !own.has(f)));
    const inner = monoOf(t.factors.filter((f) => own.has(f)));
    const part = polyTerm(t.coeff, inner);
    const group = groups.get(outer);
    if (group === undefined) groups.set(outer, [part]);
    else group.push(part);
  }
  return [...groups].map(([outer, parts]) => {
    const group = polySum(parts);
    const q = outer === ONE ? polyDivRem(group, b).q : (polyDivExact(group, b) ?? 0);
    return polyMul(q, polyTerm(1, outer));
  });
}

/** a = g*a' + r with 0 <= r < g and b = g*b': then floordiv(a, b) = floordiv(a', b'), mod(a, b) = g*mod(a', b') + r. */
function shareFactor(a: Dim, b: Dim): { g: Dim; a: Dim; b: Dim; r: Dim } | null {
  for (const g of commonFactors(a, b)) {
    const rest = polyDivExact(b, g);
    if (rest === null) continue;
    const parts = split(a, g);
    const k = blockOf(parts.r, g);
    if (k === undefined || (parts.r !== 0 && !isPositive(rest))) continue;
    return { g, a: add(parts.q, k), b: rest, r: sub(parts.r, mul(k, g)) };
  }
  return null;
}

/** Candidates for shareFactor, larger first: what the divisor's terms have in common, with each term of a. */
function commonFactors(a: Dim, b: Dim): Dim[] {
  const [first, ...others] = termsOf(b);
  if (first === undefined) return [];
  let coeff = Math.abs(first.coeff);
  let factors = [...first.factors];
  for (const t of others) {
    coeff = gcd(coeff, t.coeff);
    factors = commonAtoms(factors, t.factors);
  }
  const found = new Set<Dim>();
  for (const t of termsOf(a)) {
    if (t.mono === ONE) continue;
    let g: Dim = gcd(coeff, t.coeff);
    for (const f of commonAtoms(factors, t.factors)) g = polyMul(g, atomExpr(f));
    found.add(g);
  }
  if (others.length > 0) {
    let content: Dim = coeff;
    for (const f of factors) content = polyMul(content, atomExpr(f));
    const primitive = polyDivExact(b, content);
    if (primitive !== null && primitive !== b) found.add(primitive);
  }
  found.delete(1);
  found.delete(b);
  return [...found].sort((x, y) => (typeof x === "number" && typeof y === "number" ? y - x : -compareDims(x, y)));
}

function commonAtoms(x: readonly Atom[], y: readonly Atom[]): Atom[] {
  const left = [...y];
  return x.filter((f) => {
    const i = left.indexOf(f);
    if (i >= 0) left.splice(i, 1);
    return i >= 0;
  });
}

// ---- min and max

export function min(a: Dim, b: Dim): Dim {
  return typeof a === "number" && typeof b === "number" ? Math.min(checkedInt(a), checkedInt(b)) : minRules(a, b);
}

export function max(a: Dim, b: Dim): Dim {
  return typeof a === "number" && typeof b === "number" ? Math.max(checkedInt(a), checkedInt(b)) : maxRules(a, b);
}

const minRules = memoized((a, b) => extremum("min", a, b));
const maxRules = memoized((a, b) => extremum("max", a, b));

/** Flattened, without operands that another proves redundant, sorted, nested to the right. */
function extremum(kind: "min" | "max", a: Dim, b: Dim): Dim {
  const wins = (x: Dim, y: Dim): boolean => (kind === "min" ? provenLessEqual(x, y) : provenLessEqual(y, x));
  const operands = [...operandsOf(kind, a), ...operandsOf(kind, b)].sort(compareDims);
  let kept: Dim[] = [];
  for (const x of operands) {
    if (kept.some((y) => wins(y, x))) continue;
    kept = [...kept.filter((y) => !wins(x, y)), x];
  }
  return kept.reduceRight((rest, x) => opExpr(kind, x, rest));
}

function operandsOf(kind: "min" | "max", d: Dim): Dim[] {
  const atom = atomOf(d);
  return atom?.kind === kind ? [...operandsOf(kind, atom.a), ...operandsOf(kind, atom.b)] : [d];
}

// ---- substitution

/**
 * d with f(s) for each symbol s (kept where f gives undefined), simplified again. f(s) must lie within s's range.
 * Extents are not rewritten: to specialize N under a variable v < N, map v too.
 */
export function substitute(d: Dim, f: (s: Sym) => Dim | undefined): Dim {
  const images = new Map<Sym, Dim>();
  for (const s of symsOf(d)) {
    const image = f(s);
    if (image !== undefined) images.set(s, image);
  }
  const done = new Map<Dim, Dim>();
  const visit = (x: Dim): Dim => {
    if (typeof x === "number") return x;
    let y = done.get(x);
    if (y === undefined) {
      y = add(...x.terms.map((t) => mul(t.coeff, ...t.factors.map(visitAtom))));
      done.set(x, y);
    }
    return y;
  };
  const visitAtom = (atom: Atom): Dim => {
    if (atom.kind === "sym") return images.get(atom) ?? atomExpr(atom);
    return BY_KIND[atom.kind](visit(atom.a), visit(atom.b));
  };
  return images.size === 0 ? d : visit(d);
}

const BY_KIND = { floordiv, mod, min, max } as const;
