// A row's nodes as a LiteRT model (tensorflow/lite/schema/schema.fbs): one subgraph, images with their channels last. Only the ops
// of the benchmark's rows.

import type { Elements, NodeSpec } from "../../support/onnx-writer.js";
import {
  byte,
  bytes,
  type Field,
  flatbuffer,
  float,
  int,
  ints,
  type Table,
  table,
  tables,
  text,
} from "./flatbuffer.js";
import {
  channelsLast,
  converted,
  convolution,
  number,
  numbers,
  type PeerModel,
  permuted,
  Unsupported,
} from "./peer.js";

const SCHEMA_VERSION = 3;
const FLOAT32 = 0;
const INT32 = 2;

/** BuiltinOperator. */
const OP = {
  add: 0,
  conv: 3,
  depthwise: 4,
  fullyConnected: 9,
  logistic: 14,
  mul: 18,
  relu: 19,
  reshape: 22,
  softmax: 25,
  pad: 34,
  transpose: 39,
  mean: 40,
  sub: 41,
  maximum: 55,
  sum: 74,
  sqrt: 75,
  rsqrt: 76,
  squaredDifference: 99,
  abs: 101,
  batchMatmul: 126,
  gelu: 150,
} as const;

/** BuiltinOptions: the types of the options that are not empty. */
const OPTIONS = {
  conv: 1,
  depthwise: 2,
  fullyConnected: 8,
  softmax: 9,
  reducer: 27,
  batchMatmul: 101,
  gelu: 116,
} as const;

const RELU = 1;
const SAME = 0;
const VALID = 1;

class Subgraph {
  readonly tensors: Table[] = [];
  readonly operators: Table[] = [];
  /** The first one is empty by convention: tensors that are computed name it. */
  readonly buffers: Table[] = [{}];
  readonly #codes: number[] = [];

