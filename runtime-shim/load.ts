// In: a source of bundle bytes. Out: a Model, ready to run. One forward pass: the manifest is verified before it is
// read, every chunk before its bytes are used, the module compiles while the weights stream into their place, and the
// end of the file is where the manifest says. What fails any check throws LoadError, and nothing of it has run.

import { LoadError } from "./errors.js";
import { hasFeature } from "./features.js";
import { type BlobSpec, CHUNK_BYTES, HEADER_BYTES, type Manifest, type ModuleSpec, PAGE_BYTES } from "./format.js";
import { malformed } from "./json.js";
import { alignBlob, parseHeader, parseManifest } from "./manifest.js";
import { type AnyModel, Model, type ModelTypes } from "./model.js";
import { sha256 } from "./sha256.js";
import { type BundleSource, type ByteStream, openSource } from "./source.js";

export interface LoadOptions {
  /** The plan digest that the bundle must have (hex): pins it, wherever it came from. */
  readonly digest?: string;
  /** The entry that run() takes unless told otherwise; the bundle's first by default. */
  readonly entry?: string;
  /** Stops the load, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Refuse a bundle that wants more memory than this. */
  readonly maxMemoryBytes?: number;
}

/**
 * Loads a bundle from a URL (in Node also a path), bytes, a Response or a ReadableStream. Throws LoadError, or the
 * reason of an aborted signal. A type parameter from `psionic types` gives run() the model's own inputs and outputs.
 */
export async function load<T extends ModelTypes = AnyModel>(
  source: BundleSource,
  options: LoadOptions = {},
): Promise<Model<T>> {
  const stream = await openSource(source, options.signal);
  try {
    return await loadFrom<T>(stream, options);
  } finally {
    await stream.close();
  }
}

async function loadFrom<T extends ModelTypes>(stream: ByteStream, options: LoadOptions): Promise<Model<T>> {
  checkHost();
  const { manifest, digest, start } = await readManifest(stream, options.digest);
  const variant = pickVariant(manifest);
  const memory = createMemory(manifest, options.maxMemoryBytes ?? Number.POSITIVE_INFINITY);
  let compiled: Promise<WebAssembly.Module> | undefined;
  let at = start;
  for (const [i, blob] of manifest.blobs.entries()) {
    const where = `blob ${i} (${blob.kind})`;
    const offset = alignBlob(start) + blob.offset;
    const padding = new Uint8Array(offset - at);
    await stream.fill(padding, `padding before ${where}`);
    if (padding.some((byte) => byte !== 0)) {
      throw new LoadError("digest_mismatch", `padding before ${where}`, "bytes that are not zero", "zeros");
    }
    let into: Uint8Array<ArrayBuffer> | null = null;
    if (blob.kind === "weights") into = new Uint8Array(memory.buffer, manifest.memory.weights.offset, blob.bytes);
    else if (i === variant.blob) into = new Uint8Array(blob.bytes);
    await readBlob(stream, blob, where, into);
    if (i === variant.blob && into !== null) {
      compiled = WebAssembly.compile(into);
      // Awaited below; until then a failure elsewhere must not leave it unhandled.
      compiled.catch(() => {});
    }
    at = offset + blob.bytes;
  }
  if (!(await stream.atEnd())) malformed("end of the bundle", "more bytes", `${at} bytes`);
  if (compiled === undefined) malformed("manifest.modules", "none", "a module");
  const instance = await instantiate(compiled, memory, manifest);
  return new Model<T>(manifest, digest, memory, instance, options.entry);
}

function checkHost(): void {
  if (new Uint8Array(Uint16Array.of(1).buffer)[0] !== 1) {
    throw new LoadError("unsupported_backend_capability", "host", "a big-endian machine", "a little-endian one");
  }
  if (typeof WebAssembly !== "object") {
    throw new LoadError("unsupported_backend_capability", "host", "no WebAssembly", "it");
  }
}

async function readManifest(stream: ByteStream, pin: string | undefined) {
  const head = new Uint8Array(HEADER_BYTES);
  await stream.fill(head, "header");
  const { manifestBytes, digest } = parseHeader(head);
  if (pin !== undefined && pin.toLowerCase() !== digest) {
    throw new LoadError("digest_mismatch", "plan digest", digest, `${pin}, the digest that load() was given`);
  }
  const bytes = new Uint8Array(manifestBytes);
  await stream.fill(bytes, "manifest");
  await checkDigest(bytes, digest, "manifest");
  const manifest = parseManifest(bytes);
  const start = HEADER_BYTES + manifestBytes;
  const last = manifest.blobs.at(-1);
  const size = last === undefined ? start : alignBlob(start) + last.offset + last.bytes;
  if (stream.size !== null && stream.size !== size) malformed("bundle", `${stream.size} bytes`, `${size}`);
  return { manifest, digest, start };
}

