// The elementary functions in f32: errors against double precision over all exponents, in both tiers, special values, and
// what registers and ops they use.

import test from "ava";
import type { Expr } from "../../codegen/loops/expr.js";
import { ExprPool } from "../../codegen/loops/expr.js";
import { isMathName, type MathName, mathFunction } from "../../codegen/math/index.js";
import { scalarRow } from "../../compiler/ir/ops/scalar.js";
import { fusedF32 } from "./expr-eval.js";
import { build, evaluate, NAMES, opsOf, type Points, rowOf, ruled, sample } from "./math-judge.js";

const OVERFLOW = 2 ** 128 * (1 - 2 ** -25);

/** |got - want| in f32 ulps of `want`; infinite where a special value is wrong. */
function error(got: number, want: number): number {
  if (Number.isNaN(want) || want === 0) return Object.is(got, want) ? 0 : Number.POSITIVE_INFINITY;
  if (Number.isNaN(got)) return Number.POSITIVE_INFINITY;
  if (Math.abs(want) >= OVERFLOW) {
    if (Math.abs(want) >= 2 ** 128)
      return got === Math.sign(want) * Number.POSITIVE_INFINITY ? 0 : Number.POSITIVE_INFINITY;
    return Number.isFinite(got) ? Math.abs(got - want) / 2 ** 104 : 0;
  }
  if (got === 0 && Object.is(got, -0) !== want < 0) return Number.POSITIVE_INFINITY;
  const finite = Number.isFinite(got) ? got : Math.sign(got) * 2 ** 128;
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(want))), -126);
  return Math.abs(finite - want) / 2 ** (exponent - 23);
}

function f32Points({ x, y }: Points): Points {
  return { x: x.map(Math.fround), y: y.map(Math.fround) };
}

for (const name of NAMES)
  test(`${name} in f32 keeps its bound, with madd rounded once or twice`, (t) => {
    const row = rowOf(name);
    const exact = scalarRow(name).float;
    if (exact === undefined) throw new RangeError(`${name} has no reference`);
    const points = f32Points(sample(name, "f32", 40_000));
    const want = points.x.map((x, i) => {
      const y = points.y[i] ?? 0;
      return ruled(name, x, y) ?? Number(exact(x, y));
    });
    for (const fused of [false, true]) {
      const got = evaluate(name, "f32", points, fused);
      let worst = -1;
      let at = "";
      for (const [i, w] of want.entries()) {
        const e = error(Number(got[i]), w);
        if (e <= worst) continue;
        worst = e;
        at = `${name}(${points.x[i]}${row.arity === 2 ? `, ${points.y[i]}` : ""}) is ${got[i]}, want ${w}`;
      }
      t.true(worst <= row.ulp32, `${worst} ulp${fused ? ", fused" : ""}: ${at}`);
      t.log(`${fused ? "relaxed" : "strict"}: ${worst.toFixed(3)} ulp`);
    }
  });

/** Where scans of every float found a function's error greatest: the sample above is too coarse to meet such points. */
const TIGHT: readonly (readonly [MathName, number])[] = [
  ["exp", -5.853371143],
  ["exp", 48.90075684],
  ["erf", 0.42654324],
  ["erf", 0.0138239795],
  ["tan", 785076.9375],
  ["tan", 376512.8125],
  ["acosh", 1.031373858],
  ["atanh", 0.1201609075],
  ["atan", 0.5204494596],
  ["sinh", 1.424104452],
  ["tanh", 0.114682138],
  ["sigmoid", -1.108997822],
  ["sigmoid", -0.0003449918],
  ["sigmoid", -16.64],
  ["log", 1.413318515],
];

test("consecutive f32 around the worst points known keep the bound", (t) => {
  const at = new Float32Array(1);
  const bits = new Int32Array(at.buffer);
  for (const [name, centre] of TIGHT) {
    at[0] = centre;
    const first = (bits[0] ?? 0) - 8000;
    const x: number[] = [];
    for (let i = 0; i < 16_000; i++) {
      bits[0] = first + i;
      x.push(at[0]);
    }
    const exact = scalarRow(name).float;
    for (const fused of [false, true]) {
      const got = evaluate(name, "f32", { x, y: x }, fused);
      const worst = x.reduce((w, v, i) => Math.max(w, error(Number(got[i]), Number(exact?.(v, 0)))), 0);
      t.true(worst <= rowOf(name).ulp32, `${name} around ${centre}: ${worst} ulp${fused ? ", fused" : ""}`);
      t.true(worst > 0.5, `${name} around ${centre} was not judged`);
    }
  }
});

