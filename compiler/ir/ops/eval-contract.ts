// The reference meaning of contractions. Floats are summed in double and rounded once; integers are exact modulo 2^64
// and wrapped. Out-of-bounds taps of a convolution contribute nothing.

import type { AttrValues } from "../attrs.js";
import { DTYPES, type DType, isFloat } from "../dtype.js";
import type { EvalContext } from "../op-spec.js";
import { RunIssue } from "../run-issue.js";
import { type Elements, sizeOf, type Tensor, tensorOf } from "../tensor.js";
import { inputOf, wantNumeric, workspace, wrapSmall } from "./eval-scalar.js";
import { permuted } from "./eval-shape.js";
import type { contractAttrs } from "./schemas.js";
import { broadcastStrides, commonShape, stridesOf, viewPositions } from "./strided.js";

type Attrs = typeof contractAttrs;

/** acc[at + i] += w[wStart + t * wStep] * x[xStart + t * xStep + i * stride] for i below count and t below depth. */
interface Terms {
  readonly at: number;
  readonly count: number;
  readonly stride: number;
  readonly depth: number;
  readonly wStart: number;
  readonly wStep: number;
  readonly xStart: number;
  readonly xStep: number;
}

interface Arithmetic {
  /** Empties the accumulator. */
  clear(): void;
  add(terms: Terms): void;
  /** Rounds the accumulator into the result from position `to` on. */
  store(to: number): void;
  finish(shape: readonly number[]): Tensor;
}

/**
 * How products are summed: doubles for floats and for integers whose sums stay below 2^53; else 64-bit wrapping.
 */
function arithmetic(x: Tensor, w: Tensor, dtype: DType, accSize: number, outSize: number, depth: number): Arithmetic {
  for (const t of [x.dtype, w.dtype, dtype]) wantNumeric(t, "contraction");
  const out = workspace(dtype, outSize);
  const finish = (shape: readonly number[]): Tensor => tensorOf(dtype, shape, out);
  const bits = DTYPES[x.dtype].bits + DTYPES[w.dtype].bits;
  const floats = isFloat(dtype) || isFloat(x.dtype) || isFloat(w.dtype);
  if (floats || bits + Math.ceil(Math.log2(depth + 1)) <= 53) {
    const acc = new Float64Array(accSize);
    const xs = realElements(x);
    const ws = realElements(w);
    const wide = out instanceof BigInt64Array || out instanceof BigUint64Array;
    const store = (to: number): void => {
      if (wide) for (let i = 0; i < accSize; i++) out[to + i] = BigInt(Math.trunc(acc[i] ?? 0));
      else if (isFloat(dtype)) for (let i = 0; i < accSize; i++) out[to + i] = acc[i] ?? 0;
      // Only the low 32 bits matter, and doubles below 2^53 have them exactly.
      else for (let i = 0; i < accSize; i++) out[to + i] = wrapSmall(dtype, (acc[i] ?? 0) | 0);
    };
    const add = (terms: Terms): void => addDoubles(acc, ws, xs, terms);
    return { clear: () => acc.fill(0), add, store, finish };
  }
  const acc = new BigInt64Array(accSize);
  const xs = x.elements;
  const ws = w.elements;
  const store = (to: number): void => {
    for (let i = 0; i < accSize; i++) {
      const v = acc[i] ?? 0n;
      if (out instanceof BigInt64Array || out instanceof BigUint64Array) out[to + i] = v;
      else out[to + i] = wrapSmall(dtype, Number(BigInt.asIntN(32, v)));
    }
  };
  const add = ({ at, count, stride, depth, wStart, wStep, xStart, xStep }: Terms): void => {
    for (let t = 0; t < depth; t++) {
      const scale = BigInt(ws[wStart + t * wStep] ?? 0);
      const from = xStart + t * xStep;
      for (let i = 0; i < count; i++) acc[at + i] = (acc[at + i] ?? 0n) + scale * BigInt(xs[from + i * stride] ?? 0);
    }
  };
  return { clear: () => acc.fill(0n), add, store, finish };
}

type Reals = Exclude<Elements, BigInt64Array | BigUint64Array>;

