/**
 * Integer dimension and index expressions: what tensor shapes and loop indices are made of.
 *
 * A Dim is a plain integer, or an interned polynomial over atoms (symbols, floordiv, mod, min, max), so `===` is
 * structural equality. Terms and factors are sorted by structure, never by creation order: the same value prints, and
 * parses back, the same in every process. All integers stay within Number.MAX_SAFE_INTEGER, else DimOverflowError.
 *
 * This file holds the queries and is the one to import from. Nodes are in dim-node.ts, plain polynomials in dim-poly.ts,
 * bounds in dim-bounds.ts, the rules that make `add`, `mul`, `floordiv`, ... canonical in dim-simplify.ts and
 * dim-divide.ts, the text form in dim-text.ts. A fact about an index variable (0 <= v < extent) may have been used to
 * simplify an expression, so a value substituted for v must also satisfy it.
 */
import { range } from "./dim-bounds.js";
import { type Atom, checkedInt, type Dim, floorDivInt, floorModInt, type Sym } from "./dim-node.js";
import { atomOf, internSym, polyLinear, symsOf, termsOf } from "./dim-poly.js";

export { range } from "./dim-bounds.js";
export { ceildiv, floordiv, mod } from "./dim-divide.js";
export {
  type Atom,
  compareDims,
  type Dim,
  DimOverflowError,
  floorDivInt,
  floorModInt,
  gcd,
  type OpAtom,
  type Range,
  type Sym,
} from "./dim-node.js";
export { atomExpr, atomOf, DimExpr, dimKey, sym, symsOf } from "./dim-poly.js";
export { add, max, min, mul, neg, provenEqual, provenLess, provenLessEqual, sub, substitute } from "./dim-simplify.js";
export { DimSyntaxError, formatDim, parseDim } from "./dim-text.js";

/** A loop variable 0 <= v < extent. */
export function indexVar(name: string, extent: Dim): Dim {
  return internSym(name, 0, Math.max(0, range(extent).hi - 1), extent);
}

export function asConst(d: Dim): number | undefined {
  return typeof d === "number" ? d : undefined;
}

export function symOf(d: Dim): Sym | undefined {
  const atom = atomOf(d);
  return atom?.kind === "sym" ? atom : undefined;
}

/** The terms whose sum is d, in canonical order (degree descending, the constant last); none for 0. */
export function terms(d: Dim): readonly { readonly coeff: number; readonly factors: readonly Atom[] }[] {
  return termsOf(d);
}

export function dependsOn(d: Dim, s: Sym): boolean {
  return symsOf(d).has(s);
}

/** d = coeff*s + rest, both free of s; null where s is squared or inside floordiv, mod, min or max. */
export function linearIn(d: Dim, s: Sym): { coeff: Dim; rest: Dim } | null {
  if (!dependsOn(d, s)) return { coeff: 0, rest: d };
  const parts = polyLinear(d, s);
  return parts === null || dependsOn(parts.coeff, s) || dependsOn(parts.rest, s) ? null : parts;
}

/** d's value where symbol `name` is env(name). Throws RangeError on division by zero and on overflow. */
export function evaluate(d: Dim, env: (name: string) => number): number {
  if (typeof d === "number") return d;
  let sum = 0;
  for (const t of d.terms) {
    let product = t.coeff;
    for (const f of t.factors) product = checkedInt(product * evaluateAtom(f, env));
    sum = checkedInt(sum + product);
  }
  return sum;
}

function evaluateAtom(f: Atom, env: (name: string) => number): number {
  if (f.kind === "sym") return checkedInt(env(f.name));
  const a = evaluate(f.a, env);
  const b = evaluate(f.b, env);
  switch (f.kind) {
    case "floordiv":
      return floorDivInt(a, b);
    case "mod":
      return floorModInt(a, b);
    case "min":
      return Math.min(a, b);
    case "max":
      return Math.max(a, b);
  }
}
