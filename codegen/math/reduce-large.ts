// The quadrant of a large number and what is over it, in integers (Payne and Hanek): x = m 2^e times 2/pi, modulo 4. Of 2/pi only
// three words count: bits before these make multiples of 4, bits after them less than the result's error. The exponent
// chooses the words by selects, never by a load. The product of m and the words is 2 bits of quadrant and 2 words less 2
// bits of fraction, which becomes a float pair times pi/2.
// Multiples of pi/2 come as close to a float as 2^-30 (f32) and 2^-61 (f64) quadrants; the fraction is right to 2^-60
// and 2^-123, so the pair is to about 2^-30 and 2^-62 of itself. It holds from 2 on.

import type { Expr } from "../loops/expr.js";
import type { Pair, Terms } from "./terms.js";

/** 2/pi, 1200 bits after the point. */
const DIGITS = 1200;
const TWO_OVER_PI = BigInt(
  "0xa2f9836e4e441529fc2757d1f534ddc0db6295993c439041fe5163abdebbc561b7246e3a424dd2e006492eea09d1921cfe1deb1cb129a73ee8" +
    "8235f52ebb4484e99c7026b45f7e413991d639835339f49c845f8bbdf9283b1ff897ffde05980fef2f118b5a0a6d1f6d367ecf27cb09b7" +
    "4f463f669e5fea2d7527bac7ebe5f17b3d0739f78a5292ea6bfb5fb11f8d5d0856033046fc7b",
);

/** pi/2 as a first part of at most half a significand, and the rest. */
const HALF_PI = {
  f32: [1.57080078125, -4.454455103380769e-6],
  f64: [1.5707963109016418, 1.5893254773528196e-8],
};

/** floor(2/pi 2^places), of which a constant keeps the last word. */
function wordEnding(m: Terms, places: number): Expr {
  return m.n(TWO_OVER_PI >> BigInt(DIGITS - places));
}

function isBitSet(m: Terms, word: Expr, bit: number): Expr {
  return m.ne(m.same("and", word, m.n(1n << BigInt(bit))), m.n(0));
}

/**
 * `count` consecutive items of `list`, from the index on whose bits `digits` holds as masks, highest first. Where that
 * is beyond the list's end, anything.
 */
function itemsFrom(m: Terms, list: readonly Expr[], digits: readonly Expr[], count: number): Expr[] {
  let items = [...list];
  for (const [i, digit] of digits.entries()) {
    const step = 1 << (digits.length - 1 - i);
    const length = Math.min(items.length, count + step - 1);
    items = items.slice(0, length).map((item, k) => {
      const later = items[k + step];
      return later === undefined ? item : m.select(digit, later, item);
    });
  }
  return items;
}

interface Scaled {
  /** An integer below 2^31 or 2^53. */
  readonly multiplier: Expr;
  /** Three words of 2/pi, the first the highest: multiplier * words = x 2/pi 2^(3 width - 2), modulo 2^(3 width). */
  readonly words: readonly [Expr, Expr, Expr];
}

function three([a, b, c]: readonly Expr[]): readonly [Expr, Expr, Expr] {
  if (a === undefined || b === undefined || c === undefined) throw new RangeError("three words are needed");
  return [a, b, c];
}

/** The exponent's low 3 bits scale the significand, the next 2 choose a byte and the next 2 a word. */
function scaled32(m: Terms, bits: Expr): Scaled {
  const scaled = m.add(m.same("and", bits, m.n(0x03ffffff)), m.n(150 << 23));
  const bytes = [isBitSet(m, bits, 27), isBitSet(m, bits, 26)];
  const words = Array.from({ length: 6 }, (_, k) => {
    const choices = [0, 1, 2, 3].map((byte) => wordEnding(m, 32 * k + 8 * byte + 8));
    const [word] = itemsFrom(m, choices, bytes, 1);
    return word ?? m.n(0);
  });
  return {
    multiplier: m.pool.op("toIntS", m.int, m.ofBits(scaled)),
    words: three(itemsFrom(m, words, [isBitSet(m, bits, 29), isBitSet(m, bits, 28)], 3)),
  };
}

