// Contractions of bytes by known bytes, for targets with dot products of four bytes: u8 by i8. Zero points come out of the
// sum, sum((u - zero) * w) = sum(u * w) - zero * sum(w), where the sums of the weights are known; signed values are moved up
// by 128, which is one more zero point. Sums are exact modulo 2^32 on both sides. Convolutions of values with a zero point
// are padded with it first, since the padding's zero is not zero in the bytes. Products with packed weights take their left
// operand in bytes as well.

import { boundsOf, within } from "../ir/bounds.js";
import * as ir from "../ir/build.js";
import { mul, range } from "../ir/dim.js";
import { DTYPES, isInteger } from "../ir/dtype.js";
import { type Builder, constantOf, type Node, type NodeOf, type Value } from "../ir/graph.js";
import { rewrite, ruleFor } from "../ir/rewrite.js";
import { evaluated, recast } from "./integers.js";
import type { Pass } from "./pass.js";
import { inputOf, isSingle } from "./shapes.js";

/** v = bytes - zero: `zero` is one number in 32 bits, between 0 and 255, and null where it is 0. */
interface Shifted {
  readonly bytes: Value;
  readonly zero: Value | null;
}

const NONE = { lo: 0, hi: 0 };
/** Of a contraction whose rows are held twice. */
const LEAST_ROWS = 16;
const LEAST_COLUMNS = 8;

/** A value of integers as bytes and a zero point; null where they need more. */
function shiftedBytes(v: Value, b: Builder): Shifted | null {
  const { node } = v;
  if (node.op === "reshape" || node.op === "transpose") {
    const inner = shiftedBytes(inputOf(node), b);
    return inner === null ? null : { ...inner, bytes: b.op(node.op, [inner.bytes], node.attrs)[0] ?? v };
  }
  if (v.type.dtype === "u8") return { bytes: v, zero: null };
  if (node.op === "cast" && isInteger(inputOf(node).type.dtype)) {
    const from = inputOf(node);
    if (within(boundsOf(from), v.type.dtype)) return shiftedBytes(from, b);
  }
  if (node.op === "sub" && isSingle(inputOf(node, 1)) && inputOf(node).type.shape.length === v.type.shape.length) {
    const inner = shiftedBytes(inputOf(node), b);
    const zero = inputOf(node, 1);
    const { lo, hi } = boundsOf(zero);
    // A difference that wraps is another number, except in 32 bits and more: sums are taken modulo 2^32.
    const isExact = DTYPES[v.type.dtype].bits >= 32 || within({ lo: -hi, hi: 255 - lo }, v.type.dtype);
    if (inner !== null && inner.zero === null && lo >= 0 && hi <= 255 && isExact)
      return { bytes: inner.bytes, zero: ir.reshape(b, ir.cast(b, zero, "i32"), []) };
  }
  const { lo, hi } = boundsOf(v);
  if (hi - lo > 255 || lo > 0 || hi < 0) return null;
  const up = ir.sub(b, ir.cast(b, v, "i32"), lo);
  return { bytes: ir.cast(b, lo === 0 ? v : up, "u8"), zero: lo === 0 ? null : ir.scalar(b, "i32", -lo) };
}

/** Sums of the weights that each column (or output channel) is made of, to broadcast over the result. */
function sumsOf(node: Node, w: Value, b: Builder): Value {
  const wide = ir.cast(b, w, "i32");
  const rank = w.type.shape.length;
  const axes = node.op === "matmul" ? [rank - 2] : Array.from({ length: rank - 1 }, (_, i) => i + 1);
  const sums = evaluated(ir.sum(b, wide, axes, true), b);
  if (sums === null) throw new RangeError("sums of weights that are not known");
  const { shape } = sums;
  // One per output channel stands before the spatial axes.
  const broadcast = node.op === "matmul" ? shape : [shape[0] ?? 1, ...shape.slice(2)];
  return ir.reshape(b, ir.constant(b, sums), broadcast);
}

/** Padding with a value in place of the convolution's own. */
function padded(b: Builder, x: Value, zero: Value, { low, high }: NodeOf<"conv">["attrs"]): Value {
  return ir.pad(b, x, ir.cast(b, zero, "u8"), [0, 0, ...low], [0, 0, ...high]);
}

/** Integers in 8 bits, as they were before they were widened. */
function narrowed(v: Value, b: Builder): Value {
  const { node } = v;
  if (node.op === "reshape" || node.op === "slice")
    return b.op(node.op, [narrowed(inputOf(node), b)], node.attrs)[0] ?? v;
  return node.op === "cast" && inputOf(node).type.dtype === "i8" ? inputOf(node) : ir.cast(b, v, "i8");
}

