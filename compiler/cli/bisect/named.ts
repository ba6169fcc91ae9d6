// The values of an ONNX model by the names that it gives them, on the reference and in onnxruntime: every value of the
// main graph is made an output. And the first node, in the model's order, at which the two differ.

import { viewOf } from "../../../runtime-shim/dtype.js";
import type { OnnxOptions } from "../../import/onnx/import.js";
import { importModel } from "../../import/onnx/import.js";
import type { ModelProto, NodeProto } from "../../import/onnx/proto.js";
import { type ReadExternal, readTensor } from "../../import/onnx/tensor-data.js";
import { encodeMessage } from "../../import/onnx/wire.js";
import type { DType } from "../../ir/dtype.js";
import { Refused } from "../../ir/errors.js";
import { Builder } from "../../ir/graph.js";
import { Tensor } from "../../ir/tensor.js";
import { interpret } from "../../reference/interpret.js";
import { badInput, CliError, messageOf } from "../failures.js";
import { differenceOf } from "./difference.js";
import type { Finding } from "./steps.js";

export type Named = ReadonlyMap<string, Tensor>;

/** Operators whose outputs are no tensors. */
const NO_TENSOR = /^(Sequence(?!At$|Length$).*|SplitToSequence|Optional|ZipMap)$/;

/** As the importer names a node's origin. */
export function originOf(node: NodeProto): string {
  const label = [node.name, ...node.output].find((n) => n !== undefined && n !== "") ?? "";
  return `node "${label}" (${node.opType ?? ""})`;
}

/** The model with every tensor of its main graph as an output. */
export function exposed(model: ModelProto): ModelProto {
  const { graph } = model;
  if (graph === undefined) return model;
  const taken = new Set([...graph.output, ...graph.input].map((v) => v.name ?? ""));
  const declared = new Map(graph.valueInfo.map((v) => [v.name ?? "", v]));
  const more = graph.node
    .filter((n) => !NO_TENSOR.test(n.opType ?? ""))
    .flatMap((n) => n.output)
    .filter((name) => name !== "" && !taken.has(name))
    .map((name) => declared.get(name) ?? { name, type: undefined });
  return { ...model, graph: { ...graph, output: [...graph.output, ...more] } };
}

/** The model with all weights in it. */
export function selfContained(model: ModelProto, readExternal: ReadExternal): ModelProto {
  const { graph } = model;
  if (graph === undefined || graph.initializer.every((t) => t.dataLocation !== 1)) return model;
  const initializer = graph.initializer.map((t) => {
    if (t.dataLocation !== 1) return t;
    const { dtype, bytes } = readTensor(t, readExternal);
    if (/^[iuf][24]/.test(dtype))
      throw badInput(
        `the weights "${t.name ?? ""}" are ${dtype} in another file, which cannot be taken into the model`,
      );
    return { ...t, rawData: bytes, dataLocation: undefined, externalData: [] };
  });
  return { ...model, graph: { ...graph, initializer } };
}

/** Every value that the reference has for these inputs; the outputs alone where not all can be outputs. */
export function referenceValues(
  model: ModelProto,
  inputs: Readonly<Record<string, Tensor>>,
  options: Omit<OnnxOptions, "builder">,
): Named {
  const run = (m: ModelProto): Named => {
    const { outputs } = interpret(importModel(m, { ...options, builder: new Builder() }).graph, inputs);
    return new Map([...Object.entries(inputs), ...Object.entries(outputs)]);
  };
  try {
    return run(exposed(model));
  } catch (e) {
    if (e instanceof Refused) return run(model);
    throw e;
  }
}

const ORT_TYPES = {
  f32: "float32",
  f64: "float64",
  f16: "float16",
  i64: "int64",
  i32: "int32",
  i16: "int16",
  i8: "int8",
  u64: "uint64",
  u32: "uint32",
  u16: "uint16",
  u8: "uint8",
  bool: "bool",
} as const satisfies Partial<Record<DType, string>>;

type OrtDType = keyof typeof ORT_TYPES;
type OrtData = import("onnxruntime-node").Tensor["data"];

function isOrtDType(dtype: string): dtype is OrtDType {
  return Object.hasOwn(ORT_TYPES, dtype);
}

/** Every value that onnxruntime has for these inputs, without its own rewrites. Throws a CliError where it is missing. */
export async function onnxruntimeValues(model: ModelProto, inputs: Readonly<Record<string, Tensor>>): Promise<Named> {
  const ort = await onnxruntime();
  try {
    const session = await ort.InferenceSession.create(encodeMessage("ModelProto", exposed(model)), {
      logSeverityLevel: 4,
      graphOptimizationLevel: "disabled",
      intraOpNumThreads: 1,
    });
    const feeds = Object.fromEntries(
      Object.entries(inputs).map(([name, t]) => {
        if (!isOrtDType(t.dtype)) throw new RangeError(`it takes no ${t.dtype}`);
        const data = viewOf(t.dtype, t.bytes.slice().buffer, 0, t.size) as OrtData;
        return [name, new ort.Tensor(ORT_TYPES[t.dtype], data, [...t.shape])];
      }),
    );
    const values = new Map<string, Tensor>(Object.entries(inputs));
    for (const [name, t] of Object.entries(await session.run(feeds))) {
      const dtype = (Object.keys(ORT_TYPES) as OrtDType[]).find((own) => ORT_TYPES[own] === t.type);
      if (dtype === undefined || !ArrayBuffer.isView(t.data)) continue;
      const { buffer, byteOffset, byteLength } = t.data;
      values.set(name, new Tensor(dtype, t.dims, new Uint8Array(buffer, byteOffset, byteLength).slice()));
    }
    return values;
  } catch (e) {
    throw badInput(`onnxruntime does not run the model: ${messageOf(e)}`, "compare with --against reference");
  }
}

async function onnxruntime(): Promise<typeof import("onnxruntime-node")> {
  try {
    return await import("onnxruntime-node");
  } catch (e) {
    throw new CliError(
      "io",
      2,
      `onnxruntime-node cannot be loaded: ${messageOf(e).split("\n")[0]}`,
      "npm install --save-dev onnxruntime-node, or compare with --against reference",
    );
  }
}

/** The first node whose values differ, in the model's order; how many values were compared. */
export function compareNamed(
  model: ModelProto,
  have: Named,
  want: Named,
  tolerance: number,
): { readonly finding: Finding | null; readonly values: number } {
  let values = 0;
  for (const node of model.graph?.node ?? []) {
    for (const name of node.output) {
      const [a, b] = [have.get(name), want.get(name)];
      if (a === undefined || b === undefined) continue;
      values++;
      const difference = differenceOf(a, b, tolerance);
      if (!difference.differs) continue;
      const finding: Finding = {
        stage: "importer",
        name,
        template: "",
        step: null,
        ops: [node.opType ?? ""],
        origins: [originOf(node)],
        difference,
      };
      return { finding, values };
    }
  }
  return { finding: null, values };
}
