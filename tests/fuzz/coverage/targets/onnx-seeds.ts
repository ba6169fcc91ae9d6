// Small ONNX models to start from: one or a few operators each, so that changes of their attributes and inputs reach
// every translator.

import { type Tensor, tensorFrom } from "../../../../compiler/ir/tensor.js";
import { type AttributeValue, modelBytes, node, tensorProto, typed } from "../../../support/onnx-models.js";

/** Name of an op, its inputs (sizes of a float32 input, or a constant), attributes and number of outputs. */
type Row = readonly [
  op: string,
  inputs: readonly (readonly (number | string)[] | Tensor | null)[],
  attributes?: Readonly<Record<string, AttributeValue>>,
  outputs?: number,
];

const ints = (...values: number[]): Tensor => tensorFrom("i64", [values.length], values);
const int = (value: number): Tensor => tensorFrom("i64", [], [value]);
const floats = (shape: readonly number[], ...values: number[]): Tensor => tensorFrom("f32", shape, values);
const ramp = (...shape: number[]): Tensor => {
  const size = shape.reduce((a, d) => a * d, 1);
  return tensorFrom(
    "f32",
    shape,
    Array.from({ length: size }, (_, i) => i / 8),
  );
};

const ROWS: readonly Row[] = [
  ["Add", [["n", 3], [3]]],
  ["Div", [[2, 1], ramp(2, 3)]],
  ["Where", [tensorFrom("bool", [2], [0, 1]), [2], [2]]],
  ["Cast", [["n"]], { to: 7 }],
  ["Clip", [[4], floats([], 0), floats([], 6)]],
  ["Conv", [[1, 2, 5, 5], ramp(2, 1, 3, 3)], { group: 2, pads: [1, 1, 1, 1], strides: [2, 2], dilations: [1, 1] }],
  ["ConvTranspose", [[1, 1, 3, 3], ramp(1, 1, 2, 2)], { strides: [2, 2], output_padding: [1, 1] }],
  ["ConvInteger", [tensorFrom("u8", [1, 1, 2, 2], [1, 2, 3, 4]), tensorFrom("u8", [1, 1, 1, 1], [2])]],
  ["MaxPool", [[1, 1, 4, 4]], { kernel_shape: [2, 2], ceil_mode: 1, pads: [0, 0, 1, 1] }, 2],
  ["AveragePool", [[1, 1, 4, 4]], { kernel_shape: [3, 3], auto_pad: "SAME_UPPER", count_include_pad: 1 }],
  ["LpPool", [[1, 1, 4]], { kernel_shape: [2], p: 2 }],
  ["GlobalAveragePool", [[1, 2, "n", 3]]],
  ["BatchNormalization", [[1, 2, 3], ramp(2), ramp(2), ramp(2), ramp(2)], { epsilon: { float: 0.1 } }],
  ["LayerNormalization", [["n", 4], ramp(4), ramp(4)], { axis: -1 }, 3],
  ["GroupNormalization", [[1, 4, 2], ramp(4), ramp(4)], { num_groups: 2 }],
  ["LRN", [[1, 4, 2, 2]], { size: 3 }],
  ["Gemm", [["n", 2], ramp(3, 2), ramp(3)], { transB: 1, alpha: { float: 0.5 } }],
  ["MatMul", [[2, "n", 3], ramp(3, 2)]],
  ["Einsum", [[2, 3], ramp(3, 4)], { equation: "ij,jk->ik" }],
  ["Softmax", [["n", 4]], { axis: 1 }],
  ["ReduceSum", [[2, 3], ints(1)], { keepdims: 0 }],
  ["ReduceLogSumExp", [["n", 3], ints(-1)]],
  ["ArgMax", [["n", 3]], { axis: 1, select_last_index: 1 }],
  ["TopK", [[2, 5], ints(2)], { axis: -1, largest: 0 }, 2],
  ["CumSum", [[4], int(0)], { exclusive: 1, reverse: 1 }],
  ["Reshape", [["n", 4], ints(0, 2, -1)]],
  ["Transpose", [[2, "n", 3]], { perm: [2, 0, 1] }],
  ["Slice", [[4, "n"], ints(0), ints(-1), ints(0), ints(2)]],
  ["Pad", [[2, 3], ints(0, 1, 0, 1), floats([], 1)], { mode: "reflect" }],
  [
    "Concat",
    [
      ["n", 2],
      [2, 2],
    ],
    { axis: 0 },
  ],
  ["Split", [[6, 2], ints(2, 4)], { axis: 0 }, 2],
  ["Tile", [[2, 2], ints(2, 3)]],
  ["Expand", [[1, 3], ints(2, 3)]],
  ["Gather", [["n", 3], ints(0, 1)], { axis: 1 }],
  ["GatherND", [[2, 2], tensorFrom("i64", [1, 2], [0, 1])], { batch_dims: 0 }],
  ["ScatterElements", [[3, 2], tensorFrom("i64", [1, 2], [1, 0]), ramp(1, 2)], { axis: 0, reduction: "add" }],
  ["ScatterND", [[4, 2], tensorFrom("i64", [1, 1], [2]), ramp(1, 2)]],
  ["OneHot", [tensorFrom("i64", [2], [0, 1]), int(3), floats([2], 0, 1)], { axis: -1 }],
  ["NonZero", [["n", 2]]],
  ["Compress", [[4, 2], tensorFrom("bool", [3], [1, 0, 1])], { axis: 0 }],
  ["Unique", [[4]], { sorted: 1 }, 4],
  ["Trilu", [["n", 3], int(1)], { upper: 0 }],
  ["Range", [int(0), int(5), int(2)]],
  ["ConstantOfShape", [ints(2, 3)], { value: floats([1], 2) }],
  ["EyeLike", [[3, 3]], { k: 1 }],
  ["Resize", [[1, 1, 2, 2], null, floats([4], 1, 1, 2, 1.5)], { mode: "cubic", antialias: 1 }],
  ["Resize", [[1, 1, "n", 2], null, null, ints(1, 1, 4, 3)], { mode: "nearest", nearest_mode: "ceil" }],
  ["GridSample", [[1, 1, 3, 3], ramp(1, 2, 2, 2)], { mode: "linear", padding_mode: "reflection" }],
  ["RoiAlign", [[1, 1, 4, 4], ramp(1, 4), ints(0)], { output_height: 2, output_width: 2, sampling_ratio: 2 }],
  ["NonMaxSuppression", [[1, 3, 4], [1, 1, 3], int(2), floats([1], 0.5), floats([1], 0)]],
  ["DepthToSpace", [[1, 4, 2, "n"]], { blocksize: 2, mode: "CRD" }],
  ["SpaceToDepth", [[1, 1, 4, 4]], { blocksize: 2 }],
  ["Col2Im", [[1, 4, 4], ints(3, 3), ints(2, 2)], {}],
  ["LSTM", [[3, 1, 2], ramp(1, 8, 2), ramp(1, 8, 2)], { hidden_size: 2, direction: "reverse" }, 3],
  ["GRU", [["n", 1, 2], ramp(2, 6, 2), ramp(2, 6, 2)], { hidden_size: 2, direction: "bidirectional" }, 2],
  ["RNN", [[2, 1, 2], ramp(1, 2, 2), ramp(1, 2, 2)], { hidden_size: 2, layout: 1 }, 2],
  ["QuantizeLinear", [[2, 2], floats([2], 0.5, 1), tensorFrom("u8", [2], [1, 2])], { axis: 1 }],
  ["DequantizeLinear", [tensorFrom("i8", [2, 2], [1, -2, 3, 4]), floats([], 0.5)], { axis: 0 }],
  ["DynamicQuantizeLinear", [["n"]], {}, 3],
  [
    "MatMulInteger",
    [tensorFrom("u8", [2, 2], [1, 2, 3, 4]), tensorFrom("i8", [2, 1], [1, -1]), tensorFrom("u8", [], [1])],
  ],
  ["DFT", [[1, 4, 1], int(4)], { axis: 1, onesided: 1 }],
  ["STFT", [[1, 16, 1], int(4), ramp(8)], { onesided: 1 }],
  ["HannWindow", [int(8)], { periodic: 1 }],
  ["MelWeightMatrix", [int(4), int(16), int(8000), floats([], 0), floats([], 4000)]],
  ["BitShift", [tensorFrom("u8", [2], [1, 2]), tensorFrom("u8", [2], [1, 1])], { direction: "LEFT" }],
  ["Mod", [[3], ramp(3)], { fmod: 1 }],
  [
    "Attention",
    [
      [1, 1, 2, 4],
      [1, 1, 3, 4],
      [1, 1, 3, 4],
    ],
    { is_causal: 1 },
    1,
  ],
  ["RotaryEmbedding", [[1, 1, 2, 4], ramp(2, 2), ramp(2, 2)], {}],
  ["SoftmaxCrossEntropyLoss", [[2, 3], ints(0, 1)], { reduction: "mean" }, 2],
  ["NegativeLogLikelihoodLoss", [[2, 3], ints(0, 1)], { ignore_index: 1 }],
  ["AffineGrid", [[1, 2, 3], ints(1, 1, 2, 2)], { align_corners: 1 }],
  ["CenterCropPad", [[4, 5], ints(3, 7)], {}],
  ["ReverseSequence", [[3, 2], ints(2, 3)], { time_axis: 0, batch_axis: 1 }],
  ["SplitToSequence", [[4, 2], int(2)], { axis: 0 }],
  ["TensorScatter", [[1, 2, 4, 2], ramp(1, 2, 1, 2), ints(1)], {}],
  ["Dropout", [[3], floats([], 0.5), tensorFrom("bool", [], [0])], {}, 2],
  ["Upsample", [[1, 1, 2, 2], floats([4], 1, 1, 2, 2)], { mode: "nearest" }],
  [
    "MaxUnpool",
    [[1, 1, 2, 2], tensorFrom("i64", [1, 1, 2, 2], [0, 3, 8, 11])],
    { kernel_shape: [2, 2], strides: [2, 2] },
  ],
  ["DeformConv", [[1, 1, 3, 3], ramp(1, 1, 2, 2), ramp(1, 8, 2, 2)], { kernel_shape: [2, 2] }],
];

