// Runs the test suite with AVA and closes with one plain line, `N passed, N failed, N skipped`.
//
// In: AVA's arguments; a test named by its source (tests/x.test.ts) is found where it compiled to. Out: AVA's report as
// it is written, the closing line, and status 0 only when AVA says so and no failure was seen. The counts are AVA's
// marks before its summary, one per line: its summary leaves out how many passed once something failed, and its TAP
// reporter breaks on a time-out. A file that crashed and a test that was still pending have a mark too and count as
// failed. What tests print goes to stderr, so it is never mistaken for a mark.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { argv, env, execPath, exit, stdout } from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const ava = join(root, "node_modules/ava/entrypoints/cli.mjs");

const passedMark = /^ {2}[✔√] /;
const skippedMark = /^ {2}- \[(skip|todo)\] /;
const failedMark = /^ {2}([✘×◌] (?!Timed out|\d+ tests? remaining)|Uncaught exception in |Unhandled rejection in )/;
const summaryRule = /^ {2}─+$/;

const args = argv.slice(2).map((arg) => arg.replace(/^(?:\.\/)?(tests\/.*\.test)\.ts$/, "dist/$1.js"));
const colour = stdout.isTTY && !env["NO_COLOR"] ? { FORCE_COLOR: "1" } : {};
const child = spawn(execPath, [ava, ...args], {
  cwd: root,
  env: { ...env, ...colour },
  stdio: ["ignore", "pipe", "inherit"],
});
const closed = once(child, "close");

let passed = 0;
let failed = 0;
let skipped = 0;
let inSummary = false;
for await (const line of createInterface({ input: child.stdout })) {
  console.log(line);
  const plain = stripVTControlCharacters(line);
  if (summaryRule.test(plain)) inSummary = true;
  if (inSummary) continue;
  if (passedMark.test(plain)) passed += 1;
  else if (failedMark.test(plain)) failed += 1;
  else if (skippedMark.test(plain)) skipped += 1;
}

const [status, signal]: unknown[] = await closed;
if (failed === 0 && (status !== 0 || !inSummary)) {
  failed = 1;
  console.log(`  AVA ended with ${signal ? `signal ${signal}` : `status ${status}`} without marking a failure`);
}
console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`);
exit(failed === 0 ? 0 : 1);
