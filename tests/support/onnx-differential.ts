// One operator at a time, on random values, against onnxruntime: the importer with the reference interpreter must give
// the same shapes and (within tolerance) the same values.

import * as ort from "onnxruntime-node";
import { type DimSpec, importOnnx } from "../../compiler/import/onnx/import.js";
import type { DType } from "../../compiler/ir/dtype.js";
import { Builder } from "../../compiler/ir/graph.js";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { formatIssue, verify } from "../../compiler/ir/verify.js";
import { interpret } from "../../compiler/reference/interpret.js";
import { difference } from "./onnx-compare.js";
import { type AttributeValue, modelBytes, node, tensorProto, typed } from "./onnx-models.js";

export interface OpCase {
  readonly op: string;
  readonly opset: number;
  readonly domain?: string;
  /** Shapes of random inputs (f32), tensors that are inputs as they are, constants, or null for one left out. */
  readonly inputs: readonly (readonly number[] | Tensor | { readonly fixed: Tensor } | null)[];
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  /** Number of outputs, 1 by default. */
  readonly outputs?: number;
  readonly tolerance?: number;
  /** Values are in (0, 1] instead of around 0. */
  readonly positive?: boolean;
}

const ORT_TYPES: Partial<Record<DType, "float32" | "float64" | "int64" | "int32" | "uint8" | "int8" | "bool">> = {
  f32: "float32",
  f64: "float64",
  i64: "int64",
  i32: "int32",
  u8: "uint8",
  i8: "int8",
  bool: "bool",
};

function isTensor(v: object): v is Tensor {
  return "dtype" in v;
}

function random(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state / 0x7fffffff;
  };
}

function toOrt(t: Tensor): ort.Tensor {
  const type = ORT_TYPES[t.dtype];
  if (type === undefined) throw new Error(`no ${t.dtype} tensors`);
  return new ort.Tensor(type, t.elements as ort.Tensor["data"] & Float32Array, t.shape);
}

function fromOrt(t: ort.Tensor): Tensor {
  const dtype = (Object.keys(ORT_TYPES) as DType[]).find((d) => ORT_TYPES[d] === t.type);
  if (dtype === undefined) throw new Error(`no dtype for ${t.type}`);
  return tensorFrom(dtype, t.dims, Array.from(t.data as ArrayLike<number | bigint>));
}

/**
 * What differs, or null. Throws what the importer or onnxruntime throws. `dynamic`: every size of the first input is a
 * symbol of its own while the model is imported.
 */
export async function differ(c: OpCase, seed: number, dynamic = false): Promise<string | null> {
  const next = random(seed);
  const feeds: Record<string, Tensor> = {};
  const fixed: Record<string, Tensor> = {};
  const names = c.inputs.map((spec, i) => {
    if (spec === null) return "";
    const name = `x${i}`;
    if (Array.isArray(spec)) {
      const shape = spec as readonly number[];
      const size = shape.reduce((n, d) => n * d, 1);
      feeds[name] = tensorFrom(
        "f32",
        shape,
        Array.from({ length: size }, () => (c.positive === true ? next() + 1e-3 : next() * 2 - 1)),
      );
    } else if (isTensor(spec)) feeds[name] = spec;
    else fixed[name] = (spec as { readonly fixed: Tensor }).fixed;
    return name;
  });
  const outputs = Array.from({ length: c.outputs ?? 1 }, (_, i) => `y${i}`);
  const dims: Record<string, DimSpec> = {};
  const shapeOf = (name: string, t: Tensor): (number | string)[] =>
    t.shape.map((d, i) => {
      // A size of 1 may broadcast, which a symbol never does: it stays a number.
      if (!dynamic || name !== "x0" || d === 1) return d;
      dims[`${name}_${i}`] = { lo: 1, hi: 64 };
      return `${name}_${i}`;
    });
  const bytes = modelBytes({
    opset: c.opset,
    ...(c.domain === undefined ? {} : { domains: [c.domain] }),
    nodes: [node(c.op, names, outputs, c.attributes ?? {}, c.domain ?? "")],
    inputs: Object.entries(feeds).map(([name, t]) => typed(name, t.dtype, shapeOf(name, t))),
    outputs,
    initializers: Object.entries(fixed).map(([name, t]) => tensorProto(name, t)),
  });
  const session = await ort.InferenceSession.create(bytes, {
    logSeverityLevel: 3,
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
  const want = await session.run(Object.fromEntries(Object.entries(feeds).map(([k, t]) => [k, toOrt(t)])));
  await session.release();
  const { graph } = importOnnx(bytes, { builder: new Builder(), dims });
  const issues = verify(graph);
  if (issues.length > 0) return `the imported graph is unsound: ${issues.map((i) => formatIssue(i)).join("; ")}`;
  const have = interpret(graph, feeds).outputs;
  const tolerance = { rtol: c.tolerance ?? 1e-4, atol: c.tolerance ?? 1e-5 };
  const wrong = outputs.flatMap((name) => {
    const w = want[name];
    const d = w === undefined ? null : difference(have[name], fromOrt(w), tolerance);
    return d === null ? [] : [`${name} ${d}`];
  });
  return wrong.length === 0 ? null : wrong.join("; ");
}
