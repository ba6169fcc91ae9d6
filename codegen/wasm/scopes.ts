// Where a kernel's code goes: nested scopes of instructions, the locals that they fill, and for every expression the
// outermost scope in which it no longer changes (its level). What is computed at a level is kept in a local there, once.
// What reads memory stays inside branches that may not be taken, and what can fail a run inside what may not run.

import { type Dim, type Sym, symsOf } from "../../compiler/ir/dim.js";
import { Bug } from "../../compiler/ir/errors.js";
import type { Expr } from "../loops/expr.js";
import type { LoopKernel } from "../loops/stmt.js";
import { get, type Instruction, set, type ValueType } from "./tree.js";

interface Scope {
  readonly code: Instruction[];
  /** Locals that hold what was computed in this scope, by expression or address. */
  readonly known: Map<Expr | string, number>;
}

/** A local, and the depth of the scope in which it changes. */
export interface Place {
  readonly local: number;
  readonly depth: number;
}

/** The level of what changes inside the innermost scope: it is computed where it is used and not kept. */
export const VOLATILE = Number.POSITIVE_INFINITY;

export class Scopes {
  readonly locals: ValueType[] = [];
  /** Loop variables and registers by their locals. */
  readonly loopVars = new Map<Sym, Place>();
  readonly vars = new Map<string, Place>();
  readonly #kernel: LoopKernel;
  readonly #params: number;
  readonly #scopes: Scope[] = [{ code: [], known: new Map() }];
  #levels = new Map<Expr | Sym | Dim, number>();
  /** Depth of the innermost branch that may not be taken: what reads memory stays inside it. */
  #guard = 0;
  /** Depth of the innermost scope that may not run at all: checks that can fail a run stay inside it. */
  #optional = 0;
  /** Locals of what is volatile, until the next store or assignment. */
  #fleeting = new Map<Expr, number>();

  constructor(kernel: LoopKernel, params: number) {
    this.#kernel = kernel;
    this.#params = params;
  }

  /** The instructions outside all loops. */
  get code(): readonly Instruction[] {
    return this.#scope(0).code;
  }

  get depth(): number {
    return this.#scopes.length - 1;
  }

  #scope(depth = this.depth): Scope {
    const s = this.#scopes[depth];
    if (s === undefined) throw new Bug("wasm", `no scope at depth ${depth}`);
    return s;
  }

  newLocal(type: ValueType): number {
    this.locals.push(type);
    return this.#params + this.locals.length - 1;
  }

  push(code: Instruction): void {
    this.#scope().code.push(code);
  }

  /** Emits a body into a scope of its own. */
  inside(body: () => void, guarded: boolean, optional = guarded): readonly Instruction[] {
    const scope: Scope = { code: [], known: new Map() };
    this.#scopes.push(scope);
    const [guard, skipped] = [this.#guard, this.#optional];
    if (guarded) this.#guard = this.depth;
    if (optional) this.#optional = this.depth;
    this.#levels = new Map();
    this.#fleeting = new Map();
    body();
    this.#scopes.pop();
    this.#guard = guard;
    this.#optional = skipped;
    this.#levels = new Map();
    this.#fleeting = new Map();
    return scope.code;
  }

  // -- levels

  levelOfSym(s: Sym): number {
    const loop = this.loopVars.get(s);
    if (loop !== undefined) return loop.depth;
    const dynamic = this.#kernel.pool.dynamic.get(s);
    return dynamic === undefined ? 0 : this.level(dynamic);
  }

  levelOfDim(d: Dim): number {
    if (typeof d === "number") return 0;
    const seen = this.#levels.get(d);
    if (seen !== undefined) return seen;
    let level = 0;
    for (const s of symsOf(d)) level = Math.max(level, this.levelOfSym(s));
    this.#levels.set(d, level);
    return level;
  }

  level(e: Expr): number {
    const seen = this.#levels.get(e);
    if (seen !== undefined) return seen;
    const level = this.#levelNow(e);
    this.#levels.set(e, level);
    return level;
  }

  #levelNow(e: Expr): number {
    switch (e.kind) {
      case "const":
        return 0;
      case "var":
        return e.fixed ? (this.vars.get(e.name)?.depth ?? VOLATILE) : VOLATILE;
      case "index":
        return this.levelOfDim(e.dim);
      case "address":
        return this.levelOfDim(e.index);
      case "load":
        if (this.#kernel.buffers[e.buffer]?.written !== false) return VOLATILE;
        return Math.max(this.#guard, this.levelOfDim(e.index));
      case "loadAt":
        return VOLATILE;
      case "lane":
        return this.level(e.from);
      case "lanes":
        return Math.max(...e.items.map((i) => this.level(i)));
      case "op":
        return Math.max(e.op === "checkedIndex" ? this.#optional : 0, ...e.args.map((a) => this.level(a)));
    }
  }

  // -- locals

  /** Finds `key` in the scopes around. */
  find(key: Expr | string): number | undefined {
    for (let d = this.depth; d >= 0; d--) {
      const local = this.#scopes[d]?.known.get(key);
      if (local !== undefined) return local;
    }
    return undefined;
  }

  /** Computes `make` in the scope at `level`, once, into a local. */
  keep(key: Expr | string, level: number, type: ValueType, make: () => Instruction): Instruction {
    const found = this.find(key);
    if (found !== undefined) return get(found, type);
    const above = this.#scopes.splice(level + 1);
    const saved = this.#levels;
    const [guard, skipped] = [this.#guard, this.#optional];
    this.#guard = Math.min(guard, level);
    this.#optional = Math.min(skipped, level);
    this.#levels = new Map();
    const value = make();
    this.#levels = saved;
    this.#guard = guard;
    this.#optional = skipped;
    const local = this.newLocal(type);
    this.push(set(local, value));
    this.#scope(level).known.set(key, local);
    this.#scopes.push(...above);
    return get(local, type);
  }

  /** A local that holds what changes inside the innermost scope, until something is written. */
  keepFleeting(e: Expr, type: ValueType, make: () => Instruction): Instruction {
    const held = this.#fleeting.get(e);
    if (held !== undefined) return get(held, type);
    const value = make();
    const local = this.newLocal(type);
    this.push(set(local, value));
    this.#fleeting.set(e, local);
    return get(local, type);
  }

  /** Something was written: volatile values must be read again. */
  forgetFleeting(): void {
    this.#fleeting = new Map();
  }
}
