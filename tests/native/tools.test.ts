// A native bundle tells what made its code: LLVM and the linker are part of what determines its bytes.

import test from "ava";
import { toLevels } from "../../codegen/bundle/levels.js";
import { openBundle } from "../../codegen/bundle/read.js";
import { input } from "../../compiler/ir/build.js";
import { exp } from "../../compiler/ir/build-scalar.js";
import { Builder } from "../../compiler/ir/graph.js";
import { compile } from "../../compiler/pipeline.js";
import { openLlvm } from "../../targets/llvm/library.js";
import { nativeHost } from "../support/native.js";
import { graphOf } from "../support/reference.js";

const host = nativeHost();

(typeof host === "string" ? test.skip : test)("the manifest names LLVM and the linker with their versions", (t) => {
  if (typeof host === "string") return;
  const b = new Builder();
  const x = input(b, "x", "f32", [5]);
  const source = { graph: graphOf(b, [x], { y: exp(b, x) }), builder: b };
  const toolsIn = (bundle: Uint8Array): readonly string[] => toLevels(openBundle(bundle).manifest.levels).tools ?? [];
  const [llvm, linker, ...rest] = toolsIn(compile(source, { target: host.target }).bundle);
  t.is(llvm, openLlvm().name);
  t.regex(llvm ?? "", /^LLVM \d+(\.\d+\.\d+)?$/u);
  t.regex(linker ?? "", /\d+\.\d+/u);
  t.deepEqual(rest, []);
  t.deepEqual(toolsIn(compile(source).bundle), [], "WebAssembly is made by the compiler alone");
});

if (typeof host === "string") test("native tools", (t) => t.pass(`skipped: ${host}`));
