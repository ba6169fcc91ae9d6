// A reader of text lines: convolutions that squeeze the height away, two LSTMs in both directions, a class per column.

import { type Architecture, at, floats, type Preset } from "./architecture.js";
import { conv } from "./convnets.js";
import { GraphWriter } from "./graph-writer.js";
import { shapeOf, sizeOf } from "./layers.js";

/** Height of a line; each of the five halvings of the height needs it. */
const HEIGHT = 32;

const PRESETS = {
  small: { channels: [4, 6, 8, 8], hidden: 8, classes: 12 },
  full: { channels: [64, 128, 256, 512], hidden: 256, classes: 6625 },
} as const;

function bidirectional(g: GraphWriter, x: string, from: number, hidden: number): string {
  const zeros = g.op("ConstantOfShape", [shapeOf(g, [2, sizeOf(g, x, 1), hidden])]);
  const parameters = [
    g.weight([2, 4 * hidden, from], Math.sqrt(1 / from)),
    g.weight([2, 4 * hidden, hidden], Math.sqrt(1 / hidden)),
    g.weight([2, 8 * hidden], 0.05),
  ];
  const [y = ""] = g.ops("LSTM", [x, ...parameters, "", zeros, zeros], 3, {
    direction: "bidirectional",
    hidden_size: hidden,
  });
  // [columns, 2, batch, hidden]
  const turned = g.op("Transpose", [y], { perm: [0, 2, 1, 3] });
  return g.op("Reshape", [turned, g.ints([0, 0, -1])]);
}

function write(preset: Preset): Uint8Array {
  const { channels, hidden, classes } = PRESETS[preset];
  const g = new GraphWriter("crnn");
  let x = g.input("image", "f32", ["batch", 1, HEIGHT, "width"]);
  let from = 1;
  for (const [i, to] of channels.entries()) {
    x = g.op("Relu", [conv(g, x, { from, to, kernel: 3 }, true)]);
    // The first two halve both sides, the others the height.
    const stride = i < 2 ? [2, 2] : [2, 1];
    x = g.op("MaxPool", [x], { kernel_shape: stride, strides: stride, pads: [0, 0, 0, 0] });
    from = to;
  }
  x = g.op("AveragePool", [x], { kernel_shape: [2, 1], strides: [2, 1] });
  x = g.op("Transpose", [g.op("Squeeze", [x, g.ints([2])])], { perm: [2, 0, 1] });
  x = bidirectional(g, x, from, hidden);
  x = bidirectional(g, x, 2 * hidden, hidden);
  const y = g.op("MatMul", [x, g.weight([2 * hidden, classes], Math.sqrt(2 / hidden))]);
  const logits = g.op("Add", [y, g.weight([classes], 0.1)]);
  g.output("log_probabilities", g.op("LogSoftmax", [logits], { axis: 2 }), "f32", ["columns", "batch", classes]);
  return g.encode();
}

export const crnn: Architecture = {
  write,
  dims: { batch: { lo: 1, hi: 3 }, width: { lo: 16, hi: 96 } },
  sizes: [
    { batch: 1, width: 64 },
    { batch: 3, width: 37 },
    { batch: 2, width: 96 },
  ],
  fullSizes: { batch: 1, width: 320 },
  feeds: (sizes) => ({ image: floats([at(sizes, "batch"), 1, HEIGHT, at(sizes, "width")], 1) }),
};
