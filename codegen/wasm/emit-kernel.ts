// A kernel's loops become one WebAssembly function over buffer addresses. Every expression is computed once, in the
// outermost loop in which it does not change (scopes.ts); addresses are split the same way (indices.ts).

import { range, sub, symOf } from "../../compiler/ir/dim.js";
import { Bug } from "../../compiler/ir/errors.js";
import { symbolName } from "../../compiler/plan/symbols.js";
import type { Expr } from "../loops/expr.js";
import { type Loop, spaceOf } from "../loops/parts.js";
import type { LoopKernel, Stmt } from "../loops/stmt.js";
import type { Dialect } from "./dialect.js";
import { Indices } from "./indices.js";
import { loadFrom, storeTo } from "./memory.js";
import { Scopes, VOLATILE } from "./scopes.js";
import { emitSpace, PART_PARAMETERS } from "./space.js";
import { SPELL, valueType, vectorName } from "./spell.js";
import { get, type Instruction, i32, set, type WasmFunction } from "./tree.js";
import { countUses } from "./uses.js";

export class KernelEmitter {
  readonly #kernel: LoopKernel;
  readonly #dialect: Dialect;
  /** Parameters before the buffers. */
  readonly #first: number;
  readonly #scopes: Scopes;
  readonly #indices: Indices;
  readonly #uses: ReadonlyMap<Expr, number>;
  /** Depth of the scope around the innermost loop, where that loop has none inside: its constants are made there. */
  #around: number | null = null;
  /** Whether parallel loops are to be divided: not yet inside one, in a function that runs in parts. */
  #divides: boolean;

