// Recurrent layers, normalization, indexing, products and quantization: cases for the comparison with onnxruntime.

import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import type { OpCase } from "./onnx-differential.js";
import { f32, float, i32, i64, i64s, scalar } from "./onnx-op-values.js";

export function* recurrences(): Generator<OpCase> {
  const [steps, batch, size, hidden] = [5, 3, 2, 4];
  for (const [op, gates, states] of [
    ["LSTM", 4, 2],
    ["GRU", 3, 1],
    ["RNN", 1, 1],
  ] as const)
    for (const direction of ["forward", "reverse", "bidirectional"]) {
      const d = direction === "bidirectional" ? 2 : 1;
      const weights = [
        [d, gates * hidden, size],
        [d, gates * hidden, hidden],
        [d, 2 * gates * hidden],
      ];
      const start = Array.from({ length: states }, () => [d, batch, hidden]);
      const common = { hidden_size: hidden, direction };
      const outputs = 1 + states;
      yield { op, opset: 14, inputs: [[steps, batch, size], ...weights.slice(0, 2)], attributes: common, outputs };
      yield {
        op,
        opset: 14,
        inputs: [[steps, batch, size], ...weights, i32(5, 2, 3), ...start],
        attributes: common,
        outputs,
      };
      yield {
        op,
        opset: 14,
        inputs: [[steps, batch, size], ...weights, null, ...start],
        attributes: { ...common, clip: float(0.3) },
        outputs,
      };
      if (op === "GRU")
        yield {
          op,
          opset: 14,
          inputs: [[steps, batch, size], ...weights, i32(1, 5, 4)],
          attributes: { ...common, linear_before_reset: 1 },
          outputs,
        };
      if (op === "LSTM")
        yield {
          op,
          opset: 14,
          inputs: [[steps, batch, size], ...weights, null, ...start, [d, 3 * hidden]],
          attributes: common,
          outputs,
        };
      if (op === "RNN")
        yield {
          op,
          opset: 14,
          inputs: [[steps, batch, size], ...weights],
          attributes: { ...common, activations: { strings: Array.from({ length: d }, () => "Relu") } },
          outputs,
        };
    }
}

export function* norms(): Generator<OpCase> {
  yield { op: "BatchNormalization", opset: 15, inputs: [[2, 3, 4, 5], [3], [3], [3], [3]], positive: true };
  yield {
    op: "BatchNormalization",
    opset: 9,
    inputs: [[2, 3, 4], [3], [3], [3], [3]],
    positive: true,
    attributes: { epsilon: float(0.1) },
  };
  yield { op: "InstanceNormalization", opset: 6, inputs: [[2, 3, 4, 5], [3], [3]] };
  yield {
    op: "LayerNormalization",
    opset: 17,
    inputs: [
      [2, 3, 4],
      [3, 4],
      [3, 4],
    ],
    attributes: { axis: 1 },
    outputs: 3,
  };
  yield { op: "LayerNormalization", opset: 17, inputs: [[2, 3, 4], [4]] };
  yield { op: "GroupNormalization", opset: 21, inputs: [[2, 6, 4], [6], [6]], attributes: { num_groups: 3 } };
  yield { op: "LRN", opset: 13, inputs: [[2, 7, 3, 2]], attributes: { size: 5, alpha: float(0.5) } };
  yield { op: "LpNormalization", opset: 1, inputs: [[2, 3, 4]], attributes: { axis: 1, p: 1 } };
  yield { op: "MeanVarianceNormalization", opset: 13, inputs: [[2, 3, 4, 5]] };
}

export function* indexing(): Generator<OpCase> {
  const at = tensorFrom("i64", [2, 2], [0, -1, 2, 1]);
  yield { op: "Gather", opset: 13, inputs: [[3, 4, 2], at], attributes: { axis: 1 } };
  yield { op: "GatherElements", opset: 13, inputs: [[3, 4], at], attributes: { axis: 0 } };
  yield { op: "GatherND", opset: 13, inputs: [[3, 4, 2], at] };
  yield {
    op: "GatherND",
    opset: 13,
    inputs: [[2, 4, 3], tensorFrom("i64", [2, 1], [3, -1])],
    attributes: { batch_dims: 1 },
  };
  for (const reduction of ["none", "add", "mul", "max", "min"]) {
    yield { op: "ScatterElements", opset: 18, inputs: [[3, 4], at, [2, 2]], attributes: { axis: 1, reduction } };
    yield { op: "ScatterND", opset: 18, inputs: [[3, 4, 2], at, [2, 2]], attributes: { reduction } };
  }
  yield { op: "OneHot", opset: 11, inputs: [at, i64s(4), f32(-1, 2)], attributes: { axis: 1 } };
  yield {
    op: "Compress",
    opset: 11,
    inputs: [[3, 4], { fixed: tensorFrom("bool", [3], [1, 0, 1]) }],
    attributes: { axis: 0 },
  };
  yield { op: "NonZero", opset: 13, inputs: [tensorFrom("i64", [2, 3], [1, 0, 2, 0, 0, 3])] };
  yield {
    op: "ReverseSequence",
    opset: 10,
    inputs: [[5, 3, 2], tensorFrom("i64", [3], [1, 5, 3])],
    attributes: { time_axis: 0, batch_axis: 1 },
  };
  yield {
    op: "Unique",
    opset: 11,
    inputs: [tensorFrom("i64", [7], [2, 1, 1, 3, 4, 3, 2])],
    attributes: { sorted: 0 },
    outputs: 4,
  };
  yield { op: "Trilu", opset: 14, inputs: [[2, 4, 5], i64s(-1)], attributes: { upper: 0 } };
  yield { op: "DepthToSpace", opset: 13, inputs: [[1, 8, 2, 3]], attributes: { blocksize: 2, mode: "CRD" } };
  yield { op: "SpaceToDepth", opset: 13, inputs: [[1, 2, 4, 6]], attributes: { blocksize: 2 } };
  yield { op: "EyeLike", opset: 9, inputs: [[3, 4]], attributes: { k: 1 } };
  const boxes: Tensor = tensorFrom(
    "f32",
    [1, 5, 4],
    [0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, -0.1, 1, 0.9, 0, 10, 1, 11, 0, 10.1, 1, 11.1],
  );
  const scores: Tensor = tensorFrom("f32", [1, 2, 5], [0.9, 0.75, 0.6, 0.95, 0.5, 0.1, 0.2, 0.8, 0.3, 0.7]);
  yield { op: "NonMaxSuppression", opset: 11, inputs: [boxes, scores, i64(3), f32(0.5), f32(0.15)] };
  for (const mode of ["avg", "max"])
    yield {
      op: "RoiAlign",
      opset: 16,
      inputs: [
        [1, 2, 6, 6],
        { fixed: tensorFrom("f32", [2, 4], [0, 0, 4, 5, 1, 2, 5, 5]) },
        { fixed: tensorFrom("i64", [2], [0, 0]) },
      ],
      attributes: { mode, output_height: 2, output_width: 3, sampling_ratio: 2, spatial_scale: float(0.9) },
      positive: true,
    };
}

