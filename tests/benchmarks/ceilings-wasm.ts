// The ceilings' loops in WebAssembly, as V8 compiles them.

import wabtFactory from "wabt";
import { type Loops, MEMORY_BYTES } from "./ceilings.js";

/** Enough to hide the latencies of mul and add, and few enough for V8's 15 vector registers with two constants. */
const CHAINS = 12;
const LANES = 4;
const LOADS = 8;
const VECTOR_BYTES = 16;

const times = (n: number, text: (i: number) => string): string =>
  Array.from({ length: n }, (_, i) => text(i)).join("\n");

const LOOP = (body: string): string =>
  `(loop $l ${body} (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))`;

/** Adds all chains, so that none of them is dead code. */
function total(names: readonly string[]): string {
  return names.map((n) => `(local.get ${n})`).reduce((sum, n) => `(f32x4.add ${sum} ${n})`);
}

function chainsModule(step: (acc: string) => string): string {
  const names = Array.from({ length: CHAINS }, (_, i) => `$a${i}`);
  return `(module (func (export "run") (param $n i32) (result f32)
    (local $b v128) (local $c v128) ${names.map((n) => `(local ${n} v128)`).join(" ")}
    (local.set $b (v128.const f32x4 0.999 0.998 0.997 0.996)) (local.set $c (v128.const f32x4 0.1 0.2 0.3 0.4))
    ${LOOP(names.map((n) => `(local.set ${n} ${step(`(local.get ${n})`)})`).join("\n"))}
    (f32x4.extract_lane 0 ${total(names)})))`;
}

/** Reads $bytes bytes $n times. */
function readModule(pages: number): string {
  const names = Array.from({ length: LOADS }, (_, i) => `$a${i}`);
  return `(module (memory (export "memory") ${pages}) (func (export "run") (param $n i32) (param $bytes i32) (result f32)
    (local $p i32) ${names.map((n) => `(local ${n} v128)`).join(" ")}
    ${LOOP(`(local.set $p (i32.const 0)) (loop $r
      ${times(LOADS, (i) => `(local.set $a${i} (f32x4.add (local.get $a${i}) (v128.load offset=${i * VECTOR_BYTES} (local.get $p))))`)}
      (br_if $r (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const ${LOADS * VECTOR_BYTES}))) (local.get $bytes))))`)}
    (f32x4.extract_lane 0 ${total(names)})))`;
}

type Run = (n: number, bytes?: number) => number;

export async function wasmLoops(): Promise<Loops> {
  const wabt = await wabtFactory();
  const instantiate = (wat: string): WebAssembly.Exports | null => {
    const parsed = wabt.parseWat("probe.wat", wat, { simd: true, relaxed_simd: true });
    const { buffer } = parsed.toBinary({});
    parsed.destroy();
    if (!WebAssembly.validate(buffer as BufferSource)) return null;
    return new WebAssembly.Instance(new WebAssembly.Module(buffer as BufferSource)).exports;
  };
  const run = (wat: string): Run | null => (instantiate(wat)?.["run"] as Run | undefined) ?? null;
  const mulAdd = run(chainsModule((a) => `(f32x4.add (f32x4.mul ${a} (local.get $b)) (local.get $c))`));
  const fused = run(chainsModule((a) => `(f32x4.relaxed_madd ${a} (local.get $b) (local.get $c))`));
  // Pairs of 16 bits: two products and a sum, and the addition.
  const dot = run(chainsModule((a) => `(i32x4.add (i32x4.dot_i16x8_s ${a} (local.get $b)) (local.get $c))`));
  const reader = instantiate(readModule(MEMORY_BYTES / 65536));
  if (mulAdd === null || reader === null) throw new Error("this engine has no WebAssembly SIMD");
  // A page that nobody has written is one page of zeros, wherever it lies.
  new Float32Array((reader["memory"] as WebAssembly.Memory).buffer).fill(1);
  return {
    code: "WebAssembly",
    flops: [{ bits: LANES * 32, flops: 2 * LANES * CHAINS, mulAdd, fused }],
    dot: dot === null ? null : { operations: 4 * LANES * CHAINS, run: dot },
    bf16: null,
    read: reader["run"] as Run,
  };
}
