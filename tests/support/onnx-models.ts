// Small ONNX models made in code, for tests: nodes, initializers and typed inputs as plain data.

import { ATTRIBUTE_TYPE, type Draft } from "../../compiler/import/onnx/proto.js";
import { elementTypeOf } from "../../compiler/import/onnx/tensor-data.js";
import { encodeMessage } from "../../compiler/import/onnx/wire.js";
import type { DType } from "../../compiler/ir/dtype.js";
import type { Tensor } from "../../compiler/ir/tensor.js";

export type AttributeValue =
  | number
  | bigint
  | string
  | Tensor
  | readonly number[]
  | Draft<"GraphProto">
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly strings: readonly string[] };

export interface ModelDraft {
  readonly nodes: readonly Draft<"NodeProto">[];
  readonly inputs: readonly Draft<"ValueInfoProto">[];
  readonly outputs: readonly string[];
  readonly initializers?: readonly Draft<"TensorProto">[];
  readonly functions?: readonly Draft<"FunctionProto">[];
  readonly opset?: number;
  /** Other operator sets, at version 1. */
  readonly domains?: readonly string[];
}

/** An input's type: sizes, names of dynamic dimensions, or null for one without a name. */
export function typed(name: string, dtype: DType, shape: readonly (number | string | null)[]): Draft<"ValueInfoProto"> {
  const dim = shape.map((d) => (d === null ? {} : typeof d === "number" ? { dimValue: BigInt(d) } : { dimParam: d }));
  return { name, type: { tensorType: { elemType: elementTypeOf(dtype), shape: { dim } } } };
}

export function tensorProto(name: string, t: Tensor): Draft<"TensorProto"> {
  return { name, dims: t.shape.map(BigInt), dataType: elementTypeOf(t.dtype), rawData: t.bytes };
}

function isTensor(v: AttributeValue): v is Tensor {
  return typeof v === "object" && "dtype" in v;
}

function attribute(name: string, v: AttributeValue): Draft<"AttributeProto"> {
  if (typeof v === "bigint" || typeof v === "number") return { name, type: ATTRIBUTE_TYPE.int, i: BigInt(v) };
  if (typeof v === "string") return { name, type: ATTRIBUTE_TYPE.string, s: new TextEncoder().encode(v) };
  if (Array.isArray(v)) return { name, type: ATTRIBUTE_TYPE.ints, ints: (v as readonly number[]).map(BigInt) };
  if (isTensor(v)) return { name, type: ATTRIBUTE_TYPE.tensor, t: tensorProto("", v) };
  if ("floats" in v) return { name, type: ATTRIBUTE_TYPE.floats, floats: v.floats };
  if ("strings" in v)
    return { name, type: ATTRIBUTE_TYPE.strings, strings: v.strings.map((s) => new TextEncoder().encode(s)) };
  if ("float" in v) return { name, type: ATTRIBUTE_TYPE.float, f: v.float };
  return { name, type: ATTRIBUTE_TYPE.graph, g: v as Draft<"GraphProto"> };
}

export function node(
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
  domain = "",
): Draft<"NodeProto"> {
  return { opType, input, output, domain, attribute: Object.entries(attributes).map(([k, v]) => attribute(k, v)) };
}

export function modelBytes(m: ModelDraft): Uint8Array {
  return encodeMessage("ModelProto", {
    irVersion: 8n,
    opsetImport: [
      { domain: "", version: BigInt(m.opset ?? 17) },
      ...(m.domains ?? []).map((domain) => ({ domain, version: 1n })),
    ],
    graph: {
      name: "test",
      node: m.nodes,
      initializer: m.initializers ?? [],
      input: m.inputs,
      output: m.outputs.map((name) => ({ name })),
    },
    functions: m.functions ?? [],
  });
}
