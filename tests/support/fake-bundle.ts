// A small bundle by hand, to test format and shim without the compiler: n is a symbol in 1..64, the weights are 64 f32
// (w[i] = i / 4), and the modules are text. Entries:
//   main(x: f32[n], flag: bool[2]) -> y = x + w: f32[n], doubled = [x, x]: f32[2*n], positive: f32[k], count: i32[]
//     in three steps; k is bound by the run; count is the state "count" after it is incremented
//   pick(at: i64[2]) -> picked: f32[2] = w[at], status indexOutOfRange where at is not in 0..63
//   fail(kind: i32[]) -> same: i32[]; returns the status that it is given; -1 traps
//   pair(a: f32[n, 2], b: u8[2*n + 1]) -> sum: f32[1]

import { createHash } from "node:crypto";
import wabtInit from "wabt";
import { levelsOf } from "../../codegen/bundle/levels.js";
import { type BundleParts, writeBundle } from "../../codegen/bundle/write.js";
import type { Plan, Port } from "../../compiler/plan/plan.js";

export const MAX_N = 64;
const WEIGHTS = 1024;
const STATES = 2048;
const ARENA = 4096;
const K_OFFSET = ARENA;
const X = ARENA + 64;
const FLAG = ARENA + 384;
const Y = ARENA + 512;
const DOUBLED = ARENA + 1024;
const POSITIVE = ARENA + 2048;
const AT = ARENA + 64;
const PICKED = ARENA + 128;
const KIND = ARENA + 64;
const A = ARENA + 64;
const B = ARENA + 1024;
const SUM = ARENA + 2048;
const WORDS = ARENA + 64;
const SAID = ARENA + 512;

const WAT = `(module
  (import "env" "memory" (memory 1 1))
  (func $xAt (param $i i32) (result f32) (f32.load (i32.add (i32.const ${X}) (i32.shl (local.get $i) (i32.const 2)))))
  (func $store (param $base i32) (param $i i32) (param $v f32)
    (f32.store (i32.add (local.get $base) (i32.shl (local.get $i) (i32.const 2))) (local.get $v)))
  (func (export "main") (param $start i32) (param $stop i32) (param $n i32) (result i32)
    (local $i i32) (local $k i32) (local $v f32)
    (if (i32.and (i32.le_s (local.get $start) (i32.const 0)) (i32.gt_s (local.get $stop) (i32.const 0)))
      (then (loop $l
        (local.set $v (call $xAt (local.get $i)))
        (call $store (i32.const ${Y}) (local.get $i)
          (f32.add (local.get $v) (f32.load (i32.add (i32.const ${WEIGHTS}) (i32.shl (local.get $i) (i32.const 2))))))
        (call $store (i32.const ${DOUBLED}) (local.get $i) (local.get $v))
        (call $store (i32.const ${DOUBLED}) (i32.add (local.get $i) (local.get $n)) (local.get $v))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $l (i32.lt_s (local.get $i) (local.get $n))))))
    (if (i32.and (i32.le_s (local.get $start) (i32.const 1)) (i32.gt_s (local.get $stop) (i32.const 1)))
      (then
        (local.set $i (i32.const 0))
        (loop $l
          (local.set $v (call $xAt (local.get $i)))
          (if (f32.gt (local.get $v) (f32.const 0)) (then
            (call $store (i32.const ${POSITIVE}) (local.get $k) (local.get $v))
            (local.set $k (i32.add (local.get $k) (i32.const 1)))))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $l (i32.lt_s (local.get $i) (local.get $n))))
        (i32.store (i32.const ${K_OFFSET}) (local.get $k))))
    (if (i32.and (i32.le_s (local.get $start) (i32.const 2)) (i32.gt_s (local.get $stop) (i32.const 2)))
      (then (i32.store (i32.const ${STATES}) (i32.add (i32.load (i32.const ${STATES})) (i32.const 1)))))
    (i32.const 0))
  (func (export "pick") (param $start i32) (param $stop i32) (result i32)
    (local $i i32) (local $at i64)
    (loop $l
      (local.set $at (i64.load (i32.add (i32.const ${AT}) (i32.shl (local.get $i) (i32.const 3)))))
      (if (i64.ge_u (local.get $at) (i64.const ${MAX_N})) (then (return (i32.const 1))))
      (call $store (i32.const ${PICKED}) (local.get $i)
        (f32.load (i32.add (i32.const ${WEIGHTS}) (i32.shl (i32.wrap_i64 (local.get $at)) (i32.const 2)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_s (local.get $i) (i32.const 2))))
    (i32.const 0))
  (func (export "fail") (param $start i32) (param $stop i32) (result i32)
    (if (i32.lt_s (i32.load (i32.const ${KIND})) (i32.const 0)) (then unreachable))
    (i32.load (i32.const ${KIND})))
  (func (export "pair") (param $start i32) (param $stop i32) (param $n i32) (result i32)
    (local $i i32) (local $s f32)
    (loop $l
      (local.set $s (f32.add (local.get $s)
        (f32.load (i32.add (i32.const ${A}) (i32.shl (local.get $i) (i32.const 2))))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_s (local.get $i) (i32.shl (local.get $n) (i32.const 1)))))
    (call $store (i32.const ${SUM}) (i32.const 0)
      (f32.add (local.get $s) (f32.convert_i32_u (i32.load8_u (i32.const ${B})))))
    (i32.const 0))
  (func (export "say") (param $start i32) (param $stop i32) (result i32)
    (i32.store (i32.const ${SAID}) (i32.load (i32.const ${WORDS + 4})))
    (i32.store (i32.const ${SAID + 4}) (i32.load (i32.const ${WORDS})))
    (i32.store (i32.const ${SAID + 8}) (i32.const 1))
    (i32.const 0)))`;