/** Packed weights take a left operand of 8 bits, where its 16 hold no more. */
function narrowedBlocks(node: Node, b: Builder, isSome: boolean): Value | null {
  const [x, w, ...rest] = node.inputs;
  if (node.op !== "blockMatmul" || w === undefined || x?.type.dtype !== "i16") return null;
  if (!within(boundsOf(x), "i8") || (isSome && DTYPES[w.type.dtype].bits === 8)) return null;
  return b.one("blockMatmul", [narrowed(x, b), w, ...rest], node.attrs);
}

/** Whether rows and columns are enough for tiles, where rows are held in bytes and in 16 bits. */
function isLarge(node: Node): boolean {
  const shape = node.outputs[0]?.type.shape ?? [];
  const [rows, columns] = node.op === "conv" ? [shape.slice(2), shape[1]] : [shape.slice(0, -1), shape.at(-1)];
  return range(mul(1, ...rows)).hi >= LEAST_ROWS && typeof columns === "number" && columns >= LEAST_COLUMNS;
}

/** `isSome`: only some machines multiply bytes, so that rows in bytes are widened. */
function ofBytes(node: Node, b: Builder, isSome: boolean): Value | null {
  if (node.op !== "matmul" && node.op !== "conv") return null;
  if (node.attrs.dtype !== "i32") return null;
  const [left, right] = [inputOf(node), inputOf(node, 1)];
  const rows = isSome && left.node.op === "cast" && left.type.dtype === "i16" ? inputOf(left.node) : left;
  if (rows.type.dtype === "u8" && right.type.dtype === "i8" && (rows !== left || !isSome)) return null;
  if (isSome && !isLarge(node)) return null;
  const known = evaluated(right, b);
  if (known === null || constantOf(left) !== undefined || evaluated(left, b) !== null) return null;
  // A group of one channel is no sum of bytes.
  if (node.op === "conv" && (node.attrs.layout !== "nchw" || right.type.shape[1] === 1)) return null;
  if (!within(known.size === 0 ? NONE : boundsOf(ir.constant(b, known)), "i8")) return null;
  const x = shiftedBytes(left, b);
  if (x === null) return null;
  const w = ir.constant(b, known.dtype === "i8" ? known : recast(known, "i8"));
  const { bytes, zero } = x;
  const operand = (v: Value): Value => (isSome ? ir.cast(b, v, "i16") : v);
  if (node.op === "matmul") {
    const sums = b.one("matmul", [operand(bytes), w], node.attrs);
    return zero === null ? sums : ir.sub(b, sums, ir.mul(b, sumsOf(node, w, b), zero));
  }
  if (zero === null) return b.one("conv", [operand(bytes), w], node.attrs);
  const none = node.attrs.low.map(() => 0);
  const around = operand(padded(b, bytes, zero, node.attrs));
  const sums = b.one("conv", [around, w], { ...node.attrs, low: none, high: none });
  return ir.sub(b, sums, ir.mul(b, sumsOf(node, w, b), zero));
}

/** conv(transpose(cast(x)), w): the bytes are transposed, then widened. */
function castLast(node: Node, b: Builder): Value | null {
  const [rows, w] = node.inputs;
  if (node.op !== "conv" || rows === undefined || w?.type.dtype !== "i8" || rows.node.op !== "transpose") return null;
  const wide = inputOf(rows.node);
  if (wide.node.op !== "cast" || wide.type.dtype !== "i16") return null;
  const narrow = inputOf(wide.node);
  if (narrow.type.dtype !== "u8") return null;
  const turned = b.one("transpose", [narrow], rows.node.attrs);
  return b.one("conv", [b.one("cast", [turned], wide.node.attrs), w], node.attrs);
}

/** Rows in bytes that only some machines multiply lie as contractions read them. */
export const byteRows: Pass = {
  name: "byte-rows",
  after: { layout: "convolutions are in the layout that kernels read" },
  run: (b, graph, { byteDots }) =>
    byteDots === "some"
      ? rewrite(
          b,
          graph,
          ruleFor("byte-rows", ["conv"], (node, cx) => castLast(node, cx.b)),
        )
      : graph,
};

export const bytes: Pass = {
  name: "bytes",
  after: { simplify: "zero points of 0 are gone and constants are folded" },
  run: (b, graph, { byteDots }) => {
    if (byteDots === undefined) return graph;
    const isSome = byteDots === "some";
    const blocks = ruleFor("block-bytes", ["blockMatmul"], (node, cx) => narrowedBlocks(node, cx.b, isSome));
    const others = ruleFor("bytes", ["matmul", "conv"], (node, cx) => ofBytes(node, cx.b, isSome));
    return rewrite(b, graph, [...blocks, ...others]);
  },
};
