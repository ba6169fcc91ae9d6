// jax-js on its WebAssembly device: the row's nodes under one `jit`. Inputs are made into arrays in every run, and the result is
// read, as the other engines do. A use of an array takes a reference to it, so every use is of `.ref`.

import type { Elements } from "../../support/onnx-writer.js";
import {
  converted,
  convolution,
  evaluate,
  number,
  numbers,
  operand,
  type Peer,
  type PeerModel,
  Unsupported,
} from "./peer.js";

interface JaxArray {
  readonly ref: JaxArray;
  reshape(shape: readonly number[]): JaxArray;
  add(y: JaxArray | number): JaxArray;
  sub(y: JaxArray): JaxArray;
  mul(y: JaxArray): JaxArray;
  dataSync(): Float32Array;
  dispose(): void;
}

type Unary = (x: JaxArray) => JaxArray;
type Compiled = ((...args: readonly JaxArray[]) => JaxArray) & { dispose?(): void };

/** What is used of @jax-js/jax. */
export interface Jax {
  init(device: "wasm"): Promise<readonly string[]>;
  defaultDevice(device: "wasm"): string;
  jit(f: (...args: readonly JaxArray[]) => JaxArray): Compiled;
  readonly numpy: {
    array(data: Float32Array): JaxArray;
    matmul(x: JaxArray, y: JaxArray): JaxArray;
    transpose(x: JaxArray, perm: readonly number[]): JaxArray;
    sum(x: JaxArray, axis: number): JaxArray;
    mean(x: JaxArray, axes: readonly number[], options: { readonly keepdims: boolean }): JaxArray;
    maximum(x: JaxArray, y: JaxArray): JaxArray;
    readonly abs: Unary;
    readonly sqrt: Unary;
  };
  readonly nn: {
    softmax(x: JaxArray, axis: number): JaxArray;
    gelu(x: JaxArray, options: { readonly approximate: boolean }): JaxArray;
    standardize(x: JaxArray, axis: number, options: { readonly epsilon: number }): JaxArray;
    readonly relu: Unary;
    readonly sigmoid: Unary;
  };
  readonly lax: {
    convGeneralDilated(
      x: JaxArray,
      w: JaxArray,
      strides: readonly number[],
      padding: readonly (readonly [number, number])[],
      options: { readonly featureGroupCount: number },
    ): JaxArray;
  };
}

type Op = (args: readonly JaxArray[], node: PeerModel["nodes"][number]) => JaxArray;

function opsOf({ numpy, nn, lax }: Jax): Readonly<Record<string, Op>> {
  const use = (args: readonly JaxArray[], i: number): JaxArray => operand(args, i).ref;
  const unary =
    (f: Unary): Op =>
    (args) =>
      f(use(args, 0));
  return {
    MatMul: (args) => numpy.matmul(use(args, 0), use(args, 1)),
    Conv: (args, node) => {
      const { stride, pad, groups, relu } = convolution(node);
      const sides = [pad, pad] as const;
      const options = { featureGroupCount: groups };
      const product = lax.convGeneralDilated(use(args, 0), use(args, 1), [stride, stride], [sides, sides], options);
      const sum = product.add(use(args, 2).reshape([1, -1, 1, 1]));
      return relu ? nn.relu(sum) : sum;
    },
    Softmax: (args, node) => nn.softmax(use(args, 0), number(node, "axis", -1)),
    LayerNormalization: (args, node) =>
      nn
        .standardize(use(args, 0), number(node, "axis", -1), { epsilon: 1e-5 })
        .mul(use(args, 1))
        .add(use(args, 2)),
    Gelu: (args, node) => nn.gelu(use(args, 0), { approximate: node.attributes?.["approximate"] === "tanh" }),
    Transpose: (args, node) => numpy.transpose(use(args, 0), numbers(node, "perm")),
    Reshape: (args, node) => use(args, 0).reshape(numbers(node, "shape")),
    GlobalAveragePool: (args) => numpy.mean(use(args, 0), [2, 3], { keepdims: true }),
    ReduceSum: (args) => numpy.sum(use(args, 0), 1),
    Add: (args) => use(args, 0).add(use(args, 1)),
    Sub: (args) => use(args, 0).sub(use(args, 1)),
    Mul: (args) => use(args, 0).mul(use(args, 1)),
    Max: (args) => numpy.maximum(use(args, 0), use(args, 1)),
    Relu: unary(nn.relu),
    Sigmoid: unary(nn.sigmoid),
    Abs: unary(numpy.abs),
    Sqrt: unary(numpy.sqrt),
  };
}

function array({ numpy }: Jax, { dtype, shape, data }: Elements): JaxArray {
  if (!(data instanceof Float32Array)) throw new Unsupported(`no ${dtype}`);
  return numpy.array(data).reshape(shape);
}

export async function jax(lib: Jax): Promise<Peer> {
  await lib.init("wasm");
  lib.defaultDevice("wasm");
  const ops = opsOf(lib);
  return {
    name: "jax-js",
    async prepare(model) {
      const { inputs, weights, output } = model;
      const constants = Object.entries(weights).filter(([, w]) => w.dtype === "f32");
      const own = converted(model);
      const names = [...Object.keys(inputs), ...constants.map(([name]) => name)];
      const compiled = lib.jit((...args) => {
        const values = new Map(names.map((name, i): [string, JaxArray] => [name, operand(args, i)]));
        const result = evaluate(own, ops, values, output);
        for (const value of values.values()) value.dispose();
        return result;
      });
      const held = constants.map(([, w]) => array(lib, w));
      const run = (): Float32Array => {
        const feeds = Object.values(inputs).map((e) => array(lib, e));
        return compiled(...feeds, ...held.map((w) => w.ref)).dataSync();
      };
      run();
      return {
        run: () => {
          run();
          return undefined;
        },
        outputs: async () => new Map([[output, run()]]),
        release: async () => {
          for (const w of held) w.dispose();
        },
      };
    },
  };
}