for (const kind of ["f32", "f64"] as const)
  for (const name of NAMES.filter((n) => "ofNegative" in rowOf(n)))
    test(`${name} in ${kind} of operands that are not above 0 has the same bits in fewer operations`, (t) => {
      const facts = { isNonPositive: () => true };
      const points = sample(name, kind, 40_000);
      const x = (kind === "f32" ? points.x.map(Math.fround) : points.x).filter((v) => !(v > 0));
      t.true(x.some((v) => v < -87.5 && v > -103) && x.some(Number.isNaN), "denormal results and NaN are among them");
      for (const fused of [false, true]) {
        const got = evaluate(name, kind, { x, y: x }, fused, facts);
        t.deepEqual(new Uint8Array(got.buffer), new Uint8Array(evaluate(name, kind, { x, y: x }, fused).buffer));
      }
      const count = (e: Expr): number => opsOf(e).filter((n) => n.kind === "op").length;
      t.true(count(build(name, kind, 1, facts).result) < count(build(name, kind).result));
    });

const F32_OPS = new Set<Expr["type"]["kind"]>(["f32", "i32", "mask32"]);
const SCALAR_ONLY = new Set([
  "divS",
  "divU",
  "remS",
  "remU",
  "promote",
  "demote",
  "extendS",
  "extendU",
  "wrap",
  "checkedIndex",
]);

for (const name of NAMES)
  test(`${name} in f32 is made of ops that widen to vectors`, (t) => {
    for (const e of opsOf(build(name, "f32").result)) {
      t.true(F32_OPS.has(e.type.kind), `${e.kind} of ${e.type.kind}`);
      if (e.kind !== "op") continue;
      t.false(SCALAR_ONLY.has(e.op), e.op);
      if (e.op === "shl" || e.op === "shrS" || e.op === "shrU") t.is(e.args[1]?.kind, "const");
    }
    const wide = opsOf(build(name, "f32", 4).result);
    const scalars = new Set(wide.flatMap((e) => (e.kind === "op" && /^sh/u.test(e.op) ? e.args.slice(1) : [])));
    for (const e of wide) t.is(e.type.lanes, scalars.has(e) ? 1 : 4);
  });

const divisions = (name: MathName): number =>
  opsOf(build(name, "f32").result).filter((e) => e.kind === "op" && e.op === "div").length;

test("activations divide once at most", (t) => {
  for (const name of ["exp", "tanh", "sigmoid", "erf", "log"] as const) t.true(divisions(name) <= 1, name);
});

test("wrong operands are refused", (t) => {
  const pool = new ExprPool();
  const x = pool.variable({ kind: "f32", lanes: 1 }, "x");
  const y = pool.variable({ kind: "f64", lanes: 1 }, "y");
  const n = pool.variable({ kind: "i32", lanes: 1 }, "n");
  t.throws(() => mathFunction("pow", pool, [x]), { message: /1 operands, takes 2/u });
  t.throws(() => mathFunction("pow", pool, [x, y]), { message: /registers differ/u });
  t.throws(() => mathFunction("exp", pool, [n]), { message: /f32 or f64/u });
  t.true(isMathName("exp"));
  t.false(isMathName("toString"));
});

test("the judge's fused multiply-add rounds once", (t) => {
  const third = Math.fround(1 / 3);
  t.is(fusedF32(third, third, -Math.fround(third * third)), Math.fround(third * third - Math.fround(third * third)));
  // 2^24 + 1 + 2^-40 is just above a tie, which the double sum alone cannot see when the last term is this small.
  t.is(fusedF32(2 ** 12, 2 ** 12, 1), 2 ** 24);
  t.is(fusedF32(1 + 2 ** -12, 1 + 2 ** -12, 2 ** -80), Math.fround(1 + 2 ** -11 + 2 ** -23));
});
