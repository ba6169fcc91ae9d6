// A kernel's loops become one WebAssembly function over buffer addresses. Every expression is computed once, in the
// outermost loop in which it does not change; addresses are split the same way, so that inner loops add one term.

import { add, atomExpr, type Dim, mul, range, type Sym, sub, symOf, symsOf, terms } from "../../compiler/ir/dim.js";
import { bytesOf as elementBytes } from "../../compiler/ir/dtype.js";
import { Bug } from "../../compiler/ir/errors.js";
import type { Tier } from "../../compiler/plan/plan.js";
import type { Expr } from "../loops/expr.js";
import type { LoopKernel, Stmt } from "../loops/stmt.js";
import { loadFrom, storeTo } from "./memory.js";
import { SPELL, valueType, vectorName } from "./spell.js";
import { get, type Instruction, i32, set, type ValueType, type WasmFunction } from "./tree.js";

interface Scope {
  readonly code: Instruction[];
  /** Locals that hold what was computed in this scope, by expression or address. */
  readonly known: Map<Expr | string, number>;
}

/** The level of what changes inside the innermost scope: it is computed where it is used and not kept. */
const VOLATILE = Number.POSITIVE_INFINITY;

export class KernelEmitter {
  readonly #kernel: LoopKernel;
  readonly #tier: Tier;
  readonly #params: number;
  readonly #locals: ValueType[] = [];
  readonly #scopes: Scope[] = [{ code: [], known: new Map() }];
  readonly #loopVars = new Map<Sym, { local: number; depth: number }>();
  readonly #vars = new Map<string, { local: number; depth: number }>();
  readonly #uses = new Map<Expr, number>();
  #levels = new Map<Expr | Sym | Dim, number>();
  /** Depth of the innermost branch that may not be taken: what reads memory stays inside it. */
  #guard = 0;
  /** Depth of the innermost scope that may not run at all: checks that can fail a run stay inside it. */
  #optional = 0;
  #fleeting = new Map<Expr, number>();

  constructor(kernel: LoopKernel, tier: Tier) {
    this.#kernel = kernel;
    this.#tier = tier;
    this.#params = kernel.buffers.length;
    countUses(kernel, this.#uses);
  }

  emit(): WasmFunction {
    for (const s of this.#kernel.body) this.#statement(s);
    return { name: this.#kernel.name, params: this.#params, locals: this.#locals, body: this.#scopes[0]?.code ?? [] };
  }

  get #depth(): number {
    return this.#scopes.length - 1;
  }

  #scope(depth = this.#depth): Scope {
    const s = this.#scopes[depth];
    if (s === undefined) throw new Bug("wasm", `no scope at depth ${depth}`);
    return s;
  }

  #newLocal(type: ValueType): number {
    this.#locals.push(type);
    return this.#params + this.#locals.length - 1;
  }

