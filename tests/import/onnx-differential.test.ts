// Operators, version by version and attribute by attribute, against onnxruntime on random values.

import test from "ava";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { differ, type OpCase } from "../support/onnx-differential.js";

const i64 = (...values: number[]): { readonly fixed: Tensor } => ({ fixed: tensorFrom("i64", [values.length], values) });
const i64s = (v: number): { readonly fixed: Tensor } => ({ fixed: tensorFrom("i64", [], [v]) });
const f32 = (...values: number[]): { readonly fixed: Tensor } => ({ fixed: tensorFrom("f32", [values.length], values) });
const scalar = (v: number): { readonly fixed: Tensor } => ({ fixed: tensorFrom("f32", [], [v]) });
const i32 = (...values: number[]): Tensor => tensorFrom("i32", [values.length], values);
const float = (f: number): { readonly float: number } => ({ float: f });

function* cases(): Generator<OpCase> {
  for (const opset of [7, 11, 13]) {
    for (const axis of [0, 1, 2]) {
      yield { op: "Softmax", opset, inputs: [[2, 3, 4]], attributes: { axis } };
      yield { op: "LogSoftmax", opset, inputs: [[2, 3, 4]], attributes: { axis } };
    }
    yield { op: "Softmax", opset, inputs: [[2, 3, 4]] };
    yield { op: "Flatten", opset, inputs: [[2, 3, 4]], attributes: { axis: 2 } };
  }
  yield { op: "Clip", opset: 7, inputs: [[3, 4]], attributes: { min: float(-0.25), max: float(0.5) } };
  yield { op: "Clip", opset: 12, inputs: [[3, 4], null, scalar(0.25)] };
  yield { op: "Squeeze", opset: 11, inputs: [[1, 3, 1]], attributes: { axes: [0] } };
  yield { op: "Squeeze", opset: 13, inputs: [[1, 3, 1]] };
  yield { op: "Unsqueeze", opset: 11, inputs: [[3, 4]], attributes: { axes: [-1, 0] } };
  yield { op: "Split", opset: 11, inputs: [[6, 2]], attributes: { split: [1, 2, 3] }, outputs: 3 };
  yield { op: "Split", opset: 13, inputs: [[6, 2]], outputs: 3 };
  yield { op: "Split", opset: 18, inputs: [[7, 2]], attributes: { num_outputs: 3 }, outputs: 3 };
  yield { op: "TopK", opset: 8, inputs: [[3, 5]], attributes: { k: 2 }, outputs: 2 };
  yield { op: "TopK", opset: 11, inputs: [[3, 5], i64(3)], attributes: { axis: 0, largest: 0 }, outputs: 2 };
  yield { op: "Slice", opset: 7, inputs: [[4, 5]], attributes: { starts: [1, -3], ends: [1000, -1] } };
  yield { op: "Slice", opset: 13, inputs: [[4, 5], i64(-1, 3), i64(-100, 0), i64(0, 1), i64(-2, -1)] };
  yield { op: "Slice", opset: 13, inputs: [[4, 5], tensorFrom("i64", [1], [1]), tensorFrom("i64", [1], [-1]), i64(1)] };
  yield { op: "Pad", opset: 8, inputs: [[3, 4]], attributes: { pads: [1, 0, -1, 2], value: float(0.5) } };
  for (const mode of ["reflect", "edge", "constant"]) {
    yield { op: "Pad", opset: 13, inputs: [[4, 5], i64(2, 1, 1, 3)], attributes: { mode } };
    yield { op: "Pad", opset: 18, inputs: [[4, 5], i64(2, 3), null, i64(1)], attributes: { mode } };
  }
  yield { op: "Tile", opset: 13, inputs: [[2, 3], i64(2, 3)] };
  yield { op: "Expand", opset: 13, inputs: [[3, 1], i64(2, 1, 4)] };
  yield* reductions();
  yield* pools();
  yield* convolutions();
  yield* resizes();
  yield* recurrences();
  yield* norms();
  yield* indexing();
  yield* products();
  yield* quantization();
}

