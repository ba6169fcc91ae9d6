// A bundle's file to a model that runs: read as a stream, verified by the runtime as it comes.

import { accessSync, constants } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type AnyModel, type LoadOptions, load, type Model } from "../../runtime-shim/index.js";
import { ioFailure } from "./failures.js";
import { readBytes, statOf } from "./io/files.js";

/** Throws a CliError where the file cannot be read, and the runtime's LoadError where it is no valid bundle. */
export async function openModel(path: string, wanted: LoadOptions = {}): Promise<Model<AnyModel>> {
  const stat = statOf(path);
  if (stat?.isDirectory()) throw ioFailure(`cannot read the bundle "${path}": it is a folder`);
  if (stat === undefined || !stat.isFile()) return load(readBytes(path, "bundle"), wanted);
  try {
    accessSync(path, constants.R_OK);
  } catch {
    throw ioFailure(`cannot read the bundle "${path}": permission denied`);
  }
  return load(pathToFileURL(resolve(path)), wanted);
}
