// Dot products in LLVM IR: of pairs of 16 bits and of four bytes, by the instruction that the CPU has for them, else by
// those that give the same integers.

import { arg, cast, type Spell, type Spelling } from "./spelling.js";
import { repeated, typeOf, vectorOf } from "./types.js";

const PAIR_NAMES: Readonly<Record<number, string>> = {
  4: "llvm.x86.sse2.pmadd.wd",
  8: "llvm.x86.avx2.pmadd.wd",
  16: "llvm.x86.avx512.pmaddw.d.512",
};

export function dot16(cx: Spelling): string {
  const type = typeOf(cx.type);
  const halves = vectorOf("i16", 2 * cx.type.lanes);
  return pairsDot(cx, cast(cx, "bitcast", type, arg(cx, 0), halves), cast(cx, "bitcast", type, arg(cx, 1), halves));
}

/** The dot products of pairs, of vectors of halves. */
function pairsDot(cx: Spelling, a: string, b: string): string {
  const { lanes } = cx.type;
  const type = typeOf(cx.type);
  const halves = vectorOf("i16", 2 * lanes);
  const own = PAIR_NAMES[lanes];
  if (own !== undefined && lanes * 4 <= cx.dialect.pairBytes)
    return cx.out.call(type, own, [
      { type: halves, text: a },
      { type: halves, text: b },
    ]);
  const wide = vectorOf("i32", 2 * lanes);
  const [x, y] = [cx.out.value(`sext ${halves} ${a} to ${wide}`), cx.out.value(`sext ${halves} ${b} to ${wide}`)];
  const product = cx.out.value(`mul ${wide} ${x}, ${y}`);
  const every = (from: number): string => {
    const order = Array.from({ length: lanes }, (_, i) => `i32 ${2 * i + from}`);
    return cx.out.value(`shufflevector ${wide} ${product}, ${wide} undef, <${lanes} x i32> <${order.join(", ")}>`);
  };
  return cx.out.value(`add ${type} ${every(0)}, ${every(1)}`);
}

const BYTE_DOT_NAMES: Readonly<Record<number, string>> = {
  4: "llvm.x86.avx512.vpdpbusd.128",
  8: "llvm.x86.avx512.vpdpbusd.256",
  16: "llvm.x86.avx512.vpdpbusd.512",
};

const SMALL_NAMES: Readonly<Record<number, string>> = {
  4: "llvm.x86.ssse3.pmadd.ub.sw.128",
  8: "llvm.x86.avx2.pmadd.ub.sw",
  16: "llvm.x86.avx512.pmaddubs.w.512",
};

/** c + u . s over the bytes of each lane; `isSmall`: no byte of u is above 127. */
export const dotBytes =
  (isSmall: boolean): Spell =>
  (cx) => {
    const { byteDot } = cx.dialect;
    const { lanes } = cx.type;
    const own = BYTE_DOT_NAMES[lanes];
    const small = SMALL_NAMES[lanes];
    if (byteDot === "vpdpbusd" && own !== undefined) {
      const type = typeOf(cx.type);
      const operands = [arg(cx, 2), arg(cx, 0), arg(cx, 1)];
      return cx.out.call(
        type,
        own,
        operands.map((text) => ({ type, text })),
      );
    }
    if (byteDot === "usdot" && lanes === 4) return ofBytes(cx, "usdot", arg(cx, 2), arg(cx, 0), arg(cx, 1));
    if (byteDot === "sdot" && lanes === 4) return signedDot(cx, isSmall);
    const isIn16 = isSmall && small !== undefined && lanes * 4 <= cx.dialect.pairBytes;
    return isIn16 ? sumOfPairs(cx, small) : pairsOfBytes(cx);
  };

/** x86's products of bytes, added in pairs to 16 bits: 127 * 128 * 2 fits them. Pairs of these make a lane. */
function sumOfPairs(cx: Spelling, name: string): string {
  const { out } = cx;
  const { lanes } = cx.type;
  const type = typeOf(cx.type);
  const [bytes, halves] = [vectorOf("i8", 4 * lanes), vectorOf("i16", 2 * lanes)];
  const [u, s] = [cast(cx, "bitcast", type, arg(cx, 0), bytes), cast(cx, "bitcast", type, arg(cx, 1), bytes)];
  const pairs = out.call(halves, name, [
    { type: bytes, text: u },
    { type: bytes, text: s },
  ]);
  return out.value(`add ${type} ${arg(cx, 2)}, ${pairsDot(cx, pairs, repeated("i16", "1", 2 * lanes))}`);
}

