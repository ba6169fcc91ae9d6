// Bytes that a user's browser fetches to run a model, gzipped, without the weights, which both sides need: here the
// runtime as one minified module and the bundle; there the peer's script and WebAssembly, and the ONNX graph.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { openBundle, stripBundle } from "../../codegen/bundle/read.js";
import type { GraphProto, TensorProto } from "../../compiler/import/onnx/proto.js";
import { decodeMessage, encodeMessage } from "../../compiler/import/onnx/wire.js";

const LEVEL = 9;
/** Tensors up to this size (shapes, axes) stay with the graph. */
const SMALL_BYTES = 256;

const require = createRequire(import.meta.url);

const gzipped = (bytes: Uint8Array): number => gzipSync(bytes, { level: LEVEL }).byteLength;

/** The runtime shim, as a bundler would ship it. */
export async function runtimeBytes(): Promise<number> {
  const entry = fileURLToPath(new URL("../../runtime-shim/index.js", import.meta.url));
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    external: ["node:*"],
    write: false,
    logLevel: "error",
  });
  return outputFiles.reduce((sum, f) => sum + gzipped(f.contents), 0);
}

/** The bundle without its weights, and without the texts that no run needs. */
export function bundleBytes(whole: Uint8Array): number {
  const { bytes: bundle } = stripBundle(whole);
  const { manifest, blob } = openBundle(bundle);
  const weights = blob("weights");
  if (weights === null) return gzipped(bundle);
  const from = weights.byteOffset - bundle.byteOffset;
  const rest = new Uint8Array(bundle.byteLength - weights.byteLength);
  rest.set(bundle.subarray(0, from));
  rest.set(bundle.subarray(from + weights.byteLength), from);
  return manifest.memory.weights.bytes === 0 ? gzipped(bundle) : gzipped(rest);
}

/** onnxruntime-web's smallest build: one script and one WebAssembly file. */
export function webRuntimeBytes(): number {
  const folder = dirname(require.resolve("onnxruntime-web/ort-wasm-simd-threaded.wasm"));
  const files = ["ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"];
  return files.reduce((sum, f) => sum + gzipped(readFileSync(join(folder, f))), 0);
}

/** The ONNX file without the data of its initializers and constants. */
export function onnxBytes(model: Uint8Array): number {
  const decoded = decodeMessage("ModelProto", model, "model");
  return gzipped(encodeMessage("ModelProto", { ...decoded, graph: decoded.graph && bare(decoded.graph) }));
}

function bare(graph: GraphProto): GraphProto {
  return {
    ...graph,
    initializer: graph.initializer.map(emptied),
    node: graph.node.map((n) => ({
      ...n,
      attribute: n.attribute.map((a) => ({
        ...a,
        t: a.t && emptied(a.t),
        g: a.g && bare(a.g),
        graphs: a.graphs.map(bare),
      })),
    })),
  };
}

function emptied(t: TensorProto): TensorProto {
  const size = (t.rawData?.byteLength ?? 0) + 4 * t.floatData.length + 4 * t.int32Data.length + 8 * t.int64Data.length;
  return size <= SMALL_BYTES ? t : { ...t, rawData: new Uint8Array(0), floatData: [], int32Data: [], int64Data: [] };
}
