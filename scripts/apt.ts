// Debian's package manager, for the scripts that install what tests need.

import { spawnSync } from "node:child_process";
import { getuid } from "node:process";

/** Runs apt-get, as root or through sudo without a question; returns what it said where it failed. */
export function apt(...args: readonly string[]): string | undefined {
  const prefix = getuid?.() === 0 ? ["env"] : ["sudo", "-n", "env"];
  const [command = "env", ...rest] = [...prefix, "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", ...args];
  const { status, stdout, stderr, error } = spawnSync(command, rest, { encoding: "utf8", maxBuffer: 1 << 26 });
  return status === 0 ? undefined : (error?.message ?? stdout + stderr);
}

/** Installs packages and what they need, nothing that is only recommended. */
export function install(...packages: readonly string[]): string | undefined {
  return apt("install", "--yes", "--no-install-recommends", ...packages);
}