export function* products(): Generator<OpCase> {
  yield {
    op: "Gemm",
    opset: 13,
    inputs: [[4, 3], [5, 4], [5]],
    attributes: { transA: 1, transB: 1, alpha: float(0.5), beta: float(2) },
  };
  yield { op: "Gemm", opset: 7, inputs: [[3, 4], [4, 5], [5]] };
  yield { op: "MatMul", opset: 13, inputs: [[4], [2, 4, 3]] };
  yield {
    op: "MatMul",
    opset: 13,
    inputs: [
      [2, 1, 3, 4],
      [5, 4, 2],
    ],
  };
  for (const equation of ["ij,jk", "bij,bjk->bik", "ii->i", "...ij,...j->...i", "ij->ji", "bij,bij->b"]) {
    const shapes: Record<string, number[][]> = {
      "ij,jk": [
        [2, 3],
        [3, 4],
      ],
      "bij,bjk->bik": [
        [2, 3, 4],
        [2, 4, 5],
      ],
      "ii->i": [[3, 3]],
      "...ij,...j->...i": [
        [2, 3, 4],
        [2, 4],
      ],
      "ij->ji": [[2, 3]],
      "bij,bij->b": [
        [2, 3, 4],
        [2, 3, 4],
      ],
    };
    yield { op: "Einsum", opset: 12, inputs: shapes[equation] ?? [], attributes: { equation } };
  }
  for (const op of [
    "Selu",
    "Elu",
    "Celu",
    "LeakyRelu",
    "HardSigmoid",
    "Softplus",
    "Softsign",
    "ThresholdedRelu",
    "Mish",
    "HardSwish",
    "Shrink",
  ])
    yield { op, opset: 18, inputs: [[3, 5]] };
  for (const approximate of ["none", "tanh"])
    yield { op: "Gelu", opset: 20, inputs: [[3, 5]], attributes: { approximate } };
  yield {
    op: "PRelu",
    opset: 9,
    inputs: [
      [2, 3, 4],
      [3, 1],
    ],
  };
  yield { op: "DFT", opset: 17, inputs: [[2, 6, 1]], attributes: { axis: 1, onesided: 1 }, tolerance: 1e-4 };
  yield { op: "DFT", opset: 20, inputs: [[2, 5, 2]], attributes: { inverse: 1 }, tolerance: 1e-4 };
  yield { op: "STFT", opset: 17, inputs: [[1, 16], i64s(4), [8]], tolerance: 1e-4 };
}

export function* quantization(): Generator<OpCase> {
  const u8 = (...v: number[]): { readonly fixed: Tensor } => ({
    fixed: tensorFrom("u8", v.length === 1 ? [] : [v.length], v),
  });
  yield {
    op: "QuantizeLinear",
    opset: 13,
    inputs: [[3, 4], f32(0.01, 0.02, 0.03), u8(128, 3, 100)],
    attributes: { axis: 0 },
  };
  yield {
    op: "DequantizeLinear",
    opset: 13,
    inputs: [tensorFrom("u8", [2, 3], [0, 1, 2, 100, 200, 255]), scalar(0.1), u8(7)],
  };
  yield { op: "DynamicQuantizeLinear", opset: 11, inputs: [[3, 4]], outputs: 3 };
  const [a, w] = [tensorFrom("u8", [2, 3], [1, 2, 3, 200, 5, 255]), tensorFrom("u8", [3, 2], [9, 8, 7, 6, 5, 250])];
  yield { op: "MatMulInteger", opset: 10, inputs: [a, w, u8(3), u8(5)] };
  yield { op: "QLinearMatMul", opset: 10, inputs: [a, scalar(0.1), u8(3), w, scalar(0.2), u8(5), scalar(4), u8(9)] };
}
