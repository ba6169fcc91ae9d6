// What a kernel's text has computed so far, so that an expression is written once where its value still holds: scopes
// follow the blocks of the function, and what depends on a register or on memory is forgotten when that changes.

import { type Dim, type Sym, symsOf } from "../../compiler/ir/dim.js";
import type { Expr } from "../loops/expr.js";
import type { LoopKernel, Stmt } from "../loops/stmt.js";

/** Stands for memory that the kernel writes, among the names of registers and symbols. */
const MEMORY = "(memory)";
const NOTHING: ReadonlySet<string> = new Set();

interface Scope {
  readonly steady: Map<Expr | Dim | string, string>;
  readonly fleeting: Map<Expr | Dim | string, { readonly text: string; readonly needs: ReadonlySet<string> }>;
}

export class Known {
  readonly #kernel: LoopKernel;
  readonly #needs = new Map<Expr, ReadonlySet<string>>();
  readonly #scopes: Scope[] = [{ steady: new Map(), fleeting: new Map() }];

  constructor(kernel: LoopKernel) {
    this.#kernel = kernel;
  }

  /** Runs `body` in a scope of its own: what it computes does not hold after it. `repeats`: statements it may run again. */
  inside(changes: readonly Stmt[], repeats: boolean, body: () => void): void {
    const changed = changedBy(changes);
    if (repeats) this.#forgetAll(changed);
    this.#scopes.push({ steady: new Map(), fleeting: new Map() });
    body();
    this.#scopes.pop();
    this.#forgetAll(changed);
  }

  find(key: Expr | Dim | string): string | undefined {
    for (let i = this.#scopes.length - 1; i >= 0; i--) {
      const scope = this.#scopes[i];
      const text = scope?.steady.get(key) ?? scope?.fleeting.get(key)?.text;
      if (text !== undefined) return text;
    }
    return undefined;
  }

  keep(key: Expr | Dim | string, needs: ReadonlySet<string>, text: string): string {
    const scope = this.#scopes.at(-1);
    if (needs.size === 0) scope?.steady.set(key, text);
    else scope?.fleeting.set(key, { text, needs });
    return text;
  }

  /** Memory was written. */
  wrote(): void {
    this.forget(MEMORY);
  }

  /** A register or a symbol changed. */
  forget(name: string): void {
    for (const { fleeting } of this.#scopes)
      for (const [key, { needs }] of fleeting) if (needs.has(name)) fleeting.delete(key);
  }

  #forgetAll(names: ReadonlySet<string>): void {
    for (const name of names) this.forget(name);
  }

  needsOfDim(d: Dim): ReadonlySet<string> {
    if (typeof d === "number") return NOTHING;
    return union([...symsOf(d)].map((s) => this.needsOfSym(s)));
  }

  /** Loop variables have the scope of their loop; symbols of the plan may be given a value by the kernel. */
  needsOfSym(s: Sym): ReadonlySet<string> {
    const dynamic = this.#kernel.pool.dynamic.get(s);
    return dynamic === undefined ? new Set([symbolNeed(s.name)]) : this.needsOf(dynamic);
  }

  needsOf(e: Expr): ReadonlySet<string> {
    const seen = this.#needs.get(e);
    if (seen !== undefined) return seen;
    const needs = this.#needsNow(e);
    this.#needs.set(e, needs);
    return needs;
  }

  #needsNow(e: Expr): ReadonlySet<string> {
    switch (e.kind) {
      case "const":
        return NOTHING;
      case "var":
        return new Set([e.name]);
      case "index":
        return this.needsOfDim(e.dim);
      case "address":
        return this.needsOfDim(e.index);
      case "load": {
        const needs = this.needsOfDim(e.index);
        return this.#kernel.buffers[e.buffer]?.written === false ? needs : union([needs, new Set([MEMORY])]);
      }
      case "loadAt":
        return union([this.needsOf(e.address), new Set([MEMORY])]);
      case "lane":
        return this.needsOf(e.from);
      case "lanes":
        return union(e.items.map((i) => this.needsOf(i)));
      case "op":
        return union(e.args.map((a) => this.needsOf(a)));
    }
  }
}

export function symbolNeed(name: string): string {
  return `symbol ${name}`;
}

function union(sets: readonly ReadonlySet<string>[]): ReadonlySet<string> {
  const full = sets.filter((s) => s.size > 0);
  const [only] = full;
  if (only === undefined) return NOTHING;
  if (full.every((s) => s === only)) return only;
  return new Set(full.flatMap((s) => [...s]));
}

/** Names that statements change. */
function changedBy(body: readonly Stmt[], into = new Set<string>()): Set<string> {
  for (const s of body) {
    if (s.kind === "store" || s.kind === "storeAt") into.add(MEMORY);
    else if (s.kind === "set") {
      if (s.target.kind === "var") into.add(s.target.name);
    } else if (s.kind === "symbol") {
      for (const x of symsOf(s.symbol)) into.add(symbolNeed(x.name));
    } else if (s.kind === "if") {
      changedBy(s.yes, into);
      changedBy(s.no, into);
    } else if (s.kind !== "prefetch") changedBy(s.body, into);
  }
  return into;
}
