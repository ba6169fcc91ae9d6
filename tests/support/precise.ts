// Elementary functions to about 150 bits, as judges of f64 results. A Big is m * 2^e; every operation rounds m to BITS.
// Slow and simple: series after an argument reduction, in the textbook form.

export interface Big {
  readonly m: bigint;
  readonly e: number;
}

const BITS = 176;

function bitLength(m: bigint): number {
  const a = m < 0n ? -m : m;
  return a === 0n ? 0 : a.toString(16).length * 4;
}

function make(m: bigint, e: number): Big {
  const excess = bitLength(m) - BITS;
  return excess > 0 ? { m: m >> BigInt(excess), e: e + excess } : { m, e };
}

const view = new DataView(new ArrayBuffer(8));

/** A finite double, exactly. */
export function big(x: number): Big {
  view.setFloat64(0, x);
  const bits = view.getBigUint64(0);
  const exponent = Number((bits >> 52n) & 0x7ffn);
  const low = bits & 0xfffffffffffffn;
  const m = exponent === 0 ? low : low | (1n << 52n);
  return { m: x < 0 ? -m : m, e: Math.max(exponent, 1) - 1075 };
}

const ZERO: Big = { m: 0n, e: 0 };
const ONE = big(1);

export function add(a: Big, b: Big): Big {
  if (a.m === 0n) return b;
  if (b.m === 0n) return a;
  const [high, low] = a.e >= b.e ? [a, b] : [b, a];
  const shift = high.e - low.e;
  if (shift > 4 * BITS && bitLength(high.m) + shift > bitLength(low.m) + 2 * BITS) return high;
  return make((high.m << BigInt(shift)) + low.m, low.e);
}
export const neg = (a: Big): Big => ({ m: -a.m, e: a.e });
export const sub = (a: Big, b: Big): Big => add(a, neg(b));
export const mul = (a: Big, b: Big): Big => make(a.m * b.m, a.e + b.e);
export const twice = (a: Big, power = 1): Big => ({ m: a.m, e: a.e + power });

export function div(a: Big, b: Big): Big {
  const shift = BITS + bitLength(b.m);
  return make((a.m << BigInt(shift)) / b.m, a.e - b.e - shift);
}

export function sqrt(a: Big): Big {
  if (a.m <= 0n) return ZERO;
  let shift = 2 * BITS;
  if ((a.e - shift) % 2 !== 0) shift++;
  const n = a.m << BigInt(shift);
  let root = 1n << BigInt(Math.ceil(bitLength(n) / 2));
  for (;;) {
    const next = (root + n / root) >> 1n;
    if (next >= root) break;
    root = next;
  }
  return make(root, (a.e - shift) / 2);
}

/** log2 |a|, roughly. */
function magnitude(a: Big): number {
  return a.m === 0n ? Number.NEGATIVE_INFINITY : bitLength(a.m) + a.e;
}

/** Sums terms until they vanish. */
function series(first: Big, next: (term: Big, n: number) => Big, weigh: (term: Big, n: number) => Big): Big {
  let sum = ZERO;
  let term = first;
  for (let n = 0; ; n++) {
    const weighed = weigh(term, n);
    if (weighed.m === 0n || magnitude(weighed) < magnitude(sum) - BITS) return add(sum, weighed);
    sum = add(sum, weighed);
    term = next(term, n);
  }
}

const same = (t: Big): Big => t;
const over = (t: Big, n: number): Big => div(t, big(n));

function atanSeries(x: Big, sign: Big): Big {
  const z = mul(mul(x, x), sign);
  return series(
    x,
    (t) => mul(t, z),
    (t, n) => over(t, 2 * n + 1),
  );
}

