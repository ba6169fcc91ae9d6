// Peers with a package.json of their own, beside the benchmark's sources: installed when a row first asks for them.

import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "../support/suites.js";

/** The folder of the packages, installed as its lock file says; throws with the reason where that fails. */
export function installed(name: string): string {
  const folder = join(repositoryRoot(), "tests/benchmarks", name);
  if (isUpToDate(folder)) return folder;
  console.error(`installing ${name} (npm ci in ${folder})`);
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
  const { status, stderr, error } = spawnSync("npm", args, { cwd: folder, encoding: "utf8" });
  if (status === 0) return folder;
  const lines = stderr?.split("\n").filter((l) => l.startsWith("npm error")) ?? [];
  throw new Error(`npm ci failed: ${error?.message ?? lines.slice(0, 3).join("; ")}`);
}

/** npm writes a lock file of its own into what it installs. */
function isUpToDate(folder: string): boolean {
  const written = join(folder, "node_modules/.package-lock.json");
  return existsSync(written) && statSync(written).mtimeMs >= statSync(join(folder, "package-lock.json")).mtimeMs;
}