function seedOf([op, inputs, attributes = {}, outputs = 1]: Row): Uint8Array {
  const names = inputs.map((input, i) => (input === null ? "" : `in${i}`));
  const outs = Array.from({ length: outputs }, (_, i) => `out${i}`);
  const isFed = (input: Row[1][number]): input is readonly (number | string)[] => Array.isArray(input);
  return modelBytes({
    opset: op === "Upsample" ? 9 : 21,
    nodes: [node(op, names, outs, attributes)],
    inputs: inputs.flatMap((input, i) => (isFed(input) ? [typed(`in${i}`, "f32", input)] : [])),
    outputs: outs,
    initializers: inputs.flatMap((input, i) =>
      input === null || isFed(input) ? [] : [tensorProto(`in${i}`, input as Tensor)],
    ),
  });
}

const loop = modelBytes({
  nodes: [
    node("Loop", ["trips", "", "x"], ["last", "all"], {
      body: {
        name: "body",
        node: [node("Add", ["v", "v"], ["v2"]), node("Identity", ["go"], ["go2"]), node("Neg", ["v2"], ["o"])],
        input: [typed("i", "i64", []), typed("go", "bool", []), typed("v", "f32", [2])],
        output: [{ name: "go2" }, { name: "v2" }, { name: "o" }],
      },
    }),
    node("If", ["c"], ["y"], {
      then_branch: { name: "t", node: [node("Exp", ["last"], ["e"])], output: [{ name: "e" }] },
      else_branch: { name: "f", node: [node("Gather", ["all", "zero"], ["g"], { axis: 0 })], output: [{ name: "g" }] },
    }),
  ],
  inputs: [typed("x", "f32", [2]), typed("c", "bool", [])],
  outputs: ["y"],
  initializers: [tensorProto("trips", int(3)), tensorProto("zero", int(0))],
});

