/**
 * Interned polynomials over atoms, and plain arithmetic on them (`poly*`), which applies no rules.
 *
 * In: nodes of dim-node.ts. Out: the one DimExpr, monomial, symbol or operation of its kind, so `===` compares structure.
 * Integers beyond Number.MAX_SAFE_INTEGER throw DimOverflowError.
 */
import {
  type Atom,
  checkedInt,
  compareAtoms,
  compareMonos,
  type Dim,
  freshId,
  type Mono,
  type OpAtom,
  type OpKind,
  type Range,
  type Sym,
  type Term,
} from "./dim-node.js";
import { formatDim } from "./dim-text.js";

/** A non-constant polynomial: at least one term has factors. Only this module makes them. */
export class DimExpr {
  readonly kind = "dim" as const;
  readonly id: number;
  readonly terms: readonly Term[];
  /** memos; every one is a pure function of `terms` */
  lower: (number | undefined)[] | null = null;
  bounds: Range | null = null;
  syms: ReadonlySet<Sym> | null = null;
  reach: ReadonlySet<Sym> | null = null;
  negated: Dim | null = null;
  canonical: Dim | null = null;
  constructor(terms: readonly Term[]) {
    this.id = freshId();
    this.terms = terms;
  }
  toString(): string {
    return formatDim(this);
  }
  toJSON(): string {
    return formatDim(this);
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return formatDim(this);
  }
}

const syms = new Map<string, Sym>();
const ops = new Map<string, OpAtom>();
const monos = new Map<string, Mono>();
/** by hash, told apart by terms */
const exprs = new Map<number, DimExpr[]>();

/** A symbol in the inclusive range lo..hi; hi may be Infinity, lo -Infinity. */
export function sym(name: string, lo: number, hi: number): DimExpr {
  const ok = (x: number, open: number): boolean => Number.isSafeInteger(x) || x === open;
  if (!ok(lo, -Infinity) || !ok(hi, Infinity) || lo > hi)
    throw new RangeError(`symbol "${name}": bad range ${lo}..${hi}`);
  return internSym(name, lo + 0, hi + 0, null);
}

export function internSym(name: string, lo: number, hi: number, extent: Dim | null): DimExpr {
  const key = `${lo},${hi},${extent === null ? "" : dimKey(extent)},${name}`;
  let s = syms.get(key);
  if (s === undefined) {
    s = { kind: "sym", id: freshId(), name, lo, hi, extent, rank: extent === null ? 0 : 1 + rankOf(extent) };
    syms.set(key, s);
  }
  return atomExpr(s);
}

/** The interned atom kind(a, b). Callers in dim-simplify.ts have found that no rule applies. */
export function opExpr(kind: OpKind, a: Dim, b: Dim): DimExpr {
  const key = `${kind},${dimKey(a)},${dimKey(b)}`;
  let op = ops.get(key);
  if (op === undefined) {
    op = { kind, id: freshId(), a, b, rank: 1 + Math.max(0, rankOf(a), rankOf(b)), bounds: null };
    ops.set(key, op);
  }
  return atomExpr(op);
}

/** Text that is the same for the same Dim only, within a process: for the keys of tables. */
export function dimKey(d: Dim): string {
  return typeof d === "number" ? `${d}` : `$${d.id}`;
}

/** How deep the definition of d's atoms goes; -1 for a constant. Bounds eliminate high ranks first. */
function rankOf(d: Dim): number {
  let rank = -1;
  if (typeof d !== "number") for (const t of d.terms) for (const f of t.factors) rank = Math.max(rank, f.rank);
  return rank;
}

// ---- polynomials, without rules

export function monoOf(sorted: readonly Atom[]): Mono {
  const key = sorted.map((f) => f.id).join();
  const known = monos.get(key);
  if (known !== undefined) return known;
  const m: Mono = { id: freshId(), factors: sorted, products: new Map(), bounds: null, expr: null };
  monos.set(key, m);
  return m;
}

export const ONE: Mono = monoOf([]);

function monoMul(x: Mono, y: Mono): Mono {
  if (x === ONE) return y;
  if (y === ONE) return x;
  let p = x.products.get(y);
  if (p === undefined) {
    p = monoOf([...x.factors, ...y.factors].sort(compareAtoms));
    x.products.set(y, p);
    y.products.set(x, p);
  }
  return p;
}

/** x / y, or null where y does not divide x. */
export function monoDiv(x: Mono, y: Mono): Mono | null {
  if (y === ONE) return x;
  const left = [...x.factors];
  for (const f of y.factors) {
    const i = left.indexOf(f);
    if (i < 0) return null;
    left.splice(i, 1);
  }
  return monoOf(left);
}

/** The sum of coeff*mono. Interns. */
export function polyOf(acc: ReadonlyMap<Mono, number>): Dim {
  const terms: Term[] = [];
  for (const [mono, coeff] of acc) if (coeff !== 0) terms.push({ coeff, factors: mono.factors, mono });
  const [first] = terms;
  if (first === undefined) return 0;
  if (terms.length > 1) terms.sort((t, u) => compareMonos(t.mono, u.mono));
  else if (first.mono === ONE) return first.coeff;
  let hash = 0;
  for (const t of terms) hash = Math.imul(hash + t.coeff, 0x9e3779b1) ^ Math.imul(t.mono.id, 0x85ebca6b);
  const bucket = exprs.get(hash);
  const found = bucket?.find((d) => sameTerms(d.terms, terms));
  if (found !== undefined) return found;
  const d = new DimExpr(terms);
  if (bucket === undefined) exprs.set(hash, [d]);
  else bucket.push(d);
  return d;
}

