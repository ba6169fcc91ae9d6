// log and log1p. u = 2^e (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)); s = f / (2 + f), z = s^2;
// log(1 + f) = f - (f^2/2 - s (f^2/2 + z R(z))). R is a minimax (Remez) fit of (2 atanh(s) - 2 s) / s^3, rounded as in
// exp.ts; max error relative to log(1 + f): f32 2^-35.2 (4 coefficients), f64 2^-66.5 (8 coefficients).

import type { Expr } from "../loops/expr.js";
import type { Terms } from "./terms.js";

const R = {
  f32: [0.6666666269, 0.4000096917, 0.2849916816, 0.2426832169],
  f64: [
    0.66666666666666663, 0.40000000000004926, 0.28571428569409768, 0.22222222607241277, 0.18181778329645182,
    0.153869900956567, 0.13252118190647785, 0.13235060333459814,
  ],
};
const LN2_HIGH = { f32: 0.693145751953125, f64: 0.6931471803691238 };
const LN2_LOW = { f32: 1.428606765330187e-6, f64: 1.9082149292705877e-10 };
/** Bits of sqrt(1/2). */
const SQRT_HALF = { f32: 0x3f3504f3n, f64: 0x3fe6a09e667f3bcdn };

/** u = 2^e m for normal u > 0, m in [sqrt(1/2), sqrt(2)). */
export function split(m: Terms, u: Expr): { exponent: Expr; mantissa: Expr } {
  const base = m.n(m.pick(SQRT_HALF));
  const shifted = m.sub(m.bits(u), base);
  const exponent = m.shift("shrS", shifted, m.fraction);
  const low = m.same("and", shifted, m.n((1n << BigInt(m.fraction)) - 1n));
  return { exponent, mantissa: m.ofBits(m.add(low, base)) };
}

/** `e` ln 2 + log(1 + f), less `excess`. */
function logSum(m: Terms, e: Expr, f: Expr, excess: Expr | null): Expr {
  const s = m.div(f, m.add(m.c(2), f));
  const z = m.mul(s, s);
  const halfSquare = m.mul(m.mul(m.c(0.5), f), f);
  const tail = m.mul(s, m.add(halfSquare, m.mul(z, m.poly(z, m.pick(R)))));
  const more = m.sub(halfSquare, m.madd(e, m.c(m.pick(LN2_LOW)), tail));
  const rest = excess === null ? more : m.add(more, excess);
  return m.add(m.mul(e, m.c(m.pick(LN2_HIGH))), m.sub(f, rest));
}

/** Denormals become normal; `bump` is what their exponent is too large by. */
export function normalize(m: Terms, x: Expr): { normal: Expr; bump: Expr } {
  const tiny = m.lt(x, m.c(m.pick({ f32: 2 ** -126, f64: 2 ** -1022 })));
  const by = m.pick({ f32: 25, f64: 54 });
  return { normal: m.select(tiny, m.mul(x, m.c(2 ** by)), x), bump: m.select(tiny, m.c(by), m.c(0)) };
}

export function log(m: Terms, x: Expr): Expr {
  const { normal, bump } = normalize(m, x);
  const { exponent, mantissa } = split(m, normal);
  const value = logSum(m, m.sub(m.toFloat(exponent), bump), m.sub(mantissa, m.c(1)), null);
  const regular = m.both(m.lt(m.c(0), x), m.lt(x, m.c(Number.POSITIVE_INFINITY)));
  const below = m.select(m.lt(x, m.c(0)), m.c(Number.NaN), x);
  return m.select(regular, value, m.select(m.eq(x, m.c(0)), m.c(Number.NEGATIVE_INFINITY), below));
}

/** log(u + low) + extra ln 2 for normal, finite u > 0 and |low| below an ulp of u, or of 1 where u is near 1. */
export function logOfSum(m: Terms, u: Expr, low: Expr, extra: Expr): Expr {
  const { exponent, mantissa } = split(m, u);
  const e = m.toFloat(exponent);
  // Where 2^-e is no normal number, `low` no longer counts.
  const downBy = m.sub(m.c(m.magic + m.bias), m.min(e, m.c(m.bias - 1)));
  const high = m.sub(mantissa, m.c(1));
  const down = m.mul(low, m.power(m.bits(downBy)));
  const f = m.add(high, down);
  return logSum(m, m.add(e, extra), f, m.sub(m.sub(f, high), down));
}

/** log(1 + x), x >= 0 or NaN, without special cases but infinity; `tiny` results are x itself. */
function logOnePlus(m: Terms, x: Expr, extra: Expr): Expr {
  const { hi, lo } = m.twoSum(m.c(1), x);
  return logOfSum(m, hi, lo, extra);
}

export function log1p(m: Terms, x: Expr): Expr {
  const value = logOnePlus(m, x, m.c(0));
  const regular = m.both(m.lt(m.c(-1), x), m.lt(x, m.c(Number.POSITIVE_INFINITY)));
  const below = m.select(m.lt(x, m.c(-1)), m.c(Number.NaN), x);
  const special = m.select(m.eq(x, m.c(-1)), m.c(Number.NEGATIVE_INFINITY), below);
  const tiny = m.lt(m.abs(x), m.c(m.pick({ f32: 2 ** -26, f64: 2 ** -55 })));
  return m.select(tiny, x, m.select(regular, value, special));
}
