// What convolutions and pools share: kernel shape, strides, dilations and pads as attributes say them.

import { add, ceildiv, type Dim, floordiv, max, min, mul, range, sub } from "../../../ir/dim.js";
import type { NodeContext } from "../context.js";

export interface Windowed {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly low: readonly Dim[];
  readonly high: readonly Dim[];
}

/** Extent of a dilated kernel. */
export function extent(length: number, dilation: number): number {
  return (length - 1) * dilation + 1;
}

export function positiveInts(cx: NodeContext, name: string, spatial: number): readonly number[] {
  const list = cx.optInts(name) ?? Array.from({ length: spatial }, () => 1);
  if (list.length !== spatial || list.some((n) => n < 1))
    cx.malformed(`${name} [${list.join(", ")}] for ${spatial} spatial axes`);
  return list;
}

/** Reads the attributes for a value whose spatial sizes are these. */
export function windowed(cx: NodeContext, sizes: readonly Dim[], kernel: readonly number[]): Windowed {
  const spatial = sizes.length;
  if (kernel.length !== spatial || kernel.some((k) => k < 1))
    cx.malformed(`kernel [${kernel.join(", ")}] for ${spatial} spatial axes`);
  const strides = positiveInts(cx, "strides", spatial);
  const dilations = positiveInts(cx, "dilations", spatial);
  const auto = cx.word("auto_pad", ["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"], "NOTSET");
  if (auto === "NOTSET") {
    const pads = cx.optInts("pads") ?? Array.from({ length: 2 * spatial }, () => 0);
    if (pads.length !== 2 * spatial || pads.some((p) => p < 0))
      cx.malformed(`pads [${pads.join(", ")}] for ${spatial} spatial axes`);
    return { kernel, strides, dilations, low: pads.slice(0, spatial), high: pads.slice(spatial) };
  }
  const low: Dim[] = [];
  const high: Dim[] = [];
  for (const [i, d] of sizes.entries()) {
    const total = auto === "VALID" ? 0 : sameTotal(d, extent(kernel[i] ?? 1, dilations[i] ?? 1), strides[i] ?? 1);
    const less = floordiv(total, 2);
    const more = sub(total, less);
    low.push(auto === "SAME_LOWER" ? more : less);
    high.push(auto === "SAME_LOWER" ? less : more);
  }
  return { kernel, strides, dilations, low, high };
}

/** Padding in all that gives ceil(d / stride) windows. */
function sameTotal(d: Dim, length: number, stride: number): Dim {
  return max(0, sub(add(mul(sub(ceildiv(d, stride), 1), stride), length), d));
}

export interface CeilPlan {
  /** Number of windows. */
  readonly count: Dim;
  /** What to add at the high end so that the last window is whole. */
  readonly extra: Dim;
}

/** Windows counted upward: one more where some input is left, unless it would start in the high padding. */
export function ceilPlan(d: Dim, low: Dim, high: Dim, length: number, stride: number): CeilPlan {
  const padded = add(d, low, high);
  const count = min(add(ceildiv(sub(padded, length), stride), 1), ceildiv(add(d, low), stride));
  return { count, extra: max(0, sub(add(mul(sub(count, 1), stride), length), padded)) };
}

export function asNumbers(list: readonly Dim[]): number[] | null {
  const out: number[] = [];
  for (const d of list) {
    if (typeof d !== "number") return null;
    out.push(d);
  }
  return out;
}

export function anyPositive(list: readonly Dim[]): boolean {
  return list.some((d) => range(d).hi > 0);
}
