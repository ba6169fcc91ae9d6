// TensorFlow.js with its WebAssembly backend: ops called one by one, as its users call them. Images have their channels last.
// Inputs are made into tensors in every run, and the result is read, as the other engines do.

import type { Elements } from "../../support/onnx-writer.js";
import {
  channelsLast,
  channelsSecond,
  converted,
  convolution,
  evaluate,
  number,
  numbers,
  operand,
  type Peer,
  type PeerModel,
  permuted,
  Unsupported,
} from "./peer.js";

interface Tensor {
  readonly shape: readonly number[];
  dataSync(): Float32Array;
  dispose(): void;
}

type Unary = (x: Tensor) => Tensor;
type Binary = (x: Tensor, y: Tensor | number) => Tensor;

interface Fused {
  readonly x: Tensor;
  readonly filter: Tensor;
  readonly strides: number;
  readonly pad: number;
  readonly bias: Tensor;
  readonly activation: "relu" | "linear";
}

/** What is used of @tensorflow/tfjs-core, and of the backend's package. */
export interface Tfjs {
  setWasmPaths(prefix: string): void;
  setThreadsCount(count: number): void;
  setBackend(name: string): Promise<boolean>;
  tensor(data: Float32Array, shape: readonly number[], dtype: "float32"): Tensor;
  /** Frees every tensor that `f` made, but its result. */
  tidy(f: () => Tensor): Tensor;
  matMul(a: Tensor, b: Tensor): Tensor;
  softmax(x: Tensor, axis: number): Tensor;
  transpose(x: Tensor, perm: readonly number[]): Tensor;
  sum(x: Tensor, axes: readonly number[]): Tensor;
  mean(x: Tensor, axes: readonly number[], keepDims: boolean): Tensor;
  reshape(x: Tensor, shape: readonly number[]): Tensor;
  moments(x: Tensor, axis: number, keepDims: boolean): { readonly mean: Tensor; readonly variance: Tensor };
  readonly fused: { conv2d(spec: Fused): Tensor; depthwiseConv2d(spec: Fused): Tensor };
  readonly add: Binary;
  readonly sub: Binary;
  readonly mul: Binary;
  readonly maximum: Binary;
  readonly relu: Unary;
  readonly sigmoid: Unary;
  readonly tanh: Unary;
  readonly erf: Unary;
  readonly abs: Unary;
  readonly sqrt: Unary;
  readonly rsqrt: Unary;
}

type Op = (args: readonly Tensor[], node: PeerModel["nodes"][number]) => Tensor;

function opsOf(tf: Tfjs): Readonly<Record<string, Op>> {
  const binary =
    (f: Binary): Op =>
    (args) =>
      f(operand(args, 0), operand(args, 1));
  const unary =
    (f: Unary): Op =>
    (args) =>
      f(operand(args, 0));
  return {
    MatMul: (args) => tf.matMul(operand(args, 0), operand(args, 1)),
    Conv: (args, node) => {
      const { stride, pad, groups, relu } = convolution(node);
      const spec: Fused & { readonly dimRoundingMode: string } = {
        x: operand(args, 0),
        filter: operand(args, 1),
        strides: stride,
        pad,
        dimRoundingMode: "floor",
        bias: operand(args, 2),
        activation: relu ? "relu" : "linear",
      };
      return groups === 1 ? tf.fused.conv2d(spec) : tf.fused.depthwiseConv2d(spec);
    },
    Softmax: (args, node) => tf.softmax(operand(args, 0), number(node, "axis", -1)),
    LayerNormalization: (args, node) => {
      const x = operand(args, 0);
      const { mean, variance } = tf.moments(x, number(node, "axis", -1), true);
      const normal = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5)));
      return tf.add(tf.mul(normal, operand(args, 1)), operand(args, 2));
    },
    Gelu: (args, node) => {
      const x = operand(args, 0);
      const inner =
        node.attributes?.["approximate"] === "tanh"
          ? tf.tanh(tf.mul(tf.add(x, tf.mul(tf.mul(tf.mul(x, x), x), 0.044715)), Math.sqrt(2 / Math.PI)))
          : tf.erf(tf.mul(x, Math.SQRT1_2));
      return tf.mul(tf.mul(x, 0.5), tf.add(inner, 1));
    },
    Transpose: (args, node) => tf.transpose(operand(args, 0), numbers(node, "perm")),
    Reshape: (args, node) => tf.reshape(operand(args, 0), numbers(node, "shape")),
    GlobalAveragePool: (args) => tf.mean(operand(args, 0), [1, 2], true),
    ReduceSum: (args) => tf.sum(operand(args, 0), [1]),
    Add: binary(tf.add),
    Sub: binary(tf.sub),
    Mul: binary(tf.mul),
    Max: binary(tf.maximum),
    Relu: unary(tf.relu),
    Sigmoid: unary(tf.sigmoid),
    Abs: unary(tf.abs),
    Sqrt: unary(tf.sqrt),
  };
}

function tensor(tf: Tfjs, { dtype, shape, data }: Elements): Tensor {
  if (!(data instanceof Float32Array)) throw new Unsupported(`no ${dtype}`);
  return tf.tensor(data, shape, "float32");
}

/** `assets`: the URL of the folder with the backend's WebAssembly. */
export async function tfjs(tf: Tfjs, assets: string): Promise<Peer> {
  tf.setWasmPaths(assets);
  tf.setThreadsCount(1);
  if (!(await tf.setBackend("wasm"))) throw new Error("the WebAssembly backend did not start");
  const ops = opsOf(tf);
  return {
    name: "tfjs-wasm",
    async prepare(model) {
      const { inputs, weights, output, outputShape } = model;
      const own = converted(model);
      const constants = Object.entries(weights)
        .filter(([, w]) => w.dtype === "f32")
        .map(([name, w]): [string, Tensor] => {
          const conv = own.find((n) => n.op === "Conv" && n.inputs[1] === name);
          return [name, tensor(tf, conv === undefined ? w : permuted(w, filterOrder(convolution(conv).groups)))];
        });
      const feeds = Object.entries(inputs).map(([name, e]): [string, Elements] => [name, channelsLast(e)]);
      const run = (): Float32Array => {
        const result = tf.tidy(() => {
          const values = new Map([...constants, ...feeds.map(([name, e]): [string, Tensor] => [name, tensor(tf, e)])]);
          return evaluate(own, ops, values, output);
        });
        const data = result.dataSync();
        result.dispose();
        return data;
      };
      run();
      return {
        run: () => {
          run();
          return undefined;
        },
        outputs: async () => new Map([[output, channelsSecond(run(), outputShape)]]),
        release: async () => {
          for (const [, t] of constants) t.dispose();
        },
      };
    },
  };
}

/** Filters of [to, from, h, w] as [h, w, from, to]; of groups of one channel as [h, w, channel, 1]. */
function filterOrder(groups: number): readonly number[] {
  return groups === 1 ? [2, 3, 1, 0] : [2, 3, 0, 1];
}
