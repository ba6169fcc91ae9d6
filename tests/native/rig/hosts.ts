// What a rig's program can run on, and what that takes of this machine.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { env } from "node:process";

/** This machine's CPU; the same under memcheck; aarch64, emulated where this machine is of another family. */
export const RIG_NAMES = ["host", "memcheck", "aarch64"] as const;
export type RigName = (typeof RIG_NAMES)[number];

export interface RigHost {
  readonly compiler: string;
  /** What runs the program, with a folder for what it leaves; empty for nothing. */
  readonly runner: (folder: string) => readonly string[];
  /** Debian's packages that bring both. */
  readonly packages: readonly string[];
}

/** In the folder of a rig under memcheck. */
export const MEMCHECK_LOG = "memcheck.log";

/** Loads over the edge of a block count, and what depends on undefined bits is traced exactly. */
const memcheck = (folder: string): string[] => [
  "valgrind",
  "--quiet",
  "--partial-loads-ok=no",
  "--expensive-definedness-checks=yes",
  "--error-limit=no",
  `--log-file=${join(folder, MEMCHECK_LOG)}`,
];

const OWN: RigHost = { compiler: "gcc", runner: () => [], packages: ["gcc", "libc6-dev"] };

export const HOSTS: Readonly<Record<RigName, RigHost>> = {
  host: OWN,
  memcheck: { ...OWN, runner: memcheck, packages: [...OWN.packages, "valgrind"] },
  aarch64:
    process.arch === "arm64"
      ? OWN
      : {
          compiler: "aarch64-linux-gnu-gcc",
          runner: () => ["qemu-aarch64-static", "-L", "/usr/aarch64-linux-gnu"],
          packages: [
            "gcc-aarch64-linux-gnu",
            "libc6-dev-arm64-cross",
            "binutils-aarch64-linux-gnu",
            "qemu-user-static",
          ],
        },
};

export function rigPackages(name: RigName): readonly string[] {
  return HOSTS[name].packages;
}

/** What keeps this machine from having a rig; null where nothing does. */
export function rigProblem(name: RigName): string | null {
  if (env["SKIP_RIGS"]) return "SKIP_RIGS is set";
  if (process.platform !== "linux") return "rigs run on Linux";
  const { compiler, runner, packages } = HOSTS[name];
  const lacking = [compiler, ...runner("").slice(0, 1)].filter(
    (program) => spawnSync(program, ["--version"], { stdio: "ignore" }).error !== undefined,
  );
  return lacking.length === 0 ? null : `no ${lacking.join(" and no ")}: apt install ${packages.join(" ")}`;
}
