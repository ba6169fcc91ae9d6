// Native memory and code through koffi: a block of zero bytes that the system gives back when nothing refers to it, and the
// entry points of a shared library.

import { LoadError } from "./errors.js";

type Done<R> = (error: unknown, result: R) => void;

/** A function of a library: `async` calls it on a thread of the runtime's. */
interface Callable<A extends readonly unknown[], R> {
  (...args: A): R;
  async(...args: [...A, Done<R>]): void;
}

type NativeFunction = Callable<readonly unknown[], unknown>;

/** run_<entry>(memory, weights, start, stop, symbols, pool) -> status */
export type NativeEntry = Callable<
  [memory: bigint, weights: bigint, start: number, stop: number, symbols: Int32Array, pool: bigint | null],
  number
>;

/** The part of koffi in use. */
interface Koffi {
  load(path: string | null): { func(definition: string): NativeFunction; unload(): void };
  view(address: bigint, bytes: number): ArrayBuffer;
}

/** Asked for at run time, from where this file is: the package belongs to whoever runs native code. */
function koffi(): Koffi {
  const require = process.getBuiltinModule("node:module").createRequire(import.meta.url);
  try {
    return require("koffi") as Koffi;
  } catch {
    const hint = "install koffi beside psionic";
    throw new LoadError("unsupported_backend_capability", "host", "no package koffi", "it, to run native code", hint);
  }
}

export interface NativeMemory {
  readonly address: bigint;
  readonly buffer: ArrayBuffer;
}

const READ_WRITE = 3;
const PRIVATE_ANONYMOUS = 0x22;
const PAGE = 4096;

/** `bytes` zeros at a page boundary. Throws LoadError where the system has no such memory to give. */
export function allocate(bytes: number): NativeMemory {
  const { load, view } = koffi();
  const system = load(null);
  const map = system.func("void *mmap(void *address, size_t bytes, int access, int kind, int file, int64_t offset)");
  const unmap = system.func("int munmap(void *address, size_t bytes)");
  const length = Math.max(PAGE, bytes);
  const address = map(null, length, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0);
  if (typeof address !== "bigint" || BigInt.asIntN(64, address) === -1n) {
    throw new LoadError("resource_limit", "manifest.memory.bytes", `${bytes}`, "no more than this system can allocate");
  }
  const buffer = view(address, bytes);
  // Outputs in place and states are views of this buffer: it lives as long as one of them does.
  freed ??= new FinalizationRegistry((free: () => void) => free());
  freed.register(buffer, () => void unmap(address, length));
  return { address, buffer };
}

let freed: FinalizationRegistry<() => void> | undefined;

export interface NativeLibrary {
  /** Throws LoadError where the library has no such entry. */
  entry(name: string): NativeEntry;
  /** Starts a pool of so many threads, the caller's among them. Throws LoadError where the system has none to give. */
  pool(threads: number): NativePool;
  /** Lets the library go: nothing of it may run, or be called again. */
  close(): void;
}

export interface NativePool {
  readonly address: bigint;
  /** Ends and joins its threads. */
  end(): void;
}

const NOW = 2;

/** Opens a verified library from a file that only this user can read and that is gone when this returns. */
export function openLibrary(code: Uint8Array): NativeLibrary {
  const { load } = koffi();
  const system = load(null);
  const fs = process.getBuiltinModule("node:fs");
  const { join } = process.getBuiltinModule("node:path");
  const folder = fs.mkdtempSync(join(process.getBuiltinModule("node:os").tmpdir(), "psionic-"));
  try {
    const path = join(folder, "model.so");
    fs.writeFileSync(path, code, { mode: 0o700, flag: "wx" });
    const library = load(path);
    // koffi lets a library go when this JavaScript thread ends, and threads of a pool may be in it.
    const held = system.func("void *dlopen(const char *path, int mode)")(path, NOW);
    const find = (name: string, definition: string): NativeFunction => {
      try {
        return library.func(definition);
      } catch {
        throw new LoadError("malformed_input", `library export "${name}"`, "none", "this function");
      }
    };
    return {
      entry: (name) => {
        if (!/^[A-Za-z_]\w*$/.test(name)) throw new LoadError("malformed_input", "entry", name, "run_<entry>");
        const parameters = "void *memory, void *weights, int start, int stop, const int32_t *symbols, void *pool";
        return find(name, `int ${name}(${parameters})`) as NativeEntry;
      },
      pool: (threads) => {
        const free = find("psn_pool_free", "void psn_pool_free(void *pool)");
        const address = find("psn_pool_new", "void *psn_pool_new(int threads)")(threads);
        if (typeof address === "bigint") return { address, end: () => void free(address) };
        const want = "no more than this system can start";
        throw new LoadError("resource_limit", "options.threads", `${threads}`, want);
      },
      close: () => {
        library.unload();
        if (typeof held === "bigint") system.func("int dlclose(void *library)")(held);
      },
    };
  } catch (error) {
    if (error instanceof LoadError) throw error;
    const have = error instanceof Error ? error.message : `${error}`;
    throw new LoadError("malformed_input", "library", have, "a shared library of this system");
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}
