// A residual classifier in 8 bits, in both of the forms that onnxruntime's quantizer writes: float nodes between pairs of
// QuantizeLinear and DequantizeLinear, and nodes that compute on the quantized values.

import { type Architecture, at, floats, type Preset } from "./architecture.js";
import { GraphWriter } from "./graph-writer.js";

const CONTRIB = "com.microsoft";

const PRESETS = {
  small: { width: 8, stages: [1, 1], classes: 10 },
  full: { width: 64, stages: [2, 2, 2, 2], classes: 1000 },
} as const;

/** A quantized value: u8 with a zero point. */
interface Quantized {
  readonly value: string;
  readonly scale: number;
  readonly zero: number;
}

/** Weights of one scale per output channel, their scales, and the bias in units of both scales. */
interface Weights {
  readonly value: string;
  readonly scale: string;
  readonly zero: string;
  readonly bias: string;
  readonly biasScale: string;
  readonly biasZero: string;
}

/** A form of the arithmetic: each call gives a quantized value. */
interface Form {
  readonly conv: (x: Quantized, from: number, to: number, kernel: number, stride: number, relu: boolean) => Quantized;
  /** The sum, and its positive part. */
  readonly add: (x: Quantized, y: Quantized) => Quantized;
  readonly average: (x: Quantized) => Quantized;
  readonly gemm: (x: Quantized, from: number, to: number) => Quantized;
}

/** Of results that are positive, and of those of both signs. */
const POSITIVE = { scale: 5 / 255, zero: 0 };
const SIGNED = { scale: 8 / 255, zero: 128 };

function weightsOf(g: GraphWriter, shape: readonly number[], x: Quantized, perChannel: boolean): Weights {
  const size = shape.reduce((n, d) => n * d, 1);
  const to = shape[0] ?? 1;
  const channels = perChannel ? to : 1;
  const unit = Math.sqrt((2 * to) / size) / 73;
  const scales = g.noise(channels, unit / 8, unit);
  const list = perChannel ? [to] : [];
  const value = g.constant({ dtype: "i8", shape, data: Int8Array.from(g.whole(size, -127, 127)) });
  return {
    value,
    scale: g.constant({ dtype: "f32", shape: list, data: scales }),
    zero: g.constant({ dtype: "i8", shape: list, data: new Int8Array(channels) }),
    bias: g.constant({ dtype: "i32", shape: [to], data: Int32Array.from(g.whole(to, -500, 500)) }),
    biasScale: g.constant({
      dtype: "f32",
      shape: list,
      data: scales.map((s) => Math.fround(s) * Math.fround(x.scale)),
    }),
    biasZero: g.constant({ dtype: "i32", shape: list, data: new Int32Array(channels) }),
  };
}

function window(kernel: number, stride: number): Record<string, number | readonly number[]> {
  const pad = Math.floor(kernel / 2);
  return { kernel_shape: [kernel, kernel], strides: [stride, stride], pads: [pad, pad, pad, pad] };
}

function inPairs(g: GraphWriter): Form {
  const real = (x: Quantized): string => g.op("DequantizeLinear", [x.value, g.float(x.scale), g.small("u8", x.zero)]);
  const whole = (x: string, as: Omit<Quantized, "value">): Quantized => ({
    value: g.op("QuantizeLinear", [x, g.float(as.scale), g.small("u8", as.zero)]),
    ...as,
  });
  const product = (
    op: string,
    x: Quantized,
    shape: readonly number[],
    attributes: Record<string, number | readonly number[]>,
  ): string => {
    const w = weightsOf(g, shape, x, op === "Conv");
    const axis = op === "Conv" ? { axis: 0 } : {};
    const weight = g.op("DequantizeLinear", [w.value, w.scale, w.zero], axis);
    const bias = g.op("DequantizeLinear", [w.bias, w.biasScale, w.biasZero], axis);
    return g.op(op, [real(x), weight, bias], attributes);
  };
  return {
    conv: (x, from, to, kernel, stride, relu) => {
      const y = product("Conv", x, [to, from, kernel, kernel], window(kernel, stride));
      return relu ? whole(g.op("Relu", [y]), POSITIVE) : whole(y, SIGNED);
    },
    add: (x, y) => whole(g.op("Relu", [g.op("Add", [real(x), real(y)])]), POSITIVE),
    average: (x) => whole(g.op("GlobalAveragePool", [real(x)]), POSITIVE),
    gemm: (x, from, to) => {
      const flat = { ...x, value: g.op("Flatten", [x.value], { axis: 1 }) };
      return whole(product("Gemm", flat, [to, from], { transB: 1 }), SIGNED);
    },
  };
}