  #push(code: Instruction): void {
    this.#scope().code.push(code);
  }

  /** Emits a body into a scope of its own. */
  #inside(body: () => void, guarded: boolean, optional = guarded): readonly Instruction[] {
    const scope: Scope = { code: [], known: new Map() };
    this.#scopes.push(scope);
    const [guard, skipped] = [this.#guard, this.#optional];
    if (guarded) this.#guard = this.#depth;
    if (optional) this.#optional = this.#depth;
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

  #statement(s: Stmt): void {
    switch (s.kind) {
      case "for":
        this.#loop(s);
        return;
      case "store": {
        const { address, offset } = this.#address(s.buffer, s.index, s.dtype);
        this.#push(storeTo(s.dtype, s.value.type, address, offset, this.#value(s.value)));
        this.#fleeting = new Map();
        return;
      }
      case "storeAt":
        this.#push(storeTo(s.dtype, s.value.type, this.#value(s.address), s.offset, this.#value(s.value)));
        this.#fleeting = new Map();
        return;
      case "set": {
        const { target } = s;
        if (target.kind !== "var") throw new Bug("wasm", "set of something that is no register");
        const value = this.#value(s.value);
        let at = this.#vars.get(target.name);
        if (at === undefined || (target.fixed && at.depth !== this.#depth)) {
          at = { local: at?.local ?? this.#newLocal(valueType(target.type)), depth: this.#depth };
          this.#vars.set(target.name, at);
        }
        this.#push(set(at.local, value));
        this.#fleeting = new Map();
        return;
      }
      case "symbol":
        this.#push(["symbol.set", symbolName(s.symbol), this.#value(s.value)]);
        return;
      case "if": {
        const mask = this.#value(s.mask);
        const yes = this.#inside(() => {
          for (const x of s.yes) this.#statement(x);
        }, true);
        const no = this.#inside(() => {
          for (const x of s.no) this.#statement(x);
        }, true);
        this.#push(["if", mask, ["block", ...yes], ["block", ...no]]);
        return;
      }
      case "while": {
        const first = this.#value(s.mask);
        const body = this.#inside(() => {
          for (const x of s.body) this.#statement(x);
          const again = this.#value(s.mask);
          this.#push(["continue_if", again]);
        }, true);
        this.#push(["if", first, ["block", ["loop", ...body]], ["block"]]);
        return;
      }
    }
  }

  #loop(s: Stmt & { kind: "for" }): void {
    const v = symOf(s.v);
    if (v === undefined) throw new Bug("wasm", `loop over ${String(s.v)}, which is no variable`);
    const before = this.#loopVars.get(v);
    const local = before?.local ?? this.#newLocal("i32");
    const { from, to, step } = s;
    const trips = typeof from === "number" && typeof to === "number" ? Math.ceil((to - from) / step) : null;
    if (trips !== null && trips <= 0) return;
    this.#push(set(local, this.#dim(from)));
    const limit = this.#dim(to);
    const body = this.#inside(
      () => {
        this.#loopVars.set(v, { local, depth: this.#depth });
        for (const x of s.body) this.#statement(x);
        if (trips === 1) return;
        this.#push(set(local, ["i32.add", get(local, "i32"), i32(step)]));
        this.#push(["continue_if", ["i32.lt_s", get(local, "i32"), limit]]);
      },
      false,
      range(sub(to, from)).lo <= 0,
    );
    if (before === undefined) this.#loopVars.delete(v);
    else this.#loopVars.set(v, before);
    if (trips === 1) this.#push(["block", ...body]);
    else if (trips !== null) this.#push(["loop", ...body]);
    else this.#push(["if", ["i32.lt_s", get(local, "i32"), limit], ["block", ["loop", ...body]], ["block"]]);
  }

  // -- levels: the depth of the scope in which something stops changing

  #levelOfSym(s: Sym): number {
    const loop = this.#loopVars.get(s);
    if (loop !== undefined) return loop.depth;
    const dynamic = this.#kernel.pool.dynamic.get(s);
    return dynamic === undefined ? 0 : this.#level(dynamic);
  }

  #levelOfDim(d: Dim): number {
    if (typeof d === "number") return 0;
    const seen = this.#levels.get(d);
    if (seen !== undefined) return seen;
    let level = 0;
    for (const s of symsOf(d)) level = Math.max(level, this.#levelOfSym(s));
    this.#levels.set(d, level);
    return level;
  }

  #level(e: Expr): number {
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
        return e.fixed ? (this.#vars.get(e.name)?.depth ?? VOLATILE) : VOLATILE;
      case "index":
        return this.#levelOfDim(e.dim);
      case "address":
        return this.#levelOfDim(e.index);
      case "load":
        if (this.#kernel.buffers[e.buffer]?.written !== false) return VOLATILE;
        return Math.max(this.#guard, this.#levelOfDim(e.index));
      case "loadAt":
        return VOLATILE;
      case "lane":
        return this.#level(e.from);
      case "lanes":
        return Math.max(...e.items.map((i) => this.#level(i)));
      case "op":
        return Math.max(e.op === "checkedIndex" ? this.#optional : 0, ...e.args.map((a) => this.#level(a)));
    }
  }

  // -- values

  /** Finds `key` in the scopes around. */
  #find(key: Expr | string): number | undefined {
    for (let d = this.#depth; d >= 0; d--) {
      const local = this.#scopes[d]?.known.get(key);
      if (local !== undefined) return local;
    }
    return undefined;
  }

  /** Computes `make` in the scope at `level`, once, into a local. */
  #keep(key: Expr | string, level: number, type: ValueType, make: () => Instruction): Instruction {
    const found = this.#find(key);
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
    const local = this.#newLocal(type);
    this.#push(set(local, value));
    this.#scope(level).known.set(key, local);
    this.#scopes.push(...above);
    return get(local, type);
  }

  #value(e: Expr): Instruction {
    if (e.kind === "const") return this.#constant(e);
    if (e.kind === "var") {
      const at = this.#vars.get(e.name);
      if (at === undefined) throw new Bug("wasm", `register ${e.name} is read before it is set`);
      return get(at.local, valueType(e.type));
    }
    if (e.kind === "index") return this.#dim(e.dim);
    const type = valueType(e.type);
    const level = this.#level(e);
    const shared = (this.#uses.get(e) ?? 0) > 1;
    if (level === VOLATILE) {
      if (!shared) return this.#make(e);
      const held = this.#fleeting.get(e);
      if (held !== undefined) return get(held, type);
      const value = this.#make(e);
      const local = this.#newLocal(type);
      this.#push(set(local, value));
      this.#fleeting.set(e, local);
      return get(local, type);
    }
    if (level < this.#depth || shared) return this.#keep(e, level, type, () => this.#make(e));
    return this.#find(e) === undefined ? this.#make(e) : get(this.#find(e) ?? 0, type);
  }

  #make(e: Expr): Instruction {
    switch (e.kind) {
      case "load": {
        const { address, offset } = this.#address(e.buffer, e.index, e.dtype);
        return loadFrom(e.dtype, e.type, address, offset, false);
      }
      case "loadAt":
        return loadFrom(e.dtype, e.type, this.#value(e.address), e.offset, e.splat);
      case "address": {
        const { address, offset } = this.#addressBytes(e.buffer, e.index, e.bytes);
        return offset === 0 ? address : ["i32.add", address, i32(offset)];
      }
      case "lane":
        return [`${vectorName(e.type.kind)}.extract_lane`, this.#value(e.from), e.lane];
      case "lanes": {
        const ns = vectorName(e.type.kind);
        const [first, ...rest] = e.items;
        if (first === undefined) throw new Bug("wasm", "a vector without lanes");
        let vector: Instruction = [`${ns}.splat`, this.#value(first)];
        for (const [i, item] of rest.entries()) vector = [`${ns}.replace_lane`, vector, i + 1, this.#value(item)];
        return vector;
      }
      case "op":
        return SPELL[e.op]({
          type: e.type,
          args: e.args.map((a) => this.#value(a)),
          operands: e.args,
          tier: this.#tier,
        });
      default:
        throw new Bug("wasm", `${e.kind} has no code`);
    }
  }

  #constant(e: Expr & { kind: "const" }): Instruction {
    const { kind, lanes } = e.type;
    if (lanes === 1) {
      if (kind === "i64") return ["i64.const", BigInt(e.value)];
      if (kind === "f32" || kind === "f64") return [`${kind}.const`, Number(e.value)];
      return i32(Number(e.value));
    }
    if (kind === "mask32") return ["i32x4.splat", i32(Number(e.value) === 0 ? 0 : -1)];
    const scalar: Instruction =
      kind === "i64"
        ? ["i64.const", BigInt(e.value)]
        : kind === "i32"
          ? ["i32.literal", Number(e.value) | 0]
          : [`${kind}.const`, Number(e.value)];
    return [`${vectorName(kind)}.splat`, scalar];
  }

  // -- index arithmetic

  #dim(d: Dim): Instruction {
    if (typeof d === "number") return i32(d);
    const single = symOf(d);
    if (single !== undefined) return this.#sym(single);
    const level = this.#levelOfDim(d);
    if (level === VOLATILE) return this.#sum(d);
    return this.#keep(`d${d.id}`, level, "i32", () => this.#sum(d));
  }

  #sym(s: Sym): Instruction {
    const loop = this.#loopVars.get(s);
    if (loop !== undefined) return get(loop.local, "i32");
    const dynamic = this.#kernel.pool.dynamic.get(s);
    if (dynamic === undefined) return ["symbol.get", s.name];
    const level = this.#level(dynamic);
    if (level === VOLATILE || dynamic.kind === "const") return this.#value(dynamic);
    return this.#keep(dynamic, level, "i32", () => this.#make(dynamic));
  }

  /** A polynomial, with its slower terms computed (and kept) first. */
  #sum(d: Dim): Instruction {
    const { slow, fast, constant } = this.#split(d);
    let total: Instruction | null = slow === 0 ? null : this.#dim(slow);
    for (const t of fast) {
      const term = this.#product(t.coeff, t.factors);
      total = total === null ? term : ["i32.add", total, term];
    }
    if (total === null) return i32(constant);
    return constant === 0 ? total : ["i32.add", total, i32(constant)];
  }

  #product(coeff: number, factors: ReturnType<typeof terms>[number]["factors"]): Instruction {
    let product: Instruction | null = null;
    for (const f of factors) {
      const factor = f.kind === "sym" ? this.#sym(f) : this.#operation(f.kind, f.a, f.b);
      product = product === null ? factor : ["i32.mul", product, factor];
    }
    if (product === null) return i32(coeff);
    if (coeff === 1) return product;
    if (coeff === -1) return ["i32.sub", i32(0), product];
    return ["i32.mul", product, i32(coeff)];
  }

  #operation(kind: "floordiv" | "mod" | "min" | "max", a: Dim, b: Dim): Instruction {
    const [x, y] = [this.#dim(a), this.#dim(b)];
    if (kind === "min") return ["select", ["i32.lt_s", x, y], x, y];
    if (kind === "max") return ["select", ["i32.gt_s", x, y], x, y];
    const natural = range(a).lo >= 0 && range(b).lo > 0;
    if (natural) return [kind === "floordiv" ? "i32.div_u" : "i32.rem_u", x, y];
    return [kind === "floordiv" ? "call.floordiv" : "call.floormod", x, y];
  }

  /** Terms that change only in outer scopes, terms that change here, and the constant. */
  #split(d: Dim): { slow: Dim; fast: ReturnType<typeof terms>; constant: number } {
    const all = terms(d);
    const constant = all.find((t) => t.factors.length === 0)?.coeff ?? 0;
    const rest = all.filter((t) => t.factors.length > 0);
    const levelOf = (t: (typeof all)[number]): number =>
      Math.max(0, ...t.factors.map((f) => this.#levelOfDim(atomExpr(f))));
    const top = Math.max(0, ...rest.map(levelOf));
    const fast = rest.filter((t) => levelOf(t) === top);
    const slow = rest.filter((t) => levelOf(t) < top);
    return { slow: add(...slow.map((t) => mul(t.coeff, ...t.factors.map(atomExpr)))), fast, constant };
  }

  #address(
    buffer: number,
    index: Dim,
    dtype: Parameters<typeof loadFrom>[0],
  ): { address: Instruction; offset: number } {
    return this.#addressBytes(buffer, index, elementBytes(dtype));
  }

  /** Byte address of an element: a local for the part that changes in outer scopes, plus what changes here. */
  #addressBytes(buffer: number, index: Dim, bytes: number): { address: Instruction; offset: number } {
    const base = get(buffer, "i32");
    if (typeof index === "number") {
      return index >= 0
        ? { address: base, offset: index * bytes }
        : { address: ["i32.add", base, i32(index * bytes)], offset: 0 };
    }
    const { slow, fast, constant } = this.#split(index);
    const variable = add(slow, ...fast.map((t) => mul(t.coeff, ...t.factors.map(atomExpr))));
    const level = this.#levelOfDim(variable);
    const make = (): Instruction => {
      let address = slow === 0 ? base : this.#addressBytes(buffer, slow, bytes).address;
      for (const t of fast) address = ["i32.add", address, this.#product(t.coeff * bytes, t.factors)];
      return address;
    };
    const key = `a${buffer}:${bytes}:${typeof variable === "number" ? variable : variable.id}`;
    const address = level === VOLATILE ? make() : this.#keep(key, level, "i32", make);
    if (constant === 0) return { address, offset: 0 };
    // An immediate offset is added without wrapping: only where the rest cannot be below the buffer.
    if (constant > 0 && range(variable).lo >= 0) return { address, offset: constant * bytes };
    return { address: ["i32.add", address, i32(constant * bytes)], offset: 0 };
  }
}

export function symbolName(d: Dim): string {
  const s = symOf(d);
  if (s === undefined) throw new Bug("wasm", "a dimension that is set must be a symbol");
  return s.name;
}

/** How many places read each expression. */
function countUses(kernel: LoopKernel, uses: Map<Expr, number>): void {
  const seen = new Set<Expr>();
  const indices = (d: Dim): void => {
    for (const s of symsOf(d)) {
      const dynamic = kernel.pool.dynamic.get(s);
      if (dynamic !== undefined) visit(dynamic);
    }
  };
  const visit = (e: Expr): void => {
    uses.set(e, (uses.get(e) ?? 0) + 1);
    if (seen.has(e)) return;
    seen.add(e);
    if (e.kind === "load" || e.kind === "address") indices(e.index);
    else if (e.kind === "index") indices(e.dim);
    if (e.kind === "op") for (const a of e.args) visit(a);
    else if (e.kind === "lane") visit(e.from);
    else if (e.kind === "lanes") for (const i of e.items) visit(i);
    else if (e.kind === "loadAt") visit(e.address);
  };
  const statement = (s: Stmt): void => {
    if (s.kind === "store" || s.kind === "set" || s.kind === "symbol" || s.kind === "storeAt") visit(s.value);
    if (s.kind === "storeAt") visit(s.address);
    if (s.kind === "store") indices(s.index);
    if (s.kind === "for") {
      indices(s.from);
      indices(s.to);
    }
    if (s.kind === "if" || s.kind === "while") visit(s.mask);
    if (s.kind === "for" || s.kind === "while") for (const x of s.body) statement(x);
    if (s.kind === "if") for (const x of [...s.yes, ...s.no]) statement(x);
  };
  for (const s of kernel.body) statement(s);
}