const scan = modelBytes({
  nodes: [
    node("Scan", ["init", "x"], ["end", "ys"], {
      num_scan_inputs: 1,
      body: {
        name: "body",
        node: [node("Add", ["s", "e"], ["s2"]), node("Identity", ["s2"], ["o"])],
        input: [typed("s", "f32", [2]), typed("e", "f32", [2])],
        output: [{ name: "s2" }, { name: "o" }],
      },
    }),
    node("SequenceConstruct", ["end", "end"], ["list"]),
    node("SequenceAt", ["list", "zero"], ["at"]),
    node("ConcatFromSequence", ["list"], ["joined"], { axis: 0 }),
    node("Twice", ["joined"], ["twice"], {}, "local"),
  ],
  inputs: [typed("x", "f32", [3, 2]), typed("init", "f32", [2])],
  outputs: ["ys", "at", "twice"],
  initializers: [tensorProto("zero", int(0))],
  functions: [
    {
      name: "Twice",
      domain: "local",
      input: ["a"],
      output: ["b"],
      opsetImport: [{ domain: "", version: 17n }],
      node: [node("Add", ["a", "a"], ["b"])],
    },
  ],
});

const shapes = modelBytes({
  nodes: [
    node("Shape", ["x"], ["s"], { start: 0, end: 1 }),
    node("Concat", ["s", "minus"], ["target"], { axis: 0 }),
    node("Reshape", ["x", "target"], ["r"]),
    node("Squeeze", ["s", "zero"], ["k"]),
    node("Range", ["z", "k", "one"], ["range"]),
    node("Unsqueeze", ["range", "zero"], ["u"]),
    node("Size", ["u"], ["size"]),
  ],
  inputs: [typed("x", "f32", ["n", 2, 3])],
  outputs: ["r", "u", "size"],
  initializers: [
    tensorProto("minus", ints(-1)),
    tensorProto("zero", ints(0)),
    tensorProto("z", int(0)),
    tensorProto("one", int(1)),
  ],
});

export const onnxSeeds: readonly Uint8Array[] = [...ROWS.map(seedOf), loop, scan, shapes];
