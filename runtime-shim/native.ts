// In: a source of bundle bytes with shared libraries for this machine's CPUs. Out: a Model, as load() gives one for
// WebAssembly. For Node on Linux; opens libraries through koffi, which whoever uses this installs. The library is verified
// before it is written to a file of this user alone, and the file is gone before anything of it runs.

import { LoadError } from "./errors.js";
import type { Manifest } from "./format.js";
import type { LoadOptions } from "./load.js";
import { type AnyModel, Model, type ModelTypes } from "./model.js";
import { hasCpuFeature, targetOfHost } from "./native-cpu.js";
import { allocate, openLibrary } from "./native-library.js";
import type { EntryExport } from "./runner.js";
import { type BundleSource, openSource } from "./source.js";
import { chooseVariant } from "./variant.js";
import { readBlobs, readManifest } from "./verified.js";

export { InputError, LoadError, RunError } from "./errors.js";
export type { LoadOptions } from "./load.js";
export type { Model } from "./model.js";

/** As load(), for a bundle of this machine's CPU family. Throws LoadError, or the reason of an aborted signal. */
export async function loadNative<T extends ModelTypes = AnyModel>(
  source: BundleSource,
  options: LoadOptions = {},
): Promise<Model<T>> {
  const stream = await openSource(source, options.signal);
  try {
    const { manifest, digest, start } = await readManifest(stream, options.digest);
    checkTarget(manifest);
    const { module, variant } = chooseVariant(manifest, options, hasCpuFeature);
    const { bytes, weights } = manifest.memory;
    if (bytes > (options.maxMemoryBytes ?? Number.POSITIVE_INFINITY)) {
      const want = `at most ${options.maxMemoryBytes}, the limit that load() was given`;
      throw new LoadError("resource_limit", "manifest.memory.bytes", `${bytes}`, want);
    }
    const memory = allocate(bytes);
    let code: Uint8Array | undefined;
    const place = new Uint8Array(memory.buffer, weights.offset, weights.bytes);
    await readBlobs({ stream, manifest, start, module: module.blob, weights: place }, (whole) => {
      code = whole;
    });
    if (code === undefined) throw new LoadError("malformed_input", "manifest.modules", "none", "a library");
    const library = openLibrary(code);
    const exports: Record<string, EntryExport> = {};
    for (const entry of manifest.entries) {
      const run = library.entry(entry.export);
      const symbols = new Int32Array(Math.max(1, entry.symbols.length));
      const at = memory.address;
      const weightsAt = at + BigInt(weights.offset);
      exports[entry.export] = (from, to, ...values) => {
        symbols.set(values);
        return run(at, weightsAt, from ?? 0, to ?? 0, symbols);
      };
    }
    const { buffer } = memory;
    return new Model<T>({ manifest, digest, variant, buffer, exports, entry: options.entry, pool: null });
  } finally {
    await stream.close();
  }
}

function checkTarget({ target }: Manifest): void {
  const host = targetOfHost();
  if (target === host) return;
  const want = host ?? "a machine that native bundles exist for";
  throw new LoadError("unsupported_backend_capability", "manifest.target", target, want, "compile the model for it");
}
