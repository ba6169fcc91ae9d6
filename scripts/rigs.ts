// Finds what the rigs run on, on which native code is watched (a C compiler, valgrind, an emulator and a C compiler for
// aarch64), and installs Debian's packages when something is missing.
//
// SKIP_RIGS=1 says that there is none and that the tests on rigs are to be skipped, in so many words.

import { env, exit } from "node:process";
import { RIG_NAMES, rigPackages, rigProblem } from "../tests/native/rig/hosts.js";
import { apt, install } from "./apt.js";

function main(): number {
  if (env["SKIP_RIGS"]) {
    console.log("rigs: SKIP_RIGS is set, so the tests of native code on rigs will be skipped");
    return 0;
  }
  const lacking = RIG_NAMES.filter((name) => rigProblem(name) !== null);
  if (lacking.length === 0) return 0;
  console.log(`rigs: for ${lacking.join(" and ")} programs are missing; installing Debian's packages`);
  const reason = apt("update") ?? install(...new Set(lacking.flatMap(rigPackages)));
  const problems = lacking.flatMap((name) => rigProblem(name) ?? []);
  if (problems.length === 0) return 0;
  console.error(`rigs: cannot install them: ${reason ?? "the packages did not bring the programs"}`);
  for (const problem of problems) console.error(`rigs: ${problem}, or set SKIP_RIGS=1`);
  return 1;
}

exit(main());
