// The kernel rows: one operation, or one fusable chain, at sizes that real networks have.

import { type Elements, type ModelSpec, type NodeSpec, onnxModel, type TypedName } from "../support/onnx-writer.js";
import { bytes, floats, sizeOf } from "./data.js";
import type { Row } from "./row.js";

const F32_TOLERANCE = 1e-4;

/** ONNX's numbers of element types. */
const FLOAT = 1;
const BFLOAT16 = 16;

/** A model of inputs with their elements and one result. */
export interface KernelModel extends ModelSpec {
  readonly inputs: Readonly<Record<string, Elements>>;
  readonly output: TypedName;
}

/** A row whose nodes other engines can be given, as data. */
export interface KernelRow extends Row {
  /** Elements of the output. */
  readonly out: readonly number[];
  spec(): KernelModel;
}

export interface KernelSpec {
  readonly name: string;
  readonly shape: string;
  readonly dtype?: string;
  readonly flops?: number;
  /** Elements of the output. */
  readonly out: readonly number[];
  readonly spec: () => KernelModel;
  readonly tolerance?: number;
  readonly alone?: boolean;
  /** Of what must be read and written; by default of inputs, weights and output as they are given. */
  readonly bytes?: number;
}

export function kernel({
  name,
  shape,
  dtype = "f32",
  flops = 0,
  out,
  spec,
  tolerance = F32_TOLERANCE,
  alone = false,
  bytes: told,
}: KernelSpec): KernelRow {
  let made: KernelModel | null = null;
  const model = (): KernelModel => {
    made ??= spec();
    return made;
  };
  return {
    name,
    shape,
    dtype,
    flops,
    tolerance,
    alone,
    out,
    spec: model,
    model: () => onnxModel(model()),
    inputs: () => model().inputs,
    get bytes() {
      if (told !== undefined) return told;
      const arrays = [...Object.values(model().inputs), ...Object.values(model().weights ?? {})];
      const outBytes = sizeOf(out) * (model().output.dtype === "f32" || model().output.dtype === "i32" ? 4 : 1);
      return outBytes + arrays.reduce((sum, a) => sum + a.data.byteLength, 0);
    },
  };
}

const y = { name: "y", dtype: "f32" } as const;

function matmul(m: number, k: number, n: number, isWeight: boolean): KernelRow {
  const size = m === k && k === n ? `${n}` : `${m}x${k}x${n}`;
  return kernel({
    name: `matmul ${size}${isWeight ? "" : " unpacked"}`,
    shape: `[${m},${k}]x[${k},${n}]`,
    flops: 2 * m * k * n,
    out: [m, n],
    spec: () => {
      const [a, b] = [floats([m, k]), floats([k, n], 1, 2)];
      const nodes = [{ op: "MatMul", inputs: ["a", "b"], outputs: ["y"] }];
      return isWeight ? { inputs: { a }, weights: { b }, nodes, output: y } : { inputs: { a, b }, nodes, output: y };
    },
  });
}

interface ConvSpec {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  /** Height and width of the input. */
  readonly size: number;
  readonly window: number;
  readonly stride?: number;
  readonly groups?: number;
}

function conv({ name, from, to, size, window, stride = 1, groups = 1 }: ConvSpec): KernelRow {
  const pad = (window - 1) / 2;
  const side = Math.floor((size + 2 * pad - window) / stride) + 1;
  const perGroup = from / groups;
  return kernel({
    name,
    shape: `[1,${from},${size},${size}]->[1,${to},${side},${side}]`,
    flops: 2 * to * side * side * perGroup * window * window,
    out: [1, to, side, side],
    spec: () => ({
      inputs: { x: floats([1, from, size, size]) },
      weights: { w: floats([to, perGroup, window, window], 0.1, 2), b: floats([to], 1, 3) },
      nodes: [
        {
          op: "Conv",
          inputs: ["x", "w", "b"],
          outputs: ["y"],
          attributes: {
            kernel_shape: [window, window],
            strides: [stride, stride],
            pads: [pad, pad, pad, pad],
            group: groups,
          },
        },
      ],
      output: y,
    }),
  });
}

/** Nodes over inputs of one shape; the last writes y. */
function pointwise(
  name: string,
  shape: readonly number[],
  inputs: number,
  nodes: readonly NodeSpec[],
  weights: Readonly<Record<string, Elements>> = {},
  out: readonly number[] = shape,
): KernelRow {
  const names = ["x", "z"].slice(0, inputs);
  return kernel({
    name,
    shape: `[${shape.join(",")}]`,
    out,
    spec: () => ({
      inputs: Object.fromEntries(names.map((n, i) => [n, floats(shape, 3, i + 1)])),
      weights,
      nodes,
      output: y,
    }),
  });
}

const square = [1024, 1024];

const chain: readonly NodeSpec[] = [
  { op: "Mul", inputs: ["x", "c"], outputs: ["t0"] },
  { op: "Add", inputs: ["t0", "z"], outputs: ["t1"] },
  { op: "Sigmoid", inputs: ["t1"], outputs: ["t2"] },
  { op: "Mul", inputs: ["t2", "t1"], outputs: ["t3"] },
  { op: "Sub", inputs: ["t3", "x"], outputs: ["t4"] },
  { op: "Abs", inputs: ["t4"], outputs: ["t5"] },
  { op: "Sqrt", inputs: ["t5"], outputs: ["t6"] },
  { op: "Max", inputs: ["t6", "z"], outputs: ["y"] },
];

const gelu = (approximate: string): readonly NodeSpec[] => [
  { op: "Gelu", inputs: ["x"], outputs: ["y"], attributes: { approximate } },
];

