// A bundle's file to a model that runs: read as a stream, verified by the runtime of its target as it comes.

import { accessSync, closeSync, constants, openSync, readSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { HEADER_BYTES, parseHeader } from "../../runtime-shim/format.js";
import type { AnyModel, LoadOptions, Model } from "../../runtime-shim/index.js";
import { ioFailure } from "./failures.js";
import { readBytes, statOf } from "./io/files.js";
import { loaderOf } from "./load-model.js";

/** Throws a CliError where the file cannot be read, and the runtime's LoadError where it is no valid bundle. */
export async function openModel(path: string, wanted: LoadOptions = {}): Promise<Model<AnyModel>> {
  return (await openerOf(path))(wanted);
}

/** Opens one file any number of times. Throws as openModel does. */
export async function openerOf(path: string): Promise<(wanted: LoadOptions) => Promise<Model<AnyModel>>> {
  const stat = statOf(path);
  if (stat?.isDirectory()) throw ioFailure(`cannot read the bundle "${path}": it is a folder`);
  if (stat === undefined || !stat.isFile()) {
    const bytes = readBytes(path, "bundle");
    const load = await loaderOf(targetIn((from, length) => bytes.subarray(from, from + length)));
    return (wanted) => load(bytes, wanted);
  }
  try {
    accessSync(path, constants.R_OK);
  } catch {
    throw ioFailure(`cannot read the bundle "${path}": permission denied`);
  }
  const load = await loaderOf(targetOfFile(path));
  return (wanted) => load(pathToFileURL(resolve(path)), wanted);
}

function targetOfFile(path: string): string {
  const file = openSync(path, "r");
  try {
    return targetIn((from, length) => {
      const bytes = new Uint8Array(length);
      return bytes.subarray(0, readSync(file, bytes, 0, length, from));
    });
  } finally {
    closeSync(file);
  }
}

/**
 * The target that a bundle's manifest names, before anything is verified: it only says whose loader judges the bundle. In
 * what is no bundle, WebAssembly's finds what is wrong.
 */
function targetIn(read: (from: number, length: number) => Uint8Array): string {
  try {
    const { manifestBytes } = parseHeader(read(0, HEADER_BYTES));
    const manifest: unknown = JSON.parse(new TextDecoder().decode(read(HEADER_BYTES, manifestBytes)));
    const named = typeof manifest === "object" && manifest !== null && "target" in manifest ? manifest.target : null;
    return typeof named === "string" ? named : "wasm";
  } catch {
    return "wasm";
  }
}
