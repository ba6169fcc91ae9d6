// In: a source of bundle bytes with shared libraries for this machine's CPUs. Out: a Model, as load() gives one for
// WebAssembly. For Node on Linux; opens libraries through koffi, which whoever uses this installs. The library is verified
// before it is written to a file of this user alone, and the file is gone before anything of it runs.

import { LoadError } from "./errors.js";
import type { Manifest } from "./format.js";
import type { LoadOptions } from "./load.js";
import { type AnyModel, Model, type ModelParts, type ModelTypes } from "./model.js";
import { hasCpuFeature, targetOfHost } from "./native-cpu.js";
import { checkLibrary } from "./native-elf.js";
import { allocate, type NativeLibrary, type NativeMemory, type NativePool, openLibrary } from "./native-library.js";
import type { AwayExport, EntryExport } from "./runner.js";
import { type BundleSource, openSource } from "./source.js";
import { type Choice, chooseVariant, type Host } from "./variant.js";
import { readBlobs, readManifest } from "./verified.js";

export { InputError, LoadError, RunError } from "./errors.js";
export type { LoadOptions } from "./load.js";
export type { Model } from "./model.js";

/** A library with threads runs on the caller's alone where it is given no pool. */
const HOST: Host = {
  has: hasCpuFeature,
  sharingProblem: () => null,
  joins: true,
  name: "a CPU",
  hint: "compile the model for the levels of CPUs that run it: --cpu v3,v2",
};

export interface NativeOptions extends LoadOptions {
  /**
   * run() leaves this thread free: another of the process does the work, calls take their turns, and inputs are read when
   * theirs comes. Default: false, run() does what runSync() does.
   */
  readonly background?: boolean;
}

/** As load(), for a bundle of this machine's CPU family. Throws LoadError, or the reason of an aborted signal. */
export async function loadNative<T extends ModelTypes = AnyModel>(
  source: BundleSource,
  options: NativeOptions = {},
): Promise<Model<T>> {
  const stream = await openSource(source, options.signal);
  try {
    const { manifest, digest, start } = await readManifest(stream, options.digest);
    checkTarget(manifest);
    const choice = chooseVariant(manifest, options, HOST);
    const { weights } = manifest.memory;
    const memory = allocate(checkedBytes(manifest, choice, options.maxMemoryBytes));
    let code: Uint8Array | undefined;
    const place = new Uint8Array(memory.buffer, weights.offset, weights.bytes);
    await readBlobs({ stream, manifest, start, module: choice.module.blob, weights: place }, (whole) => {
      code = whole;
    });
    if (code === undefined) throw new LoadError("malformed_input", "manifest.modules", "none", "a library");
    checkLibrary(code, manifest.target);
    return modelOf<T>(openLibrary(code), memory, { manifest, digest, variant: choice.variant }, options);
  } finally {
    await stream.close();
  }
}

/** What the plan takes; throws where that and the pool's memory are more than the limit. */
function checkedBytes({ memory: { bytes } }: Manifest, { module, variant }: Choice, limit = Infinity): number {
  const pool = variant.threads === 1 || module.threads === null ? null : module.threads;
  const whole = bytes + (pool === null ? 0 : pool.shared + variant.threads * pool.each);
  if (whole <= limit) return bytes;
  const want = `at most ${limit}, the limit that load() was given`;
  throw new LoadError("resource_limit", "manifest.memory.bytes", `${whole}`, want);
}

/** Lets go of the library where anything fails, and when the model is disposed or forgotten. */
function modelOf<T extends ModelTypes>(
  library: NativeLibrary,
  memory: NativeMemory,
  parts: Pick<ModelParts, "manifest" | "digest" | "variant">,
  { entry: first, background = false }: NativeOptions,
): Model<T> {
  let pool: NativePool | null = null;
  let isEnded = false;
  const end = (): void => {
    if (isEnded) return;
    isEnded = true;
    pool?.end();
    library.close();
  };
  try {
    const { manifest, variant } = parts;
    if (variant.threads > 1) pool = library.pool(variant.threads);
    const threads = pool?.address ?? null;
    const at = memory.address;
    const weights = at + BigInt(manifest.memory.weights.offset);
    const exports: Record<string, EntryExport> = {};
    const away: Record<string, AwayExport> = {};
    for (const spec of manifest.entries) {
      const run = library.entry(spec.export);
      const symbols = new Int32Array(Math.max(1, spec.symbols.length));
      exports[spec.export] = (from, to, ...values) => {
        symbols.set(values);
        return run(at, weights, from ?? 0, to ?? 0, symbols, threads);
      };
      away[spec.export] = (from, to, ...values) => {
        symbols.set(values);
        return new Promise((resolve, reject) => {
          run.async(at, weights, from ?? 0, to ?? 0, symbols, threads, (error, status) => {
            if (error === null) resolve(status);
            else reject(error);
          });
        });
      };
    }
    const { buffer } = memory;
    const model = new Model<T>({ ...parts, buffer, exports, away: background ? away : null, entry: first, end });
    forgotten ??= new FinalizationRegistry((free) => free());
    forgotten.register(model, end);
    return model;
  } catch (error) {
    end();
    throw error;
  }
}

let forgotten: FinalizationRegistry<() => void> | undefined;

function checkTarget({ target }: Manifest): void {
  const host = targetOfHost();
  if (target === host) return;
  const refuse = (want: string, hint: string): never => {
    throw new LoadError("unsupported_backend_capability", "manifest.target", target, want, hint);
  };
  if (host !== null) refuse(host, "compile the model for it");
  const here = typeof process === "object" ? `${process.platform} on ${process.arch}` : "a browser";
  refuse(`a target of this machine, ${here}`, "native code runs on Linux; compile the model for wasm");
}
