// A kernel's loops become one LLVM function over pointers to its buffers and to the symbols of the run. Statements are
// spelled where they stand: LLVM hoists, shares and unrolls. Index arithmetic is 64 bits wide, so that addresses need no
// extension. For threads, a kernel that can be divided runs one part of its parallel loops.

import { add, type Dim, range, type Sym, sub, symOf, terms } from "../../compiler/ir/dim.js";
import { bytesOf } from "../../compiler/ir/dtype.js";
import { Bug } from "../../compiler/ir/errors.js";
import type { Variant } from "../../compiler/plan/plan.js";
import { symbolName } from "../../compiler/plan/symbols.js";
import type { Expr } from "../loops/expr.js";
import { isDivisible, type Loop, spaceOf } from "../loops/parts.js";
import type { LoopKernel, Stmt } from "../loops/stmt.js";
import { Addresses } from "./addresses.js";
import { Known, symbolNeed } from "./known.js";
import { ANY, loadFrom, loadHalves, prefetch, storeTo, UNWRITTEN, WRITTEN } from "./memory.js";
import { emitSpace, PART_PARAMETERS, sharedLoops } from "./space.js";
import { SPELL } from "./spell.js";
import type { Dialect } from "./spelling.js";
import type { SymbolTable } from "./symbol-table.js";
import { FunctionText } from "./text.js";
import { constantText, scalarType, typeOf } from "./types.js";

export interface KernelContext {
  readonly variant: Variant;
  readonly dialect: Dialect;
  readonly symbols: SymbolTable;
  readonly declarations: Set<string>;
}

/** Whether a kernel is a function of (..., part, parts). */
export function runsInParts(kernel: LoopKernel, { threads }: Variant): boolean {
  return threads && isDivisible(kernel);
}

/** The function's parameters and body; `define internal void @name` is the module's to write. */
export function emitKernel(kernel: LoopKernel, context: KernelContext): string {
  return new KernelEmitter(kernel, context).emit();
}

class KernelEmitter {
  readonly #kernel: LoopKernel;
  readonly #context: KernelContext;
  readonly #out: FunctionText;
  readonly #known: Known;
  readonly #addresses: Addresses;
  /** Registers by their name: slot and type. */
  readonly #vars = new Map<string, { readonly slot: string; readonly type: string }>();
  /** Values of the loop variables around. */
  readonly #loopVars = new Map<Sym, string>();
  readonly #inParts: boolean;
  /** Whether parallel loops are to be divided: not yet inside one, in a function that runs in parts. */
  #divides: boolean;

  constructor(kernel: LoopKernel, context: KernelContext) {
    this.#kernel = kernel;
    this.#context = context;
    this.#out = new FunctionText(context.declarations);
    this.#known = new Known(kernel);
    this.#addresses = new Addresses(kernel);
    this.#inParts = runsInParts(kernel, context.variant);
    this.#divides = this.#inParts;
  }

