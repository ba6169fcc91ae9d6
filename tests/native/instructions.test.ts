// The code of a level has the instructions that the level is for, and that of the levels below has not.

import test from "ava";
import { openBundle } from "../../codegen/bundle/read.js";
import * as ir from "../../compiler/ir/build.js";
import { Builder } from "../../compiler/ir/graph.js";
import { tensorFrom } from "../../compiler/ir/tensor.js";
import { type CompileOptions, compile } from "../../compiler/pipeline.js";
import { NATIVE, type NativeName } from "../../targets/native-targets.js";
import { disassemble } from "../support/disassemble.js";
import { nativeHost } from "../support/native.js";
import { graphOf } from "../support/reference.js";

const host = nativeHost();
const native = typeof host === "string" ? test.skip : test;
if (typeof host === "string") test("instructions", (t) => t.pass(`skipped: ${host}`));

const ROWS = 24;
const DEPTH = 64;
const COLUMNS = 48;

/** u8 by known i8. */
function bytesProduct(options: CompileOptions): Uint8Array {
  const b = new Builder();
  const x = ir.input(b, "x", "u8", [ROWS, DEPTH]);
  const w = tensorFrom(
    "i8",
    [DEPTH, COLUMNS],
    Array.from({ length: DEPTH * COLUMNS }, (_, i) => ((i * 37) % 251) - 125),
  );
  const y = ir.matmul(b, ir.cast(b, x, "i32"), ir.cast(b, ir.constant(b, w), "i32"), "i32");
  return compile({ graph: graphOf(b, [x], { y }), builder: b }, options).bundle;
}

/** Which of the names stand in the code of the bundle's only library. */
function found(bundle: Uint8Array, target: NativeName, names: readonly RegExp[]): string[] {
  const library = openBundle(bundle).blob("module", 0);
  if (library === null) throw new Error("a bundle without a library");
  const lines = disassemble(library, target);
  return names.filter((name) => lines.some((line) => name.test(line))).map(String);
}

const BYTES: Readonly<Record<NativeName, readonly RegExp[]>> = {
  "x86-64": [/^vpdpbusd.*%zmm/, /^(\{vex\}\s)?vpdpbusd.*%ymm/, /^vpmaddwd/, /^pmaddwd/],
  aarch64: [/^sdot/],
};

const PRODUCTS_OF_BYTES: Readonly<Record<string, readonly RegExp[]>> = {
  v4vnni: [/^vpdpbusd.*%zmm/],
  v4: [/^vpmaddwd/],
  v3vnni: [/^(\{vex\}\s)?vpdpbusd.*%ymm/],
  v3: [/^vpmaddwd/],
  v2: [/^pmaddwd/],
  dotprod: [/^sdot/],
  neon: [],
};

for (const target of ["x86-64", "aarch64"] as const)
  for (const level of Object.keys(NATIVE[target].levels))
    native(`products of bytes on ${target}, ${level}`, (t) => {
      const want = (PRODUCTS_OF_BYTES[level] ?? []).map(String);
      t.deepEqual(found(bytesProduct({ target, cpus: [level] }), target, BYTES[target]), want);
    });
