// Questions about data movement that several passes ask.

import { type Dim, provenEqual } from "../ir/dim.js";
import type { Builder, Value } from "../ir/graph.js";

/** The one input of a node that has one; every caller's op has an input by its arity. */
export function inputOf(node: { readonly op: string; readonly inputs: readonly Value[] }, i = 0): Value {
  const v = node.inputs[i];
  if (v === undefined) throw new RangeError(`${node.op} has no input ${i}`);
  return v;
}

export function sameDims(a: readonly Dim[], b: readonly Dim[]): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i] || provenEqual(d, b[i] ?? -1));
}

export function isIdentity(perm: readonly number[]): boolean {
  return perm.every((p, i) => p === i);
}

export function inverse(perm: readonly number[]): number[] {
  const out = new Array<number>(perm.length).fill(0);
  for (const [i, p] of perm.entries()) out[p] = i;
  return out;
}

export function permuted<T>(list: readonly T[], perm: readonly number[]): T[] {
  return perm.flatMap((p) => list.slice(p, p + 1));
}

/** Whether a transpose only moves axes of size 1, so that the elements keep their order. */
export function keepsOrder(shape: readonly Dim[], perm: readonly number[]): boolean {
  const moved = perm.filter((p) => shape[p] !== 1);
  return moved.every((p, i) => i === 0 || p > (moved[i - 1] ?? -1));
}

/** A transpose, or the value itself where the permutation is the identity. */
export function transposed(b: Builder, x: Value, perm: readonly number[]): Value {
  return isIdentity(perm) ? x : b.one("transpose", [x], { perm });
}

/** A reshape, or the value itself where the shape is its own. */
export function reshaped(b: Builder, x: Value, shape: readonly Dim[]): Value {
  const same = x.type.shape.length === shape.length && x.type.shape.every((d, i) => d === shape[i]);
  return same ? x : b.one("reshape", [x], { shape });
}

/** One element, as far as the type says. */
export function isSingle(v: Value): boolean {
  return v.type.shape.every((d) => d === 1);
}
