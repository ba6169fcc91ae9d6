// Pools: the greatest or least of windows. In: a reduction. Out: its windows as sizes and places along the axes of what
// they are cut from, where it is a pool whose elements compare as integers of 32 bits. What lies outside the image is
// left out, so that a pad around it needs no memory: its value is that of an empty reduction.

import { add, type Dim, min, mul, sub } from "../ir/dim.js";
import { DTYPES, intRange, isFloat } from "../ir/dtype.js";
import { constantOf, isOp, type Node, type NodeOf, type Value } from "../ir/graph.js";
import { elementCount } from "../ir/types.js";
import type { Uses } from "./uses.js";

/** Windows along one axis. */
export interface WindowAxis {
  readonly axis: number;
  readonly length: number;
  readonly stride: number;
  readonly dilation: number;
  /** How far the first window begins before the image. */
  readonly low: Dim;
}

export interface Pooling {
  readonly kind: "max" | "min";
  /** What the windows are cut from: the image without its pad, unless that is in memory. */
  readonly from: Value;
  /** What lies between: the windows, and those that are left. Not read, even where something else wants them in memory. */
  readonly views: readonly Value[];
  /** In the order of the axes. */
  readonly windows: readonly WindowAxis[];
  /** Results along each axis of `from`. */
  readonly counts: readonly Dim[];
}

/** Whether a scalar is what a reduction of nothing gives. */
function isEmptyResult(value: Value, kind: "max" | "min"): boolean {
  const given = constantOf(value)?.elements[0];
  const { dtype } = value.type;
  if (given === undefined) return false;
  if (isFloat(dtype)) return given === (kind === "max" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY);
  const { min: least, max: most } = intRange(dtype);
  return BigInt(given) === (kind === "max" ? least : most);
}

/** A view that leaves out the last windows, as counting upward may ask for. */
function isCut(node: Node): boolean {
  return isOp(node, "slice") && node.attrs.starts.every((s) => s === 0) && node.attrs.steps.every((s) => s === 1);
}

/** The pool that a reduction is, null where it is none. `inMemory`: values that are in buffers. */
export function poolingOf(node: NodeOf<"reduce">, inMemory: readonly Value[] = []): Pooling | null {
  const { kind, axes } = node.attrs;
  const reduced = node.inputs[0];
  if (reduced === undefined || (kind !== "max" && kind !== "min")) return null;
  const { dtype } = reduced.type;
  if (dtype === "bool" || DTYPES[dtype].bits > 32) return null;
  const cut = isCut(reduced.node) ? reduced.node.inputs[0] : reduced;
  const window = cut?.node;
  if (cut === undefined || window === undefined || !isOp(window, "window")) return null;
  const padded = window.inputs[0];
  if (padded === undefined) return null;
  const rank = padded.type.shape.length;
  const isWhole = axes.length === window.attrs.axes.length && axes.every((axis) => axis >= rank);
  const kept = cut.type.shape.slice(rank).every((d, i) => d === reduced.type.shape[rank + i]);
  if (!isWhole || !kept) return null;
  const windows: WindowAxis[] = [];
  for (const [j, axis] of window.attrs.axes.entries()) {
    const { lengths, strides, dilations } = window.attrs;
    const length = lengths[j];
    if (typeof length !== "number") return null;
    windows.push({ axis, length, stride: strides[j] ?? 1, dilation: dilations[j] ?? 1, low: 0 });
  }
  windows.sort((a, b) => a.axis - b.axis);
  const counts = reduced.type.shape.slice(0, rank);
  const views = [reduced, cut];
  const pad = padded.node;
  const [from, value] = pad.inputs;
  const isOutside =
    isOp(pad, "pad") &&
    value !== undefined &&
    isEmptyResult(value, kind) &&
    pad.attrs.interior.every((n) => n === 0) &&
    pad.attrs.low.every((n, axis) => (n === 0 && pad.attrs.high[axis] === 0) || windows.some((w) => w.axis === axis));
  if (!isOutside || from === undefined || inMemory.includes(padded))
    return { kind, from: padded, views, windows, counts };
  const padding = windows.map((w) => ({ ...w, low: pad.attrs.low[w.axis] ?? 0 }));
  return { kind, from, views, windows: padding, counts };
}

/** Whether nothing but pools reads a pad, through windows. `isPool`: whether a reduction is computed as a pool. */
export function isReadByPools(node: Node, uses: Uses, isPool: (node: Node) => boolean): boolean {
  const through: Readonly<Record<string, string>> = { pad: "window", window: "slice" };
  return node.outputs.every(
    (v) =>
      !uses.rooted.has(v) &&
      (uses.of.get(v) ?? []).every(
        ({ node: reader }) =>
          (node.op !== "pad" && isPool(reader)) ||
          (reader.op === through[node.op] && isReadByPools(reader, uses, isPool)),
      ),
  );
}

/** What the windows of the last axis see of one line of results: how it lies in scratch memory. */
export interface PoolLine {
  /** Elements that lie side by side at one place of the line: those of the axes behind it. */
  readonly width: Dim;
  /** Places before the image, of the image, and of the whole line. */
  readonly before: Dim;
  readonly image: Dim;
  readonly places: Dim;
}

export function poolLine({ from, windows, counts }: Pooling): PoolLine {
  const last = windows.at(-1) ?? { axis: 0, length: 1, stride: 1, dilation: 1, low: 0 };
  const { shape } = from.type;
  const places = add(mul(sub(counts[last.axis] ?? 1, 1), last.stride), (last.length - 1) * last.dilation, 1);
  const before = min(last.low, places);
  const image = min(shape[last.axis] ?? 1, sub(places, before));
  return { width: elementCount(shape.slice(last.axis + 1)), before, image, places };
}

/** Bytes of scratch that a pool keeps a line in. */
export function poolScratchBytes(form: Pooling): Dim {
  const { width, places } = poolLine(form);
  return mul(4, width, places);
}
