// Small shared libraries in C, for tests of what opens them.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** False where this machine has no C compiler. */
export function hasCompiler(): boolean {
  return spawnSync("gcc", ["--version"]).status === 0;
}

/** Throws Error where it does not compile. */
export function libraryOf(source: string): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "psionic-c-"));
  try {
    const [from, to] = [join(folder, "library.c"), join(folder, "library.so")];
    writeFileSync(from, source);
    const { status, stderr } = spawnSync("gcc", ["-w", "-O0", "-shared", "-fPIC", "-o", to, from], {
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(stderr);
    return new Uint8Array(readFileSync(to));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
