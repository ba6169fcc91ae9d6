// Shorthand for building register expressions over one float type and the integers of its width, and the numbers of
// the two formats that every function's range reduction needs. Nothing here depends on the count of lanes.

import { type Expr, type ExprPool, isFloatReg, type MachineOp, type Reg } from "../loops/expr.js";

/** A value for each of the two formats. */
export interface PerFormat<T> {
  readonly f32: T;
  readonly f64: T;
}

/** A sum of two registers whose second is below an ulp of the first. */
export interface Pair {
  readonly hi: Expr;
  readonly lo: Expr;
}

export class Terms {
  readonly pool: ExprPool;
  /** The float type of the function. */
  readonly float: Reg;
  /** Integers of the same width. */
  readonly int: Reg;
  readonly wide: boolean;
  /** Explicit bits of the significand: 23 or 52. */
  readonly fraction: number;
  /** Exponent bias: 127 or 1023. */
  readonly bias: number;
  /** 1.5 * 2^fraction: adding it leaves a nearest integer in the low bits. */
  readonly magic: number;

  constructor(pool: ExprPool, like: Expr) {
    if (!isFloatReg(like.type))
      throw new RangeError(`elementary functions take f32 or f64 registers, have ${like.type.kind}`);
    this.pool = pool;
    this.float = like.type;
    this.wide = like.type.kind === "f64";
    this.int = { kind: this.wide ? "i64" : "i32", lanes: like.type.lanes };
    this.fraction = this.wide ? 52 : 23;
    this.bias = this.wide ? 1023 : 127;
    this.magic = 1.5 * 2 ** this.fraction;
  }

  pick<T>(values: PerFormat<T>): T {
    return this.wide ? values.f64 : values.f32;
  }

  /** A float constant, rounded to the format. */
  c(value: number): Expr {
    return this.pool.constant(this.float, this.wide ? value : Math.fround(value));
  }

  /** An integer constant, wrapped to the width. */
  n(value: number | bigint): Expr {
    return this.wide
      ? this.pool.constant(this.int, BigInt.asIntN(64, BigInt(value)))
      : this.pool.constant(this.int, Number(BigInt.asIntN(32, BigInt(value))));
  }

  same(op: MachineOp, a: Expr, ...rest: readonly Expr[]): Expr {
    return this.pool.same(op, a, ...rest);
  }
  add(a: Expr, b: Expr): Expr {
    return this.pool.same("add", a, b);
  }
  sub(a: Expr, b: Expr): Expr {
    return this.pool.same("sub", a, b);
  }
  mul(a: Expr, b: Expr): Expr {
    return this.pool.same("mul", a, b);
  }
  div(a: Expr, b: Expr): Expr {
    return this.pool.same("div", a, b);
  }
  /** a * b + c, with one rounding or two: the caller's bound holds for both. */
  madd(a: Expr, b: Expr, c: Expr): Expr {
    return this.pool.same("madd", a, b, c);
  }
  abs(a: Expr): Expr {
    return this.pool.same("abs", a);
  }
  sqrt(a: Expr): Expr {
    return this.pool.same("sqrt", a);
  }
  min(a: Expr, b: Expr): Expr {
    return this.pool.same("min", a, b);
  }
  max(a: Expr, b: Expr): Expr {
    return this.pool.same("max", a, b);
  }

  lt(a: Expr, b: Expr): Expr {
    return this.pool.compare("lt", a, b);
  }
  le(a: Expr, b: Expr): Expr {
    return this.pool.compare("le", a, b);
  }
  eq(a: Expr, b: Expr): Expr {
    return this.pool.compare("eq", a, b);
  }
  ne(a: Expr, b: Expr): Expr {
    return this.pool.compare("ne", a, b);
  }
  both(a: Expr, b: Expr): Expr {
    return this.pool.op("and", a.type, a, b);
  }
  either(a: Expr, b: Expr): Expr {
    return this.pool.op("or", a.type, a, b);
  }
  select(mask: Expr, a: Expr, b: Expr): Expr {
    return this.pool.select(mask, a, b);
  }

  /** The bits of a float. */
  bits(a: Expr): Expr {
    return this.pool.op("bits", this.int, a);
  }
  /** The float with these bits. */
  ofBits(a: Expr): Expr {
    return this.pool.op("bits", this.float, a);
  }
  shift(op: "shl" | "shrS" | "shrU", a: Expr, count: number): Expr {
    const by =
      this.wide && a.type.lanes === 1
        ? this.pool.constant({ kind: "i64", lanes: 1 }, BigInt(count))
        : this.pool.i32(count);
    return this.pool.same(op, a, by);
  }
  /** The power of two whose biased exponent is in the low bits of an integer. */
  power(biased: Expr): Expr {
    return this.ofBits(this.shift("shl", biased, this.fraction));
  }
  /** A small integer (below 2^22) as a float, without a conversion instruction where SIMD has none. */
  toFloat(a: Expr): Expr {
    if (!this.wide) return this.pool.op("toFloatS", this.float, a);
    return this.sub(this.ofBits(this.add(a, this.n(0x4338000000000000n))), this.c(this.magic));
  }

  /** The sign bit of a float, alone. */
  signBit(a: Expr): Expr {
    return this.same("and", this.bits(a), this.n(this.wide ? 1n << 63n : 1n << 31n));
  }
  /** `a` with its sign flipped where the sign bit is set in `sign`, which has no other bits. */
  flip(a: Expr, sign: Expr): Expr {
    return this.ofBits(this.same("xor", this.bits(a), sign));
  }
  /** Half of the significand: products of two such values are exact. */
  head(a: Expr): Expr {
    const drop = this.wide ? 27n : 12n;
    return this.ofBits(this.same("and", this.bits(a), this.n(-(1n << drop))));
  }

  /**
   * c[0] + c[1] x + c[2] x^2 + ...: neighbours are paired (Estrin) until three terms are left, and Horner's rule takes
   * those. The chain of dependent operations, not their number, is what a polynomial costs.
   */
  poly(x: Expr, coefficients: readonly number[]): Expr {
    let terms = coefficients.map((c) => this.c(c));
    let power = x;
    for (; terms.length > 3; power = this.mul(power, power)) {
      const pairs: Expr[] = [];
      for (const [i, term] of terms.entries()) {
        const next = terms[i + 1];
        if (i % 2 === 0) pairs.push(next === undefined ? term : this.madd(next, power, term));
      }
      terms = pairs;
    }
    let sum: Expr | undefined;
    for (const term of terms.toReversed()) sum = sum === undefined ? term : this.madd(sum, power, term);
    if (sum === undefined) throw new RangeError("a polynomial needs a coefficient");
    return sum;
  }

  /** a + b exactly; no order of magnitude is assumed. */
  twoSum(a: Expr, b: Expr): Pair {
    const hi = this.add(a, b);
    const v = this.sub(hi, a);
    return { hi, lo: this.add(this.sub(a, this.sub(hi, v)), this.sub(b, v)) };
  }
}
