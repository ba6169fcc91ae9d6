// Corpora as folders: <folder>/<target>/<digest of the bytes>.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TargetName } from "./target.js";

/** The corpus that the project keeps: inputs that were findings, and the smallest that reach what random ones do not. */
export const KEPT = fileURLToPath(new URL("../../../../tests/fuzz/corpus", import.meta.url));

export interface CorpusFile {
  readonly file: string;
  readonly bytes: Uint8Array;
}

export function readCorpus(folder: string, name: TargetName): CorpusFile[] {
  const from = join(folder, name);
  if (!existsSync(from)) return [];
  return readdirSync(from)
    .toSorted()
    .map((file) => ({ file, bytes: new Uint8Array(readFileSync(join(from, file))) }));
}

/** Returns the path of the file. */
export function writeInput(folder: string, name: string, input: Uint8Array, prefix = ""): string {
  mkdirSync(join(folder, name), { recursive: true });
  const digest = createHash("sha256").update(input).digest("hex");
  const path = join(folder, name, `${prefix}${digest.slice(0, 12)}`);
  writeFileSync(path, input);
  return path;
}