async function checkDigest(bytes: Uint8Array<ArrayBuffer>, want: string, where: string): Promise<void> {
  const have = await sha256(bytes);
  if (have !== want) {
    throw new LoadError("digest_mismatch", where, have, want, "the bundle was changed after it was written");
  }
}

/** Reads and verifies a blob, one chunk's digest computed while the next arrives; keeps its bytes only in `into`. */
async function readBlob(
  stream: ByteStream,
  blob: BlobSpec,
  where: string,
  into: Uint8Array<ArrayBuffer> | null,
): Promise<void> {
  let pending: Promise<void> = Promise.resolve();
  try {
    for (const [i, digest] of blob.chunks.entries()) {
      const from = i * CHUNK_BYTES;
      const length = Math.min(CHUNK_BYTES, blob.bytes - from);
      const chunk = into === null ? new Uint8Array(length) : into.subarray(from, from + length);
      await stream.fill(chunk, `${where}, chunk ${i}`);
      await pending;
      pending = checkDigest(chunk, digest, `${where}, chunk ${i}`);
      pending.catch(() => {});
    }
  } finally {
    await pending;
  }
}

/** The first variant whose features this engine has: the manifest lists the best first. */
function pickVariant(manifest: Manifest): ModuleSpec {
  if (!/^wasm/.test(manifest.target)) {
    const hint = "compile the model for wasm";
    throw new LoadError("unsupported_backend_capability", "manifest.target", manifest.target, "wasm", hint);
  }
  const found = manifest.modules.find((m) => m.features.every(hasFeature));
  if (found !== undefined) return found;
  const missing = manifest.modules.at(-1)?.features.filter((f) => !hasFeature(f)) ?? [];
  const have = `an engine without ${missing.join(", ")}`;
  throw new LoadError("unsupported_backend_capability", "manifest.modules", have, "one with it", "use a newer engine");
}

type BundleMemory = WebAssembly.Memory & { readonly buffer: ArrayBuffer };

function isUnshared(memory: WebAssembly.Memory): memory is BundleMemory {
  return memory.buffer instanceof ArrayBuffer;
}

function createMemory(manifest: Manifest, limit: number): BundleMemory {
  const { bytes } = manifest.memory;
  const fail = (want: string): never => {
    throw new LoadError("resource_limit", "manifest.memory.bytes", `${bytes}`, want);
  };
  if (bytes > limit) fail(`at most ${limit}, the limit that load() was given`);
  const pages = bytes / PAGE_BYTES;
  try {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    if (isUnshared(memory)) return memory;
  } catch {
    // The engine has no such memory to give.
  }
  return fail("no more than this engine can allocate");
}

async function instantiate(
  compiled: Promise<WebAssembly.Module>,
  memory: WebAssembly.Memory,
  manifest: Manifest,
): Promise<WebAssembly.Exports> {
  try {
    const module = await compiled;
    const imports = WebAssembly.Module.imports(module).map((i) => `${i.module}.${i.name} (${i.kind})`);
    if (imports.length !== 1 || imports[0] !== "env.memory (memory)") {
      malformed(
        "module",
        `imports ${imports.slice(0, 8).join(", ") || "nothing"}`,
        "env.memory (memory) and nothing else",
      );
    }
    const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
    for (const entry of manifest.entries) {
      const run = Object.hasOwn(exports, entry.export) ? exports[entry.export] : undefined;
      const want = `a function of ${entry.symbols.length + 2} i32`;
      if (typeof run !== "function") malformed(`module export "${entry.export}"`, "none", want);
      if (run.length !== entry.symbols.length + 2) {
        malformed(`module export "${entry.export}"`, `${run.length} parameters`, want);
      }
    }
    return exports;
  } catch (error) {
    if (error instanceof LoadError) throw error;
    const have = error instanceof Error ? error.message : `${error}`;
    if (/content security policy|unsafe-eval|disallowed by embedder/i.test(have)) {
      const hint = "the page's Content-Security-Policy needs script-src 'wasm-unsafe-eval'";
      throw new LoadError("sandbox_policy_denied", "module", have, "leave to compile WebAssembly", hint);
    }
    if (error instanceof RangeError) throw new LoadError("resource_limit", "module", have, "an instance");
    throw new LoadError("malformed_input", "module", have, "a valid module that imports the memory it is given");
  }
}
