// What the documents state of the tiers' errors holds on published networks: measured again, in an engine with relaxed
// SIMD where this one can be told to have it, and in native code.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import { hasFeature } from "../../runtime-shim/features.js";
import { platformOf } from "../benchmarks/platform.js";
import { nativeHost } from "../support/native.js";
import { repositoryRoot } from "../support/suites.js";

async function judge(t: ExecutionContext, target: "wasm" | "native"): Promise<void> {
  const script = join(repositoryRoot(), "dist/tests/benchmarks/exactness.js");
  const flags = hasFeature("relaxed-simd") ? [] : ["--experimental-wasm-relaxed-simd"];
  const args = [...flags, script, "--only", "OCR dir|Silero|WakeWord", "--target", target];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 300_000 });
  t.log(stdout.trim());
  t.regex(stdout, /^strict: at most \S+, stated \S+$/m);
  // Not every CPU has the fused operation.
  if (target === "wasm" || platformOf(target, undefined).fuses) t.regex(stdout, /^relaxed: at most \S+, stated \S+$/m);
}

test("errors against f64 are within what is stated, in every tier", (t) => judge(t, "wasm"));

const host = nativeHost();
const native = typeof host === "string" ? test.skip : test;
if (typeof host === "string") test("native code", (t) => t.pass(`skipped: ${host}`));

native("native code's errors are within what is stated, in every tier", (t) => judge(t, "native"));
