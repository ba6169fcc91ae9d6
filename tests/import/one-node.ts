// A model of one node, written with the importer's own encoder, judged against onnxruntime: through the reference with the
// sizes fixed, through it with some sizes as ranges, and compiled to WebAssembly.

import type { ExecutionContext } from "ava";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { type DimSpec, importOnnx } from "../../compiler/import/onnx/import.js";
import { ATTRIBUTE_TYPE, type Draft } from "../../compiler/import/onnx/proto.js";
import { elementTypeOf } from "../../compiler/import/onnx/tensor-data.js";
import { encodeMessage } from "../../compiler/import/onnx/wire.js";
import { type DType, isFloat } from "../../compiler/ir/dtype.js";
import { type Refusal, Refused } from "../../compiler/ir/errors.js";
import { Builder } from "../../compiler/ir/graph.js";
import { StringTable } from "../../compiler/ir/strings.js";
import { Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { compile } from "../../compiler/pipeline.js";
import { interpretWith } from "../../compiler/reference/strings.js";
import { load } from "../../runtime-shim/index.js";
import { noise } from "../support/reference.js";
import { fromValue, toValue } from "../support/values.js";

/** An integer, a word, lists of either; floats as `{ f }` or `{ fs }`; a tensor. */
export type Attribute =
  | number
  | string
  | readonly number[]
  | readonly string[]
  | { readonly f: number }
  | { readonly fs: readonly number[] }
  | Tensor;

export interface OneNode {
  readonly op: string;
  readonly domain?: string;
  readonly version?: number;
  /** null: left out. */
  readonly inputs: readonly (Tensor | null)[];
  /** Inputs that are part of the model. */
  readonly weights?: readonly number[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** "": left out. */
  readonly outputs?: readonly string[];
  /** Dimensions of inputs that have a name: in the second run they are ranges. */
  readonly dims?: Readonly<Record<number, readonly (string | null)[]>>;
}

/** Elements that look random and are the same in every run. */
export function sample(dtype: DType, shape: readonly number[], seed = 1, lo?: number, hi?: number): Tensor {
  const size = shape.reduce((n, d) => n * d, 1);
  const float = isFloat(dtype);
  const [least, most] = float ? [-2, 2] : dtype === "u8" ? [0, 255] : [-128, 127];
  const numbers = noise(seed * 7919, size, lo ?? least, (hi ?? most) + (float ? 0 : 1));
  return tensorFrom(dtype, shape, float ? numbers : numbers.map(Math.floor));
}

export const floats = (shape: readonly number[], values: readonly number[]): Tensor => tensorFrom("f32", shape, values);
export const ints = (dtype: DType, shape: readonly number[], values: readonly number[]): Tensor =>
  tensorFrom(dtype, shape, values);

function attribute(name: string, value: Attribute): Draft<"AttributeProto"> {
  const bytes = (s: string): Uint8Array => new TextEncoder().encode(s);
  if (typeof value === "number") return { name, i: BigInt(value), type: ATTRIBUTE_TYPE.int };
  if (typeof value === "string") return { name, s: bytes(value), type: ATTRIBUTE_TYPE.string };
  if (value instanceof Tensor) return { name, t: tensorProto(name, value), type: ATTRIBUTE_TYPE.tensor };
  if ("f" in value) return { name, f: value.f, type: ATTRIBUTE_TYPE.float };
  if ("fs" in value) return { name, floats: value.fs, type: ATTRIBUTE_TYPE.floats };
  const words = value.filter((v) => typeof v === "string");
  if (words.length > 0) return { name, strings: words.map(bytes), type: ATTRIBUTE_TYPE.strings };
  const numbers = value.filter((v) => typeof v === "number");
  return { name, ints: numbers.map(BigInt), type: ATTRIBUTE_TYPE.ints };
}

/** Numbers the strings of these tests. */
export const texts = new StringTable();

/** A tensor of strings. */
export const words = (shape: readonly number[], values: readonly string[]): Tensor => texts.tensor(shape, values);

function tensorProto(name: string, t: Tensor): Draft<"TensorProto"> {
  if (t.dtype === "str") {
    const stringData = texts.stringsOf(t).map((s) => new TextEncoder().encode(s));
    return { name, dims: t.shape.map(BigInt), dataType: elementTypeOf(t.dtype), stringData };
  }
  return { name, dims: t.shape.map(BigInt), dataType: elementTypeOf(t.dtype), rawData: t.bytes };
}

const inputName = (i: number): string => `in${i}`;

export function encodeNode(n: OneNode, symbolic = false): Uint8Array {
  const weights = new Set(n.weights ?? []);
  const outputs = n.outputs ?? ["out"];
  const info = (t: Tensor, i: number): Draft<"ValueInfoProto"> => {
    const names = symbolic ? n.dims?.[i] : undefined;
    const dim = t.shape.map((d, axis) => {
      const name = names?.[axis] ?? null;
      return name === null ? { dimValue: BigInt(d) } : { dimParam: name };
    });
    return { name: inputName(i), type: { tensorType: { elemType: elementTypeOf(t.dtype), shape: { dim } } } };
  };
  const given = n.inputs.flatMap((t, i) => (t === null ? [] : [{ t, i }]));
  const domain = n.domain ?? "com.microsoft";
  return encodeMessage("ModelProto", {
    irVersion: 8n,
    opsetImport: [
      { domain: "", version: BigInt(domain === "" ? (n.version ?? 17) : 17) },
      ...(domain === "" ? [] : [{ domain, version: BigInt(n.version ?? 1) }]),
    ],
    graph: {
      name: "one",
      node: [
        {
          opType: n.op,
          domain,
          input: n.inputs.map((t, i) => (t === null ? "" : inputName(i))),
          output: outputs,
          attribute: Object.entries(n.attributes ?? {}).map(([name, value]) => attribute(name, value)),
        },
      ],
      initializer: given.filter(({ i }) => weights.has(i)).map(({ t, i }) => tensorProto(inputName(i), t)),
      input: given.filter(({ i }) => !weights.has(i)).map(({ t, i }) => info(t, i)),
      output: outputs.filter((o) => o !== "").map((name) => ({ name })),
    },
  });
}

function feeds(n: OneNode): Record<string, Tensor> {
  const weights = new Set(n.weights ?? []);
  const entries = n.inputs.flatMap((t, i) => (t === null || weights.has(i) ? [] : [[inputName(i), t] as const]));
  return Object.fromEntries(entries);
}

const ORT_TYPES = {
  f32: "float32",
  f64: "float64",
  i64: "int64",
  i32: "int32",
  i8: "int8",
  u8: "uint8",
  bool: "bool",
  str: "string",
} as const;

export async function oracle(n: OneNode): Promise<Record<string, Tensor>> {
  // Optimizations would replace what is under test by something else.
  const session = await InferenceSession.create(encodeNode(n), {
    logSeverityLevel: 4,
    graphOptimizationLevel: "disabled",
    intraOpNumThreads: 1,
  });
  const inputs = Object.fromEntries(
    Object.entries(feeds(n)).map(([name, t]) => {
      const [, type] = Object.entries(ORT_TYPES).find(([own]) => own === t.dtype) ?? [];
      if (type === undefined) throw new Error(`the oracle takes no ${t.dtype}`);
      return [name, new OrtTensor(type, toValue(t, texts).data as OrtTensor["data"], [...t.shape])];
    }),
  );
  const out = await session.run(inputs);
  await session.release();
  return Object.fromEntries(
    Object.entries(out).map(([name, t]) => {
      const [dtype] = Object.entries(ORT_TYPES).find(([, type]) => type === t.type) ?? [];
      if (dtype === undefined) throw new Error(`the oracle gives ${t.type}`);
      if (dtype === "str") return [name, words(t.dims, t.data as string[])];
      const data = t.data as Float32Array;
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      return [name, new Tensor(dtype as DType, t.dims, bytes)];
    }),
  );
}

/** What the importer and the reference make of it; `symbolic` sizes are 1..12. */
export function onReference(n: OneNode, symbolic: boolean): Record<string, Tensor> {
  return interpretWith(texts, imported(n, symbolic).graph, feeds(n));
}

function imported(n: OneNode, symbolic: boolean) {
  const dims: Record<string, DimSpec> = {};
  if (symbolic)
    for (const names of Object.values(n.dims ?? {})) for (const d of names) if (d !== null) dims[d] = { lo: 1, hi: 12 };
  const builder = new Builder();
  const { graph } = importOnnx(encodeNode(n, symbolic), { builder, dims, bound: 64 });
  return { graph, builder };
}

async function onWasm(n: OneNode, symbolic: boolean): Promise<Record<string, Tensor>> {
  const { bundle } = compile(imported(n, symbolic));
  const model = await load(bundle);
  const values = Object.fromEntries(Object.entries(feeds(n)).map(([name, t]) => [name, toValue(t, texts)]));
  return Object.fromEntries(Object.entries(model.runSync(values)).map(([name, v]) => [name, fromValue(v, texts)]));
}

export interface Judge {
  /** Relative to the greatest element that is wanted. */
  readonly tolerance?: number;
  /** Integers may differ by one where a real value lies next to a tie. */
  readonly ties?: boolean;
  /** Outputs that are compared; all by default. */
  readonly only?: readonly string[];
}

function compare(t: ExecutionContext, have: Tensor | undefined, want: Tensor, what: string, judge: Judge): void {
  if (have === undefined) return void t.fail(`${what}: is missing`);
  t.is(have.dtype, want.dtype, what);
  t.deepEqual([...have.shape], [...want.shape], what);
  const [a, b] = [have.numbers(), want.numbers()];
  const most = Math.max(1e-6, ...b.filter(Number.isFinite).map(Math.abs));
  const slack = isFloat(want.dtype) ? (judge.tolerance ?? 2e-5) * most : judge.ties === true ? 1 : 0;
  const wrong = b.flatMap((w, i) => {
    const h = a[i] ?? Number.NaN;
    return Object.is(h, w) || h === w || Math.abs(h - w) <= slack ? [] : [`[${i}] is ${h}, want ${w}`];
  });
  t.is(wrong.length, 0, `${what}: ${wrong.length} of ${b.length} differ: ${wrong.slice(0, 4).join("; ")}`);
}

/** Every way of running the node gives what onnxruntime gives. */
export async function agrees(t: ExecutionContext, n: OneNode, judge: Judge = {}): Promise<void> {
  await matches(t, n, await oracle(n), judge);
}

/** Every way of running the node gives these outputs. */
export async function matches(
  t: ExecutionContext,
  n: OneNode,
  want: Readonly<Record<string, Tensor>>,
  judge: Judge = {},
): Promise<void> {
  const ways: [string, Record<string, Tensor>][] = [["reference", onReference(n, false)]];
  if (n.dims !== undefined) ways.push(["reference, sizes in ranges", onReference(n, true)]);
  ways.push(["WebAssembly", await onWasm(n, false)]);
  if (n.dims !== undefined) ways.push(["WebAssembly, sizes in ranges", await onWasm(n, true)]);
  for (const [way, have] of ways)
    for (const [name, w] of Object.entries(want))
      if (judge.only === undefined || judge.only.includes(name))
        compare(t, have[name], w, `${n.op} ${name}, ${way}`, judge);
}

/** The only refusal of the node's import. */
export function refusalOf(n: OneNode): Refusal {
  try {
    imported(n, false);
  } catch (e) {
    const [only] = e instanceof Refused ? e.refusals : [];
    if (only !== undefined) return only;
    throw e;
  }
  throw new Error(`${n.op} was not refused`);
}
