// What onnxruntime computes with a model, on one thread, and how far a result is from it.

import { InferenceSession, Tensor } from "onnxruntime-node";
import { type DType, isDType } from "../../runtime-shim/format.js";
import type { TensorView } from "../../runtime-shim/index.js";

/** Elements in row-major order with their shape, as the runtime gives and takes them. */
export type Value = Pick<TensorView, "dtype" | "shape" | "data">;
export type Values = Readonly<Record<string, Value>>;

export type Oracle = (inputs: Values) => Promise<Values>;

const NAMES = {
  f32: "float32",
  f64: "float64",
  i64: "int64",
  i32: "int32",
  i8: "int8",
  u8: "uint8",
  bool: "bool",
} as const satisfies Partial<Record<DType, Tensor.Type>>;

/** Opens a model, from its file or bytes, in onnxruntime. What it logs is silenced: its errors are thrown. */
export async function openOracle(model: string | Uint8Array): Promise<Oracle> {
  const options = { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 4 } as const;
  const session = await (typeof model === "string"
    ? InferenceSession.create(model, options)
    : InferenceSession.create(model, options));
  return async (inputs) => {
    const feeds = Object.fromEntries(Object.entries(inputs).map(([name, v]) => [name, toTensor(v)]));
    const outputs = await session.run(feeds);
    return Object.fromEntries(Object.entries(outputs).map(([name, t]) => [name, fromTensor(t)]));
  };
}

function toTensor({ dtype, shape, data }: Value): Tensor {
  const name: Tensor.Type | undefined = Object.entries(NAMES).find(([own]) => own === dtype)?.[1];
  if (name === undefined) throw new Error(`the oracle takes no ${dtype}`);
  return new Tensor(name, data as Tensor["data"], [...shape]);
}

function fromTensor(t: Tensor): Value {
  const dtype = Object.entries(NAMES).find(([, name]) => name === t.type)?.[0] ?? t.type;
  if (!isDType(dtype)) throw new Error(`the oracle gives ${t.type}`);
  return { dtype, shape: t.dims, data: t.data as Value["data"] };
}

/**
 * max |have - want| / max |want| over the elements, the latter at least `floor`; infinite where the types, shapes or what
 * is not finite differ.
 */
export function relativeError(have: Value | undefined, want: Value, floor = 0): number {
  if (have === undefined || have.dtype !== want.dtype || have.shape.join() !== want.shape.join())
    return Number.POSITIVE_INFINITY;
  let difference = 0;
  let largest = floor;
  for (const [i, w] of want.data.entries()) {
    const [a, b] = [Number(have.data[i]), Number(w)];
    if (Object.is(a, b) || a === b) {
      if (Number.isFinite(b)) largest = Math.max(largest, Math.abs(b));
      continue;
    }
    if (!Number.isFinite(a) || !Number.isFinite(b)) return Number.POSITIVE_INFINITY;
    difference = Math.max(difference, Math.abs(a - b));
    largest = Math.max(largest, Math.abs(b));
  }
  return difference === 0 ? 0 : difference / largest;
}

/** The greatest error of all outputs that are wanted. */
export function worstError(have: Values, want: Values, floor = 0): number {
  return Math.max(...Object.entries(want).map(([name, w]) => relativeError(have[name], w, floor)));
}
