// A detector of YOLOv8's shape (nano): a backbone of split blocks, two ways through the pyramid, boxes as distributions of
// distances, and NonMaxSuppression at the end. Anchors are computed from the image's size.

import { type Architecture, at, floats, type Preset } from "./architecture.js";
import { conv } from "./convnets.js";
import { GraphWriter } from "./graph-writer.js";
import { shapeOf, sizeOf } from "./layers.js";

const PRESETS = {
  small: {
    channels: [4, 8, 8, 12, 16],
    backbone: [0, 1, 0, 0],
    neck: 0,
    layers: 1,
    bins: 4,
    classes: 3,
    head: 8,
    limit: 5,
    certain: 0.5,
    gain: 3,
  },
  full: {
    channels: [16, 32, 64, 128, 256],
    backbone: [1, 2, 2, 1],
    neck: 1,
    layers: 2,
    bins: 16,
    classes: 80,
    head: 64,
    limit: 100,
    certain: 0.6,
    gain: 2.5,
  },
} as const;

function silu(g: GraphWriter, x: string, from: number, to: number, kernel: number, stride = 1): string {
  const y = conv(g, x, { from, to, kernel, stride }, true, g.gain);
  return g.op("Mul", [y, g.op("Sigmoid", [y])]);
}

/** Half of the channels go through bottlenecks, each of whose results is kept. */
function split(g: GraphWriter, x: string, from: number, to: number, depth: number, skip: boolean): string {
  const half = to / 2;
  const parts = g.ops("Split", [silu(g, x, from, to, 1), g.ints([half, half])], 2, { axis: 1 });
  let last = parts[1] ?? "";
  for (let i = 0; i < depth; i++) {
    const y = silu(g, silu(g, last, half, half, 3), half, half, 3);
    last = skip ? g.op("Add", [last, y]) : y;
    parts.push(last);
  }
  return silu(g, g.op("Concat", parts, { axis: 1 }), half * (2 + depth), to, 1);
}

function pooled(g: GraphWriter, x: string, width: number): string {
  const parts = [silu(g, x, width, width / 2, 1)];
  for (let i = 0; i < 3; i++)
    parts.push(g.op("MaxPool", [parts.at(-1) ?? ""], { kernel_shape: [5, 5], strides: [1, 1], pads: [2, 2, 2, 2] }));
  return silu(g, g.op("Concat", parts, { axis: 1 }), width * 2, width, 1);
}

function doubled(g: GraphWriter, x: string): string {
  const scales = g.constant({ dtype: "f32", shape: [4], data: Float32Array.of(1, 1, 2, 2) });
  return g.op("Resize", [x, "", scales], {
    mode: "nearest",
    coordinate_transformation_mode: "asymmetric",
    nearest_mode: "floor",
  });
}

/** Centres of a level's cells, f32 [2, cells], in cells. */
function centres(g: GraphWriter, level: string): string {
  const [height, width] = [sizeOf(g, level, 2), sizeOf(g, level, 3)];
  const line = (count: string, axis: number): string => {
    const range = g.op("Cast", [g.op("Range", [g.ints(0), count, g.ints(1)])], { to: 1 });
    return g.op("Unsqueeze", [g.op("Add", [range, g.float(0.5)]), g.ints([axis])]);
  };
  const shape = shapeOf(g, [height, width]);
  const [x, y] = [line(width, 0), line(height, 1)].map((v) =>
    g.op("Reshape", [g.op("Expand", [v, shape]), g.ints([1, -1])]),
  );
  return g.op("Concat", [x ?? "", y ?? ""], { axis: 0 });
}