const int8 = (n: number): KernelRow =>
  kernel({
    name: `int8 matmul ${n}`,
    shape: `[${n},${n}]x[${n},${n}]`,
    dtype: "u8*i8->i32",
    flops: 2 * n ** 3,
    out: [n, n],
    tolerance: 0,
    spec: () => ({
      inputs: { a: bytes("u8", [n, n]) },
      weights: { b: bytes("i8", [n, n], 2) },
      nodes: [{ op: "MatMulInteger", inputs: ["a", "b"], outputs: ["y"] }],
      output: { name: "y", dtype: "i32" },
    }),
  });

/** f32 in and out, as bfloat16 between: a known matrix of it, and values that are rounded to it. */
const bf16 = (m: number, k: number, n: number): KernelRow =>
  kernel({
    name: `bf16 matmul ${m === k && k === n ? n : `${m}x${k}x${n}`}`,
    shape: `[${m},${k}]x[${k},${n}]`,
    dtype: "bf16",
    flops: 2 * m * k * n,
    out: [m, n],
    // Of a result that is rounded to bfloat16.
    tolerance: 2 ** -7,
    bytes: 4 * m * k + 2 * k * n + 4 * m * n,
    // onnxruntime has no such product on CPUs.
    alone: true,
    spec: () => ({
      inputs: { a: floats([m, k]) },
      weights: { b: floats([k, n], 1, 2) },
      nodes: [
        { op: "Cast", inputs: ["a"], outputs: ["x"], attributes: { to: BFLOAT16 } },
        { op: "Cast", inputs: ["b"], outputs: ["w"], attributes: { to: BFLOAT16 } },
        { op: "MatMul", inputs: ["x", "w"], outputs: ["z"] },
        { op: "Cast", inputs: ["z"], outputs: ["y"], attributes: { to: FLOAT } },
      ],
      output: y,
    }),
  });

function lstm(steps: number, width: number, hidden: number): KernelRow {
  return kernel({
    name: `lstm ${steps}x${width}-${hidden}`,
    shape: `[${steps},1,${width}]->[${steps},1,1,${hidden}]`,
    flops: 2 * steps * 4 * hidden * (width + hidden),
    out: [steps, 1, 1, hidden],
    spec: () => ({
      inputs: { x: floats([steps, 1, width]) },
      weights: {
        w: floats([1, 4 * hidden, width], 0.1, 2),
        r: floats([1, 4 * hidden, hidden], 0.1, 3),
        b: floats([1, 8 * hidden], 0.1, 4),
      },
      nodes: [{ op: "LSTM", inputs: ["x", "w", "r", "b"], outputs: ["y"], attributes: { hidden_size: hidden } }],
      output: y,
    }),
  });
}

export const KERNELS: readonly KernelRow[] = [
  ...[256, 512, 1024, 2048].map((n) => matmul(n, n, n, true)),
  matmul(512, 512, 512, false),
  matmul(1, 1024, 1024, true),
  conv({ name: "conv 3x3 64@56", from: 64, to: 64, size: 56, window: 3 }),
  conv({ name: "conv 3x3 128@28", from: 128, to: 128, size: 28, window: 3 }),
  conv({ name: "conv 3x3 256@14", from: 256, to: 256, size: 14, window: 3 }),
  conv({ name: "conv 3x3 512@7", from: 512, to: 512, size: 7, window: 3 }),
  conv({ name: "conv 7x7 s2 stem", from: 3, to: 64, size: 224, window: 7, stride: 2 }),
  conv({ name: "conv 1x1 64-256@56", from: 64, to: 256, size: 56, window: 1 }),
  conv({ name: "conv 3x3 s2 128@56", from: 128, to: 128, size: 56, window: 3, stride: 2 }),
  conv({ name: "depthwise 3x3 96@112", from: 96, to: 96, size: 112, window: 3, groups: 96 }),
  pointwise("softmax 1024x1024", square, 1, [
    { op: "Softmax", inputs: ["x"], outputs: ["y"], attributes: { axis: -1 } },
  ]),
  pointwise(
    "layer norm 1024x1024",
    square,
    1,
    [{ op: "LayerNormalization", inputs: ["x", "s", "b"], outputs: ["y"], attributes: { axis: -1 } }],
    { s: floats([1024], 1, 5), b: floats([1024], 1, 6) },
  ),
  pointwise("gelu erf 1M", square, 1, gelu("none")),
  pointwise("gelu tanh 1M", square, 1, gelu("tanh")),
  pointwise("add+relu 1M", square, 2, [
    { op: "Add", inputs: ["x", "z"], outputs: ["t"] },
    { op: "Relu", inputs: ["t"], outputs: ["y"] },
  ]),
  pointwise("chain of 8, 1M", square, 2, chain, { c: floats([1], 1, 7) }),
  pointwise("transpose 1024x1024", square, 1, [
    { op: "Transpose", inputs: ["x"], outputs: ["y"], attributes: { perm: [1, 0] } },
  ]),
  pointwise(
    "sum of rows 1024x1024",
    square,
    1,
    [{ op: "ReduceSum", inputs: ["x", "axes"], outputs: ["y"], attributes: { keepdims: 0 } }],
    { axes: { dtype: "i64", shape: [1], data: BigInt64Array.of(1n) } },
    [1024],
  ),
  ...[512, 1024].map(int8),
  bf16(512, 512, 512),
  bf16(1024, 1024, 1024),
  bf16(1, 2048, 2048),
  lstm(80, 256, 256),
];
