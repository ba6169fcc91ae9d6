// Contractions of dequantized values run on the integers. A quantized model spells a product as real values,
// (x - zero) * scale on both sides; scales that do not vary along the summed axes come out of the sum, which then is exact:
// conv(a * s, w * t) = conv(a, w) * (s * t), with one rounding where the float form has one per term.

import { boundsOf } from "../ir/bounds.js";
import { type Dim, mul as mulDims, range } from "../ir/dim.js";
import { isInteger } from "../ir/dtype.js";
import type { Builder, Node, Value } from "../ir/graph.js";
import { rewrite, ruleFor } from "../ir/rewrite.js";
import type { Pass } from "./pass.js";

interface Dequantized {
  /** Integers within 16 bits. */
  readonly whole: Value;
  /** Broadcasts to `whole`. */
  readonly scale: Value;
}

/** Terms of a sum whose products of 9-bit values stay within 32 bits. */
const MAX_TERMS = 32768;

/** value = cast(whole) * scale, also behind a transpose. */
function dequantized(v: Value, b: Builder): Dequantized | null {
  const { node } = v;
  const [x, y] = node.inputs;
  if (node.op === "transpose" && x !== undefined) {
    const inner = dequantized(x, b);
    if (inner === null) return null;
    const { perm } = node.attrs;
    const rank = inner.scale.type.shape.length;
    if (rank !== 0 && rank !== perm.length) return null;
    const scale = rank === 0 ? inner.scale : b.one("transpose", [inner.scale], { perm });
    return { whole: b.one("transpose", [inner.whole], { perm }), scale };
  }
  if (node.op !== "mul" || x === undefined || y === undefined || v.type.dtype !== "f32") return null;
  for (const [made, scale] of [
    [x, y],
    [y, x],
  ] as const) {
    const whole = made.node.op === "cast" ? made.node.inputs[0] : undefined;
    if (whole === undefined || !isInteger(whole.type.dtype)) continue;
    if (whole.type.shape.length !== v.type.shape.length || scale.type.shape.length > v.type.shape.length) continue;
    const { lo, hi } = boundsOf(whole);
    if (lo >= -32768 && hi <= 32767) return { whole, scale };
  }
  return null;
}

/** Whether a scale varies at most along one axis of an operand of `rank` axes. */
function variesOnlyAlong(scale: Value, rank: number, axis: number): boolean {
  const offset = rank - scale.type.shape.length;
  return scale.type.shape.every((d, i) => d === 1 || i + offset === axis);
}

/** Number of terms of each sum, at most. */
function terms(node: Node, w: Value): number {
  const { shape } = w.type;
  const summed: readonly Dim[] = node.op === "conv" ? shape.slice(1) : shape.slice(-2, -1);
  return range(mulDims(1, ...summed)).hi;
}

function toIntegers(node: Node, b: Builder): Value | null {
  if (node.op !== "matmul" && node.op !== "conv") return null;
  if (node.attrs.dtype !== "f32" || (node.op === "conv" && node.attrs.layout !== "nchw")) return null;
  const [left, right] = node.inputs;
  if (left === undefined || right === undefined || terms(node, right) > MAX_TERMS) return null;
  const x = dequantized(left, b);
  const w = dequantized(right, b);
  if (x === null || w === null) return null;
  const [rankX, rankW] = [left.type.shape.length, right.type.shape.length];
  // Scales may vary along what is not summed: rows of a, columns of b, output channels of a window.
  if (!variesOnlyAlong(x.scale, rankX, node.op === "conv" ? -1 : rankX - 2)) return null;
  if (!variesOnlyAlong(w.scale, rankW, node.op === "conv" ? 0 : rankW - 1)) return null;
  const wide = [x.whole, w.whole].map((v) => b.one("cast", [v], { to: "i32", saturate: false }));
  const attrs = { ...node.attrs, dtype: "i32" as const };
  const sums = node.op === "conv" ? b.one("conv", wide, { ...node.attrs, dtype: "i32" }) : b.one("matmul", wide, attrs);
  const real = b.one("cast", [sums], { to: "f32", saturate: false });
  const scale = b.one("mul", [x.scale, node.op === "conv" ? perChannel(w.scale, rankW, b) : w.scale], {});
  return b.one("mul", [real, scale], {});
}

/** A scale per output channel, [m, 1, ...], along axis 1 of the result. */
function perChannel(scale: Value, rank: number, b: Builder): Value {
  const { shape } = scale.type;
  if (shape.length < rank) return scale;
  return b.one("reshape", [scale], { shape: [shape[0] ?? 1, ...new Array<Dim>(rank - 2).fill(1)] });
}

export const quantized: Pass = {
  name: "quantized",
  after: {},
  run: (b, graph) =>
    rewrite(
      b,
      graph,
      ruleFor("quantized", ["matmul", "conv"], (node, { b: builder }) => toIntegers(node, builder)),
    ),
};
