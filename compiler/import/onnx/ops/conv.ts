// Convolutions, and transposed ones as convolutions of a spread-out input with the flipped kernel.

import * as ir from "../../../ir/build.js";
import { add, type Dim, mul, range, sub } from "../../../ir/dim.js";
import type { DType } from "../../../ir/dtype.js";
import type { Builder, Value } from "../../../ir/graph.js";
import type { NodeContext, Translator, Translators } from "../context.js";
import { channels } from "./norm.js";
import { asNumbers, extent, positiveInts, type Windowed, windowed } from "./windowed.js";

/** The kernel's spatial sizes: those of w, which the attribute must repeat. */
function kernelOf(cx: NodeContext, w: Value): number[] {
  const sizes = w.type.shape.slice(2).map((_, i) => cx.size(w, i + 2, "the kernel's size"));
  const given = cx.optInts("kernel_shape");
  if (given !== undefined && given.join() !== sizes.join())
    cx.malformed(`kernel_shape [${given.join(", ")}] for a kernel of [${sizes.join(", ")}]`);
  return sizes;
}

/** A convolution with the node's attributes, padded with zeros (or `edge`). */
export function convolve(cx: NodeContext, x: Value, w: Value, dtype?: DType, edge?: Value): Value {
  const { b } = cx;
  if (cx.rank(x) < 3 || cx.rank(w) !== cx.rank(x))
    cx.malformed(`takes x and w of one rank of 3 and up, has ${cx.rank(x)} and ${cx.rank(w)}`);
  const at: Windowed = windowed(cx, x.type.shape.slice(2), kernelOf(cx, w));
  const low = asNumbers(at.low);
  const high = asNumbers(at.high);
  const { strides, dilations } = at;
  const attrs = { strides, dilations, groups: cx.int("group", 1), ...(dtype === undefined ? {} : { dtype }) };
  if (low !== null && high !== null && edge === undefined) return ir.conv(b, x, w, { ...attrs, low, high });
  return ir.conv(b, ir.pad(b, x, edge ?? 0, [0, 0, ...at.low], [0, 0, ...at.high]), w, attrs);
}

const conv: Translator = (cx) => {
  const x = cx.in(0);
  const y = convolve(cx, x, cx.in(1));
  const bias = cx.opt(2);
  return bias === undefined ? y : ir.add(cx.b, y, channels(cx.b, bias, cx.rank(x)));
};

interface Transposed {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly groups: number;
  /** Padding of the spread-out input; negative cuts. */
  readonly low: readonly Dim[];
  readonly high: readonly Dim[];
}

function transposedPlan(cx: NodeContext, sizes: readonly Dim[], kernel: readonly number[]): Transposed {
  const n = sizes.length;
  const strides = positiveInts(cx, "strides", n);
  const dilations = positiveInts(cx, "dilations", n);
  const auto = cx.word("auto_pad", ["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"], "NOTSET");
  const zeros = Array.from({ length: 2 * n }, () => 0);
  const pads = auto === "NOTSET" ? (cx.optInts("pads") ?? zeros) : zeros;
  const extra = cx.optInts("output_padding") ?? zeros.slice(n);
  const outputShape = cx.optInts("output_shape");
  if (pads.length !== 2 * n || extra.length !== n) cx.malformed("pads or output_padding do not fit the spatial axes");
  const low: Dim[] = [];
  const high: Dim[] = [];
  for (const [i, d] of sizes.entries()) {
    const stride = strides[i] ?? 1;
    const reach = extent(kernel[i] ?? 1, dilations[i] ?? 1);
    const more = extra[i] ?? 0;
    let before: Dim = pads[i] ?? 0;
    let after: Dim = pads[i + n] ?? 0;
    const want = outputShape?.at(outputShape.length - n + i) ?? (auto.startsWith("SAME") ? mul(d, stride) : undefined);
    if (want !== undefined) {
      const total = sub(add(mul(sub(d, 1), stride), more, reach), want);
      if (typeof total !== "number")
        return cx.unknownSize("the padding for its output shape depends on a dynamic size");
      const half = Math.floor(Math.max(0, total) / 2);
      const rest = total < 0 ? total : total - half;
      before = auto === "SAME_UPPER" ? half : rest;
      after = auto === "SAME_UPPER" ? rest : half;
      if (total < 0) [before, after] = [0, total];
    }
    low.push(sub(reach - 1, before));
    high.push(add(sub(reach - 1, after), more));
  }
  return { kernel, strides, dilations, groups: cx.int("group", 1), low, high };
}

