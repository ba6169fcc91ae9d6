// The elementary functions as register expressions: one row per function, for f32 and f64 registers of any count of
// lanes, with the bound that its tests hold it to. No branches, tables or calls; f32 functions use f32, i32 and mask32
// registers only, so that widening them to vectors is mechanical. In the strict tier every host gives the same bits. The
// sign and payload of a NaN are not specified.

import type { Expr, ExprPool } from "../loops/expr.js";
import { acos, asin, atan, atan2 } from "./arc.js";
import { erf } from "./erf.js";
import { exp, expm1, expOfNegative, sigmoid } from "./exp.js";
import { acosh, asinh, atanh, cosh, sinh, tanh } from "./hyperbolic.js";
import { log, log1p } from "./log.js";
import { pow } from "./pow.js";
import { rem } from "./rem.js";
import { Terms } from "./terms.js";
import { cos, sin, tan } from "./trig.js";

interface UnaryFunction {
  readonly arity: 1;
  readonly build: (m: Terms, x: Expr) => Expr;
  /** The same bits in fewer operations, for an operand that is not above 0 or is NaN. */
  readonly ofNegative?: (m: Terms, x: Expr) => Expr;
  /** The greatest error in units in the last place of the exact result, in f32 and in f64; 0 is exact. */
  readonly ulp32: number;
  readonly ulp64: number;
}

interface BinaryFunction {
  readonly arity: 2;
  readonly build: (m: Terms, x: Expr, y: Expr) => Expr;
  readonly ulp32: number;
  readonly ulp64: number;
}

export type MathFunction = UnaryFunction | BinaryFunction;

export const MATH = {
  exp: { arity: 1, build: exp, ofNegative: expOfNegative, ulp32: 1, ulp64: 2 },
  log: { arity: 1, build: log, ulp32: 1, ulp64: 2 },
  log1p: { arity: 1, build: log1p, ulp32: 2, ulp64: 2 },
  expm1: { arity: 1, build: expm1, ulp32: 2, ulp64: 2 },
  sin: { arity: 1, build: sin, ulp32: 1, ulp64: 2 },
  cos: { arity: 1, build: cos, ulp32: 1, ulp64: 2 },
  tan: { arity: 1, build: tan, ulp32: 2, ulp64: 2 },
  asin: { arity: 1, build: asin, ulp32: 2, ulp64: 2 },
  acos: { arity: 1, build: acos, ulp32: 2, ulp64: 2 },
  atan: { arity: 1, build: atan, ulp32: 2, ulp64: 2 },
  atan2: { arity: 2, build: atan2, ulp32: 2, ulp64: 2 },
  sinh: { arity: 1, build: sinh, ulp32: 2, ulp64: 2 },
  cosh: { arity: 1, build: cosh, ulp32: 2, ulp64: 2 },
  tanh: { arity: 1, build: tanh, ulp32: 2, ulp64: 2 },
  asinh: { arity: 1, build: asinh, ulp32: 2, ulp64: 2 },
  acosh: { arity: 1, build: acosh, ulp32: 2, ulp64: 2 },
  atanh: { arity: 1, build: atanh, ulp32: 2, ulp64: 2 },
  erf: { arity: 1, build: erf, ulp32: 2, ulp64: 2 },
  sigmoid: { arity: 1, build: sigmoid, ulp32: 2, ulp64: 2 },
  pow: { arity: 2, build: pow, ulp32: 2, ulp64: 4 },
  rem: { arity: 2, build: rem, ulp32: 0, ulp64: 0 },
} as const satisfies Record<string, MathFunction>;

export type MathName = keyof typeof MATH;

export function isMathName(name: string): name is MathName {
  return Object.hasOwn(MATH, name);
}

/** What is known of an operand, NaN aside; asked where it makes a difference. */
export interface OperandFacts {
  isNonPositive(): boolean;
}

/**
 * The function applied to `args`, float registers of one type, which is the result's. Facts change the operations, not the
 * result.
 * @throws RangeError for a wrong count of operands or another register type.
 */
export function mathFunction(name: MathName, pool: ExprPool, args: readonly Expr[], facts?: OperandFacts): Expr {
  const row: MathFunction = MATH[name];
  const [x, y] = args;
  if (x === undefined || args.length !== row.arity)
    throw new RangeError(`${name}: has ${args.length} operands, takes ${row.arity}`);
  const m = new Terms(pool, x);
  if (row.arity === 1) {
    const { build, ofNegative } = row;
    return ofNegative !== undefined && facts?.isNonPositive() === true ? ofNegative(m, x) : build(m, x);
  }
  if (y === undefined || y.type.kind !== x.type.kind || y.type.lanes !== x.type.lanes)
    throw new RangeError(`${name}: the operands' registers differ`);
  return row.build(m, x, y);
}