const wabt = await wabtInit();

export function wat(text: string): Uint8Array {
  const module = wabt.parseWat("fake.wat", text, { simd: true, threads: true });
  try {
    return module.toBinary({}).buffer;
  } finally {
    module.destroy();
  }
}

function port(name: string, dtype: Port["dtype"], shape: Port["shape"], offset: number, bytes: number): Port {
  return { name, dtype, shape, offset, bytes };
}

export const WEIGHT_VALUES = Float32Array.from({ length: MAX_N }, (_, i) => i / 4);

const weights = new Uint8Array(WEIGHT_VALUES.buffer);

const call = (name: string): Plan["entries"][number]["steps"][number] => ({
  kind: "call",
  name,
  kernel: 0,
  args: [],
  reads: [],
  writes: [],
  binds: [],
  origin: name,
  work: null,
});

const noLoops = { sources: [], constraints: [], buffers: [] };

export const fakePlan: Plan = {
  target: "wasm",
  variants: [{ tier: "strict", threads: false }],
  symbols: [
    { name: "n", lo: 1, hi: MAX_N, offset: null },
    { name: "k", lo: 0, hi: MAX_N, offset: K_OFFSET },
  ],
  memory: {
    bytes: 65536,
    weights: { offset: WEIGHTS, bytes: weights.length },
    states: { offset: STATES, bytes: 64 },
    arena: { offset: ARENA, bytes: 8192 },
  },
  constants: [
    {
      name: "w",
      offset: WEIGHTS,
      bytes: weights.length,
      dtype: "f32",
      stored: "f32",
      add: 0,
      shape: [MAX_N],
      layout: "plain",
      digest: createHash("sha256").update(weights).digest("hex"),
    },
  ],
  strings: ["", "yes", "no"],
  states: [{ name: "count", dtype: "i32", shape: [], offset: STATES, bytes: 4 }],
  kernels: [{ name: "add", template: "map", digest: "0".repeat(64), choices: { lanes: 1 } }],
  entries: [
    {
      ...noLoops,
      name: "main",
      export: "main",
      symbols: ["n"],
      sources: [{ symbol: "n", input: 0, axis: 0, mul: 1, add: 0 }],
      inputs: [port("x", "f32", ["n"], X, 256), port("flag", "bool", [2], FLAG, 2)],
      outputs: [
        port("y", "f32", ["n"], Y, 256),
        port("doubled", "f32", [["mul", 2, "n"]], DOUBLED, 512),
        port("positive", "f32", ["k"], POSITIVE, 256),
        port("count", "i32", [], STATES, 4),
      ],
      steps: [call("add"), call("positive"), call("count")],
    },
    {
      ...noLoops,
      name: "pick",
      export: "pick",
      symbols: [],
      inputs: [port("at", "i64", [2], AT, 16)],
      outputs: [port("picked", "f32", [2], PICKED, 8)],
      steps: [call("pick")],
    },
    {
      ...noLoops,
      name: "fail",
      export: "fail",
      symbols: [],
      inputs: [port("kind", "i32", [], KIND, 4)],
      outputs: [port("same", "i32", [], KIND, 4)],
      constraints: [{ left: ["add", "n", 1], right: 4, reason: "operands of add_3" }],
      steps: [call("fail")],
    },
    {
      ...noLoops,
      name: "pair",
      export: "pair",
      symbols: ["n"],
      sources: [
        { symbol: "n", input: 0, axis: 0, mul: 1, add: 0 },
        { symbol: "n", input: 1, axis: 0, mul: 2, add: 1 },
      ],
      inputs: [port("a", "f32", ["n", 2], A, 512), port("b", "u8", [["add", ["mul", 2, "n"], 1]], B, 129)],
      outputs: [port("sum", "f32", [1], SUM, 4)],
      steps: [call("pair")],
    },
    {
      ...noLoops,
      name: "say",
      export: "say",
      symbols: [],
      inputs: [port("words", "str", [2], WORDS, 8)],
      outputs: [port("said", "str", [3], SAID, 12)],
      steps: [call("say")],
    },
  ],
};

