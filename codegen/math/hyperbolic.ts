// sinh, cosh, tanh and their inverses, from the parts of exp.ts and log.ts.
// sinh on |x| < 1 is x + x^3 S(x^2), S a minimax (Remez) fit of (sinh(x) - x) / x^3, rounded as in exp.ts; max error
// relative to sinh: f32 2^-31.1 (4 coefficients), f64 2^-61.7 (7 coefficients).

import type { Expr } from "../loops/expr.js";
import { decay, divideExactly, expTimes, growth } from "./exp.js";
import { logOfSum } from "./log.js";
import type { Terms } from "./terms.js";

const S = {
  f32: [0.1666666716, 0.00833330676, 0.0001984384726, 2.776343536e-6],
  f64: [
    0.16666666666666669, 0.0083333333333329151, 0.0001984126984158925, 2.7557319108482108e-6, 2.505213067625294e-8,
    1.605668703028359e-10, 7.7756945840883727e-13,
  ],
};

export function tanh(m: Terms, x: Expr): Expr {
  return m.flip(m.wide ? tanhWide(m, m.abs(x)) : tanhNarrow(m, m.abs(x)), m.signBit(x));
}

/** (1 - e) / (1 + e) with e = exp(-2 a) = 2^k (1 + t), k <= 0: ((1 - 2^k) - 2^k t) / ((1 + 2^k) + 2^k t). */
function tanhNarrow(m: Terms, a: Expr): Expr {
  const { power, t } = growth(m, m.mul(m.min(a, m.c(10)), m.c(-2)));
  const change = m.mul(power, t);
  const n = m.sub(m.sub(m.c(1), power), change);
  return m.div(n, m.add(m.add(m.c(1), power), change));
}

/** (1 - e) / (1 + e) with e = exp(-2 a) = (1 + t) / 2^k: (2^k - 1 - t) / (2^k + 1 + t). */
function tanhWide(m: Terms, a: Expr): Expr {
  const { power, hi, lo } = decay(m, m.min(m.add(a, a), m.c(44)));
  const below = m.sub(power, m.c(1));
  const n = m.sub(below, hi);
  const lost = m.sub(m.sub(power, below), m.c(1));
  const nLow = m.add(m.sub(m.sub(m.sub(below, n), hi), lo), lost);
  const d = m.add(m.add(power, m.c(1)), hi);
  const dHead = m.head(d);
  const dLow = m.add(m.add(m.add(m.sub(power, dHead), m.c(1)), hi), lo);
  return divideExactly(m, n, nLow, d, dHead, dLow);
}

export function sinh(m: Terms, x: Expr): Expr {
  const a = m.abs(x);
  const z = m.mul(a, a);
  const small = m.madd(m.mul(a, z), m.poly(z, m.pick(S)), a);
  const half = expTimes(m, a, -1);
  const large = m.sub(half, m.div(m.c(0.25), half));
  return m.flip(m.select(m.lt(a, m.c(1)), small, large), m.signBit(x));
}

export function cosh(m: Terms, x: Expr): Expr {
  const half = expTimes(m, m.abs(x), -1);
  return m.add(half, m.div(m.c(0.25), half));
}

/** log(1 + w + wLow), or log(a) + ln 2 where `large` holds; a >= 0. */
function logOfDouble(m: Terms, a: Expr, w: Expr, wLow: Expr, large: Expr): Expr {
  const sum = m.twoSum(m.c(1), w);
  const u = m.select(large, a, sum.hi);
  const low = m.select(large, m.c(0), m.add(sum.lo, wLow));
  const value = logOfSum(m, u, low, m.select(large, m.c(1), m.c(0)));
  return m.select(m.lt(a, m.c(Number.POSITIVE_INFINITY)), value, a);
}

const BIG = { f32: 2 ** 14, f64: 2 ** 28 };

/** log(a + sqrt(a^2 + 1)) = log1p(a + a^2 / (1 + sqrt(a^2 + 1))). */
export function asinh(m: Terms, x: Expr): Expr {
  const a = m.abs(x);
  const square = m.mul(a, a);
  const more = m.div(square, m.add(m.c(1), m.sqrt(m.add(square, m.c(1)))));
  const w = m.add(a, more);
  const value = logOfDouble(m, a, w, m.sub(more, m.sub(w, a)), m.lt(m.c(m.pick(BIG)), a));
  const tiny = m.lt(a, m.c(m.pick({ f32: 2 ** -13, f64: 2 ** -27 })));
  return m.flip(m.select(tiny, a, value), m.signBit(x));
}

/** log(x + sqrt(x^2 - 1)) = log1p(t + sqrt(t^2 + 2 t)), t = x - 1. */
export function acosh(m: Terms, x: Expr): Expr {
  const t = m.sub(x, m.c(1));
  // 2 t is exact, and the greater term where the error counts.
  const root = m.sqrt(m.madd(t, t, m.add(t, t)));
  const w = m.add(root, t);
  const value = logOfDouble(m, x, w, m.sub(t, m.sub(w, root)), m.lt(m.c(m.pick(BIG)), x));
  const zero = m.select(m.eq(x, m.c(1)), m.c(0), m.c(Number.NaN));
  return m.select(m.lt(m.c(1), x), value, zero);
}

/** log1p(2 a + 2 a^2 / (1 - a)) / 2. */
export function atanh(m: Terms, x: Expr): Expr {
  const a = m.abs(x);
  const twice = m.add(a, a);
  const w = m.add(twice, m.div(m.mul(twice, a), m.sub(m.c(1), a)));
  const { hi, lo } = m.twoSum(m.c(1), w);
  const value = m.mul(m.c(0.5), logOfSum(m, hi, lo, m.c(0)));
  const beyond = m.select(m.eq(a, m.c(1)), m.c(Number.POSITIVE_INFINITY), m.c(Number.NaN));
  const regular = m.select(m.lt(a, m.c(1)), value, beyond);
  const tiny = m.lt(a, m.c(m.pick({ f32: 2 ** -13, f64: 2 ** -27 })));
  return m.flip(m.select(tiny, a, regular), m.signBit(x));
}
