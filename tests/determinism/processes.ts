// Fresh processes for the determinism test: the same compilation under surroundings that must not matter.

import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { repositoryRoot } from "../support/suites.js";
import type { Job } from "./compile-once.js";

const run = promisify(execFile);

export interface Surroundings {
  readonly name: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly flags?: readonly string[];
  /** Another Node binary. */
  readonly node?: string;
}

export const SURROUNDINGS: readonly Surroundings[] = [
  { name: "as it is" },
  {
    name: "other time zone, locale, user and home",
    env: {
      TZ: "Asia/Kathmandu",
      LANG: "tr_TR.UTF-8",
      LC_ALL: "tr_TR.UTF-8",
      USER: "somebody",
      LOGNAME: "somebody",
      HOME: "/nonexistent",
    },
  },
  {
    name: "C locale, one thread, a small heap, no relaxed order of anything",
    env: { TZ: "America/Caracas", LC_ALL: "C", UV_THREADPOOL_SIZE: "1" },
    flags: ["--max-old-space-size=1024", "--hash-seed=1", "--single-threaded"],
  },
  { name: "no optimizing compiler", flags: ["--hash-seed=77", "--no-opt", "--random-seed=5"] },
];

/** Node binaries besides this one: PSIONIC_NODES, else npm's `node` packages in node_modules. */
export function otherNodes(): readonly string[] {
  const given = process.env["PSIONIC_NODES"];
  if (given !== undefined && given !== "") return given.split(delimiter);
  const modules = join(repositoryRoot(), "node_modules");
  return readdirSync(modules)
    .filter((n) => /^node(-|$|\d)/u.test(n))
    .map((n) => join(modules, n, "bin/node"))
    .filter((path) => existsSync(path));
}

/** What compile-once prints for the jobs, in a fresh process in a folder of its own. */
export async function compileIn(surroundings: Surroundings, jobs: readonly Job[]): Promise<string> {
  const { env = {}, flags = [], node = process.execPath } = surroundings;
  const cwd = mkdtempSync(join(tmpdir(), "psionic-elsewhere-"));
  const script = new URL("./compile-once.js", import.meta.url).pathname;
  try {
    const options = { cwd, env: { ...process.env, ...env, NODE_OPTIONS: "" }, maxBuffer: 1 << 20 };
    const { stdout } = await run(node, [...flags, script, JSON.stringify(jobs)], options);
    return stdout;
  } finally {
    rmSync(cwd, { recursive: true });
  }
}

export async function versionOf(node: string): Promise<string> {
  const { stdout } = await run(node, ["--version"]);
  return stdout.trim();
}
