// Every adjoint rule against central differences of the reference interpreter, in f64.

import test from "ava";
import * as ir from "../../compiler/ir/build.js";
import { type Dim, sym } from "../../compiler/ir/dim.js";
import { Refused } from "../../compiler/ir/errors.js";
import { gradient } from "../../compiler/ir/grad.js";
import { Builder, type Value } from "../../compiler/ir/graph.js";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { interpret } from "../../compiler/reference/interpret.js";
import { graphOf, loss, noise, noiseTensor } from "../support/reference.js";

type Build = (b: Builder, xs: readonly Value[]) => Value;

interface Case {
  readonly name: string;
  readonly build: Build;
  readonly inputs: readonly Tensor[];
  /** Declared shapes of the inputs, where they are symbolic. */
  readonly shapes?: readonly (readonly Dim[])[];
}

const STEP = 1e-5;

function at<T>(list: readonly T[], i: number): T {
  const v = list[i];
  if (v === undefined) throw new Error(`no element ${i}`);
  return v;
}

/** The largest difference between a rule's gradient and the central difference, relative above 1. */
function worst({ build, inputs, shapes }: Case): { readonly error: number; readonly where: string } {
  const b = new Builder();
  const xs = inputs.map((t, i) => ir.input(b, `x${i}`, t.dtype, shapes?.[i] ?? t.shape));
  const y = build(b, xs);
  const args = Object.fromEntries(inputs.map((t, i) => [`x${i}`, t]));
  const { outputs } = interpret(graphOf(b, xs, { y }), args);
  const size = at(Object.values(outputs), 0);
  // The output's own shape may be symbolic, so the constant comes as an input.
  const c = ir.input(b, "c", "f64", y.type.shape);
  const total = loss(b, y, c);
  const all = { ...args, c: noiseTensor("f64", size.shape, 99) };
  const gradients = gradient(b, total, xs);
  const named = Object.fromEntries(gradients.map((g, i) => [`g${i}`, g]));
  const found = interpret(graphOf(b, [...xs, c], named), all).outputs;
  const value = (changed: Readonly<Record<string, Tensor>>): number =>
    at(Object.values(interpret(graphOf(b, [...xs, c], { total }), { ...all, ...changed }).outputs), 0).at(0);
  let result = { error: 0, where: "" };
  for (const [i, x] of inputs.entries()) {
    const g = found[`g${i}`];
    if (g === undefined) throw new Error(`no gradient ${i}`);
    if (g.shape.join() !== x.shape.join()) throw new Error(`gradient ${i} has shape [${g.shape.join()}]`);
    const numbers = x.numbers();
    for (const [j, v] of numbers.entries()) {
      const moved = (d: number): Tensor => tensorFrom("f64", x.shape, numbers.with(j, v + d));
      const want = (value({ [`x${i}`]: moved(STEP) }) - value({ [`x${i}`]: moved(-STEP) })) / (2 * STEP);
      const error = Math.abs(want - g.at(j)) / Math.max(1, Math.abs(want));
      const where = `input ${i} element ${j}: rule ${g.at(j)}, difference ${want}`;
      if (Number.isNaN(error)) return { error, where };
      if (error > result.error) result = { error, where };
    }
  }
  return result;
}

function check(c: Case): void {
  test(c.name, (t) => {
    const { error, where } = worst(c);
    t.true(error < 1e-5, where);
  });
}

const r = (shape: readonly number[], seed = 1, lo = -2, hi = 2): Tensor => noiseTensor("f64", shape, seed, lo, hi);

/** The only value of a list. */
const x0 = (xs: readonly Value[]): Value => at(xs, 0);

// ---- scalar ops, with every kind of broadcasting

const UNARY = {
  neg: [-2, 2],
  abs: [-2, 2],
  sqrt: [0.2, 3],
  exp: [-2, 2],
  log: [0.2, 3],
  sin: [-2, 2],
  cos: [-2, 2],
  tan: [-1, 1],
  asin: [-0.9, 0.9],
  acos: [-0.9, 0.9],
  atan: [-2, 2],
  sinh: [-2, 2],
  cosh: [-2, 2],
  tanh: [-2, 2],
  asinh: [-2, 2],
  acosh: [1.2, 3],
  atanh: [-0.9, 0.9],
  erf: [-2, 2],
  sigmoid: [-4, 4],
  log1p: [-0.5, 2],
  expm1: [-2, 2],
  floor: [0.1, 0.9],
  ceil: [0.1, 0.9],
  trunc: [0.1, 0.9],
  round: [0.1, 0.4],
  sign: [0.5, 2],
} as const;

