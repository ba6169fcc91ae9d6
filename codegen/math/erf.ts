// erf. In f32 the fourth root of erfc is 1 - d / 4 with d = a + a P(a), up to 4; twice 1 - (1 - y)^2 gives erf of it, exact to the
// last rounding near 0, where d is a and little more. In f64 it is x + x E(x^2) near 0, E a minimax (Remez) fit of
// erf(x) / x - 1, and from 1 on 1 - exp(-Q(|x|)) with Q a fit of -log(erfc) up to 6, weighted by erfc. Coefficients are
// rounded as in exp.ts; max errors: f32 2^-27.4 relative to erf (11 coefficients); f64 2^-56.3 relative (13) and 2^-59.4
// absolute (19).

import type { Expr } from "../loops/expr.js";
import { exp } from "./exp.js";
import type { Terms } from "./terms.js";

/** The fit of (4 - 4 erfc(a)^(1/4)) / a - 1. */
const FOURTH_ROOT = [
  0.1283791661, 0.4774644673, -0.06184110045, -0.07456061244, 0.005070543382, 0.007449600846, -0.0005032578483,
  -0.0007234267541, 0.0002074220538, -2.160978875e-5, 7.341186574e-7,
];
const NEAR_ZERO = [
  0.12837916709551259, -0.37612638903184098, 0.11283791670971098, -0.02686617064803111, 0.0052239776526917534,
  -0.00085483285357203307, 0.00012055386189326684, -1.4926881339463945e-5, 1.6481056479299844e-6,
  -1.6557100701452192e-7, 1.6013015180453445e-8, -1.6463862397165113e-9, 1.4342001047779607e-10,
];
const MINUS_LOG = [
  1.8436505859308426e-7, 1.1283772825874796, 0.63662870290063667, 0.10274664482166139, -0.019076959458329205,
  -0.00028222295687647942, 0.0017709192947353478, -0.00064282846303569141, 4.5952362327363137e-5, 6.9752410838360177e-5,
  -4.477077688881241e-5, 1.642177592817597e-5, -4.3018573210814193e-6, 8.4520825130834354e-7, -1.2483309188673526e-7,
  1.3522458673694977e-8, -1.0170626564377306e-9, 4.7517645861830677e-11, -1.0390577125646e-12,
];

export function erf(m: Terms, x: Expr): Expr {
  const a = m.abs(x);
  return m.flip(m.wide ? erfWide(m, a) : erfNarrow(m, a), m.signBit(x));
}

/** With d = a + t and erfc = (1 - d/4)^4: u = d - d^2/8 is 2 (1 - sqrt(erfc)), and u - u^2/4 is 1 - erfc. */
function erfNarrow(m: Terms, positive: Expr): Expr {
  const a = m.min(positive, m.c(4));
  const square = (x: Expr): Expr => m.mul(x, x);
  const [first = 0, ...rest] = FOURTH_ROOT;
  const t = m.madd(square(a), m.poly(a, rest), m.mul(a, m.c(first)));
  const u = m.add(a, m.madd(square(m.add(a, t)), m.c(-1 / 8), t));
  return m.madd(square(u), m.c(-1 / 4), u);
}

function erfWide(m: Terms, a: Expr): Expr {
  const small = m.madd(a, m.poly(m.mul(a, a), NEAR_ZERO), a);
  const large = m.sub(m.c(1), exp(m, m.same("neg", m.poly(m.min(a, m.c(6)), MINUS_LOG))));
  return m.select(m.lt(a, m.c(1)), small, large);
}
