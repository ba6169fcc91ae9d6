// The code of a level has the instructions that the level is for, and that of the levels below has not.

import test from "ava";
import { openBundle } from "../../codegen/bundle/read.js";
import * as ir from "../../compiler/ir/build.js";
import type { DType } from "../../compiler/ir/dtype.js";
import { Builder, type Value } from "../../compiler/ir/graph.js";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
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
const BLOCK = 32;

const known = (dtype: DType, shape: readonly number[], of: (i: number) => number): Tensor =>
  tensorFrom(
    dtype,
    shape,
    Array.from({ length: shape.reduce((n, d) => n * d, 1) }, (_, i) => of(i)),
  );

/** u8 by known i8. */
function bytesProduct(b: Builder): { readonly x: Value; readonly y: Value } {
  const x = ir.input(b, "x", "u8", [ROWS, DEPTH]);
  const w = ir.constant(
    b,
    known("i8", [DEPTH, COLUMNS], (i) => ((i * 37) % 251) - 125),
  );
  return { x, y: ir.matmul(b, ir.cast(b, x, "i32"), ir.cast(b, w, "i32"), "i32") };
}

/** i8, with scales and sums that are 1, by weights of 4 bits. */
function blockProduct(b: Builder): { readonly x: Value; readonly y: Value } {
  const x = ir.input(b, "x", "i8", [ROWS, DEPTH]);
  const ofRows = (dtype: DType): Value =>
    ir.constant(
      b,
      known(dtype, [ROWS, DEPTH / BLOCK], (i) => 1 + i),
    );
  const ofColumns = (dtype: DType): Value =>
    ir.constant(
      b,
      known(dtype, [DEPTH / BLOCK, COLUMNS], (i) => 1 + (i % 7)),
    );
  const w = ir.constant(
    b,
    known("u4", [DEPTH, COLUMNS], (i) => (i * 5) % 16),
  );
  const weight = { w, scale: ofColumns("f32"), zero: ofColumns("u4"), block: BLOCK };
  return { x, y: ir.blockMatmul(b, [x, ofRows("f32"), ofRows("i32")], weight) };
}

/** Of a dtype, by known bf16. */
const bf16Product =
  (dtype: "bf16" | "f32") =>
  (b: Builder): { readonly x: Value; readonly y: Value } => {
    const x = ir.input(b, "x", dtype, [ROWS, DEPTH]);
    const w = ir.constant(
      b,
      known("bf16", [DEPTH, COLUMNS], (i) => (i % 31) / 8),
    );
    return { x, y: ir.matmul(b, x, w, "f32") };
  };

/** Which of the names stand in a level's code of a graph. */
function found(
  made: (b: Builder) => { readonly x: Value; readonly y: Value },
  options: CompileOptions & { readonly target: NativeName },
  names: readonly RegExp[],
): string[] {
  const builder = new Builder();
  const { x, y } = made(builder);
  const { bundle } = compile({ graph: graphOf(builder, [x], { y }), builder }, options);
  const library = openBundle(bundle).blob("module", 0);
  if (library === null) throw new Error("a bundle without a library");
  const lines = disassemble(library, options.target);
  return names.filter((name) => lines.some((line) => name.test(line))).map(String);
}

/** What levels multiply bytes with. */
const BYTES: Readonly<Record<NativeName, readonly RegExp[]>> = {
  "x86-64": [/^vpdpbusd.*%zmm/, /^(\{vex\}\s)?vpdpbusd.*%ymm/, /^vpmaddwd/, /^vpmaddubsw/, /^pmaddwd/, /^pmaddubsw/],
  aarch64: [/^usmmla/, /^smmla/, /^usdot/, /^sdot/],
};

interface Use {
  /** By u8 and i8, and by i8 and weights of 4 bits. */
  readonly bytes: readonly RegExp[];
  readonly blocks: readonly RegExp[];
}

