// Fourier transforms as products with constant matrices of roots of unity, and the windows and filter banks of audio.

import * as ir from "../../../ir/build.js";
import type { DType } from "../../../ir/dtype.js";
import { isFloat } from "../../../ir/dtype.js";
import type { Builder, Value } from "../../../ir/graph.js";
import { tensorFrom } from "../../../ir/tensor.js";
import type { NodeContext, Translator, Translators } from "../context.js";

interface Complex {
  readonly re: Value;
  /** null: real input. */
  readonly im: Value | null;
}

/** cos and sin of 2 pi j k / n as [rows, columns] matrices; angles are reduced exactly before they are taken. */
function roots(b: Builder, dtype: DType, n: number, rows: number, columns: number): { cos: Value; sin: Value } {
  const table = (f: (x: number) => number): Value => {
    const values: number[] = [];
    for (let j = 0; j < rows; j++) for (let k = 0; k < columns; k++) values.push(f((2 * Math.PI * ((j * k) % n)) / n));
    return ir.constant(b, tensorFrom(dtype, [rows, columns], values));
  };
  return { cos: table(Math.cos), sin: table(Math.sin) };
}

/** Along the last axis: sum of x[j] * exp(-+ 2 pi i j k / n) for k < bins. */
function transform(b: Builder, x: Complex, n: number, bins: number, inverse: boolean): { re: Value; im: Value } {
  const { dtype } = x.re.type;
  const { cos, sin } = roots(b, dtype, n, n, bins);
  const product = (v: Value, m: Value): Value => ir.matmul(b, v, m, dtype);
  const sign = (v: Value): Value => (inverse ? v : ir.neg(b, v));
  const re = product(x.re, cos);
  const im = sign(product(x.re, sin));
  if (x.im === null) return { re, im };
  const cross = product(x.im, sin);
  return { re: inverse ? ir.sub(b, re, cross) : ir.add(b, re, cross), im: ir.add(b, im, product(x.im, cos)) };
}

/** Real and imaginary parts of a value whose last axis holds one or both; that axis is gone. */
function parts(cx: NodeContext, x: Value): Complex {
  const { b } = cx;
  const last = cx.rank(x) - 1;
  const width = cx.size(x, last, "the last axis");
  if (width !== 1 && width !== 2) cx.malformed(`last axis has size ${width}, takes 1 (real) or 2 (complex)`);
  const part = (i: number): Value => ir.squeeze(b, ir.sliceAxis(b, x, last, i, 1), [last]);
  return { re: part(0), im: width === 2 ? part(1) : null };
}

function toLast(b: Builder, v: Value, axis: number): Value {
  const order = [...v.type.shape.keys()].filter((i) => i !== axis);
  return ir.transpose(b, v, [...order, axis]);
}

function fromLast(b: Builder, v: Value, axis: number): Value {
  const rank = v.type.shape.length;
  const order = [...v.type.shape.keys()].slice(0, rank - 1);
  order.splice(axis, 0, rank - 1);
  return ir.transpose(b, v, order);
}

/** The last axis cut or filled with zeros to `n`. */
function fitted(cx: NodeContext, v: Value, n: number): Value {
  const last = cx.rank(v) - 1;
  const have = cx.size(v, last, "the length of the signal");
  if (have >= n) return ir.sliceAxis(cx.b, v, last, 0, n);
  const edges = v.type.shape.map((_, i) => (i === last ? n - have : 0));
  return ir.pad(
    cx.b,
    v,
    0,
    edges.map(() => 0),
    edges,
  );
}

const dft: Translator = (cx) => {
  const { b } = cx;
  const x = cx.in(0);
  const rank = cx.rank(x);
  const axisInput = cx.opset >= 20 ? cx.opt(2) : undefined;
  const given = cx.opset >= 20 ? (axisInput === undefined ? -2 : cx.number(axisInput, "axis")) : cx.int("axis", 1);
  const axis = cx.axis(given, rank);
  if (axis === rank - 1) cx.malformed("transforms along the axis of real and imaginary parts");
  const inverse = cx.flag("inverse");
  const onesided = cx.flag("onesided");
  const length = cx.opt(1);
  const whole = parts(cx, x);
  let moved: Complex = { re: toLast(b, whole.re, axis), im: whole.im === null ? null : toLast(b, whole.im, axis) };
  const have = cx.size(moved.re, rank - 2, "the length of the signal");
  const n = length === undefined ? (inverse && onesided ? 2 * (have - 1) : have) : cx.number(length, "dft_length");
  const bins = onesided && !inverse ? Math.floor(n / 2) + 1 : n;
  if (n < 1) cx.malformed(`has length ${n}`);
  cx.limit(n * bins, "its matrix of roots of unity");
  if (inverse && onesided) moved = mirrored(cx, moved, n);
  const fit: Complex = { re: fitted(cx, moved.re, n), im: moved.im === null ? null : fitted(cx, moved.im, n) };
  const out = transform(b, fit, n, bins, inverse);
  const scaled = (v: Value): Value => fromLast(b, inverse ? ir.div(b, v, n) : v, axis);
  const re = ir.unsqueeze(b, scaled(out.re), [rank - 1]);
  if (inverse && onesided) return re;
  return ir.concat(b, [re, ir.unsqueeze(b, scaled(out.im), [rank - 1])], rank - 1);
};