function inIntegers(g: GraphWriter): Form {
  const parts = (x: Quantized): string[] => [x.value, g.float(x.scale), g.small("u8", x.zero)];
  const to8 = (as: Omit<Quantized, "value">): string[] => [g.float(as.scale), g.small("u8", as.zero)];
  return {
    conv: (x, from, to, kernel, stride, relu) => {
      const as = relu ? POSITIVE : SIGNED;
      const w = weightsOf(g, [to, from, kernel, kernel], x, true);
      const inputs = [...parts(x), w.value, w.scale, w.zero, ...to8(as), w.bias];
      return { value: g.op("QLinearConv", inputs, window(kernel, stride)), ...as };
    },
    add: (x, y) => {
      const value = g.op("QLinearAdd", [...parts(x), ...parts(y), ...to8(POSITIVE)], {}, CONTRIB);
      return { value, ...POSITIVE };
    },
    average: (x) => {
      const inputs = [...parts(x), ...to8(POSITIVE)];
      return { value: g.op("QLinearGlobalAveragePool", inputs, { channels_last: 0 }, CONTRIB), ...POSITIVE };
    },
    gemm: (x, from, to) => {
      const flat = { ...x, value: g.op("Flatten", [x.value], { axis: 1 }) };
      const w = weightsOf(g, [to, from], x, false);
      const inputs = [...parts(flat), w.value, w.scale, w.zero, w.bias, ...to8(SIGNED)];
      return { value: g.op("QGemm", inputs, { transB: 1, alpha: { f: 1 } }, CONTRIB), ...SIGNED };
    },
  };
}

/** One step of the results. */
export const QUANTUM = SIGNED.scale;

function write(preset: Preset, name: string, formOf: (g: GraphWriter) => Form): Uint8Array {
  const { width, stages, classes } = PRESETS[preset];
  const g = new GraphWriter(name);
  const form = formOf(g);
  const image = g.input("image", "f32", ["batch", 3, "height", "width"]);
  const as = { scale: 2 / 255, zero: 128 };
  const first = g.op("QuantizeLinear", [image, g.float(as.scale), g.small("u8", as.zero)]);
  let x = form.conv({ value: first, ...as }, 3, width, 3, 2, true);
  let channels: number = width;
  for (const [stage, count] of stages.entries())
    for (let i = 0; i < count; i++) {
      const to = width * 2 ** stage;
      const stride = i === 0 && stage > 0 ? 2 : 1;
      const y = form.conv(form.conv(x, channels, to, 3, stride, true), to, to, 3, 1, false);
      const skip = stride === 1 && channels === to ? x : form.conv(x, channels, to, 1, stride, false);
      x = form.add(y, skip);
      channels = to;
    }
  const y = form.gemm(form.average(x), channels, classes);
  const logits = g.op("DequantizeLinear", [y.value, g.float(y.scale), g.small("u8", y.zero)]);
  g.output("logits", logits, "f32", ["batch", classes]);
  return g.encode();
}

const shared = {
  dims: { batch: { lo: 1, hi: 3 }, height: { lo: 8, hi: 32 }, width: { lo: 8, hi: 32 } },
  sizes: [
    { batch: 1, height: 16, width: 16 },
    { batch: 3, height: 9, width: 32 },
    { batch: 2, height: 32, width: 21 },
  ],
  fullSizes: { batch: 1, height: 224, width: 224 },
  feeds: ((sizes) => ({
    image: floats([at(sizes, "batch"), 3, at(sizes, "height"), at(sizes, "width")], 1),
  })) satisfies Architecture["feeds"],
};

export const qdqConvnet: Architecture = { write: (preset) => write(preset, "qdq-convnet", inPairs), ...shared };
export const qlinearConvnet: Architecture = {
  write: (preset) => write(preset, "qlinear-convnet", inIntegers),
  ...shared,
};