const both = (...names: readonly RegExp[]): Use => ({ bytes: names, blocks: names });

const USES: Readonly<Record<string, Use>> = {
  v4bf16: both(/^vpdpbusd.*%zmm/),
  v4vnni: both(/^vpdpbusd.*%zmm/),
  v4: { bytes: [/^vpmaddwd/], blocks: [/^vpmaddwd/, /^vpmaddubsw/] },
  v3vnni: both(/^(\{vex\}\s)?vpdpbusd.*%ymm/),
  v3: { bytes: [/^vpmaddwd/], blocks: [/^vpmaddwd/, /^vpmaddubsw/] },
  v2: { bytes: [/^pmaddwd/], blocks: [/^pmaddwd/, /^pmaddubsw/] },
  "v8.6": { bytes: [/^usmmla/], blocks: [/^smmla/] },
  dotprod: both(/^sdot/),
  neon: both(),
};

for (const target of ["x86-64", "aarch64"] as const)
  for (const level of Object.keys(NATIVE[target].levels))
    native(`products of bytes on ${target}, ${level}`, (t) => {
      const { bytes, blocks } = USES[level] ?? both();
      const options = { target, cpus: [level] };
      t.deepEqual(found(bytesProduct, options, BYTES[target]), bytes.map(String));
      t.deepEqual(found(blockProduct, options, BYTES[target]), blocks.map(String));
    });

const BF16 = [/^vdpbf16ps/, /^bfdot/, /^bfmmla/];
/** In relaxed code. */
const BF16_USES: Readonly<Record<string, RegExp>> = { v4bf16: /^vdpbf16ps/, "v8.6": /^bfdot/ };

for (const target of ["x86-64", "aarch64"] as const)
  for (const level of Object.keys(NATIVE[target].levels))
    native(`products of bfloat16 on ${target}, ${level}`, (t) => {
      const use = BF16_USES[level];
      const options = { target, cpus: [level] };
      const relaxed = { ...options, tier: "relaxed" } as const;
      t.deepEqual(found(bf16Product("bf16"), relaxed, BF16), use === undefined ? [] : [String(use)]);
      t.deepEqual(found(bf16Product("bf16"), options, BF16), [], "strict keeps every rounding");
      t.deepEqual(found(bf16Product("f32"), relaxed, BF16), [], "f32 is not rounded to bf16");
    });

/** x + x of f16. */
function sumOfHalves(b: Builder): { readonly x: Value; readonly y: Value } {
  const x = ir.input(b, "x", "f16", [64]);
  return { x, y: ir.add(b, x, x) };
}

const [WIDE, NARROW, NEON] = [/^vcvtph2ps.*%zmm/, /^vcvtph2ps.*%ymm/, /^fcvtl/];
const HALVES: Readonly<Record<NativeName, readonly RegExp[]>> = { "x86-64": [WIDE, NARROW], aarch64: [NEON] };
const HALF_USES: Readonly<Record<NativeName, Readonly<Record<string, RegExp>>>> = {
  "x86-64": { v4bf16: WIDE, v4vnni: WIDE, v4: WIDE, v3vnni: NARROW, v3: NARROW },
  aarch64: { "v8.6": NEON, dotprod: NEON, neon: NEON },
};

for (const target of ["x86-64", "aarch64"] as const)
  for (const level of Object.keys(NATIVE[target].levels))
    native(`f16 on ${target}, ${level}`, (t) => {
      const use = HALF_USES[target][level];
      const options = { target, cpus: [level] };
      t.deepEqual(found(sumOfHalves, options, HALVES[target]), use === undefined ? [] : [String(use)]);
    });

native("a bundle with a level that has no dot products of bfloat16 has none", (t) => {
  const options = { target: "x86-64", cpus: ["v4bf16", "v3"], tier: "relaxed" } as const;
  t.deepEqual(found(bf16Product("bf16"), options, BF16), []);
});
