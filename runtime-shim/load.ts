// In: a source of bundle bytes. Out: a Model, ready to run. One forward pass: the manifest is verified before it is
// read, every chunk before its bytes are used, the module compiles while the weights stream into their place, and the
// end of the file is where the manifest says. What fails any check throws LoadError, and nothing of it has run.

import { LoadError } from "./errors.js";
import { LIMITS, type Manifest, PAGE_BYTES } from "./format.js";
import { malformed } from "./json.js";
import { type AnyModel, Model, type ModelTypes } from "./model.js";
import { mayWait, openPool, THREAD_EXPORTS } from "./pool.js";
import { type BundleSource, type ByteStream, openSource } from "./source.js";
import { type Choice, chooseVariant, type Wishes } from "./variant.js";
import { readBlobs, readManifest } from "./verified.js";

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
  const weights = new Uint8Array(memory.buffer, manifest.memory.weights.offset, manifest.memory.weights.bytes);
  await readBlobs({ stream, manifest, start: dataStart, module: choice.module.blob, weights }, (code) => {
    compiled = WebAssembly.compile(code);
    // Awaited below; until then a failure elsewhere must not leave it unhandled.
    compiled.catch(() => {});
  });
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
    return new Model<T>({ ...parts, end: () => pool?.end() });
  } catch (error) {
    pool?.end();
    throw error;
  }
}

/** As many as take a kernel of a KB or two past the budgets after which V8 optimizes a function; some milliseconds in all. */
const WARM_CALLS = 10_000;

function checkHost(): void {
  if (new Uint8Array(Uint16Array.of(1).buffer)[0] !== 1) {
    throw new LoadError("unsupported_backend_capability", "host", "a big-endian machine", "a little-endian one");
  }
  if (typeof WebAssembly !== "object") {
    throw new LoadError("unsupported_backend_capability", "host", "no WebAssembly", "it");
  }
}

function checkTarget({ target }: Manifest): void {
  if (/^wasm/.test(target)) return;
  const hint = "compile the model for wasm, or load it with psionic/native";
  throw new LoadError("unsupported_backend_capability", "manifest.target", target, "wasm", hint);
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
    if (Object.hasOwn(exports, "warm") && manifest.entries.every((e) => e.export !== "warm")) {
      check("warm", 1);
      const { warm } = exports;
      if (typeof warm === "function") warm(WARM_CALLS);
    }
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
