// What the demo compiles to, by the words of its command line.

import { hasCpuFeature, targetOfHost } from "../../runtime-shim/native-cpu.js";
import { levelsWith, NATIVE } from "../../targets/native-targets.js";
import type { Code } from "./compile.js";

/** `native` is this machine's CPU family, at a level of it or at the best that this CPU has. */
export function codeFor(target: string, cpu?: string): Code {
  if (target === "wasm" && cpu === undefined) return { target };
  if (target === "wasm") throw new Error(`--cpu ${cpu}: for --target native`);
  if (target !== "native") throw new Error(`--target ${target}: want wasm or native`);
  const host = (["x86-64", "aarch64"] as const).find((name) => name === targetOfHost());
  if (host === undefined) throw new Error("native code is for Linux on x86-64 and aarch64");
  return { target: host, cpus: [cpu ?? levelsWith(NATIVE[host], hasCpuFeature)[0] ?? ""] };
}
