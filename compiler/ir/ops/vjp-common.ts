// What several adjoint rules share.

import * as ir from "../build.js";
import type { Dim } from "../dim.js";
import { refuse } from "../errors.js";
import type { Builder, Value } from "../graph.js";
import { elementCount } from "../types.js";

/** Operand i of a node; arity was checked when the node was made. */
export function operandOf(values: readonly Value[], i: number): Value {
  const v = values[i];
  if (v === undefined) throw new RangeError(`no operand ${i}`);
  return v;
}

/** The gradient of a value from that of its broadcast: summed over what was stretched. */
export function unbroadcast(b: Builder, g: Value, shape: readonly Dim[]): Value {
  const offset = g.type.shape.length - shape.length;
  const stretched = ir.allAxes(g).filter((i) => {
    const d = shape[i - offset];
    return i < offset || (d === 1 && g.type.shape[i] !== 1);
  });
  return ir.reshape(b, ir.reduce(b, "sum", g, stretched), shape);
}

export function zerosLike(b: Builder, x: Value): Value {
  return ir.full(b, x.type.dtype, x.type.shape, 0);
}

/** For every element of a value of this shape, its row-major position (i64). */
export function positionsIn(b: Builder, shape: readonly Dim[]): Value {
  return ir.reshape(b, ir.iota(b, "i64", [elementCount(shape)]), shape);
}

/** Sums `g` into zeros of x's shape at `positions`: the adjoint of reading x at these positions. */
export function accumulateAt(b: Builder, x: Value, positions: Value, g: Value): Value {
  return ir.scatter(b, zerosLike(b, x), positions, g, "add");
}

/** A case of an op that has no adjoint rule. */
export function noGradient(op: string, detail: string, hint: string): never {
  return refuse({ code: "unsupported_gradient", scope: "gradient", subject: op, detail, at: "", hint });
}
