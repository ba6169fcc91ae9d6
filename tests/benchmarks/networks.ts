// Rows of whole networks whose nodes are of few kinds and fixed sizes, so that every engine can be given them in its own terms:
// a convnet of inverted residuals, as MobileNetV2 is, and a layer of a sentence encoder.

import type { Attributes } from "../support/architectures/graph-writer.js";
import type { Elements, NodeSpec } from "../support/onnx-writer.js";
import { floats } from "./data.js";
import { type KernelModel, type KernelRow, kernel } from "./kernels.js";

/** Nodes with their weights, call by call: each gives its result's name. */
class Network {
  readonly nodes: NodeSpec[] = [];
  readonly weights: Record<string, Elements> = {};
  readonly #inputs: Readonly<Record<string, Elements>>;
  flops = 0;

  constructor(inputs: Readonly<Record<string, Elements>>) {
    this.#inputs = inputs;
  }

  /** Uniform weights that keep the variance of a sum over `fan` terms, times `gain`. */
  weight(shape: readonly number[], fan: number, gain = 1): string {
    return this.#constant(floats(shape, Math.sqrt((3 * gain) / fan), Object.keys(this.weights).length + 2));
  }

  #constant(elements: Elements): string {
    const name = `w${Object.keys(this.weights).length}`;
    this.weights[name] = elements;
    return name;
  }

  op(op: string, inputs: readonly string[], attributes: Attributes = {}): string {
    const name = `v${this.nodes.length}`;
    this.nodes.push({ op, inputs, outputs: [name], attributes });
    return name;
  }

  reshape(x: string, shape: readonly number[]): string {
    const data = BigInt64Array.from(shape, BigInt);
    return this.op("Reshape", [x, this.#constant({ dtype: "i64", shape: [shape.length], data })]);
  }

  scaled(x: string, by: number): string {
    return this.op("Mul", [x, this.#constant({ dtype: "f32", shape: [1], data: Float32Array.of(by) })]);
  }

  linear(x: string, rows: number, from: number, to: number): string {
    this.flops += 2 * rows * from * to;
    return this.op("Add", [this.op("MatMul", [x, this.weight([from, to], from)]), this.weight([to], 300)]);
  }

  model(result: string): KernelModel {
    const { weights } = this;
    const nodes = this.nodes.map((n) => ({ ...n, outputs: n.outputs.map((o) => (o === result ? "y" : o)) }));
    return { inputs: this.#inputs, weights, nodes, output: { name: "y", dtype: "f32" } };
  }
}

/** A row of a network that is written when it is asked for. */
function network(
  name: string,
  shape: string,
  out: readonly number[],
  write: () => { network: Network; y: string },
): KernelRow {
  const { network: made } = write();
  return kernel({ name, shape, flops: made.flops, out, spec: () => made.model(write().y) });
}

/** Expansion, channels, blocks, stride of the first. */
const BLOCKS = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 2, 2],
  [6, 64, 2, 2],
  [6, 96, 1, 1],
  [6, 160, 2, 2],
] as const;
const [SIDE, CLASSES, FEATURES] = [128, 100, 640];

function convnet(): { network: Network; y: string } {
  const g = new Network({ x: floats([1, 3, SIDE, SIDE]) });
  let size = SIDE;
  const conv = (x: string, from: number, to: number, window: number, stride = 1, groups = 1, gain = 2): string => {
    const pad = (window - 1) / 2;
    const fan = (from / groups) * window * window;
    size /= stride;
    g.flops += 2 * to * size * size * fan;
    const inputs = [x, g.weight([to, from / groups, window, window], fan, gain), g.weight([to], 300)];
    const attributes = {
      kernel_shape: [window, window],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
      group: groups,
    };
    return g.op("Conv", inputs, attributes);
  };
  const relu = (x: string): string => g.op("Relu", [x]);
  let x = relu(conv("x", 3, 32, 3, 2));
  let channels = 32;
  for (const [expand, to, count, first] of BLOCKS)
    for (let i = 0; i < count; i++) {
      const inner = channels * expand;
      const wide = expand === 1 ? x : relu(conv(x, channels, inner, 1));
      const stride = i === 0 ? first : 1;
      const narrow = conv(relu(conv(wide, inner, inner, 3, stride, inner)), inner, to, 1, 1, 1, 1);
      x = stride === 1 && channels === to ? g.op("Add", [x, narrow]) : narrow;
      channels = to;
    }
  const pooled = g.reshape(g.op("GlobalAveragePool", [relu(conv(x, channels, FEATURES, 1))]), [1, FEATURES]);
  return { network: g, y: g.linear(pooled, 1, FEATURES, CLASSES) };
}

const [STEPS, WIDTH, HEADS, INNER] = [128, 384, 12, 1536];

function encoder(): { network: Network; y: string } {
  const g = new Network({ x: floats([STEPS, WIDTH]) });
  const size = WIDTH / HEADS;
  const heads = (x: string, perm: readonly number[]): string =>
    g.op("Transpose", [g.reshape(g.linear(x, STEPS, WIDTH, WIDTH), [STEPS, HEADS, size])], { perm });
  const norm = (x: string): string =>
    g.op("LayerNormalization", [x, g.weight([WIDTH], 3), g.weight([WIDTH], 300)], { axis: -1 });
  const [q, k, v] = [heads("x", [1, 0, 2]), heads("x", [1, 2, 0]), heads("x", [1, 0, 2])];
  g.flops += 4 * STEPS * STEPS * WIDTH;
  const scores = g.scaled(g.op("MatMul", [q, k]), 1 / Math.sqrt(size));
  const mixed = g.op("MatMul", [g.op("Softmax", [scores], { axis: -1 }), v]);
  const joined = g.reshape(g.op("Transpose", [mixed], { perm: [1, 0, 2] }), [STEPS, WIDTH]);
  const attended = norm(g.op("Add", ["x", g.linear(joined, STEPS, WIDTH, WIDTH)]));
  const inner = g.op("Gelu", [g.linear(attended, STEPS, WIDTH, INNER)], { approximate: "none" });
  return { network: g, y: norm(g.op("Add", [attended, g.linear(inner, STEPS, INNER, WIDTH)])) };
}

export const NETWORKS: readonly KernelRow[] = [
  network("convnet 128x128", `[1,3,${SIDE},${SIDE}]->[1,${CLASSES}]`, [1, CLASSES], convnet),
  network("encoder layer 128x384", `[${STEPS},${WIDTH}]`, [STEPS, WIDTH], encoder),
];