const texts = { source: "model fake", functional: "graph fake", schedule: "kernel add" };

/** A module of one thread. */
export function strictModule(wasm: Uint8Array, features: readonly string[] = []): BundleParts["modules"][number] {
  return { variant: { tier: "strict", threads: false }, features, threads: null, wasm };
}

/** The parts of the fake bundle, with what the caller changes. */
export function fakeParts(changed: Partial<BundleParts> = {}): BundleParts {
  const plan = changed.plan ?? fakePlan;
  return {
    plan,
    modules: [strictModule(wat(WAT), ["simd128"])],
    weights,
    levels: levelsOf(plan, texts, [{ name: "fold", changed: true, digest: "" }]),
    texts,
    producer: "psionic 0.0.0",
    ...changed,
  };
}

export function fakeBundle(changed: Partial<BundleParts> = {}): Uint8Array<ArrayBuffer> {
  return writeBundle(fakeParts(changed));
}

/** The fake bundle with its weights, which are all bfloat16, stored as such. */
export function narrowBundle(): Uint8Array<ArrayBuffer> {
  const constants = fakePlan.constants.map((c) => ({ ...c, stored: "bf16" as const }));
  const halves = Uint16Array.from(new Uint32Array(WEIGHT_VALUES.buffer), (word) => word >>> 16);
  return fakeBundle({ plan: { ...fakePlan, constants }, weights: new Uint8Array(halves.buffer) });
}

/** The bundle with another manifest, its digest recomputed: what an attacker who keeps no pin can make. */
export function withManifest(bundle: Uint8Array, text: string): Uint8Array<ArrayBuffer> {
  const old = new DataView(bundle.buffer, bundle.byteOffset).getUint32(12, true);
  const blobs = bundle.subarray(Math.ceil((48 + old) / 64) * 64);
  const manifest = new TextEncoder().encode(text);
  const start = Math.ceil((48 + manifest.length) / 64) * 64;
  const out = new Uint8Array(start + blobs.length);
  out.set(bundle.subarray(0, 12));
  new DataView(out.buffer).setUint32(12, manifest.length, true);
  out.set(createHash("sha256").update(manifest).digest(), 16);
  out.set(manifest, 48);
  out.set(blobs, start);
  return out;
}

export function manifestText(bundle: Uint8Array): string {
  const length = new DataView(bundle.buffer, bundle.byteOffset).getUint32(12, true);
  return new TextDecoder().decode(bundle.subarray(48, 48 + length));
}
