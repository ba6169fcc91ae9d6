// A folder of entries by key, which any number of processes share. An entry is written whole or not at all, checked when
// it is read, and dropped when it is damaged; the least recently used go when the folder is over its size. Nothing here
// throws: a cache that cannot be read or written is one that has nothing.

import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Cache {
  readonly folder: string;
  /** Bytes of all entries together. */
  readonly maxBytes?: number;
}

const MAX_BYTES = 4 * 2 ** 30;
const ENTRY = /^[0-9a-f]{64}\.entry$/;
const TEMPORARY = /^\.[0-9a-f]{64}\.[0-9a-f]+\.tmp$/;
/** A temporary file that no living process writes to any more. */
const ABANDONED_MS = 3600_000;
const DIGEST_BYTES = 32;

function attempt<T>(f: () => T): T | null {
  try {
    return f();
  } catch {
    return null;
  }
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

/** The bytes of an entry, or null. `key` is 64 hexadecimal digits. */
export function readEntry({ folder }: Cache, key: string): Uint8Array<ArrayBuffer> | null {
  const path = join(folder, `${key}.entry`);
  const file = attempt(() => readFileSync(path));
  if (file === null) return null;
  if (!sha256(file.subarray(DIGEST_BYTES)).equals(file.subarray(0, DIGEST_BYTES))) {
    attempt(() => rmSync(path, { force: true }));
    return null;
  }
  const now = new Date();
  attempt(() => utimesSync(path, now, now));
  return new Uint8Array(file.buffer, file.byteOffset + DIGEST_BYTES, file.length - DIGEST_BYTES);
}

/** Stores an entry, whose bytes are those of `parts` one after another, and makes room for it. */
export function writeEntry(cache: Cache, key: string, parts: readonly Uint8Array[]): void {
  const { folder, maxBytes = MAX_BYTES } = cache;
  const size = parts.reduce((sum, part) => sum + part.length, DIGEST_BYTES);
  if (size > maxBytes) return;
  const temporary = join(folder, `.${key}.${randomBytes(6).toString("hex")}.tmp`);
  const written = attempt(() => {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const digest = createHash("sha256");
    for (const part of parts) digest.update(part);
    for (const part of [digest.digest(), ...parts]) writeFileSync(temporary, part, { flag: "a" });
    renameSync(temporary, join(folder, `${key}.entry`));
    return true;
  });
  if (written === null) attempt(() => rmSync(temporary, { force: true }));
  else prune(folder, maxBytes);
}

/** Removes what is least recently used, until the entries fit, and what a killed process left half written. */
function prune(folder: string, maxBytes: number): void {
  const entries: { readonly path: string; readonly bytes: number; readonly used: number }[] = [];
  for (const name of attempt(() => readdirSync(folder)) ?? []) {
    const path = join(folder, name);
    const stat = ENTRY.test(name) || TEMPORARY.test(name) ? attempt(() => statSync(path)) : null;
    if (stat === null) continue;
    if (ENTRY.test(name)) entries.push({ path, bytes: stat.size, used: stat.mtimeMs });
    else if (Date.now() - stat.mtimeMs > ABANDONED_MS) attempt(() => rmSync(path, { force: true }));
  }
  let total = entries.reduce((sum, e) => sum + e.bytes, 0);
  for (const { path, bytes } of entries.sort((a, b) => a.used - b.used)) {
    if (total <= maxBytes) return;
    attempt(() => rmSync(path, { force: true }));
    total -= bytes;
  }
}
