// Index arithmetic that the op families share: ONNX's negative indices, and flat positions from coordinates.

import * as ir from "../../../ir/build.js";
import { type Dim, mul } from "../../../ir/dim.js";
import type { Builder, Value } from "../../../ir/graph.js";
import { tensorFrom } from "../../../ir/tensor.js";
import { knownTensor } from "../known.js";

/** Indices counted from the end where negative, as i64; constants stay constants. */
export function wrapped(b: Builder, indices: Value, size: Dim): Value {
  const known = knownTensor(indices);
  if (known !== null) {
    const list = known.numbers();
    if (list.every((i) => i >= 0)) return ir.constant(b, tensorFrom("i64", known.shape, list));
    if (typeof size === "number")
      return ir.constant(
        b,
        tensorFrom(
          "i64",
          known.shape,
          list.map((i) => (i < 0 ? i + size : i)),
        ),
      );
  }
  const wide = ir.cast(b, indices, "i64");
  return ir.select(b, ir.lt(b, wide, 0), ir.add(b, wide, ir.dimValue(b, size)), wide);
}

/** Row-major distance between neighbours on each axis. */
export function stridesOf(shape: readonly Dim[]): Dim[] {
  return shape.map((_, i) => mul(1, ...shape.slice(i + 1)));
}

/**
 * Flat positions in `shape` from one coordinate (i64, broadcasting) per axis. Summed from the last axis on: leading
 * coordinates mostly count along, and what computed ones have in common is then summed once.
 */
export function flatten(b: Builder, shape: readonly Dim[], coordinates: readonly Value[]): Value {
  const strides = stridesOf(shape);
  let sum: Value | null = null;
  for (const [i, c] of [...coordinates.entries()].reverse()) {
    const stride = strides[i] ?? 1;
    const part = stride === 1 ? c : ir.mul(b, c, ir.dimValue(b, stride));
    sum = sum === null ? part : ir.add(b, sum, part);
  }
  return sum ?? ir.scalar(b, "i64", 0);
}

/** 0, 1, 2, ... along `axis` of a value of this rank, with size 1 on the others. */
export function along(b: Builder, size: Dim, axis: number, rank: number): Value {
  return ir.iota(
    b,
    "i64",
    Array.from({ length: rank }, (_, i) => (i === axis ? size : 1)),
    axis,
  );
}

/** Flat positions where `axis` is replaced by these indices (which have x's rank) and the others count along. */
export function positionsAlong(b: Builder, shape: readonly Dim[], indices: Value, axis: number): Value {
  const rank = shape.length;
  const coordinates = shape.map((_, i) => (i === axis ? indices : along(b, indices.type.shape[i] ?? 1, i, rank)));
  return ir.broadcast(b, flatten(b, shape, coordinates), indices.type.shape);
}

/** Element [.., indices[..., i, ...], ..] along an axis: ONNX's GatherElements. */
export function gatherElements(b: Builder, x: Value, indices: Value, axis: number): Value {
  return ir.take(b, x, positionsAlong(b, x.type.shape, indices, axis));
}