function write(preset: Preset): Uint8Array {
  const { channels, backbone, neck, layers, bins, classes, head, limit, certain: least, gain } = PRESETS[preset];
  const [c0, c1, c2, c3, c4] = channels;
  const [d1, d2, d3, d4] = backbone;
  const g = new GraphWriter("yolo");
  g.gain = gain;
  const image = g.input("image", "f32", ["batch", 3, "height", "width"]);
  const low = split(g, silu(g, silu(g, image, 3, c0, 3, 2), c0, c1, 3, 2), c1, c1, d1, true);
  const p3 = split(g, silu(g, low, c1, c2, 3, 2), c2, c2, d2, true);
  const p4 = split(g, silu(g, p3, c2, c3, 3, 2), c3, c3, d3, true);
  const p5 = pooled(g, split(g, silu(g, p4, c3, c4, 3, 2), c4, c4, d4, true), c4);
  const cat = (...parts: string[]): string => g.op("Concat", parts, { axis: 1 });
  const up4 = split(g, cat(doubled(g, p5), p4), c4 + c3, c3, neck, false);
  const n3 = split(g, cat(doubled(g, up4), p3), c3 + c2, c2, neck, false);
  const n4 = split(g, cat(silu(g, n3, c2, c2, 3, 2), up4), c2 + c3, c3, neck, false);
  const n5 = split(g, cat(silu(g, n4, c3, c3, 3, 2), p5), c3 + c4, c4, neck, false);
  const batch = sizeOf(g, image, 0);
  const levels = (
    [
      [n3, c2],
      [n4, c3],
      [n5, c4],
    ] as const
  ).map(([x, from], i) => {
    const branch = (to: number): string => {
      let y = silu(g, x, from, head, 3);
      for (let i = 1; i < layers; i++) y = silu(g, y, head, head, 3);
      return conv(g, y, { from: head, to, kernel: 1 }, true, 1);
    };
    const all = cat(branch(4 * bins), branch(classes));
    const flat = g.op("Reshape", [all, shapeOf(g, [batch, 4 * bins + classes, -1])]);
    const middle = centres(g, x);
    const ones = g.op("Mul", [g.op("Slice", [middle, g.ints([0]), g.ints([1]), g.ints([0])]), g.float(0)]);
    return { flat, middle, stride: g.op("Add", [ones, g.float(2 ** (i + 3))]) };
  });
  const joined = (part: "flat" | "middle" | "stride"): string =>
    g.op(
      "Concat",
      levels.map((l) => l[part]),
      { axis: -1 },
    );
  const [edges = "", scores = ""] = g.ops("Split", [joined("flat"), g.ints([4 * bins, classes])], 2, { axis: 1 });
  // Distances to the four sides: means of distributions over the bins.
  const bin = g.op("Transpose", [g.op("Reshape", [edges, shapeOf(g, [batch, 4, bins, -1])])], { perm: [0, 2, 1, 3] });
  const weights = g.constant({
    dtype: "f32",
    shape: [1, bins, 1, 1],
    data: Float32Array.from({ length: bins }, (_, i) => i),
  });
  const chance = g.op("Softmax", [bin], { axis: 1 });
  const mean = g.op("Squeeze", [g.op("Conv", [chance, weights], { kernel_shape: [1, 1] }), g.ints([1])]);
  const [near = "", far = ""] = g.ops("Split", [mean, g.ints([2, 2])], 2, { axis: 1 });
  const [middle, stride] = [joined("middle"), joined("stride")];
  const corners = cat(g.op("Sub", [middle, near]), g.op("Add", [middle, far]));
  const boxes = g.op("Transpose", [g.op("Mul", [corners, stride])], { perm: [0, 2, 1] });
  const certain = g.op("Sigmoid", [scores]);
  const threshold = (v: number): string => g.constant({ dtype: "f32", shape: [1], data: Float32Array.of(v) });
  const chosen = g.op("NonMaxSuppression", [boxes, certain, g.ints([limit]), threshold(0.45), threshold(least)]);
  g.output("boxes", boxes, "f32", ["batch", "cells", 4]);
  g.output("scores", certain, "f32", ["batch", classes, "cells"]);
  g.output("selected", chosen, "i64", ["detections", 3]);
  return g.encode();
}

export const yolo: Architecture = {
  write,
  dims: {
    batch: { lo: 1, hi: 2 },
    height: { lo: 32, hi: 96, step: 32 },
    width: { lo: 32, hi: 96, step: 32 },
  },
  sizes: [
    { batch: 1, height: 32, width: 32 },
    { batch: 2, height: 64, width: 96 },
    { batch: 1, height: 96, width: 32 },
  ],
  fullSizes: { batch: 1, height: 640, width: 640 },
  feeds: (sizes) => ({
    image: floats([at(sizes, "batch"), 3, at(sizes, "height"), at(sizes, "width")], 1, 0, 1),
  }),
};
