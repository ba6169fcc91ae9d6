// Scalar expressions over a loop variable become vectors over `lanes` consecutive values of it. Each load is classified:
// contiguous, one element for all lanes, every second or fourth one (shuffles of vectors), or element by element. What does
// not depend on the variable stays scalar and is spread over the lanes, so that it can be hoisted.

import { add, atomExpr, type Dim, dependsOn, linearIn, type Sym, substitute, symsOf } from "../../compiler/ir/dim.js";
import { DTYPES } from "../../compiler/ir/dtype.js";
import { type Expr, type ExprPool, type Reg, reindex } from "./expr.js";

const SCALAR_ONLY = new Set(["checkedIndex", "promote", "demote", "extendS", "extendU", "wrap"]);

export class Vectorizer {
  readonly #pool: ExprPool;
  readonly #v: Sym;
  readonly #lanes: number;
  readonly #memo = new Map<Expr, Expr | null>();
  readonly #depends = new Map<Expr, boolean>();
  readonly #bound = new Set<Expr>();

  constructor(pool: ExprPool, v: Sym, lanes: number) {
    this.#pool = pool;
    this.#v = v;
    this.#lanes = lanes;
  }

  /** Declares the vector form of a scalar that the caller holds. */
  bind(scalar: Expr, vector: Expr): void {
    this.#memo.set(scalar, vector);
    this.#depends.set(scalar, true);
    this.#bound.add(scalar);
  }

  /** The vector form, or null where a part has none. */
  vector(e: Expr): Expr | null {
    const seen = this.#memo.get(e);
    if (seen !== undefined) return seen;
    const made = this.#make(e);
    this.#memo.set(e, made);
    return made;
  }

  /** Whether an expression's value changes with the loop variable. */
  depends(e: Expr): boolean {
    const seen = this.#depends.get(e);
    if (seen !== undefined) return seen;
    this.#depends.set(e, false);
    const answer = this.#dependsNow(e);
    this.#depends.set(e, answer);
    return answer;
  }

  #dependsNow(e: Expr): boolean {
    switch (e.kind) {
      case "const":
      case "var":
        return false;
      case "index":
        return this.#dimDepends(e.dim);
      case "load":
      case "address":
        return this.#dimDepends(e.index);
      case "loadAt":
        return this.depends(e.address);
      case "lane":
        return this.depends(e.from);
      case "lanes":
        return e.items.some((i) => this.depends(i));
      case "op":
        return e.args.some((a) => this.depends(a));
    }
  }

  #dimDepends(d: Dim): boolean {
    if (dependsOn(d, this.#v)) return true;
    for (const s of symsOf(d)) {
      const e = this.#pool.dynamic.get(s);
      if (e !== undefined && this.depends(e)) return true;
    }
    return false;
  }

  /** Whether a data-dependent index in `d` changes with the loop variable. */
  #dynamicDepends(d: Dim): boolean {
    for (const s of symsOf(d)) {
      const e = this.#pool.dynamic.get(s);
      if (e !== undefined && this.depends(e)) return true;
    }
    return false;
  }

  /** Whether a data-dependent index in a load comes from what the caller holds as a vector. */
  #readsBound(e: Expr, seen = new Set<Expr>()): boolean {
    if (this.#bound.has(e)) return true;
    if (seen.has(e)) return false;
    seen.add(e);
    const given = (d: Dim): boolean =>
      [...symsOf(d)].some((s) => {
        const index = this.#pool.dynamic.get(s);
        return index !== undefined && this.#readsBound(index, seen);
      });
    switch (e.kind) {
      case "index":
        return given(e.dim);
      case "load":
      case "address":
        return given(e.index);
      case "loadAt":
        return this.#readsBound(e.address, seen);
      case "lane":
        return this.#readsBound(e.from, seen);
      case "lanes":
        return e.items.some((i) => this.#readsBound(i, seen));
      case "op":
        return e.args.some((a) => this.#readsBound(a, seen));
      default:
        return false;
    }
  }

  /** Every second or fourth element: of two vectors, of which the second ends with the last that is read. */
  #everySecond(e: Expr & { kind: "load" }, type: Reg, index: Dim, stride: number): Expr {
    const half = stride / 2;
    const part = (at: Dim): Expr =>
      half === 1 ? this.#pool.load(e.buffer, e.dtype, type, at, 1) : this.#everySecond(e, type, at, half);
    return this.#pool.op("evensOdds", type, part(index), part(add(index, (this.#lanes - 1) * half)));
  }

  #make(e: Expr): Expr | null {
    if (e.type.lanes !== 1) return null;
    const wide = e.type.kind === "i64" || e.type.kind === "f64" || e.type.kind === "mask64";
    if (!this.depends(e)) return wide ? null : this.#pool.splat(e, this.#lanes);
    const type: Reg = { kind: e.type.kind, lanes: this.#lanes };
    const at = (d: Dim, lane: number): Dim =>
      substitute(d, (s) => (s === this.#v ? add(atomExpr(s), lane) : undefined));
    switch (e.kind) {
      case "index": {
        if (this.#dynamicDepends(e.dim)) return null;
        const linear = linearIn(e.dim, this.#v);
        if (linear !== null && typeof linear.coeff === "number") {
          const { coeff } = linear;
          const steps = Array.from({ length: this.#lanes }, (_, lane) => this.#pool.i32(lane * coeff));
          return this.#pool.same("add", this.#pool.splat(e, this.#lanes), this.#pool.lanes(steps));
        }
        return this.#pool.lanes(Array.from({ length: this.#lanes }, (_, lane) => this.#pool.index(at(e.dim, lane))));
      }
      case "load": {
        if (wide) return null;
        const isGathered = this.#dynamicDepends(e.index);
        if (isGathered && this.#readsBound(e)) return null;
        const linear = isGathered ? null : linearIn(e.index, this.#v);
        if (linear !== null && linear.coeff === 1) return this.#pool.load(e.buffer, e.dtype, type, e.index, 1);
        if (linear !== null && (linear.coeff === 2 || linear.coeff === 4))
          return this.#everySecond(e, type, e.index, linear.coeff);
        if (linear === null && !isGathered && DTYPES[e.dtype].bits < 32) return null;
        return this.#pool.lanes(
          Array.from({ length: this.#lanes }, (_, lane) => reindex(this.#pool, e, (d) => at(d, lane))),
        );
      }
      case "op": {
        if (wide || SCALAR_ONLY.has(e.op)) return null;
        if (e.args.some((a) => a.type.kind === "i64" || a.type.kind === "f64" || a.type.kind === "mask64")) return null;
        if (e.op === "divS" || e.op === "divU" || e.op === "remS" || e.op === "remU") return null;
        const shift = e.op === "shl" || e.op === "shrS" || e.op === "shrU";
        const args: Expr[] = [];
        for (const [i, a] of e.args.entries()) {
          if (shift && i === 1) {
            if (this.depends(a)) return null;
            args.push(a);
            continue;
          }
          const v = this.vector(a);
          if (v === null) return null;
          args.push(v);
        }
        return this.#pool.op(e.op, type, ...args);
      }
      default:
        return null;
    }
  }
}
