/**
 * What makes a Dim canonical: proofs from bounds, the rules of sums, products, min and max, and substitution. Those of
 * division are in dim-divide.ts.
 *
 * In: canonical Dims. Out: canonical Dims; `op(a, b)` is a pure function of its arguments, and calling it on the
 * arguments of an atom that it returned gives that atom again (so text round-trips). Rules hold wherever the original
 * expression has a value: symbols within their ranges, index variables below their extents, divisors not 0.
 */
import { attempt, isPositive, lowerBound } from "./dim-bounds.js";
import { floordiv, mod } from "./dim-divide.js";
import { type Atom, checkedInt, compareDims, type Dim, memoized, type Sym } from "./dim-node.js";
import {
  atomExpr,
  atomOf,
  type DimExpr,
  monoDiv,
  opExpr,
  polyMul,
  polyNeg,
  polySub,
  polySum,
  polyTerm,
  symsOf,
  termsOf,
} from "./dim-poly.js";

// ---- proofs

/** a <= b wherever both have a value. Sound, incomplete; so are the two below. */
export function provenLessEqual(a: Dim, b: Dim): boolean {
  return a === b || attempt(() => lowerBound(sub(b, a)) >= 0) === true;
}

export function provenLess(a: Dim, b: Dim): boolean {
  // The bound of a difference can be tighter for b - a - 1 than for b - a: what is less must be proven less or equal as well.
  return a !== b && provenLessEqual(a, b) && attempt(() => lowerBound(sub(b, add(a, 1))) >= 0) === true;
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
export function recombine(d: Dim): Dim {
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