/** A full spectrum of `n` bins from its first half: the other half is the conjugate in reverse. */
function mirrored(cx: NodeContext, x: Complex, n: number): Complex {
  const { b } = cx;
  const half = Math.floor(n / 2) + 1;
  const last = cx.rank(x.re) - 1;
  const tail = (v: Value): Value => ir.flip(b, ir.sliceAxis(b, v, last, 1, n - half), [last]);
  const re = fitted(cx, x.re, half);
  const im = x.im === null ? null : fitted(cx, x.im, half);
  return {
    re: ir.concat(b, [re, tail(re)], last),
    im: im === null ? null : ir.concat(b, [im, ir.neg(b, tail(im))], last),
  };
}

const stft: Translator = (cx) => {
  const { b } = cx;
  const signal = cx.in(0);
  const step = cx.number(cx.in(1), "frame_step");
  const window = cx.opt(2);
  const given = cx.opt(3);
  const n =
    given !== undefined
      ? cx.number(given, "frame_length")
      : window !== undefined
        ? cx.size(window, 0, "the window's length")
        : cx.malformed("has neither a window nor a frame length");
  if (n < 1 || step < 1) cx.malformed(`has frames of ${n} every ${step}`);
  const bins = cx.flag("onesided", true) ? Math.floor(n / 2) + 1 : n;
  cx.limit(n * bins, "its matrix of roots of unity");
  const framed = (v: Value): Value => {
    const frames = ir.window(b, v, { axes: [1], lengths: [n], strides: [step] });
    return window === undefined ? frames : ir.mul(b, frames, window);
  };
  const whole = parts(cx, cx.rank(signal) === 2 ? ir.unsqueeze(b, signal, [2]) : signal);
  const x: Complex = { re: framed(whole.re), im: whole.im === null ? null : framed(whole.im) };
  const out = transform(b, x, n, bins, false);
  return ir.concat(b, [ir.unsqueeze(b, out.re, [3]), ir.unsqueeze(b, out.im, [3])], 3);
};

/** a0 - a1 cos(2 pi i / N) + a2 cos(4 pi i / N); N is the size, or one less for a symmetric window. */
function cosineWindow(a0: number, a1: number, a2: number): Translator {
  return (cx) => {
    const { b } = cx;
    const to = cx.dtype("output_datatype", "f32");
    const size = cx.dims(ir.reshape(b, cx.in(0), [1]), "the size", () => cx.declaredSize(0, 0))[0] ?? 0;
    const periodic = cx.flag("periodic", true);
    if (typeof size === "number") {
      if (size < 0) cx.malformed(`has size ${size}`);
      cx.limit(size, "its window");
      const values = Array.from({ length: size }, (_, i) => {
        const t = (2 * Math.PI * i) / (periodic ? size : size - 1);
        return a0 - a1 * Math.cos(t) + a2 * Math.cos(2 * t);
      });
      return ir.cast(b, ir.vector(b, isFloat(to) ? to : "f64", values), to);
    }
    const length = ir.cast(b, ir.dimValue(b, size), "f64");
    const t = ir.div(b, ir.mul(b, ir.iota(b, "f64", [size]), 2 * Math.PI), periodic ? length : ir.sub(b, length, 1));
    const first = ir.sub(b, a0, ir.mul(b, ir.cos(b, t), a1));
    return ir.cast(b, a2 === 0 ? first : ir.add(b, first, ir.mul(b, ir.cos(b, ir.mul(b, t, 2)), a2)), to);
  };
}

/** Triangular filters, evenly spaced in mel, over the bins of a transform. */
const melWeights: Translator = (cx) => {
  const [bands, length, rate] = [0, 1, 2].map((i) => cx.number(cx.in(i), "a size")) as [number, number, number];
  const [low, high] = [cx.real(cx.in(3), "lower_edge_hertz"), cx.real(cx.in(4), "upper_edge_hertz")];
  if (bands < 1 || length < 1 || rate < 1) cx.malformed(`has ${bands} bands, length ${length}, rate ${rate}`);
  const bins = Math.floor(length / 2) + 1;
  cx.limit(bins * bands, "its filter bank");
  const mel = (f: number): number => 2595 * Math.log10(1 + f / 700);
  const from = mel(low);
  const gap = (mel(high) - from) / (bands + 2);
  const edges = Array.from({ length: bands + 2 }, (_, i) =>
    Math.floor(((length + 1) * (700 * (10 ** ((i * gap + from) / 2595) - 1))) / rate),
  );
  const weights = new Float64Array(bins * bands);
  const put = (bin: number, band: number, w: number): void => {
    if (bin >= 0 && bin < bins) weights[bin * bands + band] = w;
  };
  for (let i = 0; i < bands; i++) {
    const [a = 0, peak = 0, z = 0] = edges.slice(i, i + 3);
    if (peak === a) put(peak, i, 1);
    else for (let j = a; j <= peak; j++) put(j, i, (j - a) / (peak - a));
    if (z > peak) for (let j = peak; j < z; j++) put(j, i, (z - j) / (z - peak));
  }
  return ir.constant(cx.b, tensorFrom(cx.dtype("output_datatype", "f32"), [bins, bands], weights));
};

export const spectralOps: Translators = {
  BlackmanWindow: cosineWindow(0.42, 0.5, 0.08),
  DFT: dft,
  HammingWindow: cosineWindow(25 / 46, 21 / 46, 0),
  HannWindow: cosineWindow(0.5, 0.5, 0),
  MelWeightMatrix: melWeights,
  STFT: stft,
};
