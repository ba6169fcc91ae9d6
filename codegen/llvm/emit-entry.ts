// The function of an entry point:
//   i32 run_<entry>(memory, weights, i32 start, i32 stop, const i32 *symbols, pool)
// `pool` is the threads that share kernels (pool.ts), null for the caller's alone. `memory` is the plan's memory with zeros
// where nothing was written; `weights` is where the weights region lies, inside memory or elsewhere (then memory may be
// without it). It runs top-level steps start..stop-1 and returns a status. It keeps nothing between calls and
// writes nothing but memory: symbols and the note of failed checks are on its stack.

import type { DimJson, EntryPlan, Plan } from "../../compiler/plan/plan.js";
import { type EntryCode, entryCode } from "../entry.js";
import { type EntryForm, placeApart } from "./entry-form.js";
import { grainsOf, type KernelFunction } from "./jobs.js";
import type { SymbolTable } from "./symbol-table.js";
import { FunctionText, globalName } from "./text.js";

export interface EntryContext {
  readonly form: EntryForm;
  /** Has every symbol of the run. */
  readonly symbols: SymbolTable;
  readonly declarations: Set<string>;
  /** How threads share kernels; null in a module of one thread. */
  readonly sharing: Sharing | null;
}

export interface Sharing {
  /** By number: whether it has part and parts, and how many arguments before them. */
  readonly kernels: readonly KernelFunction[];
  /** Least work of a part. */
  readonly grain: number;
  /** Kernels that threads share: those of the entry are added. */
  readonly jobs: Set<number>;
}

/** The whole definition. */
export function emitEntry(plan: Plan, entry: EntryPlan, context: EntryContext): string {
  return new EntryEmitter(plan, entry, context).emit();
}

class EntryEmitter {
  readonly #plan: Plan;
  readonly #entry: EntryPlan;
  readonly #context: EntryContext;
  readonly #out: FunctionText;
  readonly #frame: string;
  /** Where the arguments of a step that threads share lie, its frame last. */
  readonly #arguments: string;

  constructor(plan: Plan, entry: EntryPlan, context: EntryContext) {
    this.#plan = plan;
    this.#entry = entry;
    this.#context = context;
    this.#out = new FunctionText(context.declarations);
    this.#frame = this.#out.slot(`[${context.symbols.length} x i32], align 16`);
    const most = Math.max(0, ...(context.sharing?.kernels ?? []).map((k) => k.buffers.length));
    this.#arguments = context.sharing === null ? "null" : this.#out.slot(`[${most + 1} x ptr], align 16`);
  }

  emit(): string {
    const out = this.#out;
    out.line(`store i32 0, ptr ${this.#frame}`);
    if (this.#context.sharing !== null) out.line("%threads = call ptr @psn_own(ptr %pool)");
    for (const [i, name] of this.#entry.symbols.entries()) {
      const from = out.value(`getelementptr i32, ptr %symbols, i64 ${i}`);
      this.#setSymbol(name, out.value(`load i32, ptr ${from}`));
    }
    this.#restoreSymbols();
    this.#all(entryCode(this.#plan, this.#entry));
    out.line("ret i32 0");
    const params = "(ptr %memory, ptr %weights, i32 %start, i32 %stop, ptr %symbols, ptr %pool)";
    const { suffix, isInside } = this.#context.form;
    const name = globalName(`${this.#entry.export}${suffix}`);
    return `define ${isInside ? "hidden " : ""}i32 @${name}${params} #1 {\n${out.body()}\n}\n`;
  }

  /** Symbols that earlier steps left in memory: a call may begin in the middle of a run. */
  #restoreSymbols(): void {
    for (const { name, offset } of this.#plan.symbols)
      if (offset !== null) this.#setSymbol(name, this.#out.value(`load i32, ptr ${this.#address(offset)}`));
  }

  #all(codes: readonly EntryCode[]): void {
    for (const c of codes) this.#code(c);
  }