  emit(): string {
    for (const s of this.#kernel.body) this.#statement(s);
    this.#out.line("ret void");
    const buffers = this.#kernel.buffers.map((_, i) => `ptr %b${i}`);
    const params = [...buffers, "ptr noalias %frame", ...(this.#inParts ? PART_PARAMETERS : [])];
    return `(${params.join(", ")}) #0 {\n${this.#out.body()}\n}\n`;
  }

  // -- statements

  #statement(s: Stmt): void {
    switch (s.kind) {
      case "for":
        if (this.#divides && s.parallel === true) this.#space(s);
        else this.#loop(s);
        return;
      case "store":
        storeTo(
          this.#out,
          s.dtype,
          s.value.type,
          this.#element(s.buffer, s.index, bytesOf(s.dtype)),
          this.#value(s.value),
          WRITTEN,
        );
        this.#known.wrote();
        return;
      case "storeAt":
        storeTo(
          this.#out,
          s.dtype,
          s.value.type,
          this.#displaced(this.#value(s.address), s.offset),
          this.#value(s.value),
          ANY,
        );
        this.#known.wrote();
        return;
      case "prefetch":
        prefetch(this.#out, this.#value(s.address));
        return;
      case "set":
        this.#set(s);
        return;
      case "symbol": {
        const name = symbolName(s.symbol);
        this.#out.line(`store i32 ${this.#value(s.value)}, ptr ${this.#symbolPlace(name)}, align 4`);
        this.#known.forget(symbolNeed(name));
        return;
      }
      case "if":
        this.#if(s);
        return;
      case "while":
        this.#while(s);
        return;
    }
  }

  #set({ target, value }: Stmt & { kind: "set" }): void {
    if (target.kind !== "var") throw new Bug("llvm", "set of something that is no register");
    const type = this.#addresses.is(target) ? "ptr" : typeOf(target.type);
    const isHalves = value.kind === "loadAt" && value.type.lanes === 2 * target.type.lanes;
    const text = isHalves
      ? loadHalves(this.#out, value.dtype, target.type.lanes, this.#displaced(this.#value(value.address), value.offset))
      : this.#value(value);
    let at = this.#vars.get(target.name);
    if (at === undefined) {
      at = { slot: this.#out.slot(type), type };
      this.#vars.set(target.name, at);
    }
    this.#out.line(`store ${type} ${text}, ptr ${at.slot}`);
    this.#known.forget(target.name);
    this.#known.keep(target, this.#known.needsOf(target), text);
  }

  #body(stmts: readonly Stmt[]): void {
    for (const s of stmts) this.#statement(s);
  }

  #if({ mask, yes, no }: Stmt & { kind: "if" }): void {
    const condition = this.#value(mask);
    const [then, otherwise, after] = [this.#out.fresh("then"), this.#out.fresh("else"), this.#out.fresh("after")];
    this.#out.branch(condition, then, no.length === 0 ? after : otherwise);
    const branch = (label: string, body: readonly Stmt[]): void => {
      this.#out.block(label);
      this.#known.inside(body, false, () => this.#body(body));
      this.#out.jump(after);
    };
    branch(then, yes);
    if (no.length > 0) branch(otherwise, no);
    this.#out.block(after);
  }

  #while({ mask, body }: Stmt & { kind: "while" }): void {
    const [again, after] = [this.#out.fresh("while"), this.#out.fresh("after")];
    this.#out.branch(this.#value(mask), again, after);
    this.#known.inside(body, true, () => {
      this.#out.block(again);
      this.#body(body);
      this.#out.branch(this.#value(mask), again, after);
    });
    this.#out.block(after);
  }

  #space(s: Loop): void {
    const loops = sharedLoops(spaceOf(this.#kernel, s));
    const cx = { out: this.#out, known: this.#known, loopVars: this.#loopVars, dim: (d: Dim) => this.#dim(d) };
    this.#divides = false;
    emitSpace(loops, cx, () => this.#body(loops.at(-1)?.body ?? []));
    this.#divides = true;
  }

  #loop({ v, from, to, step, body }: Stmt & { kind: "for" }): void {
    const symbol = symOf(v);
    if (symbol === undefined) throw new Bug("llvm", `loop over ${String(v)}, which is no variable`);
    const trips = typeof from === "number" && typeof to === "number" ? Math.ceil((to - from) / step) : null;
    if (trips !== null && trips <= 0) return;
    const start = this.#dim(from);
    const before = this.#loopVars.get(symbol);
    if (trips === 1) {
      this.#known.inside(body, false, () => {
        this.#loopVars.set(symbol, start);
        this.#body(body);
      });
    } else {
      const limit = this.#dim(to);
      const slot = this.#out.slot("i64");
      const [again, after] = [this.#out.fresh("loop"), this.#out.fresh("after")];
      this.#out.line(`store i64 ${start}, ptr ${slot}`);
      if (trips === null && range(sub(to, from)).lo <= 0)
        this.#out.branch(this.#out.value(`icmp slt i64 ${start}, ${limit}`), again, after);
      else this.#out.jump(again);
      this.#known.inside(body, true, () => {
        this.#out.block(again);
        const now = this.#out.value(`load i64, ptr ${slot}`);
        this.#loopVars.set(symbol, now);
        this.#body(body);
        const next = this.#out.value(`add nsw i64 ${now}, ${step}`);
        this.#out.line(`store i64 ${next}, ptr ${slot}`);
        this.#out.branch(this.#out.value(`icmp slt i64 ${next}, ${limit}`), again, after);
      });
      this.#out.block(after);
    }
    if (before === undefined) this.#loopVars.delete(symbol);
    else this.#loopVars.set(symbol, before);
  }

  // -- values

  #value(e: Expr): string {
    if (e.kind === "const") return constantText(e);
    const found = this.#known.find(e);
    if (found !== undefined) return found;
    return this.#known.keep(e, this.#known.needsOf(e), this.#make(e));
  }

