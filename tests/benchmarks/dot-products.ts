// The widest dot products that a level of CPUs has, of integers and of bfloat16, as a step of LLVM IR from %a, %b and %c to
// %next, and what it gives in a lane of 32 bits.

import type { Dialect } from "../../codegen/llvm/spelling.js";
import type { VectorUnit } from "../../compiler/schedule/tiles.js";

export interface DotStep {
  readonly declaration: string;
  readonly step: (i: number) => string;
  /** Multiplications and additions in a lane. */
  readonly operations: number;
  /** Lane `i` of the next, from its value before and the words of b and c. */
  readonly lane: (a: number, b: readonly number[], c: readonly number[], i: number) => number;
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

/** An instruction of NEON on bytes. */
function neon(name: string, operations: number, lane: DotStep["lane"]): DotStep {
  const [v, bytes] = ["<4 x i32>", "<16 x i8>"];
  const call = `@llvm.aarch64.neon.${name}.v4i32.v16i8`;
  return {
    declaration: `declare ${v} ${call}(${v}, ${bytes}, ${bytes})`,
    step: (i) => `%b${i} = bitcast ${v} %b to ${bytes}
  %c${i} = bitcast ${v} %c to ${bytes}
  %next${i} = call ${v} ${call}(${v} %a${i}, ${bytes} %b${i}, ${bytes} %c${i})`,
    operations,
    lane,
  };
}

/** Row i / 2 of b by column i % 2 of c, of eight bytes. */
const square: DotStep["lane"] = (a, b, c, i) =>
  [0, 1].reduce((sum, half) => {
    const [x, y] = [b[(i & 2) + half] ?? 0, c[2 * (i & 1) + half] ?? 0];
    return fours(sum, (k) => byte(x, k) * signed(y, k));
  }, a);

/** Of integers; null where the level has none. */
export function dotOf({ byteDot, pairBytes }: Dialect, { lanes, bytes }: VectorUnit): DotStep | null {
  const v = `<${lanes} x i32>`;
  if (byteDot === "vpdpbusd") {
    const name = `llvm.x86.avx512.vpdpbusd.${32 * lanes}`;
    return {
      declaration: `declare ${v} @${name}(${v}, ${v}, ${v})`,
      step: (i) => `%next${i} = call ${v} @${name}(${v} %a${i}, ${v} %b, ${v} %c)`,
      operations: 8,
      lane: (a, b, c, i) => fours(a, (k) => byte(b[i] ?? 0, k) * signed(c[i] ?? 0, k)),
    };
  }
  if (bytes === "squares") return neon("usmmla", 16, square);
  if (byteDot === "sdot")
    return neon("sdot", 8, (a, b, c, i) => fours(a, (k) => signed(b[i] ?? 0, k) * signed(c[i] ?? 0, k)));
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
    lane: (a, b, c, i) => {
      const [x, y] = [b[i] ?? 0, c[i] ?? 0];
      return (((a << 16) >> 16) * ((x << 16) >> 16) + (a >> 16) * (x >> 16) + y) | 0;
    },
  };
}

/** A word's pair of bfloat16. */
function pairOf(word: number): Float32Array {
  return new Float32Array(Int32Array.of(word << 16, word & 0xffff0000).buffer);
}

/** Of bfloat16, for numbers whose sums are exact; chains are f32. Null where the level has none. */
export function bf16DotOf({ bf16Dot }: Dialect, { lanes }: VectorUnit): DotStep | null {
  if (bf16Dot === null) return null;
  const [v, words, pairs] = [`<${lanes} x float>`, `<${lanes} x i32>`, `<${2 * lanes} x bfloat>`];
  const bits = (i: number): string => `%b${i} = bitcast ${v} %b to ${bf16Dot === "bfdot" ? pairs : words}
  %c${i} = bitcast ${v} %c to ${bf16Dot === "bfdot" ? pairs : words}`;
  const bfdot = "@llvm.aarch64.neon.bfdot.v4f32.v8bf16";
  const isText = bf16Dot === "vdpbf16ps";
  return {
    declaration: isText ? "" : `declare ${v} ${bfdot}(${v}, ${pairs}, ${pairs})`,
    step: (i) =>
      isText
        ? `${bits(i)}
  %next${i} = call ${v} asm "vdpbf16ps $3, $2, $0", "=v,0,v,v"(${v} %a${i}, ${words} %b${i}, ${words} %c${i})`
        : `${bits(i)}
  %next${i} = call ${v} ${bfdot}(${v} %a${i}, ${pairs} %b${i}, ${pairs} %c${i})`,
    operations: 4,
    lane: (a, b, c, i) => {
      const [x, y] = [pairOf(b[i] ?? 0), pairOf(c[i] ?? 0)];
      return a + (x[0] ?? 0) * (y[0] ?? 0) + (x[1] ?? 0) * (y[1] ?? 0);
    },
  };
}
