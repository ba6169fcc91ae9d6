// What the tests of native code need of a machine: its CPU family and levels, LLVM's library and a linker.

import { env } from "node:process";
import { hasCpuFeature, targetOfHost } from "../../runtime-shim/native-cpu.js";
import { findLlvm } from "../../targets/llvm/library.js";
import { findLinker } from "../../targets/llvm/link.js";
import { levelsWith, NATIVE, type NativeName } from "../../targets/native-targets.js";

/** This machine's target and the names of the levels that it runs, best first; else why there is none. */
export function nativeHost(): { readonly target: NativeName; readonly levels: readonly string[] } | string {
  const target = targetOfHost();
  if (target !== "x86-64" && target !== "aarch64") return "native bundles exist for Linux on x86-64 and aarch64";
  if (env["SKIP_LLVM"]) return "SKIP_LLVM is set";
  if (findLlvm() === null) return "this machine has no libLLVM: install libllvm16, or name one with PSIONIC_LLVM";
  if (findLinker(NATIVE[target].link) === null) return "this machine has no linker: install binutils";
  const levels = levelsWith(NATIVE[target], hasCpuFeature);
  return levels.length > 0 ? { target, levels } : "this CPU has none of the target's levels";
}