const MINUS = big(-1);
const LN2 = twice(atanSeries(div(ONE, big(3)), ONE));
const PI = (() => {
  // Machin, in a plain integer of 1400 bits, so that any argument's quadrant can be told.
  const scale = 1n << 1400n;
  const atanInverse = (n: bigint): bigint => {
    let sum = 0n;
    let power = scale / n;
    for (let k = 1n; power !== 0n; k += 2n) {
      sum += (k & 2n) === 0n ? power / k : -(power / k);
      power /= n * n;
    }
    return sum;
  };
  return 16n * atanInverse(5n) - 4n * atanInverse(239n);
})();

function toNumber(a: Big): number {
  const drop = Math.max(0, bitLength(a.m) - 64);
  return Number(a.m >> BigInt(drop)) * 2 ** (a.e + drop);
}

/** exp(r) - 1 for |r| < 1. */
function expm1Small(r: Big): Big {
  return series(r, (t, n) => over(mul(t, r), n + 2), same);
}

/** Beyond any format's range, a stand-in of the right order. */
export function exp(x: Big): Big {
  if (magnitude(x) > 16) return { m: 1n, e: x.m < 0n ? -100000 : 100000 };
  const k = Math.round(toNumber(x) / Math.LN2);
  return twice(add(ONE, expm1Small(sub(x, mul(big(k), LN2)))), k);
}

export function expm1(x: Big): Big {
  return magnitude(x) < 0 ? expm1Small(x) : sub(exp(x), ONE);
}

/** log(1 + x) by 2 atanh(x / (2 + x)). */
function log1pSmall(x: Big): Big {
  return twice(atanSeries(div(x, add(big(2), x)), ONE));
}

export function log(x: Big): Big {
  let e = magnitude(x);
  let m = twice(x, -e);
  while (toNumber(m) < Math.SQRT1_2) {
    m = twice(m);
    e--;
  }
  return add(mul(big(e), LN2), log1pSmall(sub(m, ONE)));
}

export function log1p(x: Big): Big {
  return magnitude(x) < -2 ? log1pSmall(x) : log(add(ONE, x));
}

/** x = k pi/2 + r: r and k mod 4. */
function reduce(x: Big): { r: Big; quadrant: number } {
  const shift = BigInt(Math.abs(x.e));
  const scaled = x.e >= 0 ? (x.m << shift) << 1400n : (x.m << 1400n) >> shift;
  const half = PI / 2n;
  let k = scaled / half;
  if (scaled - k * half > half / 2n) k++;
  if (scaled - k * half < -half / 2n) k--;
  if (k === 0n) return { r: x, quadrant: 0 };
  return { r: make(scaled - k * half, -1400), quadrant: Number(((k % 4n) + 4n) % 4n) };
}

/**
 * For every binade from 2^1 to 2^emax, numbers of `fraction` + 1 bits about as close to a multiple of pi/2 as any there: the
 * denominators of the convergents of 2^e 2/pi, as significands.
 */
export function closestToQuarterTurns(fraction: number, emax: number): number[] {
  const scale = 1n << 1400n;
  const turns = (scale << 1401n) / PI;
  const [least, most] = [1n << BigInt(fraction), 2n << BigInt(fraction)];
  const found: number[] = [];
  for (let e = 1 - fraction; e <= emax - fraction; e++) {
    let [a, b] = [scale, e < 0 ? turns >> BigInt(-e) : (turns << BigInt(e)) % scale];
    let [before, q] = [0n, 1n];
    const denominators: bigint[] = [];
    while (q < most && b !== 0n) {
      denominators.push(q);
      [before, q] = [q, (a / b) * q + before];
      [a, b] = [b, a % b];
    }
    for (const d of denominators.slice(-3)) {
      const significand = d * ((least + d - 1n) / d);
      if (significand < most) found.push(Number(significand) * 2 ** e);
    }
  }
  return found;
}

function sinSmall(r: Big): Big {
  const z = neg(mul(r, r));
  return series(r, (t, n) => over(mul(t, z), (2 * n + 2) * (2 * n + 3)), same);
}

