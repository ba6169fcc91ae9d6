// Finds the LLVM library that native code is made with and the C compiler that tests build programs with, and installs
// Debian's when there is none. Without a C compiler, the tests that need one say that they are skipped.
//
// SKIP_LLVM=1 says that there is none and that the tests of native code are to be skipped, in so many words.

import { spawnSync } from "node:child_process";
import { env, exit } from "node:process";
import { findLlvm } from "../targets/llvm/library.js";
import { apt, install } from "./apt.js";

const PACKAGES = ["libllvm16", "libllvm15", "libllvm19", "libllvm14"];

function main(): number {
  if (env["SKIP_LLVM"]) {
    console.log("llvm: SKIP_LLVM is set, so the tests of native code will be skipped");
    return 0;
  }
  if (findLlvm() !== null) return compiler();
  console.log("llvm: the tests of native code need libLLVM and none was found; installing Debian's package");
  let reason = apt("update");
  for (const name of PACKAGES) {
    reason = install(name, "binutils");
    if (findLlvm() !== null) return compiler();
  }
  console.error(`llvm: cannot install it: ${reason ?? "no package brought the library"}`);
  console.error("llvm: install LLVM 14 or newer, or name its library with PSIONIC_LLVM, or set SKIP_LLVM=1");
  return 1;
}

function compiler(): number {
  const isThere = (): boolean => spawnSync("cc", ["--version"]).status === 0;
  if (isThere()) return 0;
  console.log("llvm: the tests of libraries for C need a C compiler and none was found; installing Debian's package");
  const reason = apt("update") ?? install("gcc", "libc6-dev");
  if (!isThere())
    console.log(`llvm: cannot install it, so those tests will be skipped: ${reason ?? "it brought no cc"}`);
  return 0;
}

exit(main());
