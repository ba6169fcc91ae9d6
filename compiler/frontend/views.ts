// The steps that views are made of: for each, how to read it from its base and how to write an update back into the
// base (see storage.ts). Shapes and strides are those of the base.

import * as ir from "../ir/build.js";
import { add, type Dim, mul, range, sub } from "../ir/dim.js";
import type { Builder, Value } from "../ir/graph.js";
import { elementCount } from "../ir/types.js";
import type { View } from "./storage.js";

interface Layout {
  readonly shape: readonly Dim[];
  readonly strides: readonly Dim[];
}

const replaced = (list: readonly Dim[], at: number, d: Dim): Dim[] => list.map((e, i) => (i === at ? d : e));

export function reshapeView(from: Layout, shape: readonly Dim[], strides: readonly Dim[]): View {
  return {
    shape,
    strides,
    read: (b, base) => ir.reshape(b, base, shape),
    write: (b, _base, update) => ir.reshape(b, update, from.shape),
  };
}

export function permuteView(from: Layout, perm: readonly number[]): View {
  const inverse = perm.map((_, i) => perm.indexOf(i));
  return {
    shape: perm.map((p) => from.shape[p] ?? 1),
    strides: perm.map((p) => from.strides[p] ?? 1),
    read: (b, base) => ir.transpose(b, base, perm),
    write: (b, _base, update) => ir.transpose(b, update, inverse),
  };
}

/** Elements start, start + step, ... of an axis; `length` of them, step at least 1. */
export function sliceView(from: Layout, axis: number, start: Dim, length: Dim, step: number): View {
  const size = from.shape[axis] ?? 1;
  return {
    shape: replaced(from.shape, axis, length),
    strides: replaced(from.strides, axis, mul(from.strides[axis] ?? 1, step)),
    read: (b, base) => ir.sliceAxis(b, base, axis, start, length, step),
    write:
      step !== 1 && range(length).lo < 1 && length !== 0
        ? "a slice with a step whose length may be 0 is written"
        : (b, base, update) => writeSlice(b, base, update, { axis, size, start, length, step }),
  };
}

interface Cut {
  readonly axis: number;
  readonly size: Dim;
  readonly start: Dim;
  readonly length: Dim;
  readonly step: number;
}

function writeSlice(b: Builder, base: Value, update: Value, cut: Cut): Value {
  const { axis, size, start, length, step } = cut;
  if (length === 0) return base;
  const end = add(start, mul(step, sub(length, 1)), 1);
  if (step === 1) {
    const before = ir.sliceAxis(b, base, axis, 0, start);
    const after = ir.sliceAxis(b, base, axis, end, sub(size, end));
    const pieces = [before, update, after].filter((v) => v === update || v.type.shape[axis] !== 0);
    return ir.concat(b, pieces, axis);
  }
  const { shape, dtype } = base.type;
  const edges = (d: Dim): Dim[] => shape.map((_, i) => (i === axis ? d : 0));
  const between = shape.map((_, i) => (i === axis ? step - 1 : 0));
  const spread = ir.pad(b, update, ir.scalar(b, dtype, 0), edges(start), edges(sub(size, end)), between);
  const ones = ir.full(
    b,
    "bool",
    replaced(
      shape.map(() => 1),
      axis,
      length,
    ),
    1,
  );
  const mask = ir.pad(b, ones, ir.scalar(b, "bool", false), edges(start), edges(sub(size, end)), between);
  return ir.select(b, mask, spread, base);
}

/**
 * `length` elements of an axis from a start that is computed (an integer scalar), or one element without its axis where
 * `length` is null. A start outside of the axis is an error at run time, when reading and when writing.
 */
export function dynamicView(from: Layout, axis: number, start: Value, length: Dim | null): View {
  const { shape, strides } = from;
  const size = shape[axis] ?? 1;
  const at = (b: Builder): Value => {
    const first = ir.cast(b, start, "i64");
    return length === null ? first : ir.add(b, first, ir.iota(b, "i64", [length]));
  };
  const kept = length === null ? [] : [length];
  return {
    shape: [...shape.slice(0, axis), ...kept, ...shape.slice(axis + 1)],
    strides: [...strides.slice(0, axis), ...kept.map(() => strides[axis] ?? 1), ...strides.slice(axis + 1)],
    read: (b, base) => ir.gather(b, base, at(b), axis),
    write: (b, base, update) => {
      // Through the positions themselves, so that one out of range fails.
      const checked = ir.gather(b, ir.iota(b, "i64", [size]), at(b), 0);
      const count = length ?? 1;
      const outer = elementCount(shape.slice(0, axis));
      const inner = elementCount(shape.slice(axis + 1));
      const along = (d: number): Value => ir.iota(b, "i64", [outer, count, inner], d);
      const rows = ir.mul(b, along(0), ir.dimValue(b, mul(size, inner)));
      const columns = ir.mul(b, ir.reshape(b, checked, [1, count, 1]), ir.dimValue(b, inner));
      const flat = ir.add(b, ir.add(b, rows, columns), along(2));
      return ir.scatter(b, base, flat, ir.reshape(b, update, [outer, count, inner]));
    },
  };
}

/** Axes of size 1, and new axes at the left, repeated without a copy. */
export function expandView(from: Layout, shape: readonly Dim[]): View {
  const left = shape.length - from.shape.length;
  const same = left === 0 && shape.every((d, i) => d === from.shape[i]);
  return {
    shape,
    strides: shape.map((d, i) => (i >= left && from.shape[i - left] === d ? (from.strides[i - left] ?? 0) : 0)),
    read: (b, base) => ir.broadcast(b, base, shape),
    write: same ? (_b, _base, update) => update : "an expanded tensor has several elements in one place",
  };
}