/** Four terms per pass over the accumulator, in order. */
function addDoubles(acc: Float64Array, ws: Reals, xs: Reals, terms: Terms): void {
  const { at, count, stride, depth, wStart, wStep, xStart, xStep } = terms;
  let t = 0;
  for (; t + 4 <= depth; t += 4) {
    const w = wStart + t * wStep;
    const [w0, w1] = [ws[w] ?? 0, ws[w + wStep] ?? 0];
    const [w2, w3] = [ws[w + 2 * wStep] ?? 0, ws[w + 3 * wStep] ?? 0];
    let p0 = xStart + t * xStep;
    let p1 = p0 + xStep;
    let p2 = p1 + xStep;
    let p3 = p2 + xStep;
    for (let i = at; i < at + count; i++) {
      const first = (acc[i] ?? 0) + w0 * (xs[p0] ?? 0) + w1 * (xs[p1] ?? 0);
      acc[i] = first + w2 * (xs[p2] ?? 0) + w3 * (xs[p3] ?? 0);
      p0 += stride;
      p1 += stride;
      p2 += stride;
      p3 += stride;
    }
  }
  for (; t < depth; t++) {
    const scale = ws[wStart + t * wStep] ?? 0;
    let p = xStart + t * xStep;
    for (let i = at; i < at + count; i++) {
      acc[i] = (acc[i] ?? 0) + scale * (xs[p] ?? 0);
      p += stride;
    }
  }
}

/** Elements that read as numbers. */
function realElements(t: Tensor): Reals {
  const { elements } = t;
  if (elements instanceof BigInt64Array || elements instanceof BigUint64Array)
    return Float64Array.from(elements, Number);
  return elements;
}

export function matmul(cx: EvalContext<AttrValues<Attrs["matmul"]>>): readonly Tensor[] {
  const [a, b] = [inputOf(cx, 0), inputOf(cx, 1)];
  const [m, k] = [a.shape.at(-2) ?? 1, a.shape.at(-1) ?? 1];
  const [kb, n] = [b.shape.at(-2) ?? 1, b.shape.at(-1) ?? 1];
  if (k !== kb) throw new RunIssue("size_mismatch", `matmul: inner sizes ${k} and ${kb} differ`);
  const [batchA, batchB] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  const batch = commonShape([batchA, batchB]);
  const startsA = viewPositions(batch, broadcastStrides(batchA, batch));
  const startsB = viewPositions(batch, broadcastStrides(batchB, batch));
  const sum = arithmetic(b, a, cx.attrs.dtype, n, sizeOf(batch) * m * n, k);
  for (let i = 0; i < startsA.length; i++) {
    const fromA = (startsA[i] ?? 0) * m * k;
    const fromB = (startsB[i] ?? 0) * k * n;
    for (let row = 0; row < m; row++) {
      sum.clear();
      sum.add({ at: 0, count: n, stride: 1, depth: k, wStart: fromA + row * k, wStep: 1, xStart: fromB, xStep: n });
      sum.store((i * m + row) * n);
    }
  }
  return [sum.finish([...batch, m, n])];
}

export function conv(cx: EvalContext<AttrValues<Attrs["conv"]>>): readonly Tensor[] {
  const { layout } = cx.attrs;
  const [x, w] = [inputOf(cx, 0), inputOf(cx, 1)];
  if (layout === "nchw") return [convolve(x, w, cx.attrs)];
  const rank = x.shape.length;
  const spatial = Array.from({ length: rank - 2 }, (_, i) => i);
  const channelsFirst = permuted(x, [0, rank - 1, ...spatial.map((i) => i + 1)]);
  const outputsFirst = permuted(w, [rank - 1, rank - 2, ...spatial]);
  const y = convolve(channelsFirst, outputsFirst, cx.attrs);
  return [permuted(y, [0, ...spatial.map((i) => i + 2), 1])];
}

/** One kernel tap on one spatial axis: which outputs it reaches and the input that the first of them reads. */
interface Reach {
  readonly from: number;
  readonly count: number;
  readonly input: number;
}

function reachesOf(size: number, length: number, out: number, stride: number, dilation: number, low: number): Reach[] {
  return Array.from({ length }, (_, tap) => {
    const offset = tap * dilation - low;
    const from = Math.max(0, Math.ceil(-offset / stride));
    const end = Math.min(out, Math.floor((size - 1 - offset) / stride) + 1);
    return { from, count: Math.max(0, end - from), input: from * stride + offset };
  });
}

