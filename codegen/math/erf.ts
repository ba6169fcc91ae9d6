// erf. Near 0 it is x + x E(x^2), E a minimax (Remez) fit of erf(x) / x - 1. From 0.82 on, f32 takes 1 - P(|x|)^2 with P a
// fit of sqrt(erfc) up to 4 around 1, weighted by 2 P; from 1 on, f64 takes 1 - exp(-Q(|x|)) with Q a fit of -log(erfc) up to
// 6, weighted by erfc. Coefficients are rounded as in exp.ts; max errors: f32 2^-30.1 relative (7 coefficients) and 2^-27.7
// absolute (11); f64 2^-56.3 relative (13) and 2^-59.4 absolute (19).

import type { Expr } from "../loops/expr.js";
import { exp } from "./exp.js";
import type { Terms } from "./terms.js";

const SMALL = {
  f32: [0.1283791661, -0.3761262894, 0.1128362268, -0.02685536444, 0.005190940574, -0.0008026373689, 7.867113891e-5],
  f64: [
    0.12837916709551259, -0.37612638903184098, 0.11283791670971098, -0.02686617064803111, 0.0052239776526917534,
    -0.00085483285357203307, 0.00012055386189326684, -1.4926881339463945e-5, 1.6481056479299844e-6,
    -1.6557100701452192e-7, 1.6013015180453445e-8, -1.6463862397165113e-9, 1.4342001047779607e-10,
  ],
};
/** sqrt(erfc(1)), as a pair, and the fit of (sqrt(erfc(1 + u)) - that) / u. */
const ROOT_AT_ONE = [0.3966096342, 6.481141401e-9] as const;
const ROOT = [
  -0.5233199596, 0.1780637056, 0.06051018089, -0.0473353453, -0.002405925654, 0.007447151933, -0.0002788586426,
  -0.001366426586, 0.0005583406892, -9.479061555e-5, 6.262786428e-6,
];
const MINUS_LOG = [
  1.8436505859308426e-7, 1.1283772825874796, 0.63662870290063667, 0.10274664482166139, -0.019076959458329205,
  -0.00028222295687647942, 0.0017709192947353478, -0.00064282846303569141, 4.5952362327363137e-5, 6.9752410838360177e-5,
  -4.477077688881241e-5, 1.642177592817597e-5, -4.3018573210814193e-6, 8.4520825130834354e-7, -1.2483309188673526e-7,
  1.3522458673694977e-8, -1.0170626564377306e-9, 4.7517645861830677e-11, -1.0390577125646e-12,
];

export function erf(m: Terms, x: Expr): Expr {
  const a = m.abs(x);
  const z = m.mul(a, a);
  const small = m.madd(a, m.poly(z, m.pick(SMALL)), a);
  const bounded = m.min(a, m.c(m.pick({ f32: 4, f64: 6 })));
  return m.flip(
    m.select(m.lt(a, m.c(m.pick({ f32: 0.82, f64: 1 }))), small, m.wide ? largeWide(m, bounded) : large(m, bounded)),
    m.signBit(x),
  );
}

function large(m: Terms, a: Expr): Expr {
  const u = m.sub(a, m.c(1));
  const change = m.mul(u, m.poly(u, ROOT));
  const root = m.c(ROOT_AT_ONE[0]);
  const p = m.add(root, change);
  const low = m.add(m.add(m.sub(root, p), change), m.c(ROOT_AT_ONE[1]));
  return m.sub(m.c(1), m.madd(m.add(p, p), low, m.mul(p, p)));
}

function largeWide(m: Terms, a: Expr): Expr {
  return m.sub(m.c(1), exp(m, m.same("neg", m.poly(a, MINUS_LOG))));
}
