// Shape ops, reductions, pools, convolutions and resizing: cases for the comparison with onnxruntime.

import { tensorFrom } from "../../compiler/ir/tensor.js";
import type { OpCase } from "./onnx-differential.js";
import { indexing, norms, products, quantization, recurrences } from "./onnx-op-cases-compute.js";
import { f32, float, i64, i64s, scalar } from "./onnx-op-values.js";

/** All cases, in a fixed order. */
export function* opCases(): Generator<OpCase> {
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
    for (const pads of [
      [0, 0, 0, 0],
      [1, 0, 1, 1],
      [1, 1, 1, 1],
    ]) {
      const attributes = { kernel_shape: [3, 2], strides: [2, 2], pads, ceil_mode };
      yield { op: "MaxPool", opset: 12, inputs: [[1, 2, 7, 8]], attributes, outputs: 2 };
      yield { op: "MaxPool", opset: 12, inputs: [[1, 2, 7, 8]], attributes: { ...attributes, dilations: [2, 1] } };
      yield { op: "AveragePool", opset: 19, inputs: [[1, 2, 7, 8]], attributes };
      yield {
        op: "AveragePool",
        opset: 19,
        inputs: [[1, 2, 7, 8]],
        attributes: { ...attributes, count_include_pad: 1 },
      };
      yield { op: "LpPool", opset: 18, inputs: [[1, 2, 7, 8]], attributes: { ...attributes, ceil_mode: 0, p: 3 } };
    }
  for (const auto_pad of ["SAME_UPPER", "SAME_LOWER", "VALID"])
    yield {
      op: "AveragePool",
      opset: 11,
      inputs: [[1, 2, 7, 8]],
      attributes: { kernel_shape: [3, 4], strides: [2, 3], auto_pad },
    };
  yield {
    op: "MaxPool",
    opset: 8,
    inputs: [[1, 2, 4, 4]],
    attributes: { kernel_shape: [2, 2], storage_order: 1 },
    outputs: 2,
  };
  yield { op: "GlobalMaxPool", opset: 11, inputs: [[1, 2, 3, 4]] };
  yield { op: "GlobalLpPool", opset: 11, inputs: [[1, 2, 3, 4]] };
}

function* convolutions(): Generator<OpCase> {
  yield {
    op: "Conv",
    opset: 11,
    inputs: [[2, 4, 7, 6], [6, 2, 3, 3], [6]],
    attributes: { group: 2, pads: [1, 0, 2, 1], strides: [2, 1], dilations: [1, 2] },
  };
  for (const auto_pad of ["SAME_UPPER", "SAME_LOWER"])
    yield {
      op: "Conv",
      opset: 11,
      inputs: [
        [1, 2, 7, 6],
        [3, 2, 4, 3],
      ],
      attributes: { auto_pad, strides: [2, 2] },
    };
  yield {
    op: "Conv",
    opset: 11,
    inputs: [
      [1, 2, 9],
      [3, 2, 3],
    ],
    attributes: { pads: [1, 1] },
  };
  yield {
    op: "Conv",
    opset: 11,
    inputs: [
      [1, 1, 4, 4, 4],
      [2, 1, 2, 2, 2],
    ],
  };
  const x = [1, 4, 5, 6];
  yield { op: "ConvTranspose", opset: 11, inputs: [x, [4, 3, 2, 2], [3]], attributes: { strides: [2, 2] } };
  yield {
    op: "ConvTranspose",
    opset: 11,
    inputs: [x, [4, 3, 3, 3]],
    attributes: { group: 2, strides: [2, 3], pads: [1, 0, 1, 2], output_padding: [1, 0], dilations: [2, 1] },
  };
  yield { op: "ConvTranspose", opset: 11, inputs: [x, [4, 3, 1, 2]], attributes: { pads: [1, 1, 0, 1] } };
  for (const auto_pad of ["SAME_UPPER", "SAME_LOWER"])
    yield { op: "ConvTranspose", opset: 11, inputs: [x, [4, 3, 3, 3]], attributes: { auto_pad, strides: [2, 2] } };
  yield {
    op: "ConvTranspose",
    opset: 11,
    inputs: [x, [4, 3, 3, 3]],
    attributes: { strides: [2, 2], output_shape: [10, 12] },
  };
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
        yield {
          op: "Resize",
          opset: 13,
          inputs: [[1, 1, 5, 6], null, null, sizes],
          attributes: { mode, coordinate_transformation_mode },
        };
    for (const nearest_mode of ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
      for (const scales of [f32(1, 1, 2, 3), f32(1, 1, 0.6, 1.3)]) {
        // Aligned corners of a length that is no whole number: onnxruntime departs from the specification's suite.
        if (coordinate_transformation_mode === "align_corners" && scales.fixed.at(2) !== 2) continue;
        yield {
          op: "Resize",
          opset: 13,
          inputs: [[1, 1, 5, 6], null, scales],
          attributes: { nearest_mode, coordinate_transformation_mode },
        };
      }
  }
  yield {
    op: "Resize",
    opset: 13,
    inputs: [[1, 1, 4, 4], null, f32(1, 1, 0.8, 0.8)],
    attributes: { mode: "cubic", exclude_outside: 1, cubic_coeff_a: float(-0.5) },
  };
  for (const mode of ["linear", "cubic"])
    yield {
      op: "Resize",
      opset: 18,
      inputs: [[1, 1, 8, 8], null, f32(1, 1, 0.6, 0.5)],
      attributes: { mode, antialias: 1 },
    };
  for (const mode of ["bilinear", "nearest", "bicubic"])
    for (const padding_mode of ["zeros", "border", "reflection"])
      for (const align_corners of [0, 1])
        yield {
          op: "GridSample",
          opset: 16,
          inputs: [
            [2, 2, 4, 5],
            [2, 3, 4, 2],
          ],
          attributes: { mode, padding_mode, align_corners },
        };
}