function* reductions(): Generator<OpCase> {
  const ops = ["Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare"];
  for (const op of ops) {
    const positive = op === "LogSum";
    yield { op: `Reduce${op}`, opset: 11, inputs: [[2, 3, 4]], attributes: { axes: [1, -1], keepdims: 0 }, positive };
    yield { op: `Reduce${op}`, opset: 18, inputs: [[2, 3, 4], i64(0, 2)], positive };
    yield { op: `Reduce${op}`, opset: 18, inputs: [[2, 3]], attributes: { keepdims: 0 }, positive };
  }
  yield { op: "ReduceSum", opset: 13, inputs: [[2, 3]], attributes: { noop_with_empty_axes: 1 } };
  for (const op of ["ArgMax", "ArgMin"])
    yield { op, opset: 13, inputs: [[3, 4]], attributes: { axis: -1, keepdims: 0, select_last_index: 1 } };
  yield { op: "CumSum", opset: 14, inputs: [[3, 4], i64s(1)], attributes: { exclusive: 1, reverse: 1 } };
}

function* pools(): Generator<OpCase> {
  for (const ceil_mode of [0, 1])
    for (const pads of [[0, 0, 0, 0], [1, 0, 1, 1], [1, 1, 1, 1]]) {
      const attributes = { kernel_shape: [3, 2], strides: [2, 2], pads, ceil_mode };
      yield { op: "MaxPool", opset: 12, inputs: [[1, 2, 7, 8]], attributes, outputs: 2 };
      yield { op: "MaxPool", opset: 12, inputs: [[1, 2, 7, 8]], attributes: { ...attributes, dilations: [2, 1] } };
      yield { op: "AveragePool", opset: 19, inputs: [[1, 2, 7, 8]], attributes };
      yield { op: "AveragePool", opset: 19, inputs: [[1, 2, 7, 8]], attributes: { ...attributes, count_include_pad: 1 } };
      yield { op: "LpPool", opset: 18, inputs: [[1, 2, 7, 8]], attributes: { ...attributes, ceil_mode: 0, p: 3 } };
    }
  for (const auto_pad of ["SAME_UPPER", "SAME_LOWER", "VALID"])
    yield { op: "AveragePool", opset: 11, inputs: [[1, 2, 7, 8]], attributes: { kernel_shape: [3, 4], strides: [2, 3], auto_pad } };
  yield { op: "MaxPool", opset: 8, inputs: [[1, 2, 4, 4]], attributes: { kernel_shape: [2, 2], storage_order: 1 }, outputs: 2 };
  yield { op: "GlobalMaxPool", opset: 11, inputs: [[1, 2, 3, 4]] };
  yield { op: "GlobalLpPool", opset: 11, inputs: [[1, 2, 3, 4]] };
}

function* convolutions(): Generator<OpCase> {
  yield { op: "Conv", opset: 11, inputs: [[2, 4, 7, 6], [6, 2, 3, 3], [6]], attributes: { group: 2, pads: [1, 0, 2, 1], strides: [2, 1], dilations: [1, 2] } };
  for (const auto_pad of ["SAME_UPPER", "SAME_LOWER"])
    yield { op: "Conv", opset: 11, inputs: [[1, 2, 7, 6], [3, 2, 4, 3]], attributes: { auto_pad, strides: [2, 2] } };
  yield { op: "Conv", opset: 11, inputs: [[1, 2, 9], [3, 2, 3]], attributes: { pads: [1, 1] } };
  yield { op: "Conv", opset: 11, inputs: [[1, 1, 4, 4, 4], [2, 1, 2, 2, 2]] };
  const x = [1, 4, 5, 6];
  yield { op: "ConvTranspose", opset: 11, inputs: [x, [4, 3, 2, 2], [3]], attributes: { strides: [2, 2] } };
  yield { op: "ConvTranspose", opset: 11, inputs: [x, [4, 3, 3, 3]], attributes: { group: 2, strides: [2, 3], pads: [1, 0, 1, 2], output_padding: [1, 0], dilations: [2, 1] } };
  yield { op: "ConvTranspose", opset: 11, inputs: [x, [4, 3, 1, 2]], attributes: { pads: [1, 1, 0, 1] } };
  for (const auto_pad of ["SAME_UPPER", "SAME_LOWER"])
    yield { op: "ConvTranspose", opset: 11, inputs: [x, [4, 3, 3, 3]], attributes: { auto_pad, strides: [2, 2] } };
  yield { op: "ConvTranspose", opset: 11, inputs: [x, [4, 3, 3, 3]], attributes: { strides: [2, 2], output_shape: [10, 12] } };
}