for (const [name, [lo, hi]] of Object.entries(UNARY))
  check({
    name,
    build: (b, xs) => b.one(name as keyof typeof UNARY, [x0(xs)], {}),
    inputs: [r([2, 3], 3, lo, hi)],
  });

const BINARY = {
  add: [-2, 2],
  sub: [-2, 2],
  mul: [-2, 2],
  div: [0.3, 2],
  rem: [0.55, 2],
  mod: [0.55, 2],
  pow: [0.3, 2],
  max: [-2, 2],
  min: [-2, 2],
  atan2: [0.3, 2],
} as const;

const SHAPES: readonly (readonly [readonly number[], readonly number[]])[] = [
  [
    [2, 3],
    [2, 3],
  ],
  [[2, 3], [3]],
  [[], [2, 2]],
  [
    [2, 1, 3],
    [2, 1],
  ],
];

for (const [name, [lo, hi]] of Object.entries(BINARY))
  for (const [i, [a, c]] of SHAPES.entries())
    check({
      name: `${name} of [${a.join()}] and [${c.join()}]`,
      build: (b, xs) => b.one(name as keyof typeof BINARY, [...xs], {}),
      inputs: [r(a, 5 + i, lo, hi), r(c, 50 + i, lo, hi)],
    });

test("max and min share ties, pow is flat where it is constant", (t) => {
  const b = new Builder();
  const x = ir.scalar(b, "f64", 2);
  const y = ir.scalar(b, "f64", 0);
  const both = ir.add(b, ir.max(b, x, x), ir.mul(b, ir.min(b, ir.add(b, x, y), x), 3));
  const [gx] = gradient(b, both, [x]);
  const zero = ir.input(b, "zero", "f64", []);
  const [gp] = gradient(b, ir.pow(b, zero, y), [zero]);
  const two = ir.input(b, "two", "f64", []);
  const [gq] = gradient(b, ir.pow(b, zero, two), [two]);
  if (gx === undefined || gp === undefined || gq === undefined) throw new Error("no gradient");
  const { outputs } = interpret(graphOf(b, [zero, two], { gx, gp, gq }), {
    zero: tensorFrom("f64", [], [0]),
    two: tensorFrom("f64", [], [2]),
  });
  t.deepEqual(
    Object.values(outputs).map((v) => v.at(0)),
    [4, 0, 0],
  );
});

check({
  name: "select",
  build: (b, xs) => ir.select(b, ir.constant(b, tensorFrom("bool", [3], [1, 0, 1])), at(xs, 0), at(xs, 1)),
  inputs: [r([2, 1]), r([1, 3], 2)],
});
test("cast passes gradients between floats and none through integers", (t) => {
  const b = new Builder();
  const x = ir.input(b, "x", "f64", [2]);
  const narrow = ir.mul(b, ir.cast(b, x, "f32"), ir.vector(b, "f32", [3, 4]));
  const whole = ir.cast(b, ir.cast(b, x, "i32"), "f32");
  const [g] = gradient(b, ir.sum(b, ir.mul(b, narrow, whole)), [x]);
  if (g === undefined) throw new Error("no gradient");
  const { outputs } = interpret(graphOf(b, [x], { g }), { x: tensorFrom("f64", [2], [1.5, 2.5]) });
  t.is(outputs["g"]?.dtype, "f64");
  t.deepEqual(outputs["g"]?.numbers(), [3, 8]);
});

// ---- shape ops

const N = sym("n", 1, 64);
const M = sym("m", 1, 64);

