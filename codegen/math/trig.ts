// sin, cos and tan. |x| = k pi/2 + r with pi/2 in five parts, four of half a significand, and k (f32: in two halves) of as
// many digits, so that every product and the leading differences are exact (Cody and Waite); r is a pair, right to
// well below an ulp however close |x| is to a multiple of pi/2. From LARGE on k has more digits than that holds for:
// there the reduction is one in integers. Both are computed and chosen between.
// sin r = r + r^3 S(r^2), cos r = 1 - r^2/2 + r^4 C(r^2), tan r = r + r^3 T(r^2), minimax (Remez) fits rounded as in exp.ts,
// on |r| <= 0.9 (tan in f64: 0.79; k may be off by a little where x is large). Max errors: S f32 2^-32 (4 coefficients), f64
// 2^-62.9 (7), relative; C f32 2^-31.2 (3), f64 2^-61 (6), absolute; T f32 2^-29.1 (8), f64 2^-59.6 (15), relative.

import type { Expr } from "../loops/expr.js";
import { reduceLarge } from "./reduce-large.js";
import type { Pair, Terms } from "./terms.js";

const SIN = {
  f32: [-0.1666666716, 0.008333366364, -0.000198467591, 2.762834583e-6],
  f64: [
    -0.16666666666666666, 0.0083333333333330938, -0.00019841269841061143, 2.7557319138526117e-6, -2.5052089929338179e-8,
    1.6056899366997215e-10, -7.5221247545425251e-13,
  ],
};
const COS = {
  f32: [0.0416666232, -0.001388631063, 2.432856127e-5],
  f64: [
    0.041666666666666324, -0.0013888888888831537, 2.4801587265748348e-5, -2.7557308231835541e-7, 2.0874979432147535e-9,
    -1.1325126324259062e-11,
  ],
};
const TAN = {
  f32: [
    0.3333331347, 0.1333412975, 0.05386096984, 0.02255815268, 0.006462253164, 0.008332543075, -0.003685983131,
    0.0031995764,
  ],
  f64: [
    0.33333333333333354, 0.13333333333328035, 0.053968253971921412, 0.021869488417919941, 0.0088632377131478372,
    0.0035921023682696234, 0.0014560387573401214, 0.00058888357733470305, 0.00024372656317422144, 8.3529828997999973e-5,
    6.7416030505648686e-5, -2.6032262424744943e-5, 4.9079312716992061e-5, -2.4541613731462401e-5, 9.8680753213157647e-6,
  ],
};
const HALF_PI = {
  f32: [1.5703125, 0.0004837512969970703, 7.549533620476723e-8, 2.5579538487363607e-12, 5.390302953474238e-15],
  f64: [1.5707963109016418, 1.5893254712295857e-8, 6.123233601181349e-17, 3.945554081778929e-24, 8.4784276603689e-32],
};

/** Where the reduction in integers takes over. */
const LARGE = 2 ** 20;

interface Reduced {
  /** In its low bits the quadrant. */
  readonly quadrant: Expr;
  readonly r: Pair;
}

function reduce(m: Terms, x: Expr): Reduced {
  const size = m.abs(x);
  const small = reduceSmall(m, size);
  const large = reduceLarge(m, m.bits(x));
  // Infinities and NaN stay with the small: there r is NaN.
  const isLarge = m.both(m.le(m.c(LARGE), size), m.lt(size, m.c(Number.POSITIVE_INFINITY)));
  return {
    quadrant: m.select(isLarge, large.quadrant, small.quadrant),
    r: { hi: m.select(isLarge, large.r.hi, small.r.hi), lo: m.select(isLarge, large.r.lo, small.r.lo) },
  };
}

