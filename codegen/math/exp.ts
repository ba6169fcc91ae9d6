// exp, expm1 and sigmoid. exp(x) = 2^k (1 + t), k = nearest(x / ln 2), t = r + r^2 q(r) on |r| <= ln(2)/2.
// q is a minimax (Remez) fit of (exp(r) - 1 - r) / r^2, its coefficients rounded to the format one after the other and
// the rest fitted again; max error relative to exp: f32 2^-28.2 (5 coefficients), f64 2^-63 (11 coefficients).

import type { Expr } from "../loops/expr.js";
import type { Terms } from "./terms.js";

const Q = {
  f32: [0.4999999404, 0.1666651517, 0.04166808352, 0.008369348012, 0.001384036732],
  f64: [
    0.5, 0.16666666666666688, 0.041666666666666824, 0.0083333333333138904, 0.0013888888888777744,
    0.00019841269903388565, 2.4801587560080212e-5, 2.7557228648340654e-6, 2.7557066539485177e-7, 2.5113945557115971e-8,
    2.09782059354276e-9,
  ],
};
const LOG2E = Math.LOG2E;
/** ln 2 in two parts: times any k of the format, the first is exact. */
const LN2_HIGH = { f32: 0.693145751953125, f64: 0.6931471803691238 };
const LN2_LOW = { f32: 1.428606765330187e-6, f64: 1.9082149292705877e-10 };

/** x = k ln 2 + r: `shifted` holds k + offset in its low bits; r = head - low, of which head is exact. */
interface Reduced {
  readonly shifted: Expr;
  readonly head: Expr;
  readonly low: Expr;
  readonly r: Expr;
}

function reduce(m: Terms, x: Expr, offset: number): Reduced {
  const shifter = m.c(m.magic + offset);
  const shifted = m.madd(x, m.c(LOG2E), shifter);
  const k = m.sub(shifted, shifter);
  const head = m.sub(x, m.mul(k, m.c(m.pick(LN2_HIGH))));
  const low = m.mul(k, m.c(m.pick(LN2_LOW)));
  return { shifted, head, low, r: m.sub(head, low) };
}

/** exp(r) - 1 - r. */
function curve(m: Terms, r: Expr): Expr {
  return m.mul(m.mul(r, r), m.poly(r, m.pick(Q)));
}

/** exp(x) = 2^k (1 + head + rest): `shifted` holds k + offset in its low bits; head is exact, and rest well below it. */
export interface ExpParts {
  readonly shifted: Expr;
  readonly head: Expr;
  readonly rest: Expr;
}

function expParts(m: Terms, x: Expr, offset: number): ExpParts {
  const { shifted, head, low, r } = reduce(m, x, offset);
  return { shifted, head, rest: m.sub(curve(m, r), low) };
}

/** p * 2^k where the low bits of the float `shifted` hold k + 2 * bias: one rounding, also where the result is denormal. */
export function scale(m: Terms, p: Expr, shifted: Expr): Expr {
  const bits = m.bits(shifted);
  const half = m.shift("shrS", bits, 1);
  return m.mul(m.mul(p, m.power(half)), m.power(m.sub(bits, half)));
}

/** Below, exp is 0; above, infinite. */
const LEAST = { f32: -104, f64: -746 };
const GREATEST = { f32: 89.5, f64: 711 };

/** exp(x) * 2^shift for any x. */
export function expTimes(m: Terms, x: Expr, shift: number): Expr {
  const parts = expParts(m, m.min(m.max(x, m.c(m.pick(LEAST))), m.c(m.pick(GREATEST))), 2 * m.bias + shift);
  return scale(m, m.add(m.c(1), m.add(parts.head, parts.rest)), parts.shifted);
}

export function exp(m: Terms, x: Expr): Expr {
  return expTimes(m, x, 0);
}

/** Keeps powers normal where results are denormal. */
const RAISED = { f32: 64, f64: 512 };

/** exp(x) for an x that is not above 0, or NaN, with the bits of `exp`: a raised power, which is normal, and one factor down. */
export function expOfNegative(m: Terms, x: Expr): Expr {
  const raised = m.pick(RAISED);
  const parts = expParts(m, m.max(x, m.c(m.pick(LEAST))), m.bias + raised);
  const p = m.add(m.c(1), m.add(parts.head, parts.rest));
  return m.mul(m.mul(p, m.power(m.bits(parts.shifted))), m.c(2 ** -raised));
}