/** The exponent's low 6 bits shift the words, the next 4 choose them. f64 registers are scalars here, as for any i64. */
function scaled64(m: Terms, bits: Expr): Scaled {
  const one = 1n << 52n;
  const list = Array.from({ length: 19 }, (_, k) => wordEnding(m, 64 * k + 11));
  const digits = [61, 60, 59, 58].map((bit) => isBitSet(m, bits, bit));
  const found = itemsFrom(m, list, digits, 4);
  const by = m.same("and", m.shift("shrU", bits, 52), m.n(63));
  // Two steps: a shift by the width is none.
  const rest = m.same("xor", by, m.n(63));
  const words = found.slice(0, 3).map((word, i) => {
    const next = found[i + 1];
    if (next === undefined) throw new RangeError("a fourth word is needed");
    return m.same("or", m.same("shl", word, by), m.same("shrU", m.shift("shrU", next, 1), rest));
  });
  return {
    multiplier: m.same("or", m.same("and", bits, m.n(one - 1n)), m.n(one)),
    words: three(words),
  };
}

/** The product's first and second word. Of the third word's product the low word is left out, and the carry from it. */
function multiply(m: Terms, { multiplier, words }: Scaled): readonly [Expr, Expr] {
  const half = m.wide ? 32 : 16;
  const low = (e: Expr): Expr => m.same("and", e, m.n((1n << BigInt(half)) - 1n));
  const high = (e: Expr): Expr => m.shift("shrU", e, half);
  const [w0, w1, w2] = words;
  const [a, b] = [high(multiplier), low(multiplier)];
  const third = m.add(m.mul(a, high(w2)), m.add(high(m.mul(a, low(w2))), high(m.mul(b, high(w2)))));
  const cross = m.mul(b, high(w1));
  const middle = m.add(m.mul(a, low(w1)), m.add(high(m.mul(b, low(w1))), low(cross)));
  const second = m.add(m.mul(multiplier, w1), third);
  const carry = m.select(m.pool.compare("ltU", second, third), m.n(1), m.n(0));
  const top = m.add(m.mul(a, high(w1)), m.add(high(cross), high(middle)));
  return [m.add(m.mul(multiplier, w0), m.add(top, carry)), second];
}

/** |x| = (quadrant + f) pi/2 with |f| <= 1/2: the quadrant in the low 2 bits, and f pi/2. `bits` are those of x. */
export function reduceLarge(m: Terms, bits: Expr): { readonly quadrant: Expr; readonly r: Pair } {
  const [first, second] = multiply(m, m.wide ? scaled64(m, bits) : scaled32(m, bits));
  const width = m.wide ? 64 : 32;
  const quadrant = m.shift("shrU", m.add(first, m.n(1n << BigInt(width - 3))), width - 2);
  // f 2^width in three parts that are floats exactly: a multiple of 2^spare, a significand, and the rest.
  const spare = width - m.fraction - 1;
  const room = m.fraction + 1 - spare;
  const fraction = m.shift("shl", first, 2);
  const tail = width - room - 2;
  const toFloat = (e: Expr): Expr => m.pool.op("toFloatS", m.float, e);
  const head = toFloat(m.same("and", fraction, m.n(-(1n << BigInt(spare)))));
  const next = m.same("and", fraction, m.n((1n << BigInt(spare)) - 1n));
  const body = toFloat(m.same("or", m.shift("shl", next, room), m.shift("shrU", second, tail)));
  const last = toFloat(m.same("and", second, m.n((1n << BigInt(tail)) - 1n)));
  const scaledBody = m.mul(body, m.c(2 ** -room));
  const sum = m.add(head, scaledBody);
  const low = m.madd(last, m.c(2 ** (2 - width)), m.sub(scaledBody, m.sub(sum, head)));

  const [p1, p2] = m.pick(HALF_PI).map((p) => m.c(p * 2 ** -width));
  if (p1 === undefined || p2 === undefined) throw new RangeError("pi/2 has two parts");
  const p = m.c((Math.PI / 2) * 2 ** -width);
  const sumHead = m.head(sum);
  const product = m.mul(sumHead, p1);
  const rest = m.madd(low, p, m.madd(sumHead, p2, m.mul(m.sub(sum, sumHead), p)));
  const hi = m.add(product, rest);
  return { quadrant, r: { hi, lo: m.sub(rest, m.sub(hi, product)) } };
}