function reduceSmall(m: Terms, a: Expr): Reduced {
  const shifter = m.c(m.magic);
  const shifted = m.madd(a, m.c(2 / Math.PI), shifter);
  const k = m.sub(shifted, shifter);
  const [p1, p2, p3, p4, p5] = m.pick(HALF_PI).map((v) => m.c(v));
  if (!p1 || !p2 || !p3 || !p4 || !p5) throw new RangeError("pi/2 has five parts");
  const less = (from: Expr, ...products: readonly (readonly [Expr, Expr])[]): Expr =>
    products.reduce((r, [n, p]) => m.sub(r, m.mul(n, p)), from);
  if (m.wide) return finish(m, shifted, less(a, [k, p1], [k, p2]), m.mul(k, p3), m.madd(k, p5, m.mul(k, p4)));
  const coarse = m.c(m.magic * 2 ** 12);
  const kHigh = m.sub(m.add(k, coarse), coarse);
  const kLow = m.sub(k, kHigh);
  const r = less(a, [kHigh, p1], [kLow, p1], [kHigh, p2], [kLow, p2], [kHigh, p3]);
  const next = m.add(m.mul(kLow, p3), m.mul(kHigh, p4));
  return finish(m, shifted, r, next, m.madd(k, p5, m.mul(kLow, p4)));
}

/** r - next - last as a pair; r and next are exact. */
function finish(m: Terms, shifted: Expr, r: Expr, next: Expr, last: Expr): Reduced {
  const first = m.sub(r, next);
  const low = m.sub(m.sub(m.sub(r, first), next), last);
  const hi = m.add(first, low);
  return { quadrant: m.bits(shifted), r: { hi, lo: m.add(m.sub(first, hi), low) } };
}

function sinPoly(m: Terms, r: Pair, z: Expr): Expr {
  const cube = m.mul(r.hi, z);
  // sin(hi + lo) = sin(hi) + lo cos(hi)
  const low = m.sub(r.lo, m.mul(m.mul(m.c(0.5), z), r.lo));
  return m.add(r.hi, m.madd(cube, m.poly(z, m.pick(SIN)), low));
}

function cosPoly(m: Terms, r: Pair, z: Expr): Expr {
  const half = m.mul(m.c(0.5), z);
  const head = m.sub(m.c(1), half);
  const rest = m.sub(m.mul(m.mul(z, z), m.poly(z, m.pick(COS))), m.mul(r.hi, r.lo));
  return m.add(head, m.add(m.sub(m.sub(m.c(1), head), half), rest));
}

/** The quadrant's second bit as a sign bit. */
function quadrantSign(m: Terms, quadrant: Expr): Expr {
  return m.shift("shl", m.same("and", quadrant, m.n(2)), m.wide ? 62 : 30);
}

function isOdd(m: Terms, quadrant: Expr): Expr {
  return m.ne(m.same("and", quadrant, m.n(1)), m.n(0));
}

export function sin(m: Terms, x: Expr): Expr {
  const { quadrant, r } = reduce(m, x);
  const z = m.mul(r.hi, r.hi);
  const value = m.select(isOdd(m, quadrant), cosPoly(m, r, z), sinPoly(m, r, z));
  return m.flip(value, m.same("xor", quadrantSign(m, quadrant), m.signBit(x)));
}

export function cos(m: Terms, x: Expr): Expr {
  const { quadrant, r } = reduce(m, x);
  const z = m.mul(r.hi, r.hi);
  const value = m.select(isOdd(m, quadrant), sinPoly(m, r, z), cosPoly(m, r, z));
  // cos(k pi/2 + r) is cos, -sin, -cos, sin.
  return m.flip(value, quadrantSign(m, m.add(quadrant, m.n(1))));
}

export function tan(m: Terms, x: Expr): Expr {
  const { quadrant, r } = reduce(m, x);
  const z = m.mul(r.hi, r.hi);
  const cube = m.mul(r.hi, z);
  const low = m.add(r.lo, m.mul(z, r.lo));
  const rest = m.madd(cube, m.poly(z, m.pick(TAN)), low);
  const t = m.add(r.hi, rest);
  const tLow = m.sub(rest, m.sub(t, r.hi));
  const odd = isOdd(m, quadrant);
  const quotient = m.div(m.select(odd, m.c(-1), t), m.select(odd, t, m.c(1)));
  // -1 / (t + tLow) is q + q^2 tLow, with q = -1 / t.
  const correction = m.select(odd, m.mul(m.mul(quotient, quotient), tLow), m.c(0));
  const value = m.add(quotient, correction);
  return m.flip(value, m.signBit(x));
}