function sameTerms(x: readonly Term[], y: readonly Term[]): boolean {
  return x.length === y.length && x.every((t, i) => t.mono === y[i]?.mono && t.coeff === y[i].coeff);
}

function accumulate(acc: Map<Mono, number>, mono: Mono, coeff: number): void {
  acc.set(mono, checkedInt((acc.get(mono) ?? 0) + checkedInt(coeff)));
}

export function termsOf(d: Dim): readonly Term[] {
  if (typeof d !== "number") return d.terms;
  return d === 0 ? [] : [{ coeff: checkedInt(d), factors: [], mono: ONE }];
}

export function polyTerm(coeff: number, mono: Mono): Dim {
  if (mono === ONE) return checkedInt(coeff);
  if (coeff !== 1) return polyOf(new Map([[mono, checkedInt(coeff)]]));
  mono.expr ??= polyOf(new Map([[mono, 1]]));
  return mono.expr;
}

export function atomExpr(atom: Atom): DimExpr {
  const d = polyTerm(1, monoOf([atom]));
  if (typeof d === "number") throw new Error("an atom is not a constant");
  return d;
}

export function polySum(parts: readonly Dim[]): Dim {
  const acc = new Map<Mono, number>();
  for (const d of parts) {
    if (typeof d === "number") accumulate(acc, ONE, d);
    else for (const t of d.terms) accumulate(acc, t.mono, t.coeff);
  }
  return polyOf(acc);
}

export function polyMul(a: Dim, b: Dim): Dim {
  if (typeof a === "number" && typeof b === "number") return checkedInt(checkedInt(a) * checkedInt(b));
  if (a === 1) return b;
  if (b === 1) return a;
  const acc = new Map<Mono, number>();
  for (const t of termsOf(a)) for (const u of termsOf(b)) accumulate(acc, monoMul(t.mono, u.mono), t.coeff * u.coeff);
  return polyOf(acc);
}

export function polySub(a: Dim, b: Dim): Dim {
  return polySum([a, polyNeg(b)]);
}

export function polyNeg(d: Dim): Dim {
  if (typeof d === "number") return checkedInt(-d);
  d.negated ??= polyMul(-1, d);
  return d.negated;
}

/** p / b where b divides p exactly as a polynomial, else null. */
export function polyDivExact(p: Dim, b: Dim): Dim | null {
  const { q, r } = polyDivRem(p, b);
  return r === 0 ? q : null;
}

/** Division by b's leading term: p = q*b + r, and no term of r is one that b's leading term divides. */
export function polyDivRem(p: Dim, b: Dim): { q: Dim; r: Dim } {
  const [lead] = termsOf(b);
  if (lead === undefined) throw new RangeError("division by zero");
  let q: Dim = 0;
  let r: Dim = 0;
  for (let left = p; left !== 0; ) {
    const [t] = termsOf(left);
    if (t === undefined) break;
    const mono = monoDiv(t.mono, lead.mono);
    const k = mono === null ? 0 : Math.trunc(t.coeff / lead.coeff);
    if (mono !== null && k !== 0) {
      const part = polyTerm(k, mono);
      q = polySum([q, part]);
      left = polySub(left, polyMul(part, b));
      const [u] = termsOf(left);
      if (u === undefined || u.mono !== t.mono) continue;
    }
    const [u] = termsOf(left);
    if (u === undefined) break;
    r = polySum([r, polyTerm(u.coeff, u.mono)]);
    left = polySub(left, polyTerm(u.coeff, u.mono));
  }
  return { q, r };
}

/** d = coeff*atom + rest as a polynomial (atoms inside other atoms do not count); null where atom is squared. */
export function polyLinear(d: Dim, atom: Atom): { coeff: Dim; rest: Dim } | null {
  const coeff = new Map<Mono, number>();
  const rest = new Map<Mono, number>();
  for (const t of termsOf(d)) {
    const at = t.factors.indexOf(atom);
    if (at < 0) rest.set(t.mono, t.coeff);
    else if (t.factors.lastIndexOf(atom) !== at) return null;
    else coeff.set(monoOf(t.factors.toSpliced(at, 1)), t.coeff);
  }
  return { coeff: polyOf(coeff), rest: polyOf(rest) };
}

// ---- what is in it

/** The atom that d is, exactly, if it is one. */
export function atomOf(d: Dim): Atom | undefined {
  if (typeof d === "number" || d.terms.length !== 1) return undefined;
  const [t] = d.terms;
  return t !== undefined && t.coeff === 1 && t.factors.length === 1 ? t.factors[0] : undefined;
}

const NO_SYMS: ReadonlySet<Sym> = new Set();

/** All symbols in d, also inside floordiv, mod, min and max, but not those of extents. */
export function symsOf(d: Dim): ReadonlySet<Sym> {
  if (typeof d === "number") return NO_SYMS;
  if (d.syms === null) {
    const found = new Set<Sym>();
    for (const t of d.terms) {
      for (const f of t.factors) {
        if (f.kind === "sym") found.add(f);
        else for (const arg of [f.a, f.b]) for (const s of symsOf(arg)) found.add(s);
      }
    }
    d.syms = found;
  }
  return d.syms;
}