function convolve(x: Tensor, w: Tensor, attrs: AttrValues<Attrs["conv"]>): Tensor {
  const { strides, dilations, low, high, groups, dtype } = attrs;
  const [batch, channels, ...inner] = x.shape;
  const [outputs, perGroup, ...lengths] = w.shape;
  if (batch === undefined || channels === undefined || outputs === undefined || perGroup === undefined)
    throw new RunIssue("size_mismatch", "conv takes operands of rank 3 and up");
  if (perGroup * groups !== channels || outputs % groups !== 0)
    throw new RunIssue(
      "size_mismatch",
      `conv: ${channels} channels, ${groups} groups of ${perGroup}, ${outputs} output channels`,
    );
  const out = inner.map((size, i) => {
    const padded = size + (low[i] ?? 0) + (high[i] ?? 0);
    const count = Math.floor((padded - (dilations[i] ?? 1) * ((lengths[i] ?? 1) - 1) - 1) / (strides[i] ?? 1)) + 1;
    if (count < 0) throw new RunIssue("size_mismatch", `conv: window does not fit ${padded} on spatial axis ${i}`);
    return count;
  });
  const plane = sizeOf(out);
  const shape = [batch, outputs, ...out];
  const sum = arithmetic(x, w, dtype, plane, sizeOf(shape), perGroup * sizeOf(lengths));
  const taps = rowsOf(inner, lengths, out, strides, dilations, low);
  const inPlane = sizeOf(inner);
  const outPerGroup = outputs / groups;
  const tapCount = sizeOf(lengths);
  for (let n = 0; n < batch; n++)
    for (let m = 0; m < outputs; m++) {
      const firstChannel = n * channels + Math.floor(m / outPerGroup) * perGroup;
      sum.clear();
      for (const row of taps)
        sum.add({
          at: row.out,
          count: row.count,
          stride: row.step,
          depth: perGroup,
          wStart: m * perGroup * tapCount + row.tap,
          wStep: tapCount,
          xStart: firstChannel * inPlane + row.input,
          xStep: inPlane,
        });
      sum.store((n * outputs + m) * plane);
    }
  return sum.finish(shape);
}

interface Row {
  readonly tap: number;
  readonly out: number;
  readonly input: number;
  readonly step: number;
  readonly count: number;
}

/** For every kernel tap, the runs of outputs along the last axis that it reaches, and where they read. */
function rowsOf(
  inner: readonly number[],
  lengths: readonly number[],
  out: readonly number[],
  strides: readonly number[],
  dilations: readonly number[],
  low: readonly number[],
): Row[] {
  const last = inner.length - 1;
  const reaches = inner.map((size, i) =>
    reachesOf(size, lengths[i] ?? 1, out[i] ?? 0, strides[i] ?? 1, dilations[i] ?? 1, low[i] ?? 0),
  );
  const [inStrides, outStrides, tapStrides] = [stridesOf(inner), stridesOf(out), stridesOf(lengths)];
  const rows: Row[] = [];
  const visit = (axis: number, tap: number, to: number, from: number): void => {
    for (const [t, reach] of (reaches[axis] ?? []).entries()) {
      const here = tap + t * (tapStrides[axis] ?? 1);
      const stride = strides[axis] ?? 1;
      if (reach.count === 0) continue;
      if (axis === last) {
        rows.push({ tap: here, out: to + reach.from, input: from + reach.input, step: stride, count: reach.count });
        continue;
      }
      for (let i = 0; i < reach.count; i++)
        visit(
          axis + 1,
          here,
          to + (reach.from + i) * (outStrides[axis] ?? 1),
          from + (reach.input + i * stride) * (inStrides[axis] ?? 1),
        );
    }
  };
  visit(0, 0, 0, 0);
  return mergeRows(rows);
}

/** Joins rows that continue each other (a 1x1 window, say), for longer runs. */
function mergeRows(rows: readonly Row[]): Row[] {
  const merged: Row[] = [];
  for (const row of rows) {
    const last = merged.at(-1);
    const follows =
      last !== undefined &&
      last.tap === row.tap &&
      last.step === row.step &&
      last.out + last.count === row.out &&
      last.input + last.count * last.step === row.input;
    if (follows && last !== undefined) merged[merged.length - 1] = { ...last, count: last.count + row.count };
    else merged.push(row);
  }
  return merged;
}
