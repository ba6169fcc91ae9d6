// What the page of the browser benchmark measures: a row's nodes as data, and the engines that can run them. The engines'
// packages are not installed with the project, so each adapter says by an interface of its own what it uses of them.

import type { Elements, NodeSpec } from "../../support/onnx-writer.js";
import type { Prepared } from "../engine.js";

/** A row's graph: nodes over inputs and constants, the last writes `output`. */
export interface PeerModel {
  readonly nodes: readonly NodeSpec[];
  readonly inputs: Readonly<Record<string, Elements>>;
  readonly weights: Readonly<Record<string, Elements>>;
  readonly output: string;
  readonly outputShape: readonly number[];
}

export interface Peer {
  readonly name: string;
  /** Throws `Unsupported` where the engine lacks an op. */
  prepare(model: PeerModel): Promise<Prepared>;
}

/** The reason why a peer has no figure in a row. */
export class Unsupported extends Error {}

export function numbers(node: NodeSpec, name: string): readonly number[] {
  const value = node.attributes?.[name];
  return Array.isArray(value) ? value : [];
}

export function number(node: NodeSpec, name: string, otherwise: number): number {
  const value = node.attributes?.[name];
  return typeof value === "number" ? value : otherwise;
}

/**
 * The nodes as engines' converters leave them: constant axes and shapes are attributes, and a Relu that alone reads a
 * convolution is the convolution's `activation`.
 */
export function converted({ nodes, weights, output }: PeerModel): readonly NodeSpec[] {
  const readers = (name: string): readonly NodeSpec[] => nodes.filter((n) => n.inputs.includes(name));
  const activation = (node: NodeSpec): NodeSpec | undefined => {
    const [result = ""] = node.outputs;
    const [only, ...others] = readers(result);
    return node.op === "Conv" && result !== output && only?.op === "Relu" && others.length === 0 ? only : undefined;
  };
  const merged = new Set(nodes.map(activation));
  return nodes
    .filter((node) => !merged.has(node))
    .map((node) => {
      const integers = node.inputs.filter((name) => weights[name]?.dtype === "i64");
      const list = integers.flatMap((name) => Array.from(weights[name]?.data ?? [], Number));
      const after = activation(node);
      return {
        ...node,
        inputs: node.inputs.filter((name) => !integers.includes(name)),
        outputs: after?.outputs ?? node.outputs,
        attributes: {
          ...node.attributes,
          ...(integers.length > 0 ? { [node.op === "Reshape" ? "shape" : "axes"]: list } : {}),
          ...(after === undefined ? {} : { activation: "relu" }),
        },
      };
    });
}

/** One argument of an op. */
export function operand<T>(args: readonly T[], i: number): T {
  const found = args[i];
  if (found === undefined) throw new RangeError(`operand ${i} is missing`);
  return found;
}

/** Runs nodes in order over the values of an engine. */
export function evaluate<T>(
  nodes: readonly NodeSpec[],
  ops: Readonly<Record<string, (args: readonly T[], node: NodeSpec) => T>>,
  values: ReadonlyMap<string, T>,
  output: string,
): T {
  const known = new Map(values);
  for (const node of nodes) {
    const op = ops[node.op];
    if (op === undefined) throw new Unsupported(`no ${node.op}`);
    const args = node.inputs.map((name) => {
      const value = known.get(name);
      if (value === undefined) throw new RangeError(`${name} is not known`);
      return value;
    });
    known.set(node.outputs[0] ?? "", op(args, node));
  }
  const result = known.get(output);
  if (result === undefined) throw new RangeError(`nothing computes ${output}`);
  return result;
}

export interface Convolution {
  readonly window: number;
  readonly stride: number;
  readonly pad: number;
  readonly groups: number;
  /** Whether a Relu follows. */
  readonly relu: boolean;
}

/** The square convolutions of the rows. */
export function convolution(node: NodeSpec): Convolution {
  const first = (name: string): number => {
    const list = numbers(node, name);
    if (new Set(list).size !== 1) throw new Unsupported(`${name} of ${list.join(", ")}`);
    return list[0] ?? 0;
  };
  return {
    window: first("kernel_shape"),
    stride: first("strides"),
    pad: first("pads"),
    groups: number(node, "group", 1),
    relu: node.attributes?.["activation"] === "relu",
  };
}

/** A 4-dimensional array with its axes in another order. */
export function permuted({ dtype, shape, data }: Elements, perm: readonly number[]): Elements & { data: Float32Array } {
  if (!(data instanceof Float32Array) || dtype !== "f32") throw new Unsupported(`images of ${dtype}`);
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
  const sizes = perm.map((p) => shape[p] ?? 1);
  const steps = perm.map((p) => strides[p] ?? 1);
  const [a = 1, b = 1, c = 1, d = 1] = sizes;
  const [sa = 0, sb = 0, sc = 0, sd = 0] = steps;
  const out = new Float32Array(data.length);
  let at = 0;
  for (let i = 0; i < a; i++)
    for (let j = 0; j < b; j++)
      for (let k = 0; k < c; k++) for (let l = 0; l < d; l++) out[at++] = data[i * sa + j * sb + k * sc + l * sd] ?? 0;
  return { dtype, shape: sizes, data: out };
}

const CHANNELS_LAST = [0, 2, 3, 1];
const CHANNELS_SECOND = [0, 3, 1, 2];

/** Images as engines with channels last take them; everything else as it is. */
export function channelsLast(e: Elements): Elements {
  return e.shape.length === 4 ? permuted(e, CHANNELS_LAST) : e;
}

/** A result with channels last as the row has it. */
export function channelsSecond(data: Float32Array, shape: readonly number[]): Float32Array {
  if (shape.length !== 4) return data;
  const [n = 1, c = 1, h = 1, w = 1] = shape;
  return permuted({ dtype: "f32", shape: [n, h, w, c], data }, CHANNELS_SECOND).data;
}
