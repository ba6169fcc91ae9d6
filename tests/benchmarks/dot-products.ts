// The widest dot product of integers that a level of CPUs has, as a step of LLVM IR from %a, %b and %c to %next, and what it
// gives in a lane of 32 bits.

import type { Dialect } from "../../codegen/llvm/spelling.js";

export interface DotStep {
  readonly declaration: string;
  readonly step: (i: number) => string;
  /** Multiplications and additions in a lane. */
  readonly operations: number;
  readonly lane: (a: number, b: number, c: number) => number;
}

/** x86's multiply-add of pairs, by lanes. */
const PAIRS: Readonly<Record<number, string>> = {
  4: "llvm.x86.sse2.pmadd.wd",
  8: "llvm.x86.avx2.pmadd.wd",
  16: "llvm.x86.avx512.pmaddw.d.512",
};

const byte = (x: number, k: number): number => (x >> (8 * k)) & 255;
const signed = (x: number, k: number): number => (x << (24 - 8 * k)) >> 24;
const fours = (a: number, product: (k: number) => number): number =>
  [0, 1, 2, 3].reduce((sum, k) => (sum + product(k)) | 0, a);

/** Null where the level has none. */
export function dotOf({ byteDot, pairBytes }: Dialect, lanes: number): DotStep | null {
  const v = `<${lanes} x i32>`;
  if (byteDot === "vpdpbusd") {
    const name = `llvm.x86.avx512.vpdpbusd.${32 * lanes}`;
    return {
      declaration: `declare ${v} @${name}(${v}, ${v}, ${v})`,
      step: (i) => `%next${i} = call ${v} @${name}(${v} %a${i}, ${v} %b, ${v} %c)`,
      operations: 8,
      lane: (a, b, c) => fours(a, (k) => byte(b, k) * signed(c, k)),
    };
  }
  if (byteDot === "sdot") {
    const name = "llvm.aarch64.neon.sdot.v4i32.v16i8";
    const bytes = "<16 x i8>";
    return {
      declaration: `declare ${v} @${name}(${v}, ${bytes}, ${bytes})`,
      step: (i) => `%b${i} = bitcast ${v} %b to ${bytes}
  %c${i} = bitcast ${v} %c to ${bytes}
  %next${i} = call ${v} @${name}(${v} %a${i}, ${bytes} %b${i}, ${bytes} %c${i})`,
      operations: 8,
      lane: (a, b, c) => fours(a, (k) => signed(b, k) * signed(c, k)),
    };
  }
  const name = PAIRS[lanes];
  if (pairBytes !== 4 * lanes || name === undefined) return null;
  const pairs = `<${2 * lanes} x i16>`;
  return {
    declaration: `declare ${v} @${name}(${pairs}, ${pairs})`,
    step: (i) => `%x${i} = bitcast ${v} %a${i} to ${pairs}
  %y${i} = bitcast ${v} %b to ${pairs}
  %sum${i} = call ${v} @${name}(${pairs} %x${i}, ${pairs} %y${i})
  %next${i} = add ${v} %sum${i}, %c`,
    operations: 4,
    lane: (a, b, c) => (((a << 16) >> 16) * ((b << 16) >> 16) + (a >> 16) * (b >> 16) + c) | 0,
  };
}
