// Who made a bundle: the package's name and version, as its package.json says.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

function packageVersion(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json")) && dirname(folder) !== folder) folder = dirname(folder);
  const about: unknown = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return typeof about === "object" && about !== null && "version" in about ? String(about.version) : "0.0.0";
}

export const VERSION = packageVersion();

/** What the manifest calls the compiler: `psionic 1.2.3`. */
export const PRODUCER = `psionic ${VERSION}`;
