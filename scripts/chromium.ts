// Finds the browser that the browser tests drive, and installs Debian's when there is none.
//
// Out: the path of a Chromium or Chrome binary. $CHROMIUM names one outright; SKIP_BROWSER=1 says that there is none and
// that the browser tests are to be skipped, in so many words, rather than by accident.

import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { argv, env, exit, getuid, platform } from "node:process";
import { fileURLToPath } from "node:url";

const names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
const macApplications = [
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];
const advice =
  "install Chromium or Chrome, or name one with CHROMIUM=/path/to/chrome, " +
  "or set SKIP_BROWSER=1 to skip the browser tests";

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function onPath(name: string): string | undefined {
  return (env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

/** The browser to test with, or undefined when this machine has none or SKIP_BROWSER is set. */
export function findChromium(): string | undefined {
  if (env["SKIP_BROWSER"]) return undefined;
  const named = env["CHROMIUM"];
  if (named) return isExecutable(named) ? named : undefined;
  for (const name of names) {
    const path = onPath(name);
    if (path !== undefined) return path;
  }
  return platform === "darwin" ? macApplications.find(isExecutable) : undefined;
}

/** Installs Debian's chromium package; returns the reason when that cannot be done. */
function installChromium(): string | undefined {
  if (platform !== "linux" || onPath("apt-get") === undefined) return "this system has no apt-get";
  const isRoot = getuid?.() === 0;
  if (!isRoot && onPath("sudo") === undefined) return "apt-get needs root, and there is no sudo";
  const prefix = isRoot ? ["env"] : ["sudo", "-n", "env"];
  for (const step of [["update"], ["install", "--yes", "--no-install-recommends", "chromium"]]) {
    const [command = "env", ...args] = [...prefix, "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", ...step];
    const { status, stdout, stderr, error } = spawnSync(command, args, {
      stdio: ["ignore", "pipe", "pipe"],
      encoding: "utf8",
      maxBuffer: 1 << 26,
    });
    if (status !== 0) return `"apt-get ${step.join(" ")}" failed:\n${error?.message ?? stdout + stderr}`;
  }
  return undefined;
}

function main(): number {
  if (env["SKIP_BROWSER"]) {
    console.log("chromium: SKIP_BROWSER is set, so the browser tests will be skipped");
    return 0;
  }
  const named = env["CHROMIUM"];
  if (named && !isExecutable(named)) {
    console.error(`chromium: CHROMIUM is "${named}", which is not an executable file`);
    return 1;
  }
  if (findChromium() !== undefined) return 0;
  console.log("chromium: the browser tests need Chromium and none was found; installing Debian's package");
  const reason = installChromium();
  const path = findChromium();
  if (path === undefined) {
    console.error(`chromium: cannot install it: ${reason ?? "the package brought no chromium command"}`);
    console.error(`chromium: ${advice}`);
    return 1;
  }
  console.log(`chromium: using ${path}`);
  return 0;
}

if (argv[1] === fileURLToPath(import.meta.url)) exit(main());
