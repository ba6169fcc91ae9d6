// Writes ONNX models from plain data, so that this compiler and its peers are given the same bytes.

import { ATTRIBUTE_TYPE, type Draft } from "../../compiler/import/onnx/proto.js";
import { encodeMessage } from "../../compiler/import/onnx/wire.js";

const OPSET = 20n;
const IR_VERSION = 9n;

/** Version of com.microsoft, where a node is of that domain. */
const CONTRIB_OPSET = 1n;

/** TensorProto.DataType of the element types that models are written with. */
export const ELEMENT = { f32: 1, u8: 2, i8: 3, i32: 6, i64: 7 } as const;

export type ElementType = keyof typeof ELEMENT;

export interface Elements {
  readonly dtype: ElementType;
  readonly shape: readonly number[];
  readonly data: Float32Array | Uint8Array | Int8Array | Int32Array | BigInt64Array;
}

/** An integer, a list of integers, a word, or a float as `{ f }`. */
export type AttributeValue = number | readonly number[] | string | { readonly f: number };

export interface NodeSpec {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  /** Empty, the standard's, by default. */
  readonly domain?: string;
}

/** A size, or a dynamic dimension's name. */
export type WrittenDim = number | string;

/** Without a shape, its rank is left to be inferred. */
export interface TypedName {
  readonly name: string;
  readonly dtype: ElementType;
  readonly shape?: readonly WrittenDim[];
}

export interface ModelSpec {
  readonly name?: string;
  readonly inputs: Readonly<Record<string, { readonly dtype: ElementType; readonly shape: readonly WrittenDim[] }>>;
  readonly weights?: Readonly<Record<string, Elements>>;
  readonly nodes: readonly NodeSpec[];
  readonly output: TypedName | readonly TypedName[];
}

/** The model's file. Inputs have the shapes of the arrays given for them. */
export function onnxModel(spec: ModelSpec): Uint8Array {
  const domains = [...new Set(spec.nodes.map((n) => n.domain ?? ""))].filter((d) => d !== "");
  const outputs = "name" in spec.output ? [spec.output] : spec.output;
  return encodeMessage("ModelProto", {
    irVersion: IR_VERSION,
    producerName: "psionic",
    opsetImport: [{ domain: "", version: OPSET }, ...domains.map((domain) => ({ domain, version: CONTRIB_OPSET }))],
    graph: {
      name: spec.name ?? "kernel",
      node: spec.nodes.map((n, i) => ({
        input: n.inputs,
        output: n.outputs,
        name: `${n.op}_${i}`,
        opType: n.op,
        ...(n.domain === undefined ? {} : { domain: n.domain }),
        attribute: Object.entries(n.attributes ?? {}).map(([name, value]) => attribute(name, value)),
      })),
      initializer: Object.entries(spec.weights ?? {}).map(([name, w]) => ({
        name,
        dims: w.shape.map(BigInt),
        dataType: ELEMENT[w.dtype],
        rawData: new Uint8Array(w.data.buffer, w.data.byteOffset, w.data.byteLength),
      })),
      input: Object.entries(spec.inputs).map(([name, a]) => valueInfo(name, a.dtype, a.shape)),
      output: outputs.map((o) => valueInfo(o.name, o.dtype, o.shape)),
    },
  });
}

function attribute(name: string, value: AttributeValue): Draft<"AttributeProto"> {
  if (typeof value === "number") return { name, i: BigInt(value), type: ATTRIBUTE_TYPE.int };
  if (typeof value === "string") return { name, s: new TextEncoder().encode(value), type: ATTRIBUTE_TYPE.string };
  if ("f" in value) return { name, f: value.f, type: ATTRIBUTE_TYPE.float };
  return { name, ints: value.map(BigInt), type: ATTRIBUTE_TYPE.ints };
}

function valueInfo(
  name: string,
  dtype: ElementType,
  shape: readonly WrittenDim[] | undefined,
): Draft<"ValueInfoProto"> {
  const dim = (d: WrittenDim): Draft<"DimensionProto"> =>
    typeof d === "string" ? { dimParam: d } : { dimValue: BigInt(d) };
  const dims = shape === undefined ? {} : { shape: { dim: shape.map(dim) } };
  return { name, type: { tensorType: { elemType: ELEMENT[dtype], ...dims } } };
}
