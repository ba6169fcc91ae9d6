// In: a source of bundle bytes. Out: a Model, ready to run. One forward pass: the manifest is verified before it is
// read, every chunk before its bytes are used, the module compiles while the weights stream into their place, and the
// end of the file is where the manifest says. What fails any check throws LoadError, and nothing of it has run.

import { LoadError } from "./errors.js";
import { type BlobSpec, CHUNK_BYTES, HEADER_BYTES, LIMITS, type Manifest, PAGE_BYTES } from "./format.js";
import { malformed } from "./json.js";
import { alignBlob, parseHeader, parseManifest } from "./manifest.js";
import { type AnyModel, Model, type ModelTypes } from "./model.js";
import { mayWait, openPool, THREAD_EXPORTS } from "./pool.js";
import { sha256 } from "./sha256.js";
import { type BundleSource, type ByteStream, openSource } from "./source.js";
import { type Choice, chooseVariant, type Wishes } from "./variant.js";

export interface LoadOptions extends Wishes {
  /** The plan digest that the bundle must have (hex): pins it, wherever it came from. */
  readonly digest?: string;
  /** The entry that run() takes unless told otherwise; the bundle's first by default. */
  readonly entry?: string;
  /** Stops the load, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Refuse a bundle that wants more memory than this. */
  readonly maxMemoryBytes?: number;
  /** Where psionic/runtime/worker is served, for pages whose policy has no `worker-src blob:`. */
  readonly workerUrl?: string | URL;
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
  const { manifest, digest, start: dataStart } = await readManifest(stream, options.digest);
  checkTarget(manifest);
  const choice = chooseVariant(manifest, options);
  const memory = createMemory(manifest, choice, options.maxMemoryBytes ?? Number.POSITIVE_INFINITY);
  let compiled: Promise<WebAssembly.Module> | undefined;
  let at = dataStart;
  for (const [i, blob] of manifest.blobs.entries()) {
    const where = `blob ${i} (${blob.kind})`;
    const offset = alignBlob(dataStart) + blob.offset;
    const padding = new Uint8Array(offset - at);
    await stream.fill(padding, `padding before ${where}`);
    if (padding.some((byte) => byte !== 0)) {
      throw new LoadError("digest_mismatch", `padding before ${where}`, "bytes that are not zero", "zeros");
    }
    const code = i === choice.module.blob ? new Uint8Array(blob.bytes) : null;
    let into: Uint8Array | null = code;
    if (blob.kind === "weights") into = new Uint8Array(memory.buffer, manifest.memory.weights.offset, blob.bytes);
    await readBlob(stream, blob, where, into);
    if (code !== null) {
      compiled = WebAssembly.compile(code);
      // Awaited below; until then a failure elsewhere must not leave it unhandled.
      compiled.catch(() => {});
    }
    at = offset + blob.bytes;
  }
  if (!(await stream.atEnd())) malformed("end of the bundle", "more bytes", `${at} bytes`);
  if (compiled === undefined) malformed("manifest.modules", "none", "a module");
  const { module, exports } = await instantiate(compiled, memory, manifest, choice);
  const { variant } = choice;
  const start = exports["threads.start"];
  if (choice.module.threads !== null && typeof start === "function") start(0, variant.threads, Number(mayWait()));
  const parts = { manifest, digest, variant, buffer: memory.buffer, exports, entry: options.entry };
  const { workerUrl, signal } = options;
  const pool =
    variant.threads === 1 ? null : await openPool({ module, memory, count: variant.threads, workerUrl, signal });
  try {
    return new Model<T>({ ...parts, pool });
  } catch (error) {
    pool?.end();
    throw error;
  }
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
async function readBlob(stream: ByteStream, blob: BlobSpec, where: string, into: Uint8Array | null): Promise<void> {
  let pending: Promise<void> = Promise.resolve();
  try {
    for (const [i, digest] of blob.chunks.entries()) {
      const from = i * CHUNK_BYTES;
      const length = Math.min(CHUNK_BYTES, blob.bytes - from);
      const place = into?.subarray(from, from + length);
      // Shared memory cannot be digested in place.
      const chunk = place !== undefined && isUnshared(place) ? place : new Uint8Array(length);
      await stream.fill(chunk, `${where}, chunk ${i}`);
      if (chunk !== place) place?.set(chunk);
      await pending;
      pending = checkDigest(chunk, digest, `${where}, chunk ${i}`);
      pending.catch(() => {});
    }
  } finally {
    await pending;
  }
}

function checkTarget({ target }: Manifest): void {
  if (/^wasm/.test(target)) return;
  const hint = "compile the model for wasm";
  throw new LoadError("unsupported_backend_capability", "manifest.target", target, "wasm", hint);
}

function isUnshared(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer;
}

function createMemory(manifest: Manifest, { module, variant }: Choice, limit: number): WebAssembly.Memory {
  const { threads } = module;
  const more = threads === null ? 0 : threads.shared + variant.threads * threads.each;
  const bytes = manifest.memory.bytes + more;
  const fail = (want: string): never => {
    throw new LoadError("resource_limit", "manifest.memory.bytes", `${bytes}`, want);
  };
  if (bytes > limit) fail(`at most ${limit}, the limit that load() was given`);
  if (bytes > LIMITS.memoryBytes) fail(`at most ${LIMITS.memoryBytes}`);
  const pages = Math.ceil(bytes / PAGE_BYTES);
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: threads !== null });
  } catch {
    // The engine has no such memory to give.
    return fail("no more than this engine can allocate");
  }
}

async function instantiate(
  compiled: Promise<WebAssembly.Module>,
  memory: WebAssembly.Memory,
  manifest: Manifest,
  choice: Choice,
): Promise<{ readonly module: WebAssembly.Module; readonly exports: WebAssembly.Exports }> {
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
    const check = (name: string, parameters: number): void => {
      const run = Object.hasOwn(exports, name) ? exports[name] : undefined;
      const want = `a function of ${parameters} i32`;
      if (typeof run !== "function") malformed(`module export "${name}"`, "none", want);
      if (run.length !== parameters) malformed(`module export "${name}"`, `${run.length} parameters`, want);
    };
    for (const entry of manifest.entries) check(entry.export, entry.symbols.length + 2);
    if (choice.module.threads !== null)
      for (const [name, parameters] of Object.entries(THREAD_EXPORTS)) check(name, parameters);
    return { module, exports };
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