/** w[c, m / g, ...k] to [m, c / g, ...k] with the kernel flipped: what a plain convolution takes. */
function flipped(cx: NodeContext, w: Value, groups: number): Value {
  const { b } = cx;
  const c = cx.size(w, 0, "input channels");
  const perGroup = cx.size(w, 1, "output channels");
  const kernel = w.type.shape.slice(2);
  if (c % groups !== 0) cx.malformed(`${c} channels do not divide into ${groups} groups`);
  const spatial = kernel.map((_, i) => i + 3);
  const grouped = ir.reshape(b, w, [groups, c / groups, perGroup, ...kernel]);
  const turned = ir.transpose(b, grouped, [0, 2, 1, ...spatial]);
  const merged = ir.reshape(b, turned, [groups * perGroup, c / groups, ...kernel]);
  return ir.flip(
    b,
    merged,
    kernel.map((_, i) => i + 2),
  );
}

const convTranspose: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const w = cx.in(1);
  const rank = cx.rank(x);
  if (rank < 3 || cx.rank(w) !== rank)
    cx.malformed(`takes x and w of one rank of 3 and up, has ${rank} and ${cx.rank(w)}`);
  const plan = transposedPlan(cx, x.type.shape.slice(2), kernelOf(cx, w));
  const y = isShuffle(plan) ? shuffled(b, x, w) : spreadOut(cx, x, w, plan);
  const bias = cx.opt(2);
  return bias === undefined ? y : ir.add(b, y, channels(b, bias, rank));
};

/** Windows that touch and never overlap: each input element gives its own block of outputs. */
function isShuffle(p: Transposed): boolean {
  const tiles = p.kernel.every((k, i) => k === p.strides[i] && p.low[i] === k - 1 && p.high[i] === k - 1);
  return p.groups === 1 && tiles && p.dilations.every((d) => d === 1);
}

/** [n, c, ...s] x [c, m * k] and a pixel shuffle. */
function shuffled(b: Builder, x: Value, w: Value): Value {
  const [n = 1, c = 1, ...sizes] = x.type.shape;
  const [, m = 1, ...kernel] = w.type.shape;
  const count = sizes.length;
  const flat = ir.swapAxes(b, ir.reshape(b, x, [n, c, mul(1, ...sizes)]));
  const product = ir.matmul(b, flat, ir.reshape(b, w, [c, mul(m, ...kernel)]));
  const apart = ir.reshape(b, product, [n, ...sizes, m, ...kernel]);
  const order = [0, count + 1];
  for (let i = 0; i < count; i++) order.push(i + 1, count + 2 + i);
  return ir.reshape(b, ir.transpose(b, apart, order), [n, m, ...sizes.map((d, i) => mul(d, kernel[i] ?? 1))]);
}

function spreadOut(cx: NodeContext, x: Value, w: Value, plan: Transposed): Value {
  const { b } = cx;
  const zeros = plan.kernel.map(() => 0);
  const spread = ir.pad(b, x, 0, [0, 0, ...zeros], [0, 0, ...zeros], [0, 0, ...plan.strides.map((s) => s - 1)]);
  const grow = (list: readonly Dim[]): Dim[] => list.map((d) => (range(d).hi <= 0 ? 0 : d));
  const padded = ir.pad(b, spread, 0, [0, 0, ...grow(plan.low)], [0, 0, ...grow(plan.high)]);
  const cut = (d: Dim | undefined): Dim => (d !== undefined && range(d).hi < 0 ? mul(-1, d) : 0);
  const starts = [0, 0, ...plan.low.map(cut)];
  const sizes = padded.type.shape.map((d, i) => sub(d, add(starts[i] ?? 0, i < 2 ? 0 : cut(plan.high[i - 2]))));
  const core = ir.slice(b, padded, starts, sizes);
  return ir.conv(b, core, flipped(cx, w, plan.groups), { dilations: plan.dilations, groups: plan.groups });
}

/** 8-bit operands with zero points, summed in 32 bits. */
const convInteger: Translator = (cx) => {
  const { b } = cx;
  const shifted = (i: number, zero: number, axis: number): Value => {
    const v = ir.cast(b, cx.in(i), "i32");
    const z = cx.opt(zero);
    if (z === undefined) return v;
    const wide = ir.cast(b, z, "i32");
    const size = z.type.shape[0];
    if (cx.rank(z) === 0 || size === 1) return ir.sub(b, v, ir.reshape(b, wide, []));
    return ir.sub(
      b,
      v,
      ir.reshape(
        b,
        wide,
        v.type.shape.map((_, j) => (j === axis ? (size ?? 1) : 1)),
      ),
    );
  };
  return convolve(cx, shifted(0, 2, 0), shifted(1, 3, 0), "i32");
};

export const convOps: Translators = { Conv: conv, ConvInteger: convInteger, ConvTranspose: convTranspose };
