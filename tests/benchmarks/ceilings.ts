// What one core of this machine can do in WebAssembly: loops that only multiply and add, and loops that only read. The
// fraction of a ceiling that a row reaches says how much there is left to win.

import wabtFactory from "wabt";

export interface Ceilings {
  /** GFLOP/s of f32x4.mul and f32x4.add. */
  readonly mulAdd: number;
  /** GFLOP/s of f32x4.relaxed_madd; null where the engine has none. */
  readonly relaxedMadd: number | null;
  /** GB/s of reading, by where the bytes lie. */
  readonly l2: number;
  readonly l3: number;
  readonly memory: number;
}

export const L2_BYTES = 256 * 1024;
export const L3_BYTES = 6 * 2 ** 20;
const MEMORY_BYTES = 192 * 2 ** 20;

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

function flopsModule(step: (acc: string) => string): string {
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

export async function ceilings(): Promise<() => Ceilings> {
  const wabt = await wabtFactory();
  const instantiate = (wat: string): Run | null => {
    const parsed = wabt.parseWat("probe.wat", wat, { simd: true, relaxed_simd: true });
    const { buffer } = parsed.toBinary({});
    parsed.destroy();
    if (!WebAssembly.validate(buffer as BufferSource)) return null;
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(buffer as BufferSource));
    return exports["run"] as Run;
  };
  const mulAdd = instantiate(flopsModule((a) => `(f32x4.add (f32x4.mul ${a} (local.get $b)) (local.get $c))`));
  const madd = instantiate(flopsModule((a) => `(f32x4.relaxed_madd ${a} (local.get $b) (local.get $c))`));
  const read = instantiate(readModule(MEMORY_BYTES / 65536));
  if (mulAdd === null || read === null) throw new Error("this engine has no WebAssembly SIMD");
  const flops = 2 * LANES * CHAINS;
  let leastMs = FIRST_MS;
  return () => {
    const measured = {
      mulAdd: rate(mulAdd, flops, leastMs),
      relaxedMadd: madd === null ? null : rate(madd, flops, leastMs),
      l2: rate((n) => read(n, L2_BYTES), L2_BYTES, leastMs),
      l3: rate((n) => read(n, L3_BYTES), L3_BYTES, leastMs),
      memory: rate((n) => read(n, MEMORY_BYTES), MEMORY_BYTES, leastMs),
    };
    leastMs = 0;
    return measured;
  };
}

const TRY_MS = 4;
/** Tries without a better one that end a measurement. */
const LAST_TRIES = 10;
/** The engine compiles a hot loop in the background, and the first measurement must not end before it has. */
const FIRST_MS = 400;

/** Billions of units a second, the best of many tries of a few milliseconds. */
function rate(run: (n: number) => number, units: number, leastMs: number): number {
  const begin = performance.now();
  let n = 1;
  let best = 0;
  for (let since = 0; since < LAST_TRIES || performance.now() - begin < leastMs; ) {
    const start = performance.now();
    run(n);
    const ms = performance.now() - start;
    if (ms < TRY_MS) {
      n *= 2;
      continue;
    }
    const now = (n * units) / ms / 1e6;
    since = now > best * 1.01 ? 0 : since + 1;
    best = Math.max(best, now);
  }
  return best;
}

/** The better of two measurements, ceiling by ceiling. */
export function higher(a: Ceilings, b: Ceilings): Ceilings {
  return {
    mulAdd: Math.max(a.mulAdd, b.mulAdd),
    relaxedMadd: a.relaxedMadd === null || b.relaxedMadd === null ? null : Math.max(a.relaxedMadd, b.relaxedMadd),
    l2: Math.max(a.l2, b.l2),
    l3: Math.max(a.l3, b.l3),
    memory: Math.max(a.memory, b.memory),
  };
}

/** Milliseconds that the work takes at the ceilings: the longer of computing and of moving the bytes. */
export function floorMs(c: Ceilings, tier: "strict" | "relaxed", flops: number, bytes: number): number {
  const peak = tier === "relaxed" ? (c.relaxedMadd ?? c.mulAdd) : c.mulAdd;
  const bandwidth = bytes <= 4 * L2_BYTES ? c.l2 : bytes <= 16 * 2 ** 20 ? c.l3 : c.memory;
  return Math.max(flops / peak, bytes / bandwidth) / 1e6;
}
