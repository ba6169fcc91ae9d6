// Classifiers of images: ResNet-50 (with its batch normalizations) and MobileNetV2 (with them folded away).

import { type Architecture, at, floats, type Preset, type Sizes } from "./architecture.js";
import { GraphWriter } from "./graph-writer.js";

interface ConvShape {
  readonly from: number;
  readonly to: number;
  readonly kernel: number;
  readonly stride?: number;
  readonly groups?: number;
}

const IMAGE = ["batch", 3, "height", "width"] as const;

/** A convolution that keeps the size at stride 1. `gain`: of the variance. */
export function conv(g: GraphWriter, x: string, c: ConvShape, bias: boolean, gain = 2): string {
  const { from, to, kernel, stride = 1, groups = 1 } = c;
  const fan = (from / groups) * kernel * kernel;
  const w = g.weight([to, from / groups, kernel, kernel], Math.sqrt(gain / fan));
  const pad = Math.floor(kernel / 2);
  return g.op("Conv", bias ? [x, w, g.weight([to], 0.1)] : [x, w], {
    kernel_shape: [kernel, kernel],
    strides: [stride, stride],
    pads: [pad, pad, pad, pad],
    dilations: [1, 1],
    group: groups,
  });
}

function normalized(g: GraphWriter, x: string, channels: number, scale = 1): string {
  const parameters = [
    g.weight([channels], 0.1, scale),
    g.weight([channels], 0.1),
    g.weight([channels], 0.1),
    g.weight([channels], 0.2, 1),
  ];
  return g.op("BatchNormalization", [x, ...parameters], { epsilon: { f: 1e-5 }, momentum: { f: 0.9 } });
}

/** Averages each channel and multiplies by the classes' weights. */
function classified(g: GraphWriter, x: string, channels: number, classes: number): void {
  const flat = g.op("Flatten", [g.op("GlobalAveragePool", [x])], { axis: 1 });
  const w = g.weight([classes, channels], Math.sqrt(1 / channels));
  const y = g.op("Gemm", [flat, w, g.weight([classes], 0.1)], { transB: 1, alpha: { f: 1 }, beta: { f: 1 } });
  g.output("logits", y, "f32", ["batch", classes]);
}

const RESNETS = {
  small: { width: 8, blocks: [2, 1], classes: 10 },
  full: { width: 64, blocks: [3, 4, 6, 3], classes: 1000 },
} as const;

function writeResnet(preset: Preset): Uint8Array {
  const { width, blocks, classes } = RESNETS[preset];
  const g = new GraphWriter("resnet50");
  const image = g.input("image", "f32", IMAGE);
  const stem = normalized(g, conv(g, image, { from: 3, to: width, kernel: 7, stride: 2 }, false), width);
  let x = g.op("MaxPool", [g.op("Relu", [stem])], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] });
  let channels: number = width;
  for (const [stage, count] of blocks.entries())
    for (let i = 0; i < count; i++) {
      const inner = width * 2 ** stage;
      const stride = i === 0 && stage > 0 ? 2 : 1;
      const step = (y: string, from: number, kernel: number, s: number): string =>
        g.op("Relu", [normalized(g, conv(g, y, { from, to: inner, kernel, stride: s }, false), inner)]);
      const y = step(step(x, channels, 1, 1), inner, 3, stride);
      const wide = normalized(g, conv(g, y, { from: inner, to: inner * 4, kernel: 1 }, false), inner * 4, 0.5);
      const shape = { from: channels, to: inner * 4, kernel: 1, stride };
      const skip = i === 0 ? normalized(g, conv(g, x, shape, false), inner * 4) : x;
      x = g.op("Relu", [g.op("Add", [wide, skip])]);
      channels = inner * 4;
    }
  classified(g, x, channels, classes);
  return g.encode();
}

const MOBILENETS = {
  small: {
    stem: 8,
    last: 32,
    classes: 10,
    blocks: [
      [1, 8, 1, 1],
      [3, 12, 2, 2],
    ],
  },
  full: {
    stem: 32,
    last: 1280,
    classes: 1000,
    blocks: [
      [1, 16, 1, 1],
      [6, 24, 2, 2],
      [6, 32, 3, 2],
      [6, 64, 4, 2],
      [6, 96, 3, 1],
      [6, 160, 3, 2],
      [6, 320, 1, 1],
    ],
  },
} as const;

function writeMobilenet(preset: Preset): Uint8Array {
  const { stem, last, classes, blocks } = MOBILENETS[preset];
  const g = new GraphWriter("mobilenetv2");
  const relu6 = (x: string): string => g.op("Clip", [x, g.float(0), g.float(6)]);
  let x = relu6(conv(g, g.input("image", "f32", IMAGE), { from: 3, to: stem, kernel: 3, stride: 2 }, true));
  let channels: number = stem;
  for (const [expand, to, count, firstStride] of blocks)
    for (let i = 0; i < count; i++) {
      const inner = channels * expand;
      const stride = i === 0 ? firstStride : 1;
      let y = expand === 1 ? x : relu6(conv(g, x, { from: channels, to: inner, kernel: 1 }, true));
      y = relu6(conv(g, y, { from: inner, to: inner, kernel: 3, stride, groups: inner }, true));
      y = conv(g, y, { from: inner, to, kernel: 1 }, true, 1);
      x = stride === 1 && channels === to ? g.op("Add", [x, y]) : y;
      channels = to;
    }
  classified(g, relu6(conv(g, x, { from: channels, to: last, kernel: 1 }, true)), last, classes);
  return g.encode();
}

const imageFeeds = (sizes: Sizes): ReturnType<Architecture["feeds"]> => ({
  image: floats([at(sizes, "batch"), 3, at(sizes, "height"), at(sizes, "width")], 1),
});

const images = {
  dims: { batch: { lo: 1, hi: 3 }, height: { lo: 16, hi: 64 }, width: { lo: 16, hi: 64 } },
  sizes: [
    { batch: 1, height: 32, width: 32 },
    { batch: 3, height: 17, width: 40 },
    { batch: 2, height: 64, width: 33 },
  ],
  fullSizes: { batch: 1, height: 224, width: 224 },
  feeds: imageFeeds,
};

export const resnet50: Architecture = { write: writeResnet, ...images };
export const mobilenetv2: Architecture = { write: writeMobilenet, ...images };
