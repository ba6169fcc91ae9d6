// What this machine's CPU has, by the names that bundles use: levels of the x86-64 psABI, and features. Read from the
// kernel's own list.

import { LoadError } from "./errors.js";

const CPU_INFO = "/proc/cpuinfo";

/** Flags of it that a feature takes, besides those of the level below it. */
const NEEDS: ReadonlyMap<string, readonly string[]> = new Map([
  ["x86-64-v2", ["cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"]],
  ["x86-64-v3", ["x86-64-v2", "abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"]],
  ["x86-64-v4", ["x86-64-v3", "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"]],
  ["avx512vnni", ["avx512_vnni"]],
  ["avx512bf16", ["avx512_bf16"]],
  ["avxvnni", ["avx_vnni"]],
  ["neon", ["asimd"]],
]);

const TARGETS: Readonly<Record<string, string>> = { x64: "x86-64", arm64: "aarch64" };

/** The target whose bundles this machine runs; null where there is none. */
export function targetOfHost(): string | null {
  return typeof process === "object" && process.platform === "linux" ? (TARGETS[process.arch] ?? null) : null;
}

let flags: ReadonlySet<string> | null = null;

function cpuFlags(): ReadonlySet<string> {
  if (flags === null) {
    const line = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpuInfo())?.[1] ?? "";
    flags = new Set(line.split(/\s+/));
  }
  return flags;
}

/** Throws LoadError where the system does not say what its CPUs have. */
function cpuInfo(): string {
  try {
    return process.getBuiltinModule("node:fs").readFileSync(CPU_INFO, "utf8");
  } catch (error) {
    const have = error instanceof Error ? error.message : `${error}`;
    throw new LoadError("unsupported_backend_capability", "host", have, `${CPU_INFO}, to know what the CPU has`);
  }
}

/** False also for a feature that this version does not know. */
export function hasCpuFeature(name: string): boolean {
  const needs = NEEDS.get(name);
  return needs === undefined ? cpuFlags().has(name) : needs.every(hasCpuFeature);
}
