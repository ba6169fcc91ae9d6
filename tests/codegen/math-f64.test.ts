// The elementary functions in f64, against series in 176-bit arithmetic.

import test from "ava";
import type { MathName } from "../../codegen/math/index.js";
import { scalarRow } from "../../compiler/ir/ops/scalar.js";
import * as precise from "../support/precise.js";
import { type Big, big, ulpsFrom } from "../support/precise.js";
import { evaluate, NAMES, rowOf, ruled, sample } from "./math-judge.js";

const EXACT: Readonly<Partial<Record<MathName, (x: Big, y: Big) => Big>>> = {
  exp: precise.exp,
  log: precise.log,
  log1p: precise.log1p,
  expm1: precise.expm1,
  sin: (x) => precise.sin(x),
  cos: precise.cos,
  tan: precise.tan,
  asin: precise.asin,
  acos: precise.acos,
  atan: precise.atan,
  atan2: precise.atan2,
  sinh: precise.sinh,
  cosh: precise.cosh,
  tanh: precise.tanh,
  asinh: precise.asinh,
  acosh: precise.acosh,
  atanh: precise.atanh,
  erf: precise.erf,
  sigmoid: precise.sigmoid,
  // The sign of a negative base's power is judged apart.
  pow: (x, y) => precise.pow({ m: x.m < 0n ? -x.m : x.m, e: x.e }, y),
};

/** |got - want| in ulps, by plain doubles where the result or an operand is special, else by series. */
function error(name: MathName, got: number, x: number, y: number): number {
  const rule = ruled(name, x, y);
  if (rule !== undefined) return Object.is(got, rule) ? 0 : Number.POSITIVE_INFINITY;
  const near = Number(scalarRow(name).float?.(x, y));
  const exact = EXACT[name];
  if (Object.is(got, near)) if (exact === undefined || !Number.isFinite(near) || near === 0) return 0;
  if (exact === undefined || Number.isNaN(near) || Number.isNaN(got)) return Number.POSITIVE_INFINITY;
  const binary = rowOf(name).arity === 2;
  const special = x === 0 || !Number.isFinite(x) || (binary && (y === 0 || !Number.isFinite(y)));
  if (special && Object.is(got, near)) return 0;
  if (special) return Math.abs(got - near) <= 2 ** -52 * Math.abs(near) ? 1 : Number.POSITIVE_INFINITY;
  // Where the doubles disagree about overflow or underflow, the result is within one step of the edge.
  if (!Number.isFinite(near) || !Number.isFinite(got))
    return Math.abs(Number.isFinite(got) ? got : near) > Number.MAX_VALUE * (1 - 2 ** -51)
      ? 1
      : Number.POSITIVE_INFINITY;
  if (got !== 0 && near !== 0 && got < 0 !== near < 0) return Number.POSITIVE_INFINITY;
  return ulpsFrom(name === "pow" ? Math.abs(got) : got, exact(big(x), big(y)), 52, -1022);
}

for (const name of NAMES)
  test(`${name} in f64 keeps its bound`, (t) => {
    const row = rowOf(name);
    const points = sample(name, "f64", 1500);
    const got = evaluate(name, "f64", points);
    let worst = -1;
    let at = "";
    for (const [i, x] of points.x.entries()) {
      const y = points.y[i] ?? 0;
      const e = error(name, Number(got[i]), x, y);
      if (e <= worst) continue;
      worst = e;
      at = `${name}(${x}${row.arity === 2 ? `, ${y}` : ""}) is ${got[i]}`;
    }
    t.true(worst <= row.ulp64, `${worst} ulp: ${at}`);
    t.log(`${worst.toFixed(3)} ulp`);
  });

test("the judge knows published digits", (t) => {
  // e, ln 10, sin 1, sin 10^22, cos of the double closest to a multiple of pi/2, atan(1/2), erf 1, each rounded to a double.
  t.is(precise.nearestDouble(precise.exp(big(1))), Math.E);
  t.is(precise.nearestDouble(precise.log(big(10))), Math.LN10);
  t.is(precise.nearestDouble(precise.sin(big(1))), 0.8414709848078965);
  t.is(precise.nearestDouble(precise.sin(big(1e22))), -0.8522008497671888);
  t.is(precise.nearestDouble(precise.cos(big(6381956970095103 * 2 ** 797))), -4.687165924254628e-19);
  t.is(precise.nearestDouble(precise.atan(big(0.5))), 0.4636476090008061);
  t.is(precise.nearestDouble(precise.erf(big(1))), 0.8427007929497149);
});