  #code(c: EntryCode): void {
    const out = this.#out;
    switch (c.kind) {
      case "step": {
        const from = out.value(`icmp ule i32 %start, ${c.index}`);
        const to = out.value(`icmp ult i32 ${c.index}, %stop`);
        this.#if(out.value(`and i1 ${from}, ${to}`), () => {
          this.#all(c.body);
          const failed = out.value(`icmp ne i32 ${out.value(`load i32, ptr ${this.#frame}`)}, 0`);
          this.#if(failed, () => this.#return(c.failed));
        });
        return;
      }
      case "call":
        this.#call(c);
        return;
      case "setSymbol":
        this.#setSymbol(c.name, this.#dim(c.value));
        return;
      case "readSymbol": {
        const wide = out.value(`load i64, ptr ${this.#address(c.offset)}`);
        this.#setSymbol(c.name, out.value(`trunc i64 ${wide} to i32`));
        return;
      }
      case "keepSymbol":
        out.line(`store i32 ${this.#symbol(c.name)}, ptr ${this.#address(c.offset)}`);
        return;
      case "requireEqual": {
        const differ = out.value(`icmp ne i32 ${this.#dim(c.left)}, ${this.#dim(c.right)}`);
        this.#if(differ, () => this.#return(c.status));
        return;
      }
      case "requireRange": {
        const value = this.#symbol(c.name);
        const low = out.value(`icmp slt i32 ${value}, ${c.lo}`);
        const high = out.value(`icmp sgt i32 ${value}, ${c.hi}`);
        this.#if(out.value(`or i1 ${low}, ${high}`), () => this.#return(c.status));
        return;
      }
      case "copy": {
        const bytes = out.value(`sext i32 ${this.#dim(c.bytes)} to i64`);
        let to = this.#address(c.to);
        if (c.row !== null) {
          const row = out.value(`sext i32 ${this.#symbol(c.row)} to i64`);
          to = out.value(`getelementptr i8, ptr ${to}, i64 ${out.value(`mul i64 ${row}, ${bytes}`)}`);
        }
        this.#context.declarations.add("declare void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1)");
        out.line(`call void @llvm.memmove.p0.p0.i64(ptr ${to}, ptr ${this.#address(c.from)}, i64 ${bytes}, i1 false)`);
        return;
      }
      case "if":
        this.#if(
          this.#bool(c.condition),
          () => this.#all(c.yes),
          () => this.#all(c.no),
        );
        return;
      case "loop":
        this.#loop(c);
        return;
    }
  }

  #call({ kernel, args, work }: EntryCode & { kind: "call" }): void {
    const { sharing } = this.#context;
    const out = this.#out;
    const pointers = [...args.map((offset) => this.#address(offset)), this.#frame];
    const inParts = sharing?.kernels[kernel]?.inParts === true;
    const grains = inParts && work !== null ? grainsOf(work, sharing.grain, out, (name) => this.#symbol(name)) : null;
    if (sharing === null || grains === null) {
      const whole = inParts ? ["i32 0", "i32 1"] : [];
      out.line(`call void @k${kernel}(${[...pointers.map((p) => `ptr ${p}`), ...whole].join(", ")})`);
      return;
    }
    sharing.jobs.add(kernel);
    for (const [i, p] of pointers.entries())
      out.line(`store ptr ${p}, ptr ${out.value(`getelementptr ptr, ptr ${this.#arguments}, i64 ${i}`)}`);
    out.line(`call void @psn_fork(ptr %threads, ptr @j${kernel}, ptr ${this.#arguments}, i32 ${grains})`);
  }

  #loop(c: EntryCode & { kind: "loop" }): void {
    const out = this.#out;
    const counter = out.slot("i32");
    out.line(`store i32 0, ptr ${counter}`);
    const [again, after] = [out.fresh("loop"), out.fresh("after")];
    const test = (condition: number): void => {
      const i = out.value(`zext i32 ${out.value(`load i32, ptr ${counter}`)} to i64`);
      const more = out.value(`icmp slt i64 ${i}, ${out.value(`load i64, ptr ${this.#address(c.trips)}`)}`);
      out.branch(out.value(`and i1 ${more}, ${this.#bool(condition)}`), again, after);
    };
    test(c.first);
    out.block(again);
    this.#setSymbol(c.counter, out.value(`load i32, ptr ${counter}`));
    this.#all(c.body);
    out.line(`store i32 ${out.value(`add i32 ${out.value(`load i32, ptr ${counter}`)}, 1`)}, ptr ${counter}`);
    test(c.next);
    out.block(after);
    if (c.count !== null) this.#setSymbol(c.count, out.value(`load i32, ptr ${counter}`));
  }

  #if(condition: string, yes: () => void, no: () => void = () => {}): void {
    this.#out.either(condition, yes, no);
  }

  #return(status: number): void {
    this.#out.line(`ret i32 ${status}`);
    // What follows in the text is reached by nothing.
    this.#out.block(this.#out.fresh("unreached"));
  }

  #address(offset: number): string {
    const { base, offset: apart } = placeApart(this.#plan, offset);
    const at = base === "weights" || this.#context.form.isInside ? apart : offset;
    return this.#out.value(`getelementptr i8, ptr %${base}, i64 ${at}`);
  }

  #bool(offset: number): string {
    return this.#out.value(`icmp ne i8 ${this.#out.value(`load i8, ptr ${this.#address(offset)}`)}, 0`);
  }

  #place(name: string): string {
    return this.#out.value(`getelementptr i32, ptr ${this.#frame}, i64 ${this.#context.symbols.indexOf(name)}`);
  }

  #setSymbol(name: string, value: string): void {
    this.#out.line(`store i32 ${value}, ptr ${this.#place(name)}`);
  }

  #symbol(name: string): string {
    return this.#out.value(`load i32, ptr ${this.#place(name)}`);
  }

  /** A dimension as i32; divisions round down. */
  #dim(d: DimJson): string {
    if (typeof d === "number") return String(d);
    if (typeof d === "string") return this.#symbol(d);
    const out = this.#out;
    const [op, a, b] = d;
    const [x, y] = [this.#dim(a), this.#dim(b)];
    switch (op) {
      case "add":
      case "mul":
        return out.value(`${op} i32 ${x}, ${y}`);
      case "min":
      case "max": {
        const first = out.value(`icmp ${op === "min" ? "slt" : "sgt"} i32 ${x}, ${y}`);
        return out.value(`select i1 ${first}, i32 ${x}, i32 ${y}`);
      }
      case "div":
      case "mod": {
        const [p, q] = [out.value(`sext i32 ${x} to i64`), out.value(`sext i32 ${y} to i64`)];
        const wide = out.value(`call i64 @${op === "div" ? "floordiv" : "mod"}(i64 ${p}, i64 ${q})`);
        return out.value(`trunc i64 ${wide} to i32`);
      }
    }
  }
}
