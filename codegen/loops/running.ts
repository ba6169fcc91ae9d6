// A reduction along contiguous elements while it runs in vectors. Most keep one partial result in each lane. The greatest and
// least of f32 would take eight instructions a step on x64, since they propagate NaN and tell zeros apart: a long row keeps three
// integers of the elements' bits instead, each one instruction, and makes the float of them at its end.
//
// As signed integers floats above zero are in order, and below those under it. As unsigned ones, all under zero are above the
// others, the most negative first. A NaN lies beyond the infinity of its sign in both orders.

import type { DType } from "../../compiler/ir/dtype.js";
import type { Expr, ExprPool } from "./expr.js";
import { type PartialForm, Partials } from "./partials.js";
import { accumulator, combine, initialOf, type ReduceKind } from "./reduction.js";
import type { Stmt } from "./stmt.js";

interface Part {
  readonly kind: ReduceKind;
  readonly dtype: DType;
  readonly initial: number | bigint;
  readonly partials: Partials;
}

const INFINITY = 0x7f800000;
const MINUS_INFINITY = 0xff800000 | 0;

export class Running {
  readonly #pool: ExprPool;
  readonly #kind: ReduceKind;
  readonly #name: string;
  readonly #parts: readonly Part[];

  /** `name`: unique among the kernel's. */
  constructor(pool: ExprPool, kind: ReduceKind, dtype: DType, name: string, form: PartialForm) {
    this.#pool = pool;
    this.#kind = kind;
    this.#name = name;
    const type = accumulator(dtype);
    const part = (k: ReduceKind, d: DType, initial: number | bigint, suffix = ""): Part => ({
      kind: k,
      dtype: d,
      initial,
      partials: new Partials(pool, accumulator(d).kind, `${name}${suffix}`, form),
    });
    const isExtreme = kind === "max" || kind === "min";
    this.#parts =
      isExtreme && type.kind === "f32" && form.isLong
        ? [
            part("max", "i32", MINUS_INFINITY, "s"),
            part("max", "u32", 0, "u"),
            part("min", "u32", kind === "max" ? MINUS_INFINITY : INFINITY, "l"),
          ]
        : [part(kind, dtype, initialOf(kind, dtype))];
  }

  get #isSplit(): boolean {
    return this.#parts.length > 1;
  }

  get partials(): readonly Partials[] {
    return this.#parts.map((p) => p.partials);
  }

  clear(): Stmt[] {
    return this.#parts.flatMap((p) => p.partials.clear(p.initial));
  }

  /** Takes in a vector of elements. */
  step(register: number | "first", element: Expr): Stmt[] {
    const into = ({ partials, kind, dtype }: Part, value: Expr): Stmt => {
      const target = partials.at(register);
      return { kind: "set", target, value: combine(this.#pool, kind, dtype, target, value) };
    };
    if (!this.#isSplit) return this.#parts.map((p) => into(p, element));
    const { lanes } = element.type;
    // Each integer is told the bits of one computation.
    const bits = this.#pool.variable({ kind: "i32", lanes }, `bits${this.#name}_${register}_${lanes}`);
    const value = this.#pool.op("bits", bits.type, element);
    return [{ kind: "set", target: bits, value }, ...this.#parts.map((p) => into(p, bits))];
  }

  /** The scalar of all lanes. */
  total(): Expr {
    const [first, second, third] = this.#parts.map((p) => p.partials.total(p.kind, p.dtype));
    if (first === undefined) throw new RangeError("nothing runs");
    if (second === undefined || third === undefined) return first;
    return this.#pool.op("bits", { kind: "f32", lanes: 1 }, this.#extreme(first, second, third));
  }

  /** From the greatest as signed and as unsigned integers, and the least as unsigned ones. */
  #extreme(signed: Expr, unsigned: Expr, least: Expr): Expr {
    const pool = this.#pool;
    const zero = pool.i32(0);
    if (this.#kind === "max") {
      const above = pool.select(pool.compare("lt", signed, zero), least, signed);
      return pool.select(pool.compare("ltU", pool.i32(MINUS_INFINITY), unsigned), unsigned, above);
    }
    const below = pool.select(pool.compare("lt", unsigned, zero), unsigned, least);
    return pool.select(pool.compare("lt", pool.i32(INFINITY), signed), signed, below);
  }
}
