// The C compiler of this machine, for tests that build programs in C.

import { spawnSync } from "node:child_process";
import { env } from "node:process";

/** The command that compiles C or C++; null where this machine has none that makes programs. */
export function findCompiler(language: "c" | "c++" = "c"): string | null {
  const named = language === "c" ? env["CC"] : env["CXX"];
  const names = [named, ...(language === "c" ? ["cc", "gcc", "clang"] : ["c++", "g++", "clang++"])];
  const works = (name: string): boolean =>
    spawnSync(name, ["-x", language, "-o", "/dev/null", "-"], {
      input: "#include <stdio.h>\nint main(void) { return 0; }\n",
    }).status === 0;
  return names.find((n) => n !== undefined && n !== "" && works(n)) ?? null;
}
