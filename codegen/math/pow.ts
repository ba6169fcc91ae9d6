// pow(x, y) = 2^(y log2 |x|), with log2 |x| and the product as pairs, and the special cases of C99.
// |x| = 2^e m, s = (m - 1) / (m + 1), u = s^2: log2 m = s (C0 + C1 u + u^2 G(u)), where C0 and C1 are pairs whose heads have
// half a significand. G is a minimax (Remez) fit on m in [sqrt(1/2), sqrt(2)], X one of (2^r - 1) / r on |r| <= 1/2; both
// are rounded as in exp.ts. Max errors: G relative to log2 m f32 2^-36.1 (3 coefficients), f64 2^-65.7 (7); X relative to 2^r
// f32 2^-27.4 (6), f64 2^-59.1 (12).

import type { Expr } from "../loops/expr.js";
import { scale } from "./exp.js";
import { normalize, split } from "./log.js";
import type { Pair, Terms } from "./terms.js";

const G = {
  f32: [0.5770793557, 0.4119217396, 0.3363246322],
  f64: [
    0.57707801635559086, 0.41219858310312318, 0.32059890050452144, 0.26230784092910636, 0.2219781013942228,
    0.19138217351256845, 0.18928609654711845,
  ],
};
const X = {
  f32: [0.6931471825, 0.2402265072, 0.05550360307, 0.009618103504, 0.001339174807, 0.0001544658444],
  f64: [
    Math.LN2,
    0.24022650695910072,
    0.055504108664823096,
    0.0096181291076266537,
    0.0013333558146134165,
    0.00015403530398806661,
    1.5252734054861985e-5,
    1.3215481105952321e-6,
    1.017798234513987e-7,
    7.0573688941517934e-9,
    4.4654913263143981e-10,
    2.1941021233748994e-11,
  ],
};
const C0_HIGH = { f32: 2.884765625, f64: 2.885390043258667 };
const C0_LOW = { f32: 0.0006244567921385169, f64: 3.8519259822532349e-8 };
const C1_HIGH = { f32: 0.961669921875, f64: 0.96179668605327606 };
const C1_LOW = { f32: 0.00012677205086220056, f64: 7.8726995428948972e-9 };

/** log2 of a normal u > 0, plus `extra`; the low part is below an ulp of the high one. */
function log2Pair(m: Terms, u: Expr, extra: Expr): Pair {
  const { exponent, mantissa } = split(m, u);
  const one = m.c(1);
  const f = m.sub(mantissa, one);
  const g = m.add(mantissa, one);
  const gHead = m.head(g);
  const gLow = m.sub(mantissa, m.sub(gHead, one));
  const inverse = m.div(one, g);
  const sHead = m.head(m.mul(f, inverse));
  const sLow = m.mul(m.sub(m.sub(f, m.mul(sHead, gHead)), m.mul(sHead, gLow)), inverse);
  const s = m.add(sHead, sLow);

  // u = s^2 as uHead (half a significand) + uLow.
  const square = m.mul(sHead, sHead);
  const uHead = m.head(square);
  const uLow = m.add(m.sub(square, uHead), m.mul(m.add(s, sHead), sLow));
  const ratio = m.add(uHead, uLow);
  const c1Head = m.c(m.pick(C1_HIGH));
  const first = m.mul(uHead, c1Head);
  const rest = m.add(
    m.add(m.mul(uLow, c1Head), m.mul(ratio, m.c(m.pick(C1_LOW)))),
    m.madd(m.mul(ratio, ratio), m.poly(ratio, m.pick(G)), m.c(m.pick(C0_LOW))),
  );
  const c0Head = m.c(m.pick(C0_HIGH));
  const factor = m.add(c0Head, m.add(first, rest));
  const factorHead = m.head(factor);
  const factorLow = m.add(m.add(m.sub(c0Head, factorHead), first), rest);

  const product = m.mul(sHead, factorHead);
  const productLow = m.add(m.mul(sHead, factorLow), m.mul(sLow, factor));
  const e = m.add(m.toFloat(exponent), extra);
  const hi = m.add(e, product);
  const low = m.add(m.add(m.sub(e, hi), product), productLow);
  const sum = m.add(hi, low);
  return { hi: sum, lo: m.add(m.sub(hi, sum), low) };
}

/** 2^(hi + lo), saturating. */
function exp2Pair(m: Terms, p: Pair): Expr {
  const bound = m.pick({ f32: 160, f64: 1100 });
  const hi = m.min(m.max(p.hi, m.c(-bound)), m.c(bound));
  const lo = m.select(m.eq(hi, p.hi), p.lo, m.c(0));
  const shifter = m.c(m.magic + 2 * m.bias);
  const shifted = m.add(hi, shifter);
  const r = m.add(m.sub(hi, m.sub(shifted, shifter)), lo);
  return scale(m, m.add(m.c(1), m.mul(r, m.poly(r, m.pick(X)))), shifted);
}

export function pow(m: Terms, x: Expr, y: Expr): Expr {
  const a = m.abs(x);
  const infinity = m.c(Number.POSITIVE_INFINITY);
  const zero = m.c(0);
  const one = m.c(1);
  const { normal, bump } = normalize(m, a);
  const log = log2Pair(m, normal, m.same("neg", bump));
  // Beyond this, the result is 0, 1 or infinity for every x.
  const bound = m.pick({ f32: 2 ** 33, f64: 2 ** 64 });
  const yBounded = m.min(m.max(y, m.c(-bound)), m.c(bound));
  const yHead = m.head(yBounded);
  const yLow = m.sub(yBounded, yHead);
  const logHead = m.head(log.hi);
  const logLow = m.add(m.sub(log.hi, logHead), log.lo);
  const product = m.mul(yHead, logHead);
  const productLow = m.add(m.mul(yLow, logHead), m.mul(yBounded, logLow));
  const hi = m.add(product, productLow);
  const magnitude = exp2Pair(m, { hi, lo: m.add(m.sub(product, hi), productLow) });

  // 0 and infinity: the result is one of them, by the sign of y.
  const endless = m.eq(a, infinity);
  const extreme = m.either(endless, m.eq(a, zero));
  const grows = m.pool.op("xor", endless.type, endless, m.lt(y, zero));
  const ofExtreme = m.select(grows, infinity, zero);
  const nan = m.either(m.ne(x, x), m.ne(y, y));
  const size = m.select(nan, m.c(Number.NaN), m.select(extreme, ofExtreme, magnitude));

  const whole = m.eq(m.same("floor", y), y);
  const halfY = m.mul(y, m.c(0.5));
  const odd = m.both(whole, m.ne(m.same("floor", halfY), halfY));
  const signed = m.select(odd, m.flip(size, m.signBit(x)), size);
  const negative = m.both(m.lt(x, zero), m.lt(a, infinity));
  const undefinedHere = m.both(negative, m.ne(m.same("floor", y), y));
  const defined = m.select(undefinedHere, m.c(Number.NaN), signed);
  return m.select(m.either(m.eq(x, one), m.eq(y, zero)), one, defined);
}
