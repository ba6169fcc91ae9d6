// Instruction trees become a WebAssembly module through Binaryen: validated, optimized, emitted. Names of instructions
// are Binaryen's own (`f32x4.add` is module.f32x4.add), so most need no table.

import binaryen from "binaryen";
import { Bug } from "../../compiler/ir/errors.js";
import type { ThreadCode } from "./threads.js";
import { type Instruction, isInstruction, type Operand, type ValueType, type WasmFunction } from "./tree.js";

type Ref = number;
type Build = (...operands: unknown[]) => Ref;

export interface ModuleSource {
  /** Functions called by index through `call.fn`. */
  readonly functions: readonly WasmFunction[];
  /** Functions that are exported, with an i32 result. */
  readonly entries: readonly WasmFunction[];
  /** Warms up the functions that look at the flag; null where none does. */
  readonly warm: WasmFunction | null;
  readonly symbols: readonly string[];
  readonly pages: number;
  readonly relaxed: boolean;
  /** The functions of a pool, and the jobs that they run by number; null for a module of one thread. */
  readonly pool: { readonly code: ThreadCode; readonly jobs: readonly WasmFunction[] } | null;
}

/** The C interface, which has what the typed one leaves out. */
const RAW = binaryen as unknown as Readonly<Record<string, (...args: number[]) => number>>;

const TYPES: Readonly<Record<ValueType, number>> = {
  i32: binaryen.i32,
  i64: binaryen.i64,
  f32: binaryen.f32,
  f64: binaryen.f64,
  v128: binaryen.v128,
};

/**
 * Kernels come with their common subexpressions in locals, invariants hoisted and dead code gone: what is left is to
 * pick better instructions and fewer locals. Unused elements stay: a model without kernels still imports its memory. The full pipeline finds nothing more and takes several times as long.
 */
const PASSES = [
  "optimize-instructions",
  "precompute",
  "simplify-locals",
  "remove-unused-brs",
  "merge-blocks",
  "remove-unused-names",
  "coalesce-locals",
  "reorder-locals",
  "vacuum",
  "optimize-instructions",
];

/** Pages of the largest memory: what the pool's threads add is not known here. */
const MOST_PAGES = 65536;

export function assemble(source: ModuleSource): Uint8Array {
  const m = new binaryen.Module();
  try {
    return new Assembler(m, source).module();
  } finally {
    m.dispose();
  }
}

class Assembler {
  readonly #m: binaryen.Module;
  readonly #source: ModuleSource;
  readonly #builders = new Map<string, Build>();
  #labels = 0;
  #label = "";

  constructor(m: binaryen.Module, source: ModuleSource) {
    this.#m = m;
    this.#source = source;
  }

