// asin, acos, atan and atan2. asin(x) = x + x^3 A(x^2) on |x| <= 1/2, and from the half angle beyond; atan(q) = q + q^3
// T(q^2) on |q| <= 1/2, and from (q - 1) / (q + 1) and -1 / q beyond. A and T are minimax (Remez) fits rounded as in
// exp.ts; max relative errors: f32 2^-27.4 (5 coefficients) and 2^-31.8 (6); f64 2^-59.6 (13) and 2^-62.1 (14).

import type { Expr } from "../loops/expr.js";
import type { Terms } from "./terms.js";

const ASIN = {
  f32: [0.1666673124, 0.07495943457, 0.04540398344, 0.02446121536, 0.04174242541],
  f64: [
    0.16666666666666702, 0.074999999999826095, 0.044642857165540437, 0.03038194307570715, 0.022372205947216117,
    0.017351756735380898, 0.013979249587373909, 0.011410695025185302, 0.010719117323460025, 0.0039218938490382157,
    0.021214932241855677, -0.020340631919770841, 0.032237766035502206,
  ],
};
const ATAN = {
  f32: [-0.3333332837, 0.1999955624, -0.1427315027, 0.1094883606, -0.08010810614, 0.03906729445],
  f64: [
    -0.3333333333333333, 0.19999999999999341, -0.1428571428563189, 0.11111111105180917, -0.0909090883394275,
    0.07692300707967212, -0.0666654191051011, 0.05880833422759027, -0.05250229621809562, 0.04684115767180175,
    -0.04016206958540742, 0.030054192402177077, -0.016292823638254142, 0.004387131152544373,
  ],
};
const HALF_PI = { f32: 1.5707963705062866, f64: 1.5707963267948966 };
const HALF_PI_LOW = { f32: -4.371139000186241e-8, f64: 6.123233995736766e-17 };
/** pi/4, of which four times fit the format exactly, and what it lacks. */
const QUARTER_PI = { f32: 0.7853981256484985, f64: 0.7853981633974483 };
const QUARTER_PI_LOW = { f32: 3.774894977445941e-8, f64: 3.061616997868383e-17 };

/** asin of a in [0, 1/2] or, for a beyond, of s = sqrt((1 - a) / 2); the rest follows from pi/2. */
function halfAngle(m: Terms, a: Expr): { large: Expr; s: Expr; value: Expr; rest: Expr } {
  const large = m.lt(m.c(0.5), a);
  const z = m.select(large, m.mul(m.sub(m.c(1), a), m.c(0.5)), m.mul(a, a));
  const s = m.select(large, m.sqrt(z), a);
  const rest = m.mul(m.mul(s, z), m.poly(z, m.pick(ASIN)));
  return { large, s, value: m.add(s, rest), rest };
}

export function asin(m: Terms, x: Expr): Expr {
  const { large, s, value, rest } = halfAngle(m, m.abs(x));
  // pi/2 - 2 s - 2 rest around pi/4, so that only the last difference rounds by much.
  const quarter = m.c(m.pick(QUARTER_PI));
  const excess = m.add(m.sub(m.add(s, s), quarter), m.sub(m.add(rest, rest), m.c(2 * m.pick(QUARTER_PI_LOW))));
  const beyond = m.sub(quarter, excess);
  return m.flip(m.select(large, beyond, value), m.signBit(x));
}

export function acos(m: Terms, x: Expr): Expr {
  const { large, value } = halfAngle(m, m.abs(x));
  const negative = m.lt(x, m.c(0));
  const twice = m.add(value, value);
  const pi = m.sub(m.c(2 * m.pick(HALF_PI)), m.sub(twice, m.c(2 * m.pick(HALF_PI_LOW))));
  const signed = m.select(negative, m.same("neg", value), value);
  const near = m.sub(m.c(m.pick(HALF_PI)), m.sub(signed, m.c(m.pick(HALF_PI_LOW))));
  return m.select(large, m.select(negative, pi, twice), near);
}

/** q + q^3 T(q^2) + k pi/4 for |q| <= 1/2, negated before the sum where `negate` holds. */
function atanSum(m: Terms, q: Expr, k: Expr, negate: Expr | null): Expr {
  const z = m.mul(q, q);
  const t = m.add(q, m.mul(m.mul(q, z), m.poly(z, m.pick(ATAN))));
  const signed = negate === null ? t : m.select(negate, m.same("neg", t), t);
  return m.add(m.mul(k, m.c(m.pick(QUARTER_PI))), m.madd(k, m.c(m.pick(QUARTER_PI_LOW)), signed));
}

/** Where (q - 1) / (q + 1) takes over: from 1/2 on, q - 1 is exact, and the sum's errors weigh less than at tan(pi/8). */
const MIDDLE = 0.5;

export function atan(m: Terms, x: Expr): Expr {
  const a = m.abs(x);
  const one = m.c(1);
  const middle = m.lt(m.c(MIDDLE), a);
  const large = m.lt(m.c(1 / MIDDLE), a);
  const top = m.select(large, m.c(-1), m.select(middle, m.sub(a, one), a));
  const bottom = m.select(large, a, m.select(middle, m.add(a, one), one));
  const k = m.select(large, m.c(2), m.select(middle, one, m.c(0)));
  return m.flip(atanSum(m, m.div(top, bottom), k, null), m.signBit(x));
}

export function atan2(m: Terms, y: Expr, x: Expr): Expr {
  const [ay, ax] = [m.abs(y), m.abs(x)];
  const big = m.max(ax, ay);
  // Sums of the two must not overflow, nor must 0 / 0 and inf / inf be formed.
  const down = m.select(m.lt(m.c(m.pick({ f32: 2 ** 126, f64: 2 ** 1022 })), big), m.c(0.25), m.c(1));
  const least = m.min(ax, ay);
  const infinite = m.eq(least, m.c(Number.POSITIVE_INFINITY));
  const a = m.select(infinite, m.c(1), m.mul(least, down));
  const b = m.select(infinite, m.c(1), m.select(m.eq(big, m.c(0)), m.c(1), m.mul(big, down)));
  const middle = m.lt(m.mul(b, m.c(MIDDLE)), a);
  const q = m.div(m.select(middle, m.sub(a, b), a), m.select(middle, m.add(a, b), b));
  const swapped = m.lt(ax, ay);
  const zero = m.n(0);
  const behind = m.pool.compare("lt", m.bits(x), zero);
  const k0 = m.select(middle, m.c(1), m.c(0));
  const k1 = m.select(swapped, m.sub(m.c(2), k0), k0);
  const k = m.select(behind, m.sub(m.c(4), k1), k1);
  return m.flip(atanSum(m, q, k, m.pool.op("xor", swapped.type, swapped, behind)), m.signBit(y));
}
