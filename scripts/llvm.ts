// Finds the LLVM library that native code is made with, and installs Debian's when there is none.
//
// SKIP_LLVM=1 says that there is none and that the tests of native code are to be skipped, in so many words.

import { env, exit } from "node:process";
import { findLlvm } from "../targets/llvm/library.js";
import { apt, install } from "./apt.js";

const PACKAGES = ["libllvm16", "libllvm15", "libllvm19", "libllvm14"];

function main(): number {
  if (env["SKIP_LLVM"]) {
    console.log("llvm: SKIP_LLVM is set, so the tests of native code will be skipped");
    return 0;
  }
  if (findLlvm() !== null) return 0;
  console.log("llvm: the tests of native code need libLLVM and none was found; installing Debian's package");
  let reason = apt("update");
  for (const name of PACKAGES) {
    reason = install(name, "binutils");
    if (findLlvm() !== null) return 0;
  }
  console.error(`llvm: cannot install it: ${reason ?? "no package brought the library"}`);
  console.error("llvm: install LLVM 14 or newer, or name its library with PSIONIC_LLVM, or set SKIP_LLVM=1");
  return 1;
}

exit(main());
