// What the documents state of the tiers' errors holds on published networks: measured again, in an engine with relaxed
// SIMD where this one can be told to have it.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import test from "ava";
import { hasFeature } from "../../runtime-shim/features.js";
import { repositoryRoot } from "../support/suites.js";

test("errors against f64 are within what is stated, in every tier", async (t) => {
  const script = join(repositoryRoot(), "dist/tests/benchmarks/exactness.js");
  const flags = hasFeature("relaxed-simd") ? [] : ["--experimental-wasm-relaxed-simd"];
  const args = [...flags, script, "--only", "OCR dir|Silero|WakeWord"];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 300_000 });
  t.log(stdout.trim());
  t.regex(stdout, /^strict: at most \S+, stated \S+$/m);
  t.regex(stdout, /^relaxed: at most \S+, stated \S+$/m);
});