  #make(e: Expr): string {
    const out = this.#out;
    switch (e.kind) {
      case "const":
        return constantText(e);
      case "var": {
        const at = this.#vars.get(e.name);
        if (at === undefined) throw new Bug("llvm", `register ${e.name} is read before it is set`);
        return out.value(`load ${at.type}, ptr ${at.slot}`);
      }
      case "index":
        return out.value(`trunc i64 ${this.#dim(e.dim)} to i32`);
      case "load": {
        const address = this.#element(e.buffer, e.index, bytesOf(e.dtype));
        const isWritten = this.#kernel.buffers[e.buffer]?.written !== false;
        return loadFrom(out, e.dtype, e.type, address, false, isWritten ? WRITTEN : UNWRITTEN);
      }
      case "loadAt":
        return loadFrom(out, e.dtype, e.type, this.#displaced(this.#value(e.address), e.offset), e.splat, ANY);
      case "address":
        return this.#element(e.buffer, e.index, e.bytes);
      case "lane":
        return out.value(`extractelement ${typeOf(e.from.type)} ${this.#value(e.from)}, i32 ${e.lane}`);
      case "lanes":
        return this.#lanes(e);
      case "op":
        return this.#op(e);
    }
  }

  #lanes(e: Expr & { kind: "lanes" }): string {
    const type = typeOf(e.type);
    const scalar = scalarType(e.type.kind);
    const [first] = e.items;
    if (first?.kind === "lane" && e.items.every((item) => item.kind === "lane" && item.from === first.from)) {
      const from = `${typeOf(first.from.type)} ${this.#value(first.from)}`;
      const order = e.items.map((item) => `i32 ${item.kind === "lane" ? item.lane : 0}`).join(", ");
      const none = `${typeOf(first.from.type)} undef`;
      return this.#out.value(`shufflevector ${from}, ${none}, <${e.items.length} x i32> <${order}>`);
    }
    let vector = "undef";
    for (const [i, item] of e.items.entries())
      vector = this.#out.value(`insertelement ${type} ${vector}, ${scalar} ${this.#value(item)}, i32 ${i}`);
    return vector;
  }

  #op(e: Expr & { kind: "op" }): string {
    if (this.#addresses.is(e)) return this.#addressOp(e);
    const [a, b] = e.args;
    if (e.op === "ltU" && a !== undefined && b !== undefined && this.#addresses.is(a))
      return this.#out.value(`icmp ult ptr ${this.#value(a)}, ${this.#value(b)}`);
    return SPELL[e.op]({
      type: e.type,
      args: e.args.map((x) => this.#value(x)),
      operands: e.args,
      tier: this.#context.variant.tier,
      dialect: this.#context.dialect,
      out: this.#out,
      fail: "%frame",
    });
  }

  /** Arithmetic on addresses: an address and a number of bytes, or a choice between two addresses. */
  #addressOp(e: Expr & { kind: "op" }): string {
    const [a, b, c] = e.args;
    if (a === undefined || b === undefined) throw new Bug("llvm", `${e.op} of an address without operands`);
    if (e.op === "add") {
      const [base, bytes] = this.#addresses.is(a) ? [a, b] : [b, a];
      return this.#out.value(`getelementptr i8, ptr ${this.#value(base)}, i64 ${this.#wide(bytes)}`);
    }
    if (e.op !== "select" || c === undefined) throw new Bug("llvm", `${e.op} of an address`);
    return this.#out.value(`select i1 ${this.#value(a)}, ptr ${this.#value(b)}, ptr ${this.#value(c)}`);
  }

  /** An i32 as i64: index expressions without a detour. */
  #wide(e: Expr): string {
    if (e.kind === "index") return this.#dim(e.dim);
    if (e.kind === "const") return String(Number(e.value) | 0);
    return this.#out.value(`sext i32 ${this.#value(e)} to i64`);
  }

  // -- indices

  /** A dimension as i64. */
  #dim(d: Dim): string {
    if (typeof d === "number") return String(d);
    const found = this.#known.find(d);
    if (found !== undefined) return found;
    return this.#known.keep(d, this.#known.needsOfDim(d), this.#sum(d));
  }

  #sum(d: Dim): string {
    let total: string | null = null;
    for (const { coeff, factors } of terms(d)) {
      let product: string | null = null;
      for (const f of factors) {
        const factor = f.kind === "sym" ? this.#sym(f) : this.#operation(f.kind, f.a, f.b);
        product = product === null ? factor : this.#out.value(`mul nsw i64 ${product}, ${factor}`);
      }
      const term =
        product === null ? String(coeff) : coeff === 1 ? product : this.#out.value(`mul nsw i64 ${product}, ${coeff}`);
      total = total === null ? term : this.#out.value(`add nsw i64 ${total}, ${term}`);
    }
    return total ?? "0";
  }

  #sym(s: Sym): string {
    const loop = this.#loopVars.get(s);
    if (loop !== undefined) return loop;
    const key = `sym ${s.name}`;
    const found = this.#known.find(key);
    if (found !== undefined) return found;
    const dynamic = this.#kernel.pool.dynamic.get(s);
    const narrow =
      dynamic === undefined
        ? this.#out.value(`load i32, ptr ${this.#symbolPlace(s.name)}, align 4`)
        : this.#value(dynamic);
    return this.#known.keep(key, this.#known.needsOfSym(s), this.#out.value(`sext i32 ${narrow} to i64`));
  }

  #symbolPlace(name: string): string {
    return this.#out.value(`getelementptr i32, ptr %frame, i64 ${this.#context.symbols.indexOf(name)}`);
  }

  #operation(kind: "floordiv" | "mod" | "min" | "max", a: Dim, b: Dim): string {
    const out = this.#out;
    const [x, y] = [this.#dim(a), this.#dim(b)];
    if (kind === "min" || kind === "max") {
      const first = out.value(`icmp ${kind === "min" ? "slt" : "sgt"} i64 ${x}, ${y}`);
      return out.value(`select i1 ${first}, i64 ${x}, i64 ${y}`);
    }
    const [ra, rb] = [range(a), range(b)];
    if (ra.lo >= 0 && rb.lo > 0) {
      const op = kind === "floordiv" ? "udiv" : "urem";
      if (ra.hi >= 2 ** 31 || rb.hi >= 2 ** 31) return out.value(`${op} i64 ${x}, ${y}`);
      // 32-bit division is much quicker.
      const narrow = out.value(
        `${op} i32 ${out.value(`trunc i64 ${x} to i32`)}, ${out.value(`trunc i64 ${y} to i32`)}`,
      );
      return out.value(`zext i32 ${narrow} to i64`);
    }
    return out.value(`call i64 @${kind}(i64 ${x}, i64 ${y})`);
  }

  // -- addresses

  #element(buffer: number, index: Dim, bytes: number): string {
    const constant = typeof index === "number" ? index : (terms(index).find((t) => t.factors.length === 0)?.coeff ?? 0);
    const variable = add(index, -constant);
    const key = `at ${buffer} ${bytes} ${typeof variable === "number" ? variable : variable.id}`;
    let base = this.#known.find(key);
    if (base === undefined) {
      base =
        variable === 0
          ? `%b${buffer}`
          : this.#known.keep(
              key,
              this.#known.needsOfDim(variable),
              this.#out.value(`getelementptr ${unitOf(bytes)}, ptr %b${buffer}, i64 ${this.#dim(variable)}`),
            );
    }
    return this.#displaced(base, constant * bytes);
  }

  #displaced(address: string, bytes: number): string {
    return bytes === 0 ? address : this.#out.value(`getelementptr i8, ptr ${address}, i64 ${bytes}`);
  }
}

/** A type of so many bytes, to step over. */
function unitOf(bytes: number): string {
  return bytes === 1 || bytes === 2 || bytes === 4 || bytes === 8 ? `i${bytes * 8}` : `[${bytes} x i8]`;
}