check({ name: "reshape", build: (b, xs) => ir.reshape(b, x0(xs), [3, 2]), inputs: [r([2, 3])] });
check({ name: "transpose", build: (b, xs) => ir.transpose(b, x0(xs), [2, 0, 1]), inputs: [r([2, 3, 4])] });
check({ name: "broadcast", build: (b, xs) => ir.broadcast(b, x0(xs), [2, 4, 3]), inputs: [r([4, 1])] });
check({
  name: "slice with steps of both signs",
  build: (b, xs) => ir.slice(b, x0(xs), [1, 4, 5], [2, 2, 2], [1, -3, -2]),
  inputs: [r([3, 5, 6])],
});
check({
  name: "slice of symbolic size",
  build: (b, xs) => ir.sliceAxis(b, x0(xs), 0, 1, ir.input(b, "u", "f32", [N]).type.shape[0] ?? 1),
  inputs: [r([5, 2]), r([3])],
  shapes: [[sym("k", 4, 8), 2], [N]],
});
check({ name: "flip", build: (b, xs) => ir.flip(b, x0(xs), [0]), inputs: [r([4, 2])], shapes: [[N, 2]] });
check({
  name: "pad with interior",
  build: (b, xs) => ir.pad(b, at(xs, 0), at(xs, 1), [1, 0], [0, 2], [2, 1]),
  inputs: [r([2, 3]), r([])],
});
check({
  name: "concat",
  build: (b, xs) => ir.concat(b, [...xs, at(xs, 0)], 1),
  inputs: [r([2, 3]), r([2, 1], 2)],
  shapes: [
    [2, N],
    [2, M],
  ],
});
check({
  name: "window",
  build: (b, xs) => ir.window(b, x0(xs), { axes: [2, 1], lengths: [2, 3], strides: [2, 1], dilations: [2, 1] }),
  inputs: [r([2, 4, 7])],
  shapes: [[2, 4, sym("w", 4, 100)]],
});

// ---- data-dependent positions

check({
  name: "gather",
  build: (b, xs) => ir.gather(b, x0(xs), ir.constant(b, tensorFrom("i32", [2, 2], [0, 2, 2, 1])), 1),
  inputs: [r([2, 3, 2])],
});
check({
  name: "take",
  build: (b, xs) => ir.take(b, x0(xs), ir.vector(b, "i64", [0, 5, 5])),
  inputs: [r([2, 3])],
});
for (const mode of ["add", "set"] as const)
  check({
    name: `scatter ${mode} with repeats`,
    build: (b, xs) => ir.scatter(b, at(xs, 0), ir.vector(b, "i64", [0, 4, 4]), at(xs, 1), mode),
    inputs: [r([2, 3]), r([3], 2)],
  });
for (const descending of [false, true])
  check({
    name: `sort, descending ${descending}`,
    build: (b, xs) => ir.sort(b, x0(xs), 1, descending).values,
    inputs: [r([2, 4, 3])],
    shapes: [[2, N, 3]],
  });

// ---- reductions

for (const kind of ["sum", "prod", "max", "min"] as const)
  for (const keep of [false, true])
    check({
      name: `reduce ${kind}, keep ${keep}`,
      build: (b, xs) => ir.reduce(b, kind, x0(xs), [0, 2], keep),
      inputs: [r([2, 3, 2])],
    });
check({
  name: "product with zeros",
  build: (b, xs) => ir.prod(b, x0(xs), [1]),
  inputs: [tensorFrom("f64", [3, 3], [0, 2, 3, 0, 0, 4, 1, 2, 3])],
});
check({ name: "mean", build: (b, xs) => ir.mean(b, x0(xs), [1]), inputs: [r([2, 5])], shapes: [[2, N]] });
for (const reverse of [false, true])
  for (const exclusive of [false, true])
    check({
      name: `cumulate sum, reverse ${reverse}, exclusive ${exclusive}`,
      build: (b, xs) => ir.cumulate(b, "sum", x0(xs), 1, { reverse, exclusive }),
      inputs: [r([2, 4])],
    });

// ---- contractions

for (const [a, c] of [
  [
    [2, 3],
    [3, 4],
  ],
  [
    [2, 1, 2, 3],
    [5, 3, 2],
  ],
  [
    [2, 2, 3],
    [3, 2],
  ],
] as const)
  check({
    name: `matmul of [${a.join()}] and [${c.join()}]`,
    build: (b, xs) => ir.matmul(b, at(xs, 0), at(xs, 1)),
    inputs: [r(a), r(c, 2)],
  });

const CONVS: readonly {
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly attrs: ir.Conv;
  readonly shape?: readonly Dim[];
}[] = [
  { x: [2, 2, 5], w: [3, 2, 3], attrs: {} },
  { x: [1, 2, 6, 5], w: [2, 2, 3, 2], attrs: { strides: [2, 1], low: [1, 0], high: [2, 1] } },
  {
    x: [2, 4, 7, 4],
    w: [6, 2, 2, 2],
    attrs: { groups: 2, strides: [3, 2], dilations: [2, 1], low: [1, 1], high: [0, 1] },
  },
  { x: [1, 3, 5], w: [3, 1, 2], attrs: { groups: 3, low: [4], high: [3], dilations: [2] } },
  { x: [2, 5, 4, 2], w: [2, 3, 2, 3], attrs: { layout: "nhwc", strides: [2, 1], low: [1, 1], high: [0, 1] } },
  { x: [2, 6, 4], w: [3, 2, 2], attrs: { layout: "nhwc", groups: 2, strides: [2] } },
  { x: [2, 2, 8], w: [2, 2, 3], attrs: { strides: [2], low: [1] }, shape: [N, 2, sym("w", 3, 100)] },
  { x: [1, 1, 3, 3, 3], w: [2, 1, 2, 2, 2], attrs: { low: [1, 0, 0] } },
];