  module(): Uint8Array {
    const m = this.#m;
    const { Features } = binaryen;
    let features =
      Features.SIMD128 |
      Features.NontrappingFPToInt |
      Features.BulkMemory |
      Features.BulkMemoryOpt |
      Features.SignExt |
      Features.MutableGlobals;
    const { pool, pages } = this.#source;
    if (this.#source.relaxed) features |= Features.RelaxedSIMD;
    if (pool !== null) features |= Features.Atomics;
    const isShared = pool !== null;
    m.setFeatures(features);
    m.addMemoryImport("memory", "env", "memory", isShared);
    m.setMemory(pages, isShared ? MOST_PAGES : pages, null, [], isShared, false, "memory");
    m.addMemoryImport("memory", "env", "memory", isShared);
    m.addGlobal("fail", binaryen.i32, true, m.i32.const(0));
    for (const s of this.#source.symbols) m.addGlobal(`symbol.${s}`, binaryen.i32, true, m.i32.const(0));
    this.#runtime();
    const { warm } = this.#source;
    if (warm !== null) {
      m.addGlobal("warming", binaryen.i32, true, m.i32.const(0));
      this.#function(warm.name, warm, binaryen.none);
      m.addFunctionExport(warm.name, warm.name);
    }
    // Kernels and entries come last, in the plan's order: tools find them by their place.
    if (pool !== null) this.#pool(pool);
    for (const [i, fn] of this.#source.functions.entries()) this.#function(`f${i}`, fn, binaryen.none);
    for (const fn of this.#source.entries) {
      this.#function(fn.name, fn, binaryen.i32);
      m.addFunctionExport(fn.name, fn.name);
    }
    if (m.validate() === 0) throw new Bug("wasm", "the module is not valid", m.emitText().slice(0, 20_000));
    binaryen.setOptimizeLevel(3);
    binaryen.setShrinkLevel(0);
    // Kernels stay functions of their own: engines tier up and allocate registers function by function.
    binaryen.setOneCallerInlineMaxSize(1);
    m.runPasses(PASSES);
    return m.emitBinary();
  }

  #pool({ code, jobs }: NonNullable<ModuleSource["pool"]>): void {
    const m = this.#m;
    for (const [name, value] of Object.entries(code.globals))
      m.addGlobal(`thread.${name}`, binaryen.i32, true, m.i32.const(value));
    for (const [i, job] of jobs.entries()) this.#function(`job${i}`, job, binaryen.none);
    m.addTable("jobs", jobs.length, jobs.length);
    m.addActiveElementSegment(
      "jobs",
      "jobs",
      jobs.map((_, i) => `job${i}`),
      m.i32.const(0),
    );
    for (const fn of code.functions) this.#function(fn.name, fn, binaryen.none);
    for (const name of code.exports) m.addFunctionExport(name, name);
  }

  /** Sets the flag that ends the run: in memory where other threads see it. */
  #fail(value: Ref): Ref {
    const m = this.#m;
    const { pool } = this.#source;
    return pool === null ? m.global.set("fail", value) : m.i32.store(0, 4, m.i32.const(pool.code.fail), value);
  }

  /** Helpers that kernels call. */
  #runtime(): void {
    const m = this.#m;
    const { i32, i64 } = binaryen;
    const out = (): Ref => m.block(null, [this.#fail(m.i32.const(1)), m.i32.const(0)], i32);
    m.addFunction(
      "check32",
      binaryen.createType([i32, i32]),
      i32,
      [],
      m.if(m.i32.lt_u(m.local.get(0, i32), m.local.get(1, i32)), m.local.get(0, i32), out()),
    );
    m.addFunction(
      "check64",
      binaryen.createType([i64, i32]),
      i32,
      [],
      m.if(
        m.i64.lt_u(m.local.get(0, i64), m.i64.extend_u(m.local.get(1, i32))),
        m.i32.wrap(m.local.get(0, i64)),
        out(),
      ),
    );
    // Quotient and remainder that round down, for a positive or negative dividend.
    const [a, b] = [(): Ref => m.local.get(0, i32), (): Ref => m.local.get(1, i32)];
    const rest = (): Ref => m.i32.rem_s(a(), b());
    const wrong = (): Ref =>
      m.i32.and(m.i32.ne(rest(), m.i32.const(0)), m.i32.lt_s(m.i32.xor(rest(), b()), m.i32.const(0)));
    // A zero divisor is the size of an empty value: whatever the result is, nothing is read with it.
    const unlessZero = (x: Ref): Ref => m.if(m.i32.eqz(b()), m.i32.const(0), x);
    const quotient = m.i32.sub(m.i32.div_s(a(), b()), wrong());
    const remainder = m.i32.add(rest(), m.select(wrong(), b(), m.i32.const(0)));
    m.addFunction("floordiv", binaryen.createType([i32, i32]), i32, [], unlessZero(quotient));
    m.addFunction("floormod", binaryen.createType([i32, i32]), i32, [], unlessZero(remainder));
  }

  #function(name: string, fn: WasmFunction, result: number): void {
    const params = binaryen.createType(new Array<number>(fn.params).fill(binaryen.i32));
    const body = this.#m.block(
      null,
      fn.body.map((x) => this.#build(x)),
      result,
    );
    this.#m.addFunction(
      name,
      params,
      result,
      fn.locals.map((t) => TYPES[t]),
      body,
    );
  }

