// Adjoints of ops whose element positions are data. Indices themselves have no gradient.

import type { AttrValues } from "../attrs.js";
import * as ir from "../build.js";
import type { Vjp } from "../op-spec.js";
import { elementCount } from "../types.js";
import type { indexAttrs } from "./schemas.js";
import { accumulateAt, noGradient, operandOf, positionsIn, zerosLike } from "./vjp-common.js";

type Rule<K extends keyof typeof indexAttrs> = Vjp<AttrValues<(typeof indexAttrs)[K]>>;

export const gather: Rule<"gather"> = (b, { inputs, attrs: { axis } }, [g]) => {
  if (g == null) return [null, null];
  const x = operandOf(inputs, 0);
  const positions = ir.gather(b, positionsIn(b, x.type.shape), operandOf(inputs, 1), axis);
  return [accumulateAt(b, x, positions, g), null];
};

export const take: Rule<"take"> = (b, { inputs }, [g]) =>
  g == null ? [null, null] : [accumulateAt(b, operandOf(inputs, 0), operandOf(inputs, 1), g), null];

export const scatter: Rule<"scatter"> = (b, { inputs, attrs: { mode } }, [g]) => {
  if (g == null) return [null, null, null];
  const indices = operandOf(inputs, 1);
  const updates = operandOf(inputs, 2);
  const read = ir.take(b, g, indices);
  if (mode === "add") return [g, null, read];
  if (mode !== "set")
    return noGradient("scatter", `scatter with mode "${mode}" has no gradient`, 'use mode "add" or "set"');
  // Where several updates meet, the last one stands: it alone has a gradient.
  const order = positionsIn(b, updates.type.shape);
  const last = ir.scatter(b, ir.full(b, "i64", g.type.shape, -1), indices, order);
  const stands = ir.eq(b, ir.take(b, last, indices), order);
  return [ir.scatter(b, g, indices, zerosLike(b, updates)), null, ir.select(b, stands, read, 0)];
};

export const sort: Rule<"sort"> = (b, { inputs, outputs, attrs: { axis } }, [g]) => {
  if (g == null) return [null];
  const x = operandOf(inputs, 0);
  const { shape } = x.type;
  const indices = operandOf(outputs, 1);
  const first = indices.type.shape;
  const stride = ir.dimValue(b, elementCount(shape.slice(axis + 1)));
  const moved = ir.mul(b, ir.sub(b, indices, ir.iota(b, "i64", first, axis)), stride);
  const positions = ir.sliceAxis(b, positionsIn(b, shape), axis, 0, first[axis] ?? 1);
  return [ir.scatter(b, zerosLike(b, x), ir.add(b, positions, moved), g)];
};