/** exp(x) * 2^shift = power (1 + t) for an x where power is normal; t to half an ulp and a bit. */
export function growth(m: Terms, x: Expr, shift = 0): { readonly power: Expr; readonly t: Expr } {
  const { shifted, r } = reduce(m, x, m.bias + shift);
  return { power: m.power(m.bits(shifted)), t: m.add(r, curve(m, r)) };
}

/** exp(x) - 1 = 2 ((2^(k-1) - 1/2) + 2^(k-1) t), and x itself where x^2 is lost. */
export function expm1(m: Terms, x: Expr): Expr {
  const low = m.c(m.pick({ f32: -26, f64: -56 }));
  const high = m.c(m.pick({ f32: 88.9, f64: 709.9 }));
  const parts = expParts(m, m.min(m.max(x, low), high), m.bias - 1);
  const half = m.power(m.bits(parts.shifted));
  const sum = m.madd(half, parts.rest, m.madd(half, parts.head, m.sub(half, m.c(0.5))));
  const tiny = m.lt(m.abs(x), m.c(m.pick({ f32: 2 ** -25, f64: 2 ** -54 })));
  return m.select(tiny, x, m.add(sum, sum));
}

/** exp(-a) = (1 + hi + lo) / 2^k for a >= 0 and below the format's greatest exponent; `power` is 2^k. */
interface Decay {
  readonly power: Expr;
  readonly hi: Expr;
  readonly lo: Expr;
}

export function decay(m: Terms, a: Expr): Decay {
  const shifter = m.c(m.magic + m.bias);
  const shifted = m.madd(a, m.c(LOG2E), shifter);
  const k = m.sub(shifted, shifter);
  const head = m.sub(m.mul(k, m.c(m.pick(LN2_HIGH))), a);
  const low = m.mul(k, m.c(m.pick(LN2_LOW)));
  const r = m.add(head, low);
  const rest = m.add(m.mul(m.mul(r, r), m.poly(r, m.pick(Q))), low);
  const hi = m.add(head, rest);
  return { power: m.power(m.bits(shifted)), hi, lo: m.add(m.sub(head, hi), rest) };
}

/** (n + nLow) / d where d = dHead + dLow and dHead has half a significand: the quotient's head, then its remainder. */
export function divideExactly(m: Terms, n: Expr, nLow: Expr, d: Expr, dHead: Expr, dLow: Expr): Expr {
  const inverse = m.div(m.c(1), d);
  const head = m.head(m.mul(n, inverse));
  const left = m.add(m.sub(m.sub(n, m.mul(head, dHead)), m.mul(head, dLow)), nLow);
  return m.madd(left, inverse, head);
}

/** exp(-x) * 2^shift = power (1 + t), as `growth` has it, without a negation. */
function growthOfMinus(m: Terms, x: Expr, shift: number): { readonly power: Expr; readonly t: Expr } {
  const shifter = m.c(m.magic + m.bias + shift);
  const shifted = m.madd(x, m.c(-LOG2E), shifter);
  const k = m.sub(shifted, shifter);
  const minus = m.add(m.add(x, m.mul(k, m.c(m.pick(LN2_HIGH)))), m.mul(k, m.c(m.pick(LN2_LOW))));
  const q = m.pick(Q).map((c, i) => (i % 2 === 0 ? c : -c));
  return { power: m.power(m.bits(shifted)), t: m.sub(m.mul(m.mul(minus, minus), m.poly(minus, q)), minus) };
}

/**
 * 1 / (1 + exp(-x)) = c / (2^k + (c + 2^k t)) with exp(-x) = 2^k (1 + t) / c, and with a power of two c that keeps the divisor
 * normal, so that one rounding makes a denormal. c is added to the smaller term: next to 2^k alone it would be lost too soon.
 */
export function sigmoid(m: Terms, x: Expr): Expr {
  const raised = m.pick(RAISED);
  const least = m.max(x, m.c(m.pick(LEAST)));
  const bounded = m.min(least, m.c(m.pick({ f32: 40, f64: 80 })));
  const { power, t } = growthOfMinus(m, bounded, -raised);
  const c = m.c(2 ** -raised);
  return m.div(c, m.add(power, m.madd(power, t, c)));
}
