// Kernels written in TypeScript: the JavaScript function itself is the judge of the values.

import test from "ava";
import { kernel } from "../../compiler/frontend/kernel.js";
import { counting, given, lineOf, refusal, run } from "./run.js";

type Fn = (a: number, b: number) => number | boolean;

const SAMPLES = [-3.5, -2.5, -1, -0.5, 0, 0.25, 0.5, 1, 1.5, 2, 2.5, 3.75, 10, Infinity, -Infinity, NaN];
const PAIRS = SAMPLES.flatMap((a) => SAMPLES.map((b) => [a, b] as const));

function raise(): never {
  throw new Error("no such input");
}

const rate = 2.5;
const clip = true;

const functions: readonly { readonly fn: Fn; readonly consts?: Readonly<Record<string, number | boolean>> }[] = [
  { fn: (a, b) => a - (b * 2 + 1) / 4 },
  { fn: (a, b) => a * Math.exp(-b) },
  { fn: (a, b) => -a % b },
  { fn: (a, b) => a ** b },
  { fn: (a, b) => a ** b + a ** 2 },
  { fn: (a, b) => (a > b ? a : b) },
  { fn: (a, b) => (a > b ? 1 : 0) },
  { fn: (a, b) => a < b || (a >= 1 && b !== 2) },
  { fn: (a, b) => !(a === b) },
  { fn: (a, b) => (a && b) + (a || b) },
  { fn: (a, b) => Math.max(a, b, 1) - Math.min(a, 2) },
  { fn: (a, b) => Math.hypot(a, b) },
  { fn: (a, b) => Math.atan2(a, b) + Math.PI },
  { fn: (a, b) => Math.round(a) + Math.floor(b) * Math.ceil(a) - Math.trunc(b) },
  { fn: (a) => Math.sqrt(Math.abs(a)) + Math.sign(a) * Math.log1p(Math.abs(a)) },
  { fn: (a) => Math.tanh(a) + Math.sin(a) * Math.cos(a) },
  { fn: (a) => Math.log2(Math.abs(a)) - Math.log10(Math.abs(a)) + Math.expm1(a) },
  { fn: (a, b) => Number.isNaN(a) || Number.isFinite(b) },
  { fn: (_a) => 7 },
  { fn: (a) => a * rate + (clip ? 1 : 0), consts: { rate, clip } },
  {
    fn: (a, b) => {
      const c = a + b;
      let best = c;
      if (c > 1) {
        const a = c * 2;
        best = a;
      } else if (c < -1) best = -c;
      best += 1;
      return best;
    },
  },
  {
    fn: (a, b) => {
      if (a > b) return a - b;
      if (a === b) {
        return 0;
      }
      const d = b - a;
      return d * d;
    },
  },
  {
    fn: (a, b) => {
      let sum = 0;
      for (let i = 0; i < 4; i++) {
        if (a > i) sum += b;
        else sum -= i;
        for (let j = i; j > 0; j -= 2) sum = sum * 0.5 + j;
      }
      return sum;
    },
  },
  {
    // Horner's rule for exp.
    fn: (a) => {
      let y = 1;
      for (let i = 6; i >= 1; --i) y = 1 + (y * a) / i;
      return y;
    },
  },
];

function close(have: number, want: number): boolean {
  return Object.is(have, want) || have === want || Math.abs(have - want) <= 1e-6 + 4e-6 * Math.abs(want);
}

test("a kernel's values are its function's values", (t) => {
  for (const { fn, consts } of functions) {
    const k = kernel(fn as (...args: number[]) => number | boolean, consts === undefined ? {} : { consts });
    const inputs = {
      a: given(
        "f32",
        [PAIRS.length],
        PAIRS.map(([a]) => a),
      ),
      b: given(
        "f32",
        [PAIRS.length],
        PAIRS.map(([, b]) => b),
      ),
    };
    const ran = run(inputs, ({ a = raise(), b = raise() }) => k(...[a, b].slice(0, fn.length)));
    const have = ran.outputs["output"] ?? [];
    for (const [i, [a, b]] of PAIRS.entries()) {
      // Where doubles and f32 differ by more than rounding (an overflow), the function is judged in f32's range.
      const want = Math.fround(Number(fn(a, b)));
      if (!close(have[i] ?? Number.NaN, want)) t.fail(`${fn.toString()} of ${a}, ${b}: have ${have[i]}, want ${want}`);
    }
  }
  t.pass();
});

test("kernels broadcast and take plain numbers", (t) => {
  const mix = kernel((a: number, b: number, w: number) => a * w + b * (1 - w));
  const out = run({ x: counting(2, 1), y: counting(3) }, ({ x = raise(), y = raise() }) => mix(x, y, 0.25));
  t.deepEqual(out.outputs["output"], [0, 0.75, 1.5, 0.25, 1, 1.75]);
});

test("kernels on integers stay integers until they divide", (t) => {
  const poly = kernel((a: number) => a * a * 3 - 1);
  const half = kernel((a: number) => a / 2);
  const out = run({ x: given("i64", [3], [1, 2, 3]) }, ({ x = raise() }) => ({ p: poly(x), h: half(x) }));
  t.deepEqual(out.outputs, { p: [2, 11, 26], h: [0.5, 1, 1.5] });
  const pick = kernel((a: number) => (a ? 2 : -3));
  const truths = run({ x: given("bool", [2], [1, 0]) }, ({ x = raise() }) => pick(x));
  t.deepEqual(truths.outputs["output"], [2, -3]);
  t.is(
    refusal(() => run({ x: given("u8", [1], [1]) }, ({ x = raise() }) => pick(x))).detail,
    "kernel: -3 is not a value of u8",
  );
});

const outside = 3;

test("what a kernel cannot have is refused at its line", (t) => {
  const of = (k: (x: never) => unknown) =>
    refusal(() => run({ x: counting(2) }, ({ x = raise() }) => k(x as never) as typeof x));
  const captured = of(kernel((a: number) => a + outside)); // HERE captured
  t.is(captured.detail, 'kernel: "outside" is not a parameter or local of the kernel');
  t.is(captured.hint, "numbers from outside are passed along: kernel(fn, { consts: { outside } })");
  t.is(captured.at.split(":").at(-1), String(lineOf(captured.at, "HERE captured")));
  const late = of(
    kernel((a: number) => {
      const b = a + 1;
      return b + Math.random(); // HERE late
    }),
  );
  t.is(late.detail, "kernel: CallExpression `Math.random()` is not supported");
  t.is(late.at.split(":").at(-1), String(lineOf(late.at, "HERE late")));
  t.regex(
    of(
      kernel((a: number) => {
        while (a > 0) a -= 1;
        return a;
      }),
    ).detail,
    /WhileStatement/,
  );
  t.regex(
    of(
      kernel((a: number) => {
        let n = 0;
        for (let i = 0; i < a; i++) n++;
        return n;
      }),
    ).detail,
    /end depends on a tensor/,
  );
  t.regex(
    of(
      kernel((a: number) => {
        let n = 0;
        for (let i = 0; i < 1e6; i++) n += a;
        return n;
      }),
    ).detail,
    /more than 1000 iterations/,
  );
  t.regex(of(kernel(((_a: number) => {}) as unknown as (a: number) => number)).detail, /returns nothing/);
  t.regex(of(kernel(Math.abs)).detail, /source cannot be read/);
});