/** NEON's instructions that add what two vectors of bytes give to four sums. */
function ofBytes(cx: Spelling, name: string, c: string, a: string, b: string): string {
  const [type, bytes] = ["<4 x i32>", vectorOf("i8", 16)];
  return cx.out.call(type, `llvm.aarch64.neon.${name}.v4i32.v16i8`, [
    { type, text: c },
    { type: bytes, text: cast(cx, "bitcast", type, a, bytes) },
    { type: bytes, text: cast(cx, "bitcast", type, b, bytes) },
  ]);
}

/** Both operands signed: u less 128 is, and 128 times the sum of s makes up for it. */
function signedDot(cx: Spelling, isSmall: boolean): string {
  const { out } = cx;
  const [u, s, c] = [arg(cx, 0), arg(cx, 1), arg(cx, 2)];
  if (isSmall) return ofBytes(cx, "sdot", c, u, s);
  const every = repeated("i32", String(0x80808080 | 0), 4);
  const least = ofBytes(cx, "sdot", "zeroinitializer", every, s);
  const dot = ofBytes(cx, "sdot", c, out.value(`xor <4 x i32> ${u}, ${every}`), s);
  return out.value(`sub <4 x i32> ${dot}, ${least}`);
}

/** Instructions that loops ask for where the CPU has them, and nowhere else. */
export const neonBytes =
  (name: "sdot" | "usmmla" | "smmla"): Spell =>
  (cx) =>
    ofBytes(cx, name, arg(cx, 2), arg(cx, 0), arg(cx, 1));

/** c + a . b over the pairs of bfloat16 of each lane. Graphs have such products where every level has the instruction. */
export function dotBf16(cx: Spelling): string {
  const { lanes } = cx.type;
  const [type, words] = [typeOf(cx.type), vectorOf("i32", lanes)];
  const [a, b, c] = [arg(cx, 0), arg(cx, 1), arg(cx, 2)];
  if (cx.dialect.bf16Dot === "bfdot") {
    const pairs = vectorOf("bfloat", 2 * lanes);
    const operands = [a, b].map((text) => ({ type: pairs, text: cast(cx, "bitcast", words, text, pairs) }));
    return cx.out.call(type, "llvm.aarch64.neon.bfdot.v4f32.v8bf16", [{ type, text: c }, ...operands]);
  }
  if (cx.dialect.bf16Dot === null) throw new RangeError("this level has no dot products of bfloat16");
  // As text: the intrinsic has other types in LLVM 16 than before, and that version breaks off where an operand is a splat.
  return cx.out.value(
    `call ${type} asm "vdpbf16ps $3, $2, $0", "=v,0,v,v"(${type} ${c}, ${words} ${a}, ${words} ${b})`,
  );
}

/** Even bytes and odd ones apart, as 16-bit pairs. */
function pairsOfBytes(cx: Spelling): string {
  const { out } = cx;
  const { lanes } = cx.type;
  const type = typeOf(cx.type);
  const halves = vectorOf("i16", 2 * lanes);
  const eight = repeated("i16", "8", 2 * lanes);
  const [u, s] = [cast(cx, "bitcast", type, arg(cx, 0), halves), cast(cx, "bitcast", type, arg(cx, 1), halves)];
  const even = out.value(`ashr ${halves} ${out.value(`shl ${halves} ${s}, ${eight}`)}, ${eight}`);
  const odd = out.value(`ashr ${halves} ${s}, ${eight}`);
  const low = out.value(`and ${halves} ${u}, ${repeated("i16", "255", 2 * lanes)}`);
  const high = out.value(`lshr ${halves} ${u}, ${eight}`);
  const first = out.value(`add ${type} ${arg(cx, 2)}, ${pairsDot(cx, low, even)}`);
  return out.value(`add ${type} ${first}, ${pairsDot(cx, high, odd)}`);
}
