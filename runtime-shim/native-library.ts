// Native memory and code through koffi: a block of zero bytes that the system gives back when nothing refers to it, and the
// entry points of a shared library.

import { LoadError, type LoadErrorCode, show } from "./errors.js";

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
  load(path: string | null): {
    func(definition: string): NativeFunction;
    func(name: string, result: string, parameters: readonly string[]): NativeFunction;
    unload(): void;
  };
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
const HUGE_PAGE = 2 ** 21;
/** MADV_HUGEPAGE */
const USE_HUGE = 14;

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
  // Fewer faults while it fills and fewer misses in all runs; the system may refuse.
  if (length >= HUGE_PAGE)
    system.func("int madvise(void *address, size_t bytes, int advice)")(address, length, USE_HUGE);
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
const ENTRY_PARAMETERS = ["void *", "void *", "int", "int", "const int32_t *", "void *"];

/** Opens a verified library. Throws LoadError. */
export function openLibrary(code: Uint8Array): NativeLibrary {
  const { load } = koffi();
  const system = load(null);
  return inFile(code, (path) => {
    const library = load(path);
    // koffi lets a library go when this JavaScript thread ends, and threads of a pool may be in it.
    const held = system.func("void *dlopen(const char *path, int mode)")(path, NOW);
    const find = (name: string, result: string, parameters: readonly string[]): NativeFunction => {
      try {
        return library.func(name, result, parameters);
      } catch {
        throw new LoadError("malformed_input", `library export ${show(name)}`, "none", "this function");
      }
    };
    return {
      entry: (name) => {
        // The system's names end at the first zero.
        if (name.includes("\0")) throw new LoadError("malformed_input", "entry", show(name), "a name without zeros");
        return find(name, "int", ENTRY_PARAMETERS) as NativeEntry;
      },
      pool: (threads) => {
        const free = find("psn_pool_free", "void", ["void *"]);
        const address = find("psn_pool_new", "void *", ["int"])(threads);
        if (typeof address === "bigint") return { address, end: () => void free(address) };
        const want = "no more than this system can start";
        throw new LoadError("resource_limit", "options.threads", `${threads}`, want);
      },
      close: () => {
        library.unload();
        if (typeof held === "bigint") system.func("int dlclose(void *library)")(held);
      },
    };
  });
}

/** Writes code to a file that only this user can read, and that is gone when this returns. */
function inFile<T>(code: Uint8Array, open: (path: string) => T): T {
  const fs = process.getBuiltinModule("node:fs");
  const { join } = process.getBuiltinModule("node:path");
  const folder = attempt("resource_limit", "a folder for temporary files, which TMPDIR may name", () =>
    fs.mkdtempSync(join(process.getBuiltinModule("node:os").tmpdir(), "psionic-")),
  );
  try {
    const path = join(folder, "model.so");
    const write = (): void => fs.writeFileSync(path, code, { mode: 0o700, flag: "wx" });
    attempt("resource_limit", `${code.length} bytes of space for a temporary file`, write);
    return attempt("malformed_input", "a shared library that this system opens", () => open(path));
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** What `f` gives; what it throws as a LoadError. */
function attempt<T>(code: LoadErrorCode, want: string, f: () => T): T {
  try {
    return f();
  } catch (error) {
    if (error instanceof LoadError) throw error;
    throw new LoadError(code, "library", error instanceof Error ? error.message : `${error}`, want);
  }
}
