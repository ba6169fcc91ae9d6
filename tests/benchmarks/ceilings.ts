// What one core of this machine can do in the code that a benchmark is compiled to: loops that only multiply and add, and
// loops that only read. The fraction of a ceiling that a row reaches says how much there is left to win.

import type { Arithmetic } from "./row.js";
import type { Work } from "./work.js";

/** Of vectors of one width. */
export interface Peak {
  readonly bits: number;
  /** GFLOP/s of a multiplication and an addition. */
  readonly mulAdd: number;
  /** GFLOP/s of the fused operation; null where there is none. */
  readonly fused: number | null;
}

export interface Ceilings {
  /** The code that they were measured in. */
  readonly code: string;
  /** Narrowest first. */
  readonly peaks: readonly Peak[];
  /** Billions of multiplications and additions a second in dot products of integers; null where there is no such operation. */
  readonly dot: number | null;
  /** The same in dot products of bfloat16. */
  readonly bf16: number | null;
  /** GB/s of reading, by where the bytes lie. */
  readonly l2: number;
  readonly l3: number;
  readonly memory: number;
}

export const L2_BYTES = 256 * 1024;
export const L3_BYTES = 6 * 2 ** 20;
export const MEMORY_BYTES = 192 * 2 ** 20;

/** The loops of one width of vectors: each runs them n times. */
export interface FlopsLoops {
  readonly bits: number;
  /** Operations of a time around. */
  readonly flops: number;
  readonly mulAdd: (n: number) => unknown;
  readonly fused: ((n: number) => unknown) | null;
}

/** Dot products of neighbours, added to what was there before. */
export interface DotLoop {
  /** Multiplications and additions of a time around. */
  readonly operations: number;
  readonly run: (n: number) => unknown;
}

export interface Loops {
  readonly code: string;
  readonly flops: readonly FlopsLoops[];
  readonly dot: DotLoop | null;
  readonly bf16: DotLoop | null;
  /** Reads the first `bytes` of MEMORY_BYTES, which the program has written, n times. */
  readonly read: (n: number, bytes: number) => unknown;
}

/** Measures the ceilings each time it is called. */
export function probeOf({ code, flops, dot, bf16, read }: Loops): () => Ceilings {
  let leastMs = FIRST_MS;
  return () => {
    const bandwidth = (bytes: number): number => rate((n) => read(n, bytes), bytes, leastMs);
    const measured = {
      code,
      peaks: flops.map((f) => ({
        bits: f.bits,
        mulAdd: rate(f.mulAdd, f.flops, leastMs),
        fused: f.fused === null ? null : rate(f.fused, f.flops, leastMs),
      })),
      dot: dot === null ? null : rate(dot.run, dot.operations, leastMs),
      bf16: bf16 === null ? null : rate(bf16.run, bf16.operations, leastMs),
      l2: bandwidth(L2_BYTES),
      l3: bandwidth(L3_BYTES),
      memory: bandwidth(MEMORY_BYTES),
    };
    leastMs = 0;
    return measured;
  };
}

const TRY_MS = 4;
/** Tries without a better one that end a measurement. */
const LAST_TRIES = 10;
/** An engine compiles a hot loop in the background, and the first measurement must not end before it has. */
const FIRST_MS = 400;

/** Billions of units a second, the best of many tries of a few milliseconds. */
function rate(run: (n: number) => unknown, units: number, leastMs: number): number {
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

/** The better of two measurements of the same code, ceiling by ceiling. */
export function higher(a: Ceilings, b: Ceilings): Ceilings {
  const peaks = a.peaks.map((p, i) => {
    const q = b.peaks[i] ?? p;
    return { bits: p.bits, mulAdd: Math.max(p.mulAdd, q.mulAdd), fused: either(p.fused, q.fused) };
  });
  const [dot, bf16] = [either(a.dot, b.dot), either(a.bf16, b.bf16)];
  const [l2, l3, memory] = [Math.max(a.l2, b.l2), Math.max(a.l3, b.l3), Math.max(a.memory, b.memory)];
  return { code: a.code, peaks, dot, bf16, l2, l3, memory };
}

function either(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : Math.max(a, b);
}

export interface TypedWork extends Work {
  readonly arithmetic: Arithmetic;
}

/** Milliseconds that the work takes at the ceilings: the longer of computing and of moving the bytes. */
export function floorMs(c: Ceilings, tier: "strict" | "relaxed", { flops, bytes, arithmetic }: TypedWork): number {
  const real = Math.max(...c.peaks.map((p) => (tier === "relaxed" ? (p.fused ?? p.mulAdd) : p.mulAdd)));
  // Dot products of bfloat16 round in their own way, which strict code does without.
  const own = { f32: null, integers: c.dot, bf16: tier === "relaxed" ? c.bf16 : null }[arithmetic];
  const peak = own ?? real;
  const bandwidth = bytes <= 4 * L2_BYTES ? c.l2 : bytes <= 16 * 2 ** 20 ? c.l3 : c.memory;
  return Math.max(flops / peak, bytes / bandwidth) / 1e6;
}

export function ceilingsText(c: Ceilings): string {
  const peak = ({ bits, mulAdd, fused }: Peak): string =>
    `${bits}-bit vectors mul+add ${mulAdd.toFixed(1)} GFLOP/s, fused ${fused === null ? "none" : `${fused.toFixed(1)} GFLOP/s`};`;
  return [
    `ceilings of one thread in ${c.code}:`,
    ...c.peaks.map(peak),
    ...(c.dot === null ? [] : [`dot products of integers ${c.dot.toFixed(1)} GOP/s;`]),
    ...(c.bf16 === null ? [] : [`of bfloat16 ${c.bf16.toFixed(1)} GFLOP/s;`]),
    `reads from L2 ${c.l2.toFixed(0)}, L3 ${c.l3.toFixed(0)}, memory ${c.memory.toFixed(0)} GB/s`,
  ].join(" ");
}
