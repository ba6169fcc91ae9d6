// Where other people's test suites are: a folder named by PSIONIC_SUITES that holds them unpacked, or archives in
// ../shared/suites beside the repository, which are unpacked once into the system's temporary folder.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const told = new Set<string>();

/** The folder of a suite, or null with the reason printed (once), so that its tests can be skipped. */
export function suiteFolder(name: string): string | null {
  const given = process.env["PSIONIC_SUITES"];
  if (given !== undefined && given !== "") {
    const folder = join(given, name);
    return existsSync(folder) ? folder : skip(name, `PSIONIC_SUITES has no folder "${name}"`);
  }
  const root = repositoryRoot();
  const archive = join(root, "..", "shared", "suites", `${name}.tar.xz`);
  if (!existsSync(archive)) return skip(name, "PSIONIC_SUITES is not set and no archive is beside the repository");
  try {
    return unpacked(name, archive);
  } catch (e) {
    return skip(name, `the archive cannot be unpacked: ${e instanceof Error ? e.message : String(e)}`);
  }
}

function skip(name: string, reason: string): null {
  if (!told.has(name)) console.log(`suite "${name}" is skipped: ${reason}`);
  told.add(name);
  return null;
}

/** Unpacks beside the target and renames: of two processes at once, one wins and the other takes its result. */
function unpacked(name: string, archive: string): string {
  const cache = join(tmpdir(), "psionic-suites");
  const target = join(cache, name);
  if (existsSync(target)) return target;
  mkdirSync(cache, { recursive: true });
  const draft = mkdtempSync(join(cache, `.${name}-`));
  try {
    execFileSync("tar", ["-xJf", archive, "-C", draft], { stdio: ["ignore", "ignore", "pipe"] });
    // An archive holds a folder of its own name, or the suite's files directly.
    const inner = existsSync(join(draft, name)) ? join(draft, name) : draft;
    renameSync(inner, target);
  } catch (e) {
    if (!existsSync(target)) throw e;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return target;
}

/** The nearest folder above this file that holds package.json: the sources' or the build's. */
export function repositoryRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) {
    const up = resolve(folder, "..");
    if (up === folder) throw new Error("no package.json above the tests");
    folder = up;
  }
  return folder;
}
