// Bundles in files, in Node: read straight into their place by the system's threads, without a copy on the way.

import { LoadError } from "./errors.js";
import type { Reader } from "./source.js";

/** A path in the file system where `source` is one: a file: URL, or in Node a string without a scheme. */
export function filePath(source: string | URL): string | URL | null {
  if (fileSystem() === undefined) return null;
  if (source instanceof URL) return source.protocol === "file:" ? source : null;
  if (source.startsWith("file:")) return new URL(source);
  return /^[a-z][a-z0-9+.-]+:/i.test(source) ? null : source;
}

/** Node's fs. Asked for at run time, so that a bundler for browsers has nothing to resolve. */
function fileSystem(): typeof import("node:fs") | undefined {
  return typeof process === "object" ? process.getBuiltinModule?.("node:fs") : undefined;
}

/** Throws LoadError where it cannot be read. Callbacks: Node loads more code for promises of files than for files. */
export async function openFile(path: string | URL): Promise<Reader> {
  const refuse = (error: unknown): LoadError =>
    new LoadError("malformed_input", `${path}`, error instanceof Error ? error.message : `${error}`, "a bundle");
  const fs = fileSystem();
  if (fs === undefined) throw refuse("no file system");
  const file = await new Promise<number>((resolve, reject) =>
    fs.open(path, (error, opened) => (error === null ? resolve(opened) : reject(refuse(error)))),
  );
  const stats = fs.fstatSync(file);
  let isClosed = false;
  /** Gives up the read that the system is at. */
  let abandon: (() => void) | null = null;
  return {
    // A pipe or a device has no size to compare with.
    size: stats.isFile() ? stats.size : null,
    read: (into) =>
      new Promise((resolve, reject) => {
        if (isClosed) throw refuse("it was closed");
        abandon = () => reject(refuse("it was closed"));
        fs.read(file, into, 0, into.length, null, (error, count) => {
          abandon = null;
          if (isClosed) fs.closeSync(file);
          if (error === null) resolve(count);
          else reject(refuse(error));
        });
      }),
    async close() {
      isClosed = true;
      // A pipe may give nothing for long; the file is closed when the system no longer writes to what it was given.
      if (abandon === null) fs.closeSync(file);
      else abandon();
    },
  };
}
