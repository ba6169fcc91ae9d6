// Products with weights behind DequantizeLinear against the reference and onnxruntime: the weights stay in 8 bits.

import test from "ava";
import { importOnnx } from "../../compiler/import/onnx/import.js";
import { Builder } from "../../compiler/ir/graph.js";
import { tensorFrom } from "../../compiler/ir/tensor.js";
import { compile } from "../../compiler/pipeline.js";
import { interpret } from "../../compiler/reference/interpret.js";
import { loadModel } from "../support/models.js";
import { noise } from "../support/noise.js";
import { type Elements, onnxModel } from "../support/onnx-writer.js";
import { openOracle } from "../support/oracle.js";

const [M, K, N] = [5, 37, 21];

function floats(shape: readonly number[], seed: number, lo: number, hi: number): Elements {
  return {
    dtype: "f32",
    shape,
    data: Float32Array.from(
      noise(
        seed,
        shape.reduce((a, d) => a * d, 1),
        lo,
        hi,
      ),
    ),
  };
}

function whole(dtype: "u8" | "i8", shape: readonly number[], seed: number): Elements {
  const size = shape.reduce((a, d) => a * d, 1);
  const values = noise(seed, size, dtype === "u8" ? 0 : -128, dtype === "u8" ? 256 : 128).map(Math.floor);
  return { dtype, shape, data: dtype === "u8" ? Uint8Array.from(values) : Int8Array.from(values) };
}

interface Case {
  readonly dtype: "u8" | "i8";
  /** Axis of scales and zeros; null: one for the whole weight. */
  readonly axis: 0 | 1 | null;
  readonly turned: boolean;
}

function model({ dtype, axis, turned }: Case): Uint8Array {
  const shape = turned ? [N, K] : [K, N];
  const scales = axis === null ? [] : [shape[axis] ?? 1];
  return onnxModel({
    inputs: { x: { dtype: "f32", shape: [M, K] } },
    weights: { w: whole(dtype, shape, 1), s: floats(scales, 2, 0.01, 0.1), z: whole(dtype, scales, 3) },
    nodes: [
      {
        op: "DequantizeLinear",
        inputs: ["w", "s", "z"],
        outputs: ["real"],
        attributes: axis === null ? {} : { axis },
      },
      { op: "Gemm", inputs: ["x", "real"], outputs: ["y"], attributes: { transB: turned ? 1 : 0 } },
    ],
    output: { name: "y", dtype: "f32", shape: [M, N] },
  });
}

for (const c of [
  { dtype: "i8", axis: 1, turned: false },
  { dtype: "u8", axis: 0, turned: true },
  { dtype: "i8", axis: null, turned: true },
] as const satisfies readonly Case[])
  test(`a product with a dequantized weight ${JSON.stringify(c)}`, async (t) => {
    const file = model(c);
    const builder = new Builder();
    const { graph } = importOnnx(file, { builder, name: "dequantized" });
    const { plan } = compile({ graph, builder });
    t.true(plan.kernels.some((k) => k.template === "blockMatmul"));
    const x = floats([M, K], 4, -1, 1);
    const feeds = { x: { dtype: "f32" as const, shape: x.shape, data: x.data } };
    const reference = interpret(graph, { x: tensorFrom("f32", x.shape, x.data as Float32Array) }).outputs["y"];
    const [have, want] = [(await loadModel(file)).run(feeds)["y"]?.data, (await (await openOracle(file))(feeds))["y"]];
    if (have === undefined || want === undefined || reference === undefined) return t.fail("no output");
    t.is(have.length, M * N);
    let largest = 0;
    for (const v of want.data) largest = Math.max(largest, Math.abs(Number(v)));
    for (const [i, element] of have.entries()) {
      const v = Number(element);
      t.true(Math.abs(v - reference.at(i)) < 1e-5 * largest, `element ${i} against the reference`);
      // onnxruntime may quantize the left operand of such a product.
      t.true(Math.abs(v - Number(want.data[i])) < 0.01 * largest, `element ${i} against onnxruntime`);
    }
  });