  tensor(shape: readonly number[], data?: Float32Array | Int32Array): number {
    const buffer = data === undefined ? 0 : this.buffers.length;
    if (data !== undefined)
      this.buffers.push({ 0: bytes(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)) });
    const type = data instanceof Int32Array ? INT32 : FLOAT32;
    this.tensors.push({ 0: ints(shape), 1: byte(type), 2: int(buffer), 3: text(`t${this.tensors.length}`) });
    return this.tensors.length - 1;
  }

  operator(
    code: number,
    inputs: readonly number[],
    output: number,
    options?: { readonly type: number; readonly fields: Table },
  ): number {
    if (!this.#codes.includes(code)) this.#codes.push(code);
    const own: Record<number, Field> = options === undefined ? {} : { 3: byte(options.type), 4: table(options.fields) };
    this.operators.push({ 0: int(this.#codes.indexOf(code)), 1: ints(inputs), 2: ints([output]), ...own });
    return output;
  }

  model(inputs: readonly number[], output: number): Uint8Array {
    const codes = this.#codes.map((code): Table => ({ 0: byte(Math.min(code, 127)), 2: int(1), 3: int(code) }));
    const main: Table = {
      0: tables(this.tensors),
      1: ints(inputs),
      2: ints([output]),
      3: tables(this.operators),
      4: text("main"),
    };
    const root: Table = {
      0: int(SCHEMA_VERSION),
      1: tables(codes),
      2: tables([main]),
      3: text("psionic"),
      4: tables(this.buffers),
    };
    return flatbuffer(root, "TFL3");
  }
}

interface Operand {
  readonly id: number;
  readonly shape: readonly number[];
  /** The constant, as the row has it. */
  readonly constant: Elements | null;
}

/** A value that a node computes. */
const computed = (g: Subgraph, shape: readonly number[]): Operand => ({ id: g.tensor(shape), shape, constant: null });

function floatsOf(e: Elements): Float32Array {
  if (!(e.data instanceof Float32Array)) throw new Unsupported(`no ${e.dtype}`);
  return e.data;
}

type Lower = (g: Subgraph, args: readonly Operand[], node: NodeSpec) => Operand;

function arg(args: readonly Operand[], i: number): Operand {
  const found = args[i];
  if (found === undefined) throw new RangeError(`operand ${i} is missing`);
  return found;
}

/** Of equal shapes, or with a constant that broadcasts to the other. */
const elementwise =
  (code: number): Lower =>
  (g, args) => {
    const shape = args.reduce((a, b) => (b.shape.length > a.length ? b.shape : a), arg(args, 0).shape);
    const out = computed(g, shape);
    g.operator(
      code,
      args.map((a) => a.id),
      out.id,
    );
    return out;
  };

function padding(g: Subgraph, x: Operand, pad: number): number {
  const [n = 1, h = 1, w = 1, c = 1] = x.shape;
  const sides = g.tensor([4, 2], Int32Array.of(0, 0, pad, pad, pad, pad, 0, 0));
  return g.operator(OP.pad, [x.id, sides], g.tensor([n, h + 2 * pad, w + 2 * pad, c]));
}

const LOWER: Readonly<Record<string, Lower>> = {
  MatMul: (g, args) => {
    const [a, b] = [arg(args, 0), arg(args, 1)];
    const [k = 1, n = 1] = b.shape;
    const out = computed(g, [...a.shape.slice(0, -1), b.constant === null ? (b.shape.at(-1) ?? 1) : n]);
    if (b.constant === null) {
      g.operator(OP.batchMatmul, [a.id, b.id], out.id, { type: OPTIONS.batchMatmul, fields: {} });
      return out;
    }
    // A layer's weights have a row for each output.
    const data = floatsOf(b.constant);
    const turned = Float32Array.from({ length: n * k }, (_, i) => data[(i % k) * n + Math.floor(i / k)] ?? 0);
    const w = g.tensor([n, k], turned);
    g.operator(OP.fullyConnected, [a.id, w, -1], out.id, { type: OPTIONS.fullyConnected, fields: {} });
    return out;
  },
  Conv: (g, args, node) => {
    const { window, stride, pad, groups, relu } = convolution(node);
    const [x, w, b] = [arg(args, 0), arg(args, 1), arg(args, 2)];
    if (w.constant === null || b.constant === null) throw new Unsupported("convolutions with computed weights");
    const [n = 1, h = 1, wide = 1] = x.shape;
    const to = w.constant.shape[0] ?? 1;
    // Padding of an equal size on every side is "same" where nothing is skipped, and an op of its own elsewhere.
    const isSame = stride === 1 && 2 * pad === window - 1;
    const source = pad === 0 || isSame ? x.id : padding(g, x, pad);
    const side = (size: number): number => Math.floor((size + 2 * pad - window) / stride) + 1;
    const filter = permuted(w.constant, groups === 1 ? [0, 2, 3, 1] : [1, 2, 3, 0]);
    const ids = [source, g.tensor(filter.shape, filter.data), g.tensor([to], floatsOf(b.constant))];
    const out = computed(g, [n, side(h), side(wide), to]);
    const strides = { 0: byte(isSame ? SAME : VALID), 1: int(stride), 2: int(stride) };
    const after = relu ? byte(RELU) : byte(0);
    if (groups === 1) g.operator(OP.conv, ids, out.id, { type: OPTIONS.conv, fields: { ...strides, 3: after } });
    else {
      const fields = { ...strides, 3: int(1), 4: after };
      g.operator(OP.depthwise, ids, out.id, { type: OPTIONS.depthwise, fields });
    }
    return out;
  },
  Softmax: (g, args) => {
    const x = arg(args, 0);
    const out = computed(g, x.shape);
    g.operator(OP.softmax, [x.id], out.id, { type: OPTIONS.softmax, fields: { 0: float(1) } });
    return out;
  },
  LayerNormalization: (g, args) => {
    const [x, scale, bias] = [arg(args, 0), arg(args, 1), arg(args, 2)];
    const last = g.tensor([1], Int32Array.of(x.shape.length - 1));
    const kept = x.shape.map((size, i) => (i === x.shape.length - 1 ? 1 : size));
    const mean = (of: number): number =>
      g.operator(OP.mean, [of, last], g.tensor(kept), { type: OPTIONS.reducer, fields: { 0: byte(1) } });
    const full = (code: number, a: number, b: number): number => g.operator(code, [a, b], g.tensor(x.shape));
    const center = mean(x.id);
    const variance = mean(full(OP.squaredDifference, x.id, center));
    const lifted = g.operator(OP.add, [variance, g.tensor([1], Float32Array.of(1e-5))], g.tensor(kept));
    const inverse = g.operator(OP.rsqrt, [lifted], g.tensor(kept));
    const normal = full(OP.mul, full(OP.sub, x.id, center), inverse);
    return { id: full(OP.add, full(OP.mul, normal, scale.id), bias.id), shape: x.shape, constant: null };
  },
  Gelu: (g, args, node) => {
    const x = arg(args, 0);
    const out = computed(g, x.shape);
    const fields = { 0: byte(node.attributes?.["approximate"] === "tanh" ? 1 : 0) };
    g.operator(OP.gelu, [x.id], out.id, { type: OPTIONS.gelu, fields });
    return out;
  },
  Transpose: (g, args, node) => {
    const x = arg(args, 0);
    const perm = numbers(node, "perm");
    const out = computed(
      g,
      perm.map((p) => x.shape[p] ?? 1),
    );
    g.operator(OP.transpose, [x.id, g.tensor([perm.length], Int32Array.from(perm))], out.id);
    return out;
  },
  ReduceSum: (g, args, node) => {
    const x = arg(args, 0);
    if (number(node, "keepdims", 1) !== 0) throw new Unsupported("sums of this form");
    const own = numbers(node, "axes");
    const out = computed(
      g,
      x.shape.filter((_, i) => !own.includes(i)),
    );
    g.operator(OP.sum, [x.id, g.tensor([own.length], Int32Array.from(own))], out.id, {
      type: OPTIONS.reducer,
      fields: {},
    });
    return out;
  },
  Reshape: (g, args, node) => {
    const shape = numbers(node, "shape");
    const out = computed(g, shape);
    g.operator(OP.reshape, [arg(args, 0).id, g.tensor([shape.length], Int32Array.from(shape))], out.id);
    return out;
  },
  GlobalAveragePool: (g, args) => {
    const x = arg(args, 0);
    const [n = 1, , , channels = 1] = x.shape;
    const out = computed(g, [n, 1, 1, channels]);
    const axes = g.tensor([2], Int32Array.of(1, 2));
    g.operator(OP.mean, [x.id, axes], out.id, { type: OPTIONS.reducer, fields: { 0: byte(1) } });
    return out;
  },
  Add: elementwise(OP.add),
  Sub: elementwise(OP.sub),
  Mul: elementwise(OP.mul),
  Max: elementwise(OP.maximum),
  Relu: elementwise(OP.relu),
  Sigmoid: elementwise(OP.logistic),
  Abs: elementwise(OP.abs),
  Sqrt: elementwise(OP.sqrt),
};

/** The model's file; its inputs are those of the row, in order. */
export function tflite(model: PeerModel): Uint8Array {
  const { inputs, weights, output } = model;
  const g = new Subgraph();
  const known = new Map<string, Operand>();
  const ids = Object.entries(inputs).map(([name, e]) => {
    const { shape } = channelsLast(e);
    floatsOf(e);
    const own = computed(g, shape);
    known.set(name, own);
    return own.id;
  });
  for (const [name, e] of Object.entries(weights)) {
    const plain = e.data instanceof Float32Array && e.shape.length < 4;
    const id = plain ? g.tensor(e.shape, floatsOf(e)) : -1;
    known.set(name, { id, shape: e.shape, constant: e });
  }
  for (const node of converted(model)) {
    const lower = LOWER[node.op];
    if (lower === undefined) throw new Unsupported(`no ${node.op}`);
    const args = node.inputs.map((name) => {
      const found = known.get(name);
      if (found === undefined) throw new RangeError(`${name} is not known`);
      return found;
    });
    known.set(node.outputs[0] ?? "", lower(g, args, node));
  }
  const result = known.get(output);
  if (result === undefined) throw new RangeError(`nothing computes ${output}`);
  return g.model(ids, result.id);
}