function cosSmall(r: Big): Big {
  const z = neg(mul(r, r));
  return series(ONE, (t, n) => over(mul(t, z), (2 * n + 1) * (2 * n + 2)), same);
}

export function sin(x: Big, turn = 0): Big {
  const { r, quadrant } = reduce(x);
  const q = (quadrant + turn) % 4;
  const value = q % 2 === 0 ? sinSmall(r) : cosSmall(r);
  return q < 2 ? value : neg(value);
}
export const cos = (x: Big): Big => sin(x, 1);
export const tan = (x: Big): Big => div(sin(x), cos(x));

export function atan(x: Big): Big {
  let y = x;
  for (let i = 0; i < 3; i++) y = div(y, add(ONE, sqrt(add(ONE, mul(y, y)))));
  return twice(atanSeries(y, MINUS), 3);
}
export const asin = (x: Big): Big => {
  const rest = mul(sub(ONE, x), add(ONE, x));
  return rest.m === 0n ? { m: x.m < 0n ? -PI : PI, e: -1401 } : atan(div(x, sqrt(rest)));
};
export const acos = (x: Big): Big => {
  const above = add(ONE, x);
  return above.m === 0n ? { m: PI, e: -1400 } : twice(atan(sqrt(div(sub(ONE, x), above))));
};
export function atan2(y: Big, x: Big): Big {
  const pi = { m: PI, e: -1400 };
  if (x.m === 0n) return { m: y.m < 0n ? -PI : PI, e: -1401 };
  const base = atan(div(y, x));
  if (x.m > 0n) return base;
  return y.m < 0n ? sub(base, pi) : add(base, pi);
}

export const sinh = (x: Big): Big => {
  if (magnitude(x) > 8) return twice(sub(exp(x), exp(neg(x))), -1);
  const t = expm1(x);
  return twice(add(t, div(t, add(t, ONE))), -1);
};
export const cosh = (x: Big): Big => {
  const t = exp(x);
  return twice(add(t, div(ONE, t)), -1);
};
export const tanh = (x: Big): Big => {
  if (magnitude(x) > 8) return x.m < 0n ? MINUS : ONE;
  const t = expm1(twice(x));
  return div(t, add(t, big(2)));
};
export const asinh = (x: Big): Big => {
  if (x.m < 0n) return neg(asinh(neg(x)));
  const square = mul(x, x);
  return log1p(add(x, div(square, add(ONE, sqrt(add(ONE, square))))));
};
export const acosh = (x: Big): Big => {
  const t = sub(x, ONE);
  return log1p(add(t, sqrt(mul(t, add(t, big(2))))));
};
export const atanh = (x: Big): Big => twice(log1p(div(twice(x), sub(ONE, x))), -1);
export const sigmoid = (x: Big): Big => div(ONE, add(ONE, exp(neg(x))));
export const pow = (x: Big, y: Big): Big => exp(mul(y, log(x)));

/** 2 / sqrt(pi) exp(-x^2) sum of 2^n x^(2n+1) / (1 3 5 ... (2n+1)). */
export function erf(x: Big): Big {
  if (magnitude(x) > 7) return x.m < 0n ? MINUS : ONE;
  const z = twice(mul(x, x));
  const sum = series(x, (t, n) => over(mul(t, z), 2 * n + 3), same);
  const factor = div(big(2), sqrt({ m: PI, e: -1400 }));
  return mul(mul(factor, sum), exp(twice(neg(z), -1)));
}

/** |got - want| in units in the last place of `want` in a format with `fraction` explicit bits. */
export function ulpsFrom(got: number, want: Big, fraction: number, least: number): number {
  const top = want.m === 0n ? least : Math.max(want.e + exactLength(want.m) - 1, least);
  return Math.abs(toNumber(twice(sub(big(got), want), fraction - top)));
}

function exactLength(m: bigint): number {
  return (m < 0n ? -m : m).toString(2).length;
}

/** Nearest double, or an infinity. */
export function nearestDouble(a: Big): number {
  return toNumber(a);
}
