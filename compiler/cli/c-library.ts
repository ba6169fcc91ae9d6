// The options of `psionic compile` that also make a library for C, and the files that it is.

import { join } from "node:path";
import type { CLibrary, CLibraryOptions } from "../../targets/llvm/c-library.js";
import { usage } from "./failures.js";
import type { OutputFile } from "./io/files.js";

export interface CLibraryFlags {
  /** The folder. */
  readonly cLibrary?: string;
  readonly cPrefix?: string;
  readonly embedWeights?: boolean;
}

export interface WantedCLibrary {
  readonly folder: string;
  readonly options: CLibraryOptions;
  /** Where the bundle goes if nothing else was said. */
  readonly bundle: string;
  readonly library: string;
  readonly header: string;
}

/** Null where no library is asked for. `model` is the model's name. Throws a usage error for options that need one. */
export function wantedCLibrary(flags: CLibraryFlags, model: string): WantedCLibrary | null {
  const { cLibrary: folder, cPrefix, embedWeights = false } = flags;
  if (folder === undefined) {
    if (embedWeights || cPrefix !== undefined)
      throw usage("--embed-weights and --c-prefix are about a library for C", "add --c-library <folder>");
    return null;
  }
  const name = cName(model);
  return {
    folder,
    options: { name, embedWeights, ...(cPrefix === undefined ? {} : { prefix: cPrefix }) },
    bundle: join(folder, `${name}.psn`),
    library: join(folder, `lib${name}.so`),
    header: join(folder, `${name}.h`),
  };
}

export function cLibraryFiles(wanted: WantedCLibrary | null, made: CLibrary | undefined): readonly OutputFile[] {
  if (wanted === null || made === undefined) return [];
  return [
    { path: wanted.library, bytes: made.library },
    { path: wanted.header, bytes: made.header },
  ];
}

/** A model's name as an identifier of C: "text-rec.v2" is text_rec_v2. */
function cName(model: string): string {
  const word = model.replace(/[^A-Za-z0-9]+/g, "_").replace(/^_+|_+$/g, "");
  return /^[A-Za-z]/.test(word) ? word : `model_${word}`;
}
