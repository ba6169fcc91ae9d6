// rem: the exact remainder of x / y with the sign of x (C's fmod, JavaScript's %), for every finite x and y.
// With |x| = mx 2^ex and |y| = my 2^ey (integers mx, my; d = ex - ey >= 0) it is (mx 2^d mod my) 2^ey. 2^d mod my comes from
// squarings: d = squared * 2^squarings + rest. A product mod my takes its quotient from floats, a few units
// off, and its remainder from integers that wrap, which is exact as the true value is small; then it is corrected.

import type { Expr } from "../loops/expr.js";
import type { Terms } from "./terms.js";

/** Where `r` as an unsigned integer is above `r + by`, the latter. */
function least(m: Terms, r: Expr, other: Expr): Expr {
  return m.select(m.pool.compare("ltU", other, r), other, r);
}

/** |a| = mantissa * 2^(exponent - bias - fraction), the mantissa with its leading bit; a > 0 and finite. */
function integerParts(m: Terms, a: Expr): { mantissa: Expr; exponent: Expr } {
  const tiny = m.lt(a, m.c(m.pick({ f32: 2 ** -126, f64: 2 ** -1022 })));
  const bits = m.bits(m.select(tiny, m.mul(a, m.c(2 ** m.fraction)), a));
  const one = 1n << BigInt(m.fraction);
  const mantissa = m.same("or", m.same("and", bits, m.n(one - 1n)), m.n(one));
  const exponent = m.sub(m.shift("shrU", bits, m.fraction), m.select(tiny, m.n(m.fraction), m.n(0)));
  return { mantissa, exponent };
}

export function rem(m: Terms, x: Expr, y: Expr): Expr {
  const [ax, ay] = [m.abs(x), m.abs(y)];
  const px = integerParts(m, ax);
  const py = integerParts(m, ay);
  const modulus = py.mantissa;
  const toFloat = (e: Expr): Expr => m.pool.op("toFloatS", m.float, e);
  const toInt = (e: Expr): Expr => m.pool.op("toIntS", m.int, e);
  const inverse = m.div(m.c(1), toFloat(modulus));
  const twice = m.add(modulus, modulus);
  const fourTimes = m.add(twice, twice);
  const product = (a: Expr, b: Expr): Expr => {
    const quotient = toInt(m.mul(m.mul(toFloat(a), toFloat(b)), inverse));
    const near = m.sub(m.mul(a, b), m.mul(quotient, modulus));
    const above = least(m, near, m.add(near, fourTimes));
    const below = least(m, above, m.sub(above, fourTimes));
    const closer = least(m, below, m.sub(below, twice));
    return least(m, closer, m.sub(closer, modulus));
  };

  const squarings = m.pick({ f32: 4, f64: 6 });
  const d = m.sub(px.exponent, py.exponent);
  const powerOfTwo = (e: Expr): Expr => toInt(m.power(m.add(e, m.n(m.bias))));
  let factor = powerOfTwo(m.shift("shrS", d, squarings));
  for (let i = 0; i < squarings; i++) factor = product(factor, factor);
  let value = product(factor, least(m, px.mantissa, m.sub(px.mantissa, modulus)));
  const rest = m.same("and", d, m.n((1 << squarings) - 1));
  if (m.wide) {
    const half = m.shift("shrU", rest, 1);
    value = product(product(value, powerOfTwo(half)), powerOfTwo(m.sub(rest, half)));
  } else value = product(value, powerOfTwo(rest));

  const down = m.sub(py.exponent, m.n(m.bias + m.fraction));
  const first = m.shift("shrS", down, 1);
  const exponentOf = (e: Expr): Expr => m.power(m.add(e, m.n(m.bias)));
  const size = m.mul(m.mul(toFloat(value), exponentOf(first)), exponentOf(m.sub(down, first)));
  const regular = m.select(m.lt(ax, ay), ax, size);
  const infinity = m.c(Number.POSITIVE_INFINITY);
  const defined = m.both(m.lt(ax, infinity), m.lt(m.c(0), ay));
  return m.flip(m.select(m.both(defined, m.le(ay, infinity)), regular, m.c(Number.NaN)), m.signBit(x));
}