for (const { x, w, attrs, shape } of CONVS)
  check({
    name: `conv of [${x.join()}] with [${w.join()}] ${JSON.stringify(attrs)}${shape === undefined ? "" : ", symbolic"}`,
    build: (b, xs) => ir.conv(b, at(xs, 0), at(xs, 1), attrs),
    inputs: [r(x), r(w, 2)],
    ...(shape === undefined ? {} : { shapes: [shape, w] }),
  });

// ---- composites and whole expressions

check({ name: "softmax", build: (b, xs) => ir.softmax(b, x0(xs), 1), inputs: [r([2, 3, 2])], shapes: [[2, N, 2]] });
check({ name: "logSoftmax", build: (b, xs) => ir.logSoftmax(b, x0(xs), 0), inputs: [r([3, 2])] });
check({
  name: "layerNorm",
  build: (b, xs) => ir.layerNorm(b, at(xs, 0), at(xs, 1), at(xs, 2), 1),
  inputs: [r([2, 3, 2]), r([3, 2], 2), r([2], 3)],
});
check({
  name: "a composite whose inputs depend on each other",
  build: (b, xs) => ir.layerNorm(b, x0(xs), ir.exp(b, x0(xs)), ir.square(b, x0(xs)), 1),
  inputs: [r([2, 3])],
});
check({
  name: "a composite whose input is part of its own decomposition",
  build: (b, xs) => ir.layerNorm(b, x0(xs), ir.sub(b, x0(xs), ir.mean(b, x0(xs), [1], true)), x0(xs), 1),
  inputs: [r([2, 3])],
});
check({
  name: "attention",
  build: (b, xs) => {
    const scores = ir.matmul(b, at(xs, 0), ir.swapAxes(b, at(xs, 1)));
    return ir.matmul(b, ir.softmax(b, ir.div(b, scores, 2), 2), at(xs, 2));
  },
  inputs: [r([2, 3, 4]), r([2, 5, 4], 2), r([2, 5, 2], 3)],
});

test("the derivative by what the output does not depend on is zero, by itself one", (t) => {
  const b = new Builder();
  const x = ir.input(b, "x", "f32", []);
  const y = ir.input(b, "y", "f32", [2]);
  const [gx, gy] = gradient(b, x, [x, y]);
  if (gx === undefined || gy === undefined) throw new Error("no gradient");
  const { outputs } = interpret(graphOf(b, [x, y], { gx, gy }), {
    x: tensorFrom("f32", [], [3]),
    y: tensorFrom("f32", [2], noise(1, 2)),
  });
  t.deepEqual(outputs["gx"]?.numbers(), [1]);
  t.deepEqual(outputs["gy"]?.numbers(), [0, 0]);
});

test("what has no gradient is refused, all at once", (t) => {
  const b = new Builder();
  const x = ir.input(b, "x", "f32", [3]);
  b.origin = "here";
  const running = ir.cumulate(b, "prod", x, 0);
  b.origin = "";
  const [chosen] = ir.ifElse(b, ir.scalar(b, "bool", true), [running], [x]);
  const both = ir.sum(
    b,
    ir.add(b, chosen ?? x, ir.scatter(b, running, ir.vector(b, "i64", [0]), ir.vector(b, "f32", [1]), "max")),
  );
  const error = t.throws(() => gradient(b, both, [x]), { instanceOf: Refused });
  t.deepEqual(error.refusals.map((f) => [f.code, f.subject]).sort(), [
    ["unsupported_gradient", "if"],
    ["unsupported_gradient", "scatter"],
  ]);
  const cumulated = t.throws(() => gradient(b, ir.sum(b, running), [x]), { instanceOf: Refused });
  t.deepEqual(
    cumulated.refusals.map((f) => [f.subject, f.at]),
    [["cumulate", "here"]],
  );
  t.throws(() => gradient(b, x, [x]), { instanceOf: Refused });
});