  #build(x: Instruction): Ref {
    const m = this.#m;
    const [op, ...operands] = x;
    const child = (i: number): Ref => {
      const o = operands[i];
      if (o === undefined || !isInstruction(o)) throw new Bug("wasm", `${op} takes an instruction as operand ${i}`);
      return this.#build(o);
    };
    const number = (i: number): number => Number(operands[i]);
    const text = (i: number): string => String(operands[i]);
    switch (op) {
      case "local.get":
        return m.local.get(number(0), TYPES[text(1) as ValueType]);
      case "local.set":
        return m.local.set(number(0), child(1));
      case "i32.const":
      case "i32.literal":
        return m.i32.const(number(0));
      case "i64.const":
        return m.i64.const(BigInt(String(operands[0])));
      case "f32.const":
        return m.f32.const(number(0));
      case "f64.const":
        return m.f64.const(number(0));
      case "symbol.get":
        return m.global.get(`symbol.${text(0)}`, binaryen.i32);
      case "symbol.set":
        return this.#setSymbol(text(0), child(1));
      case "symbol.keep":
        return m.global.set(`symbol.${text(0)}`, child(1));
      case "fail.get":
        return this.#source.pool === null
          ? m.global.get("fail", binaryen.i32)
          : m.i32.load(0, 4, m.i32.const(this.#source.pool.code.fail));
      case "fail.set":
        return this.#fail(child(0));
      case "warming.get":
        return m.global.get("warming", binaryen.i32);
      case "warming.set":
        return m.global.set("warming", child(0));
      case "thread.get":
        return m.global.get(`thread.${text(0)}`, binaryen.i32);
      case "thread.set":
        return m.global.set(`thread.${text(0)}`, child(1));
      case "block":
        return m.block(
          null,
          operands.map((_, i) => child(i)),
        );
      case "if":
        return this.#if(operands);
      case "loop": {
        const outer = this.#label;
        const label = `l${this.#labels++}`;
        this.#label = label;
        const body = m.block(
          null,
          operands.map((_, i) => child(i)),
        );
        this.#label = outer;
        return m.loop(label, body);
      }
      case "continue_if":
        return m.br(this.#label, child(0));
      case "return":
        return m.return(child(0));
      case "i32.load":
        return this.#load(x);
      case "select":
        return m.select(child(0), child(1), child(2));
      case "call.fn":
        return m.call(
          `f${number(0)}`,
          operands.slice(1).map((_, i) => child(i + 1)),
          binaryen.none,
        );
      case "call.thread":
        return m.call(
          text(0),
          operands.slice(1).map((_, i) => child(i + 1)),
          binaryen.none,
        );
      case "call.job": {
        const params = binaryen.createType([binaryen.i32, binaryen.i32]);
        return m.call_indirect("jobs", child(0), [child(1), child(2)], params, binaryen.none);
      }
      case "call.check32":
      case "call.check64":
      case "call.floordiv":
      case "call.floormod":
        return m.call(op.slice(5), [child(0), child(1)], binaryen.i32);
      case "shuffle":
        return this.#shuffle(text(0), child(1));
      case "shuffle2":
        return m.i8x16.shuffle(child(1), child(2), text(0).split(",").map(Number));
      case "f32x4.relaxed_madd":
      case "f64x2.relaxed_madd":
      case "i32x4.relaxed_dot_i8x16_i7x16_add_s":
        return relaxed(m, op, child(0), child(1), child(2));
      default:
        return this.#plain(op, operands);
    }
  }

  /** Other threads take a symbol's value from memory when they enter a job. */
  #setSymbol(name: string, value: Ref): Ref {
    const m = this.#m;
    const own = m.global.set(`symbol.${name}`, value);
    const address = this.#source.pool?.code.symbols.get(name);
    if (address === undefined) return own;
    return m.block(null, [own, m.i32.store(0, 4, m.i32.const(address), m.global.get(`symbol.${name}`, binaryen.i32))]);
  }

  /** Binaryen marks a 32-bit load as signed, and then merges it with an unsigned extension into a signed 64-bit load. */
  #load([op, ...operands]: Instruction): Ref {
    const load = this.#plain(op, operands);
    const setSigned = RAW["_BinaryenLoadSetSigned"];
    if (setSigned === undefined) throw new Bug("wasm", "Binaryen has no signs of loads");
    setSigned(load, 0);
    return load;
  }

  #if(operands: readonly Operand[]): Ref {
    const [mask, yes, no] = operands;
    if (mask === undefined || yes === undefined || !isInstruction(mask) || !isInstruction(yes))
      throw new Bug("wasm", "if without its parts");
    const otherwise = no !== undefined && isInstruction(no) && no.length > 1 ? this.#build(no) : undefined;
    return this.#m.if(this.#build(mask), this.#build(yes), otherwise);
  }

  /** Bytes named first, the rest from byte 0. */
  #shuffle(bytes: string, value: Ref): Ref {
    const m = this.#m;
    const mask = bytes.split(",").map(Number);
    while (mask.length < 16) mask.push(0);
    return m.i8x16.shuffle(value, m.v128.const(new Array<number>(16).fill(0)), mask);
  }

  /** An instruction that Binaryen has under its own name. */
  #plain(op: string, operands: readonly Operand[]): Ref {
    let build = this.#builders.get(op);
    if (build === undefined) {
      let at: unknown = this.#m;
      for (const part of op.split(".")) at = (at as Readonly<Record<string, unknown>>)[part];
      if (typeof at !== "function") throw new Bug("wasm", `Binaryen has no ${op}`);
      build = at as Build;
      this.#builders.set(op, build);
    }
    return build(...operands.map((o) => (isInstruction(o) ? this.#build(o) : o)));
  }
}

type Relaxed = "f32x4.relaxed_madd" | "f64x2.relaxed_madd" | "i32x4.relaxed_dot_i8x16_i7x16_add_s";

const RELAXED: Readonly<Record<Relaxed, string>> = {
  "f32x4.relaxed_madd": "_BinaryenRelaxedMaddVecF32x4",
  "f64x2.relaxed_madd": "_BinaryenRelaxedMaddVecF64x2",
  "i32x4.relaxed_dot_i8x16_i7x16_add_s": "_BinaryenRelaxedDotI8x16I7x16AddSToVecI32x4",
};

/** Relaxed operations of three operands are only on Binaryen's raw C interface. */
function relaxed(m: binaryen.Module, op: Relaxed, a: Ref, b: Ref, c: Ref): Ref {
  const id = RAW[RELAXED[op]];
  const make = RAW["_BinaryenSIMDTernary"];
  if (id === undefined || make === undefined) throw new Bug("wasm", "Binaryen has no relaxed SIMD");
  // The types leave out the address that the C functions take a module by.
  return make((m as unknown as { ptr: number }).ptr, id(), a, b, c);
}
