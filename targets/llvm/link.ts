// Object files in, a shared library out, by a linker of this machine: the target's own, the system's where it is for the
// same CPU, or lld. The result depends on the objects and the linker's version alone.

import { spawnSync } from "node:child_process";
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { Bug, refuse } from "../../compiler/ir/errors.js";
import type { ElfMachine } from "./data-object.js";

export interface LinkTarget {
  readonly name: string;
  /** Node's name of the CPU family. */
  readonly arch: string;
  /** The linker's name of the output's format. */
  readonly emulation: string;
  readonly machine: ElfMachine;
  /** Names of linkers for this target alone. */
  readonly linkers: readonly string[];
}

const LLD = ["ld.lld", ...[21, 20, 19, 18, 17, 16, 15, 14].map((v) => `ld.lld-${v}`)];

/** Small: no symbols but the exported ones, one hash table, code and constants in one segment. Closed: nothing is bound late. */
const FLAGS = [
  "-s",
  "--build-id=none",
  "--hash-style=gnu",
  ...["noseparate-code", "noexecstack", "relro", "now"].flatMap((word) => ["-z", word]),
];

function onPath(name: string): string | null {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here.
    }
  }
  return null;
}

/** The linker for a target; null where this machine has none. */
export function findLinker(target: LinkTarget): string | null {
  const isHost = process.platform === "linux" && process.arch === target.arch;
  const names = [...target.linkers, ...(isHost ? ["ld"] : []), ...LLD];
  for (const name of names) {
    const path = onPath(name);
    if (path !== null) return path;
  }
  return null;
}

/** The linker's name and version, as it says them itself. Throws Refused where there is no linker. */
export function linkerName(target: LinkTarget): string {
  const linker = linkerOf(target);
  let name = names.get(linker);
  if (name === undefined) {
    const { stdout, error } = spawnSync(linker, ["--version"], { encoding: "utf8", env: plainEnv() });
    if (error !== undefined) throw new Bug(target.name, `${linker} failed: ${error.message}`);
    name = stdout.split("\n", 1)[0]?.trim() ?? "";
    names.set(linker, name);
  }
  return name;
}

const names = new Map<string, string>();

/** In no language but the program's own: what it says gets into bundles. */
function plainEnv(): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: "C" };
}

function linkerOf(target: LinkTarget): string {
  return (
    findLinker(target) ??
    refuse({
      code: "unsupported_backend_capability",
      scope: target.name,
      subject: "linker",
      detail: `a shared library for ${target.name} needs a linker, and this machine has none of ${[...target.linkers, ...LLD.slice(0, 1)].join(", ")}`,
      at: "",
      hint: "install binutils for the target (Debian: binutils, binutils-aarch64-linux-gnu) or lld",
    })
  );
}

/** Throws Refused where there is no linker. `soname`: what programs that are linked with the library look for. */
export function linkShared(
  objects: readonly Uint8Array[],
  target: LinkTarget,
  { soname }: { readonly soname?: string } = {},
): Uint8Array {
  const linker = linkerOf(target);
  const folder = mkdtempSync(join(tmpdir(), "psionic-link-"));
  try {
    // Names without the folder, so that no path gets into the result.
    const files = objects.map((_, i) => `model${i}.o`);
    for (const [i, object] of objects.entries()) writeFileSync(join(folder, `model${i}.o`), object);
    const own = soname === undefined ? [] : ["-soname", soname, "-Bsymbolic"];
    const args = ["-shared", "-m", target.emulation, ...FLAGS, ...own, "-o", "model.so", ...files];
    const { status, stderr, error } = spawnSync(linker, args, {
      cwd: folder,
      encoding: "utf8",
      env: plainEnv(),
    });
    if (status !== 0) throw new Bug(target.name, `${linker} failed: ${error?.message ?? stderr}`);
    return readFileSync(join(folder, "model.so"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
