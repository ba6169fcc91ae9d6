// The loops that native code is held against compute what they say, at every level that this machine has.

import test from "ava";
import { NATIVE } from "../../targets/native-targets.js";
import { nativeHost } from "../support/native.js";
import { nativeLoops } from "./ceilings-native.js";
import { platformOf } from "./platform.js";

const host = nativeHost();
const native = typeof host === "string" ? test.skip : test;
if (typeof host === "string") test("native ceilings", (t) => t.pass(`skipped: ${host}`));

native("every level's loops keep their arithmetic", (t) => {
  if (typeof host === "string") return;
  for (const name of host.levels) {
    const level = NATIVE[host.target].levels[name];
    if (level === undefined) return t.fail(name);
    // Throws where a lane of a chain is not what the operations give.
    const { flops } = nativeLoops(NATIVE[host.target], name, level);
    t.is(flops[0]?.bits, 128);
    t.true(flops.every((f) => (f.fused !== null) === level.dialect.fma));
  }
});

test("a platform is a target that the benchmark knows", (t) => {
  t.is(platformOf("wasm", undefined).text, "wasm");
  t.throws(() => platformOf("wasm", "v3"), { message: /no levels/ });
  t.throws(() => platformOf("cuda", undefined), { message: /want wasm or native/ });
});

native("native code is measured at the best level, or at one that this machine has", (t) => {
  if (typeof host === "string") return;
  t.is(platformOf("native", undefined).text, `${host.target} ${host.levels[0]}`);
  t.throws(() => platformOf("native", "v9"), { message: /this machine runs/ });
});
