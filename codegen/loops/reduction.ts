// How a reduction starts and combines, in registers. Order is fixed: with `n` partial results, element i goes to partial
// i mod n; partials are combined pairwise, lanes too (0 with half, ...), then the rest one by one. So it depends on the
// size alone, and not on the host.

import type { DType } from "../../compiler/ir/dtype.js";
import { DTYPES, intRange, isFloat } from "../../compiler/ir/dtype.js";
import type { Expr, ExprPool, MachineOp, Reg } from "./expr.js";
import { isUnsigned, regOf, settle } from "./registers.js";

export type ReduceKind = "sum" | "prod" | "max" | "min";

/** The register that accumulates a dtype; bool accumulates as 0 or 1. */
export function accumulator(dtype: DType): Reg {
  return dtype === "bool" ? { kind: "i32", lanes: 1 } : regOf(dtype);
}

/** The value of an empty reduction. */
export function initialOf(kind: ReduceKind, dtype: DType): number | bigint {
  if (kind === "sum") return DTYPES[dtype].bits === 64 && !isFloat(dtype) ? 0n : 0;
  if (kind === "prod") return DTYPES[dtype].bits === 64 && !isFloat(dtype) ? 1n : 1;
  if (isFloat(dtype)) return kind === "max" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  const { min, max } = intRange(dtype);
  const value = kind === "max" ? min : max;
  if (DTYPES[dtype].bits === 64) return BigInt.asIntN(64, value);
  return Number(BigInt.asIntN(32, value));
}

function combineOp(kind: ReduceKind, dtype: DType): MachineOp {
  if (kind === "sum") return "add";
  if (kind === "prod") return "mul";
  if (isFloat(dtype)) return kind;
  if (isUnsigned(dtype)) return kind === "max" ? "maxU" : "minU";
  return kind === "max" ? "maxS" : "minS";
}

export function combine(pool: ExprPool, kind: ReduceKind, dtype: DType, a: Expr, b: Expr): Expr {
  if (dtype === "bool") return pool.same(kind === "sum" || kind === "max" ? "maxS" : "minS", a, b);
  return pool.same(combineOp(kind, dtype), a, b);
}

/** An element as the accumulator takes it. */
export function toAccumulator(pool: ExprPool, dtype: DType, e: Expr): Expr {
  return dtype === "bool" ? pool.op("maskToInt", { kind: "i32", lanes: e.type.lanes }, e) : e;
}

/** The accumulator as a value of the dtype. */
export function fromAccumulator(pool: ExprPool, dtype: DType, e: Expr): Expr {
  if (dtype === "bool") return pool.op("intToMask", { kind: "mask32", lanes: e.type.lanes }, e);
  return settle(pool, dtype, e);
}

/** Combines the lanes of a vector pairwise. */
export function acrossLanes(pool: ExprPool, kind: ReduceKind, dtype: DType, vector: Expr): Expr {
  let items = Array.from({ length: vector.type.lanes }, (_, lane) => pool.lane(vector, lane));
  while (items.length > 1) {
    const half = items.length / 2;
    items = items.slice(0, half).map((e, i) => combine(pool, kind, dtype, e, items[i + half] ?? e));
  }
  return items[0] ?? vector;
}

/** Independent partial results of a long reduction, so that one step does not wait for the last. */
export const WAYS = 4;

/** Combines partial vectors pairwise: (0 with 1) with (2 with 3). */
export function acrossWays(pool: ExprPool, kind: ReduceKind, dtype: DType, parts: readonly Expr[]): Expr {
  let items = [...parts];
  while (items.length > 1) {
    const next: Expr[] = [];
    for (let i = 0; i < items.length; i += 2) {
      const [a, b] = [items[i], items[i + 1]];
      if (a !== undefined) next.push(b === undefined ? a : combine(pool, kind, dtype, a, b));
    }
    items = next;
  }
  const [only] = items;
  if (only === undefined) throw new RangeError("nothing to combine");
  return only;
}