  /** `inParts`: the kernel becomes a function of (part, parts, ...buffers). */
  constructor(kernel: LoopKernel, dialect: Dialect, inParts: boolean) {
    this.#kernel = kernel;
    this.#dialect = dialect;
    this.#divides = inParts;
    this.#first = this.#divides ? PART_PARAMETERS : 0;
    this.#scopes = new Scopes(kernel, this.#first + kernel.buffers.length);
    this.#indices = new Indices(kernel, this.#scopes, {
      value: (e) => this.#value(e),
      make: (e) => this.#make(e),
      base: (buffer) => this.#base(buffer),
    });
    this.#uses = countUses(kernel);
  }

  emit(): WasmFunction {
    const { name, buffers, body } = this.#kernel;
    for (const s of body) this.#statement(s);
    return { name, params: this.#first + buffers.length, locals: this.#scopes.locals, body: this.#scopes.code };
  }

  /** Threads have scratch memory of their own. */
  #base(buffer: number): Instruction {
    const own = this.#first > 0 && this.#kernel.buffers[buffer]?.role === "scratch";
    return own ? ["thread.get", "scratch"] : get(this.#first + buffer, "i32");
  }

  #statement(s: Stmt): void {
    switch (s.kind) {
      case "for":
        if (this.#divides && s.parallel === true) this.#space(s);
        else this.#loop(s);
        return;
      case "store": {
        const { address, offset } = this.#indices.address(s.buffer, s.index, s.dtype);
        this.#scopes.push(storeTo(s.dtype, s.value.type, address, offset, this.#value(s.value)));
        this.#scopes.forgetFleeting();
        return;
      }
      case "storeAt":
        this.#scopes.push(storeTo(s.dtype, s.value.type, this.#value(s.address), s.offset, this.#value(s.value)));
        this.#scopes.forgetFleeting();
        return;
      case "set": {
        const { target } = s;
        if (target.kind !== "var") throw new Bug("wasm", "set of something that is no register");
        const value = this.#value(s.value);
        let at = this.#scopes.vars.get(target.name);
        if (at === undefined || (target.fixed && at.depth !== this.#scopes.depth)) {
          at = { local: at?.local ?? this.#scopes.newLocal(valueType(target.type)), depth: this.#scopes.depth };
          this.#scopes.vars.set(target.name, at);
        }
        this.#scopes.push(set(at.local, value));
        this.#scopes.forgetFleeting();
        return;
      }
      case "prefetch":
        throw new Bug("wasm", "prefetch, which this machine lacks");
      case "symbol":
        this.#scopes.push(["symbol.set", symbolName(s.symbol), this.#value(s.value)]);
        return;
      case "if": {
        const mask = this.#value(s.mask);
        const yes = this.#scopes.inside(() => {
          for (const x of s.yes) this.#statement(x);
        }, true);
        const no = this.#scopes.inside(() => {
          for (const x of s.no) this.#statement(x);
        }, true);
        this.#scopes.push(["if", mask, ["block", ...yes], ["block", ...no]]);
        return;
      }
      case "while": {
        const first = this.#value(s.mask);
        const body = this.#scopes.inside(() => {
          for (const x of s.body) this.#statement(x);
          const again = this.#value(s.mask);
          this.#scopes.push(["continue_if", again]);
        }, true);
        this.#scopes.push(["if", first, ["block", ["loop", ...body]], ["block"]]);
        return;
      }
    }
  }

  #space(s: Loop): void {
    const loops = spaceOf(this.#kernel, s);
    this.#divides = false;
    emitSpace(loops, this.#scopes, this.#indices, () => {
      for (const x of loops.at(-1)?.body ?? []) this.#statement(x);
    });
    this.#divides = true;
  }

  #loop(s: Loop): void {
    const v = symOf(s.v);
    if (v === undefined) throw new Bug("wasm", `loop over ${String(s.v)}, which is no variable`);
    const before = this.#scopes.loopVars.get(v);
    const local = before?.local ?? this.#scopes.newLocal("i32");
    const { from, to, step } = s;
    const trips = typeof from === "number" && typeof to === "number" ? Math.ceil((to - from) / step) : null;
    if (trips !== null && trips <= 0) return;
    this.#scopes.push(set(local, this.#indices.dim(from)));
    const limit = this.#indices.dim(to);
    const outside = this.#around;
    this.#around = hasLoop(s.body) ? null : this.#scopes.depth;
    const body = this.#scopes.inside(
      () => {
        this.#scopes.loopVars.set(v, { local, depth: this.#scopes.depth });
        for (const x of s.body) this.#statement(x);
        if (trips === 1) return;
        this.#scopes.push(set(local, ["i32.add", get(local, "i32"), i32(step)]));
        this.#scopes.push(["continue_if", ["i32.lt_s", get(local, "i32"), limit]]);
      },
      false,
      range(sub(to, from)).lo <= 0,
    );
    this.#around = outside;
    if (before === undefined) this.#scopes.loopVars.delete(v);
    else this.#scopes.loopVars.set(v, before);
    if (trips === 1) this.#scopes.push(["block", ...body]);
    else if (trips !== null) this.#scopes.push(["loop", ...body]);
    else this.#scopes.push(["if", ["i32.lt_s", get(local, "i32"), limit], ["block", ["loop", ...body]], ["block"]]);
  }

  // -- values

  #value(e: Expr): Instruction {
    if (e.kind === "const") {
      // Engines may make a vector constant anew for each use; a zero costs nothing.
      if (this.#around === null || e.type.lanes === 1 || isZero(e.value)) return this.#constant(e);
      return this.#scopes.keep(e, this.#around, "v128", () => this.#constant(e));
    }
    if (e.kind === "var") {
      const at = this.#scopes.vars.get(e.name);
      if (at === undefined) throw new Bug("wasm", `register ${e.name} is read before it is set`);
      return get(at.local, valueType(e.type));
    }
    if (e.kind === "index") return this.#indices.dim(e.dim);
    const type = valueType(e.type);
    const level = this.#scopes.level(e);
    const shared = (this.#uses.get(e) ?? 0) > 1;
    if (level === VOLATILE) {
      if (!shared) return this.#make(e);
      return this.#scopes.keepFleeting(e, type, () => this.#make(e));
    }
    if (level < this.#scopes.depth || shared) return this.#scopes.keep(e, level, type, () => this.#make(e));
    return this.#scopes.find(e) === undefined ? this.#make(e) : get(this.#scopes.find(e) ?? 0, type);
  }

  #make(e: Expr): Instruction {
    switch (e.kind) {
      case "load": {
        const { address, offset } = this.#indices.address(e.buffer, e.index, e.dtype);
        return loadFrom(e.dtype, e.type, address, offset, false);
      }
      case "loadAt":
        return loadFrom(e.dtype, e.type, this.#value(e.address), e.offset, e.splat);
      case "address": {
        const { address, offset } = this.#indices.addressBytes(e.buffer, e.index, e.bytes);
        return offset === 0 ? address : ["i32.add", address, i32(offset)];
      }
      case "lane":
        return [`${vectorName(e.type.kind)}.extract_lane`, this.#value(e.from), e.lane];
      case "lanes": {
        const shuffled = this.#shuffled(e.items);
        if (shuffled !== null) return shuffled;
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
          dialect: this.#dialect,
        });
      default:
        throw new Bug("wasm", `${e.kind} has no code`);
    }
  }

  /** Lanes of at most two vectors of 32-bit elements, in one instruction; null where they are others. */
  #shuffled(items: readonly Expr[]): Instruction | null {
    const lanes = items.flatMap((item) => (item.kind === "lane" && item.from.type.lanes === 4 ? [item] : []));
    const vectors = [...new Set(lanes.map(({ from }) => from))];
    const [a, b = a] = vectors;
    if (a === undefined || b === undefined || lanes.length < items.length || vectors.length > 2) return null;
    const bytes = lanes.flatMap(({ from, lane }) => [0, 1, 2, 3].map((i) => (from === a ? 0 : 16) + lane * 4 + i));
    return ["shuffle2", bytes.join(","), this.#value(a), this.#value(b)];
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
}

function isZero(value: number | bigint): boolean {
  return value === 0n || Object.is(value, 0);
}

function hasLoop(body: readonly Stmt[]): boolean {
  return body.some((s) => (s.kind === "if" ? hasLoop(s.yes) || hasLoop(s.no) : s.kind === "for" || s.kind === "while"));
}