function* resizes(): Generator<OpCase> {
  yield { op: "Upsample", opset: 7, inputs: [[1, 1, 3, 4]], attributes: { scales: { floats: [1, 1, 2, 3] } } };
  yield { op: "Upsample", opset: 9, inputs: [[1, 1, 3, 4], f32(1, 1, 2, 2)], attributes: { mode: "linear" } };
  yield { op: "Resize", opset: 10, inputs: [[1, 1, 5, 4], f32(1, 1, 0.6, 1.5)] };
  yield { op: "Resize", opset: 10, inputs: [[1, 1, 5, 4], f32(1, 1, 1.6, 0.5)], attributes: { mode: "linear" } };
  const transforms = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"];
  for (const coordinate_transformation_mode of transforms) {
    for (const mode of ["linear", "cubic"])
      for (const sizes of [i64(1, 1, 9, 3), i64(1, 1, 4, 11)])
        yield { op: "Resize", opset: 13, inputs: [[1, 1, 5, 6], null, null, sizes], attributes: { mode, coordinate_transformation_mode } };
    for (const nearest_mode of ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
      for (const scales of [f32(1, 1, 2, 3), f32(1, 1, 0.6, 1.3)]) {
        // Aligned corners of a length that is no whole number: onnxruntime departs from the specification's suite.
        if (coordinate_transformation_mode === "align_corners" && scales.fixed.at(2) !== 2) continue;
        yield { op: "Resize", opset: 13, inputs: [[1, 1, 5, 6], null, scales], attributes: { nearest_mode, coordinate_transformation_mode } };
      }
  }
  yield { op: "Resize", opset: 13, inputs: [[1, 1, 4, 4], null, f32(1, 1, 0.8, 0.8)], attributes: { mode: "cubic", exclude_outside: 1, cubic_coeff_a: float(-0.5) } };
  for (const mode of ["linear", "cubic"])
    yield { op: "Resize", opset: 18, inputs: [[1, 1, 8, 8], null, f32(1, 1, 0.6, 0.5)], attributes: { mode, antialias: 1 } };
  for (const mode of ["bilinear", "nearest", "bicubic"])
    for (const padding_mode of ["zeros", "border", "reflection"])
      for (const align_corners of [0, 1])
        yield { op: "GridSample", opset: 16, inputs: [[2, 2, 4, 5], [2, 3, 4, 2]], attributes: { mode, padding_mode, align_corners } };
}

function* recurrences(): Generator<OpCase> {
  const [steps, batch, size, hidden] = [5, 3, 2, 4];
  for (const [op, gates, states] of [["LSTM", 4, 2], ["GRU", 3, 1], ["RNN", 1, 1]] as const)
    for (const direction of ["forward", "reverse", "bidirectional"]) {
      const d = direction === "bidirectional" ? 2 : 1;
      const weights = [[d, gates * hidden, size], [d, gates * hidden, hidden], [d, 2 * gates * hidden]];
      const start = Array.from({ length: states }, () => [d, batch, hidden]);
      const common = { hidden_size: hidden, direction };
      const outputs = 1 + states;
      yield { op, opset: 14, inputs: [[steps, batch, size], ...weights.slice(0, 2)], attributes: common, outputs };
      yield { op, opset: 14, inputs: [[steps, batch, size], ...weights, i32(5, 2, 3), ...start], attributes: common, outputs };
      yield { op, opset: 14, inputs: [[steps, batch, size], ...weights, null, ...start], attributes: { ...common, clip: float(0.3) }, outputs };
      if (op === "GRU")
        yield { op, opset: 14, inputs: [[steps, batch, size], ...weights, i32(1, 5, 4)], attributes: { ...common, linear_before_reset: 1 }, outputs };
      if (op === "LSTM")
        yield { op, opset: 14, inputs: [[steps, batch, size], ...weights, null, ...start, [d, 3 * hidden]], attributes: common, outputs };
      if (op === "RNN")
        yield { op, opset: 14, inputs: [[steps, batch, size], ...weights], attributes: { ...common, activations: { strings: Array.from({ length: d }, () => "Relu") } }, outputs };
    }
}

function* norms(): Generator<OpCase> {
  yield { op: "BatchNormalization", opset: 15, inputs: [[2, 3, 4, 5], [3], [3], [3], [3]], positive: true };
  yield { op: "BatchNormalization", opset: 9, inputs: [[2, 3, 4], [3], [3], [3], [3]], positive: true, attributes: { epsilon: float(0.1) } };
  yield { op: "InstanceNormalization", opset: 6, inputs: [[2, 3, 4, 5], [3], [3]] };
  yield { op: "LayerNormalization", opset: 17, inputs: [[2, 3, 4], [3, 4], [3, 4]], attributes: { axis: 1 }, outputs: 3 };
  yield { op: "LayerNormalization", opset: 17, inputs: [[2, 3, 4], [4]] };
  yield { op: "GroupNormalization", opset: 21, inputs: [[2, 6, 4], [6], [6]], attributes: { num_groups: 3 } };
  yield { op: "LRN", opset: 13, inputs: [[2, 7, 3, 2]], attributes: { size: 5, alpha: float(0.5) } };
  yield { op: "LpNormalization", opset: 1, inputs: [[2, 3, 4]], attributes: { axis: 1, p: 1 } };
  yield { op: "MeanVarianceNormalization", opset: 13, inputs: [[2, 3, 4, 5]] };
}

function* indexing(): Generator<OpCase> {
  const at = tensorFrom("i64", [2, 2], [0, -1, 2, 1]);
  yield { op: "Gather", opset: 13, inputs: [[3, 4, 2], at], attributes: { axis: 1 } };
  yield { op: "GatherElements", opset: 13, inputs: [[3, 4], at], attributes: { axis: 0 } };
  yield { op: "GatherND", opset: 13, inputs: [[3, 4, 2], at] };
  yield { op: "GatherND", opset: 13, inputs: [[2, 4, 3], tensorFrom("i64", [2, 1], [3, -1])], attributes: { batch_dims: 1 } };
  for (const reduction of ["none", "add", "mul", "max", "min"]) {
    yield { op: "ScatterElements", opset: 18, inputs: [[3, 4], at, [2, 2]], attributes: { axis: 1, reduction } };
    yield { op: "ScatterND", opset: 18, inputs: [[3, 4, 2], at, [2, 2]], attributes: { reduction } };
  }
  yield { op: "OneHot", opset: 11, inputs: [at, i64s(4), f32(-1, 2)], attributes: { axis: 1 } };
  yield { op: "Compress", opset: 11, inputs: [[3, 4], { fixed: tensorFrom("bool", [3], [1, 0, 1]) }], attributes: { axis: 0 } };
  yield { op: "NonZero", opset: 13, inputs: [tensorFrom("i64", [2, 3], [1, 0, 2, 0, 0, 3])] };
  yield { op: "ReverseSequence", opset: 10, inputs: [[5, 3, 2], tensorFrom("i64", [3], [1, 5, 3])], attributes: { time_axis: 0, batch_axis: 1 } };
  yield { op: "Unique", opset: 11, inputs: [tensorFrom("i64", [7], [2, 1, 1, 3, 4, 3, 2])], attributes: { sorted: 0 }, outputs: 4 };
  yield { op: "Trilu", opset: 14, inputs: [[2, 4, 5], i64s(-1)], attributes: { upper: 0 } };
  yield { op: "DepthToSpace", opset: 13, inputs: [[1, 8, 2, 3]], attributes: { blocksize: 2, mode: "CRD" } };
  yield { op: "SpaceToDepth", opset: 13, inputs: [[1, 2, 4, 6]], attributes: { blocksize: 2 } };
  yield { op: "EyeLike", opset: 9, inputs: [[3, 4]], attributes: { k: 1 } };
  const boxes: Tensor = tensorFrom("f32", [1, 5, 4], [0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, -0.1, 1, 0.9, 0, 10, 1, 11, 0, 10.1, 1, 11.1]);
  const scores: Tensor = tensorFrom("f32", [1, 2, 5], [0.9, 0.75, 0.6, 0.95, 0.5, 0.1, 0.2, 0.8, 0.3, 0.7]);
  yield { op: "NonMaxSuppression", opset: 11, inputs: [boxes, scores, i64(3), f32(0.5), f32(0.15)] };
  for (const mode of ["avg", "max"])
    yield { op: "RoiAlign", opset: 16, inputs: [[1, 2, 6, 6], { fixed: tensorFrom("f32", [2, 4], [0, 0, 4, 5, 1, 2, 5, 5]) }, { fixed: tensorFrom("i64", [2], [0, 0]) }], attributes: { mode, output_height: 2, output_width: 3, sampling_ratio: 2, spatial_scale: float(0.9) }, positive: true };
}

function* products(): Generator<OpCase> {
  yield { op: "Gemm", opset: 13, inputs: [[4, 3], [5, 4], [5]], attributes: { transA: 1, transB: 1, alpha: float(0.5), beta: float(2) } };
  yield { op: "Gemm", opset: 7, inputs: [[3, 4], [4, 5], [5]] };
  yield { op: "MatMul", opset: 13, inputs: [[4], [2, 4, 3]] };
  yield { op: "MatMul", opset: 13, inputs: [[2, 1, 3, 4], [5, 4, 2]] };
  for (const equation of ["ij,jk", "bij,bjk->bik", "ii->i", "...ij,...j->...i", "ij->ji", "bij,bij->b"]) {
    const shapes: Record<string, number[][]> = {
      "ij,jk": [[2, 3], [3, 4]],
      "bij,bjk->bik": [[2, 3, 4], [2, 4, 5]],
      "ii->i": [[3, 3]],
      "...ij,...j->...i": [[2, 3, 4], [2, 4]],
      "ij->ji": [[2, 3]],
      "bij,bij->b": [[2, 3, 4], [2, 3, 4]],
    };
    yield { op: "Einsum", opset: 12, inputs: shapes[equation] ?? [], attributes: { equation } };
  }
  for (const op of ["Selu", "Elu", "Celu", "LeakyRelu", "HardSigmoid", "Softplus", "Softsign", "ThresholdedRelu", "Mish", "HardSwish", "Shrink"])
    yield { op, opset: 18, inputs: [[3, 5]] };
  for (const approximate of ["none", "tanh"]) yield { op: "Gelu", opset: 20, inputs: [[3, 5]], attributes: { approximate } };
  yield { op: "PRelu", opset: 9, inputs: [[2, 3, 4], [3, 1]] };
  yield { op: "DFT", opset: 17, inputs: [[2, 6, 1]], attributes: { axis: 1, onesided: 1 }, tolerance: 1e-4 };
  yield { op: "DFT", opset: 20, inputs: [[2, 5, 2]], attributes: { inverse: 1 }, tolerance: 1e-4 };
  yield { op: "STFT", opset: 17, inputs: [[1, 16], i64s(4), [8]], tolerance: 1e-4 };
}

function* quantization(): Generator<OpCase> {
  const u8 = (...v: number[]): { readonly fixed: Tensor } => ({ fixed: tensorFrom("u8", v.length === 1 ? [] : [v.length], v) });
  yield { op: "QuantizeLinear", opset: 13, inputs: [[3, 4], f32(0.01, 0.02, 0.03), u8(128, 3, 100)], attributes: { axis: 0 } };
  yield { op: "DequantizeLinear", opset: 13, inputs: [tensorFrom("u8", [2, 3], [0, 1, 2, 100, 200, 255]), scalar(0.1), u8(7)] };
  yield { op: "DynamicQuantizeLinear", opset: 11, inputs: [[3, 4]], outputs: 3 };
  const [a, w] = [tensorFrom("u8", [2, 3], [1, 2, 3, 200, 5, 255]), tensorFrom("u8", [3, 2], [9, 8, 7, 6, 5, 250])];
  yield { op: "MatMulInteger", opset: 10, inputs: [a, w, u8(3), u8(5)] };
  yield { op: "QLinearMatMul", opset: 10, inputs: [a, scalar(0.1), u8(3), w, scalar(0.2), u8(5), scalar(4), u8(9)] };
}

for (const [i, c] of [...cases()].entries()) {
  const attributes = JSON.stringify(c.attributes ?? {}, (_, v: unknown) => (typeof v === "bigint" ? String(v) : v));
  test(`${i}: ${c.op} ${c.opset} ${attributes}`, async (t) => {
    t.is(await differ(c, 1000 + i), null);
  });
}
