/**
 * floordiv, mod and ceildiv of integer expressions, and the rules that make them canonical.
 *
 * In: canonical Dims. Out: canonical Dims; on the operands of an atom that it returned, a rule gives that atom again.
 * Rules hold for divisors of either sign and round as Python does; a rule that would overflow is not applied.
 */
import { attempt, isNegative, isPositive, range } from "./dim-bounds.js";
import {
  type Atom,
  checkedInt,
  compareDims,
  type Dim,
  floorDivInt,
  floorModInt,
  gcd,
  type Mono,
  memoized,
} from "./dim-node.js";
import {
  atomExpr,
  atomOf,
  monoDiv,
  monoOf,
  ONE,
  opExpr,
  polyDivExact,
  polyDivRem,
  polyMul,
  polyNeg,
  polyOf,
  polySub,
  polySum,
  polyTerm,
  termsOf,
} from "./dim-poly.js";
import { add, mul, neg, provenLess, provenLessEqual, recombine, sub } from "./dim-simplify.js";

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
