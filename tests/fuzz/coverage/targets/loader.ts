// Bundles: load() gives a LoadError, or a model whose every byte its digest binds, and which runs to a result, an
// InputError or a RunError. Besides changes of bytes: changes of the manifest as JSON and of the blobs, with all digests
// and offsets made right again, so that what is judged is the structure. The tools' reader, the loader on bytes and the
// loader on a stream must agree.

import { createHash } from "node:crypto";
import { openBundle } from "../../../../codegen/bundle/read.js";
import { importOnnx } from "../../../../compiler/import/onnx/import.js";
import { Builder } from "../../../../compiler/ir/graph.js";
import { tensorFrom } from "../../../../compiler/ir/tensor.js";
import { compile } from "../../../../compiler/pipeline.js";
import { InputError, LoadError, load, type Model, RunError } from "../../../../runtime-shim/index.js";
import { fakeBundle, narrowBundle } from "../../../support/fake-bundle.js";
import { modelBytes, node, tensorProto, typed } from "../../../support/onnx-models.js";
import { bundleOf, mutateBundle, partsOf, readBundle, sha256 } from "../bundle-parts.js";
import { Random } from "../random.js";
import { Broken, type Target } from "../target.js";

const MEMORY_LIMIT = 1 << 26;

function compiled(): Uint8Array {
  const model = modelBytes({
    nodes: [node("MatMul", ["x", "w"], ["m"]), node("Relu", ["m"], ["y"])],
    inputs: [typed("x", "f32", ["n", 2])],
    outputs: ["y"],
    initializers: [tensorProto("w", tensorFrom("f32", [2, 2], [1, -2, 3, 4]))],
  });
  const builder = new Builder();
  const { graph } = importOnnx(model, { builder, dims: { n: { lo: 1, hi: 8 } } });
  return compile({ graph, builder }).bundle;
}

/** One entry, and only the blobs that the shim reads: small enough to be kept. */
function small(bundle: Uint8Array): Uint8Array {
  const parts = partsOf(bundle);
  const manifest = parts?.manifest;
  if (parts === null || typeof manifest !== "object" || manifest === null || Array.isArray(manifest))
    throw new Error("the fake bundle has no manifest");
  const { entries, blobs } = manifest;
  manifest["levels"] = {};
  if (Array.isArray(entries)) manifest["entries"] = entries.slice(-1);
  if (Array.isArray(blobs)) manifest["blobs"] = blobs.slice(0, 2);
  return bundleOf({ manifest, blobs: parts.blobs.slice(0, 2) });
}

const seeds: readonly Uint8Array[] = [fakeBundle(), compiled(), small(fakeBundle()), small(narrowBundle())];
const modules = new Set(seeds.flatMap((s) => partsOf(s)?.blobs.slice(0, 1).map(sha256) ?? []));

/** Digests recomputed in the plainest way, apart from the loader's own code. */
function checkBound(input: Uint8Array): void {
  const { manifest, text, start } = readBundle(input);
  if (createHash("sha256").update(text).digest("hex") !== Buffer.from(input.subarray(16, 48)).toString("hex"))
    throw new Broken("loaded with a wrong manifest digest");
  let end = 48 + text.length;
  for (const blob of manifest.blobs) {
    const from = start + blob.offset;
    if (input.subarray(end, from).some((b) => b !== 0)) throw new Broken("loaded with padding that is not zero");
    end = from + blob.bytes;
    for (const [i, want] of blob.chunks.entries()) {
      const chunk = input.subarray(from + i * 2 ** 20, Math.min(end, from + (i + 1) * 2 ** 20));
      if (sha256(chunk) !== want) throw new Broken(`loaded with a wrong chunk digest (${blob.kind})`);
    }
  }
  if (end !== input.length) throw new Broken(`loaded with ${input.length - end} bytes too many`);
}

/** A start function, which would run before anything is checked of it: any code may be in it, an endless loop too. */
function hasStart(wasm: Uint8Array): boolean {
  for (let at = 8; at < wasm.length; ) {
    if (wasm[at] === 8) return true;
    let size = 0;
    let shift = 0;
    for (at++; at < wasm.length; at++) {
      const byte = wasm[at] ?? 0;
      size += (byte & 0x7f) * 2 ** shift;
      shift += 7;
      if (byte < 0x80) break;
    }
    at += 1 + size;
  }
  return false;
}

/** In pieces of all sizes, as a network gives them. */
function streamOf(input: Uint8Array, random: Random): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      const piece = input.slice(at, at + random.below(700));
      at += piece.length;
      controller.enqueue(piece);
      if (at >= input.length) controller.close();
    },
  });
}

async function attempt(source: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>): Promise<Model | LoadError> {
  try {
    return await load(source, { maxMemoryBytes: MEMORY_LIMIT });
  } catch (e) {
    if (e instanceof LoadError) return e;
    throw e;
  }
}

/** Runs a call on a model: a result, or one of the two errors that a caller is told of. */
function guarded(call: () => void): void {
  try {
    call();
  } catch (e) {
    if (!(e instanceof InputError) && !(e instanceof RunError)) throw e;
  }
}

function exercise(model: Model, random: Random): void {
  for (const { name, inputs } of model.entries) {
    const symbolic = 1 + random.below(4);
    const feeds = inputs.map((p) => {
      const shape = p.shape.map((d) => (typeof d === "number" ? d : random.once(5) ? 1 + random.below(9) : symbolic));
      const elems = shape.reduce((a, d) => a * d, 1);
      const data = Array<number>(elems <= 10000 ? elems : 3).fill(random.below(3));
      return [p.name, { data, shape }] as const;
    });
    guarded(() => {
      const outputs = model.runSync(Object.fromEntries(feeds), { entry: name });
      for (const [key, { data, shape }] of Object.entries(outputs)) {
        const elems = shape.reduce((a, d) => a * d, 1);
        if (data.length !== elems) throw new Broken(`output "${key}" of shape [${shape.join()}] has ${data.length}`);
      }
    });
    guarded(() => {
      model.runSteps(Object.fromEntries(feeds), () => {}, { entry: name });
    });
    for (const p of inputs) guarded(() => model.view(p.name, { entry: name }));
  }
  for (const { name } of model.states) {
    guarded(() => {
      const state = model.state(name);
      state.set(state.get());
    });
  }
  model.reset();
  model.dispose();
}

export const target: Target = {
  name: "loader",
  maxBytes: 16384,
  seeds,
  mutate: mutateBundle,
  async run(bytes) {
    const input = new Uint8Array(bytes);
    const random = new Random(input.length * 31 + (input[20] ?? 0));
    let reader: LoadError | null = null;
    try {
      openBundle(input);
    } catch (e) {
      if (!(e instanceof LoadError)) throw e;
      reader = e;
    }
    const module = partsOf(input)?.blobs[0] ?? new Uint8Array(0);
    if (reader === null && hasStart(module)) return "start function";
    const model = await attempt(input);
    const streamed = await attempt(streamOf(input, random));
    const codes = [model, streamed].map((m) => (m instanceof LoadError ? m.code : "loaded"));
    if ((codes[0] === "loaded") !== (codes[1] === "loaded"))
      throw new Broken(`bytes: ${codes[0]}, stream: ${codes[1]}`);
    if (model instanceof LoadError) return model.code;
    if (reader !== null) throw new Broken(`the shim loads what the reader refuses: ${reader.message}`);
    checkBound(input);
    if (!modules.has(sha256(module))) return "loaded another module";
    exercise(model, random);
    return "ran";
  },
};
