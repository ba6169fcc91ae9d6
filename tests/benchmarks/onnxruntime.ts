// The peers: ONNX Runtime in WebAssembly (the main one) and its native build, with every optimization.

import type { InferenceSession, InferenceSessionFactory, Tensor, TensorConstructor } from "onnxruntime-web";
import type { Elements } from "../support/onnx-writer.js";
import type { Engine } from "./engine.js";
import type { Row } from "./row.js";

interface Runtime {
  readonly InferenceSession: InferenceSessionFactory;
  readonly Tensor: TensorConstructor;
}

const TYPES = { f32: "float32", u8: "uint8", i8: "int8", i32: "int32", i64: "int64" } as const;

const ERRORS_ONLY = 3;

function engine(
  column: "web" | "node",
  { InferenceSession, Tensor }: Runtime,
  provider: string,
  threads: number,
): Engine {
  const options: InferenceSession.SessionOptions = {
    graphOptimizationLevel: "all",
    executionMode: "sequential",
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: ERRORS_ONLY,
    executionProviders: [provider],
  };
  return {
    name: `onnxruntime-${column}`,
    column,
    judges: column === "node",
    async prepare(row: Row, model: Uint8Array) {
      const session = await InferenceSession.create(model, options);
      const feeds: Record<string, Tensor> = {};
      for (const [name, { dtype, data, shape }] of Object.entries(row.inputs()))
        feeds[name] = new Tensor(TYPES[dtype], data, shape);
      return {
        run: () => session.run(feeds),
        outputs: async () => {
          const out = await session.run(feeds);
          return new Map(Object.entries(out).map(([name, t]) => [name, elementsOf(name, t)]));
        },
        release: () => session.release(),
      };
    },
  };
}

function elementsOf(name: string, t: Tensor): Elements["data"] {
  const { data } = t;
  if (
    data instanceof Float32Array ||
    data instanceof Uint8Array ||
    data instanceof Int8Array ||
    data instanceof Int32Array ||
    data instanceof BigInt64Array
  )
    return data.slice();
  throw new Error(`output "${name}" is ${t.type}`);
}

/** onnxruntime-web: WebAssembly with SIMD. */
export async function onnxruntimeWeb(threads: number): Promise<Engine> {
  const ort = await import("onnxruntime-web");
  ort.env.wasm.numThreads = threads;
  return engine("web", ort, "wasm", threads);
}

/** onnxruntime-node: native code for this machine. */
export async function onnxruntimeNode(threads: number): Promise<Engine> {
  return engine("node", await import("onnxruntime-node"), "cpu", threads);
}
