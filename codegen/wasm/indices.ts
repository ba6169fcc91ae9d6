// Index arithmetic of a kernel: dimensions and element addresses as i32 instructions. Parts that change only in outer
// scopes are computed there and kept, so that an inner loop adds one term.

import { add, atomExpr, type Dim, mul, range, type Sym, symOf, terms } from "../../compiler/ir/dim.js";
import { bytesOf as elementBytes } from "../../compiler/ir/dtype.js";
import type { Expr } from "../loops/expr.js";
import type { LoopKernel } from "../loops/stmt.js";
import type { loadFrom } from "./memory.js";
import { type Scopes, VOLATILE } from "./scopes.js";
import { get, type Instruction, i32 } from "./tree.js";

/** Code of the expressions that run-time symbols stand for: `value` may be kept in a local, `make` computes again. */
export interface Values {
  value(e: Expr): Instruction;
  make(e: Expr): Instruction;
  /** Address of a buffer. */
  base(buffer: number): Instruction;
}

export class Indices {
  readonly #pool: LoopKernel["pool"];
  readonly #scopes: Scopes;
  readonly #values: Values;

  constructor(kernel: LoopKernel, scopes: Scopes, values: Values) {
    this.#pool = kernel.pool;
    this.#scopes = scopes;
    this.#values = values;
  }

  dim(d: Dim): Instruction {
    if (typeof d === "number") return i32(d);
    const single = symOf(d);
    if (single !== undefined) return this.#sym(single);
    const level = this.#scopes.levelOfDim(d);
    if (level === VOLATILE) return this.#sum(d);
    return this.#scopes.keep(`d${d.id}`, level, "i32", () => this.#sum(d));
  }

  #sym(s: Sym): Instruction {
    const loop = this.#scopes.loopVars.get(s);
    if (loop !== undefined) return get(loop.local, "i32");
    const dynamic = this.#pool.dynamic.get(s);
    if (dynamic === undefined) return ["symbol.get", s.name];
    const level = this.#scopes.level(dynamic);
    if (level === VOLATILE || dynamic.kind === "const" || dynamic.kind === "index") return this.#values.value(dynamic);
    return this.#scopes.keep(dynamic, level, "i32", () => this.#values.make(dynamic));
  }

  /** A polynomial, with its slower terms computed (and kept) first. */
  #sum(d: Dim): Instruction {
    const { slow, fast, constant } = this.#split(d);
    let total: Instruction | null = slow === 0 ? null : this.dim(slow);
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
    const [x, y] = [this.dim(a), this.dim(b)];
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
      Math.max(0, ...t.factors.map((f) => this.#scopes.levelOfDim(atomExpr(f))));
    const top = Math.max(0, ...rest.map(levelOf));
    const fast = rest.filter((t) => levelOf(t) === top);
    const slow = rest.filter((t) => levelOf(t) < top);
    return { slow: add(...slow.map((t) => mul(t.coeff, ...t.factors.map(atomExpr)))), fast, constant };
  }

  address(buffer: number, index: Dim, dtype: Parameters<typeof loadFrom>[0]): { address: Instruction; offset: number } {
    return this.addressBytes(buffer, index, elementBytes(dtype));
  }

  /** Byte address of an element: a local for the part that changes in outer scopes, plus what changes here. */
  addressBytes(buffer: number, index: Dim, bytes: number): { address: Instruction; offset: number } {
    const base = this.#values.base(buffer);
    if (typeof index === "number") {
      return index >= 0
        ? { address: base, offset: index * bytes }
        : { address: ["i32.add", base, i32(index * bytes)], offset: 0 };
    }
    const { slow, fast, constant } = this.#split(index);
    const variable = add(slow, ...fast.map((t) => mul(t.coeff, ...t.factors.map(atomExpr))));
    const level = this.#scopes.levelOfDim(variable);
    const make = (): Instruction => {
      let address: Instruction = slow === 0 ? base : this.addressBytes(buffer, slow, bytes).address;
      for (const t of fast) address = ["i32.add", address, this.#product(t.coeff * bytes, t.factors)];
      return address;
    };
    const key = `a${buffer}:${bytes}:${typeof variable === "number" ? variable : variable.id}`;
    const address = level === VOLATILE ? make() : this.#scopes.keep(key, level, "i32", make);
    if (constant === 0) return { address, offset: 0 };
    // An immediate offset is added without wrapping: only where the rest cannot be below the buffer.
    if (constant > 0 && range(variable).lo >= 0) return { address, offset: constant * bytes };
    return { address: ["i32.add", address, i32(constant * bytes)], offset: 0 };
  }
}
