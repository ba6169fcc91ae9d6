// Tracing: inputs, dimensions, outputs, promotion, and what is refused, each with the user's file and line.

import test from "ava";
import { arange, cat, full, tensor } from "../../compiler/frontend/constructors.js";
import { bool, dim, f16, f32, f64, i32, i64, u8 } from "../../compiler/frontend/spec.js";
import type { Tensor } from "../../compiler/frontend/tensor.js";
import { state, trace } from "../../compiler/frontend/trace.js";
import { formatDim } from "../../compiler/ir/dim.js";
import { nodesOf } from "../../compiler/ir/graph.js";
import { counting, lineOf, refusal, run } from "./run.js";

function raise(): never {
  throw new Error("no such input");
}

test("inputs, outputs and names", (t) => {
  const { graph } = trace({ x: f32("n", 4), y: i64() }, ({ x, y }) => ({ a: x.relu(), b: { c: y, d: [x] } }), {
    name: "net",
    dims: { n: [1, 8] },
  });
  t.is(graph.name, "net");
  t.deepEqual(
    graph.inputs.map((v) => `${v.type.dtype}[${v.type.shape.map(formatDim).join(",")}]`),
    ["f32[n,4]", "i64[]"],
  );
  t.deepEqual(
    graph.outputs.map((o) => o.name),
    ["a", "b.c", "b.d.0"],
  );
  t.deepEqual(
    trace({ x: f32(2) }, ({ x }) => x).graph.outputs.map((o) => o.name),
    ["output"],
  );
  t.deepEqual(
    trace({ x: f32(2) }, ({ x }) => [x, x]).graph.outputs.map((o) => o.name),
    ["output0", "output1"],
  );
});

test("nodes know the line that made them", (t) => {
  const { graph, builder } = trace({ x: f32(2) }, ({ x }) => x.exp());
  const exp = nodesOf(graph).find((n) => n.op === "exp") ?? raise();
  t.regex(builder.originOf(exp), /^(trace\.test|zz)\.[jt]s:\d+$/);
});

test("one function serves every size of a named dimension", (t) => {
  for (const n of [1, 3, 7]) {
    const out = run(
      { x: counting(n, 2) },
      ({ x = raise() }) => ({
        mean: x.mean(0),
        last: x.slice(0, -1),
        flat: x.reshape([-1]),
        wide: cat([x, x.slice(0, 0, 1)]).sum(1),
        positions: arange(x.size(0)),
        back: x.flatten().reshape(["n", 2]).t(),
      }),
      { x: f32(dim("n", 1, 8), 2) },
    );
    const rows = Array.from({ length: n }, (_, i) => 4 * i + 1);
    t.deepEqual(out.outputs, {
      mean: [n - 1, n],
      last: [2 * n - 2, 2 * n - 1],
      flat: Array.from({ length: 2 * n }, (_, i) => i),
      wide: [...rows, 1],
      positions: Array.from({ length: n }, (_, i) => i),
      back: [...Array.from({ length: n }, (_, i) => 2 * i), ...Array.from({ length: n }, (_, i) => 2 * i + 1)],
    });
  }
});

test("named sizes give what numbers give", (t) => {
  const [n, h] = [2, 6];
  const inputs = { x: counting(n, 4, h, h), w: counting(2, 2, 3, 3), g: counting(h) };
  const named = f32(dim("n", 1, 4), 4, dim("h", 5, 9), "h");
  const functions: readonly ((a: Readonly<Record<string, Tensor>>) => Tensor)[] = [
    ({ x = raise(), w = raise() }) => x.conv2d(w, { padding: 1, stride: 2, groups: 2 }),
    ({ x = raise(), w = raise() }) => x.conv2d(w, { padding: "same", dilation: 2, groups: 2 }),
    ({ x = raise(), w = raise() }) => x.slice(1, 0, 2).convTranspose2d(w, { stride: 2, padding: 1, outputPadding: 1 }),
    ({ x = raise() }) => x.maxPool2d(3, { padding: 1, stride: 2 }),
    ({ x = raise() }) => x.avgPool2d(3, { padding: 1, countIncludePad: false }),
    ({ x = raise(), g = raise() }) => x.layerNorm([x.size(3)], { weight: g, bias: g }),
    ({ x = raise() }) => x.groupNorm(2),
    ({ x = raise() }) => x.div(100).scaledDotProductAttention(x.div(50), x, { isCausal: true }),
    ({ x = raise() }) => x.flatten(1).var(1),
    ({ x = raise() }) =>
      x
        .permute([0, 2, 3, 1])
        .reshape([x.size(0), -1, 4])
        .softmax(1),
    ({ x = raise() }) => x.slice(2, 1, -1, 2).slice(3, -2),
    ({ x = raise() }) =>
      x
        .clone()
        .set([null, 1, [1, null]], 0)
        .set([0, [2, null], [0, null, 2]], -1),
    ({ x = raise() }) => x.argmax(3).oneHot(7).sum([1, 2]),
    ({ x = raise() }) => x.sort(2, { descending: true }).indices.gather(3, x.argsort(3)),
    ({ x = raise() }) => x.cumsum(2).flip([2, 3]).triu(1),
    ({ x = raise() }) => x.clone().scatter_(3, x.argsort(3), x.mul(2)),
    ({ x = raise() }) => x.repeat([1, 1, 2, 1]).pad([1, -1, 0, 2], { value: 5 }),
    ({ x = raise() }) => cat([x.select(2, -1), x.narrow(2, 1, 1).squeeze(2)], 1).std(),
  ];
  for (const f of functions) {
    const numbers = run(inputs, (a) => f({ ...a, x: (a["x"] ?? raise()).clone() }));
    const names = run(inputs, (a) => f({ ...a, x: (a["x"] ?? raise()).clone() }), { x: named, g: f32("h") });
    t.deepEqual(names, numbers, f.toString());
  }
});

test("promotion is PyTorch's", (t) => {
  const specs = { b: bool(2), u: u8(2), i: i32(2), l: i64(2), h: f16(2), x: f32(2), d: f64(2), s: f64(), j: i64() };
  let seen: Record<string, string> = {};
  trace(specs, ({ b, u, i, l, h, x, d, s, j }) => {
    const of = (r: Record<string, Tensor>) => Object.fromEntries(Object.entries(r).map(([k, v]) => [k, v.dtype]));
    seen = of({
      "u8+i32": u.add(i),
      "bool+bool": b.add(b),
      "bool+1": b.add(1),
      "bool+u8": b.mul(u),
      "i32+i64": i.add(l),
      "i64+f16": l.add(h),
      "f16+f32": h.mul(x),
      "f32+f64": x.sub(d),
      "f32+f64 scalar": x.mul(s),
      "i32+i64 scalar": i.add(j),
      "i32+f64 scalar": i.add(s),
      "u8+1": u.add(1),
      "u8+1.5": u.add(1.5),
      "f16+1.5": h.add(1.5),
      "i64/i64": l.div(l),
      "i64/i64 floor": l.floorDivide(l),
      "exp i32": i.exp(),
      "sum bool": b.sum(),
      "sum f16": h.sum(),
      "mean f16": h.mean(),
      argmax: x.argmax(),
      eq: x.eq(i),
      clamp: i.clamp(0.5, null),
    });
    return x;
  });
  t.deepEqual(seen, {
    "u8+i32": "i32",
    "bool+bool": "bool",
    "bool+1": "i64",
    "bool+u8": "u8",
    "i32+i64": "i64",
    "i64+f16": "f16",
    "f16+f32": "f32",
    "f32+f64": "f64",
    "f32+f64 scalar": "f32",
    "i32+i64 scalar": "i32",
    "i32+f64 scalar": "f64",
    "u8+1": "u8",
    "u8+1.5": "f32",
    "f16+1.5": "f16",
    "i64/i64": "f32",
    "i64/i64 floor": "i64",
    "exp i32": "f32",
    "sum bool": "i64",
    "sum f16": "f16",
    "mean f16": "f16",
    argmax: "i64",
    eq: "bool",
    clamp: "f32",
  });
});

test("methods that the PyTorch suite has no calls for", (t) => {
  const x = [-2.5, -0.5, 0, 1.25, 7];
  const y = [1, -2, 3, 0.5, 2];
  const of = (f: (a: Tensor, b: Tensor) => Tensor, want: (a: number, b: number) => number): void => {
    const out = run(
      { a: { dtype: "f32", shape: [5], values: x }, b: { dtype: "f32", shape: [5], values: y } },
      ({ a = raise(), b = raise() }) => f(a, b),
    );
    for (const [i, have] of (out.outputs["output"] ?? []).entries()) {
      const w = want(x[i] ?? 0, y[i] ?? 0);
      t.true(Math.abs(have - w) < 2e-6 * (1 + Math.abs(w)), `${f.toString()}: have ${have}, want ${w}`);
    }
  };
  of(
    (a) => a.neg(),
    (a) => -a,
  );
  of(
    (a, b) => a.sub(b, { alpha: 2 }),
    (a, b) => a - 2 * b,
  );
  of((a) => a.tan(), Math.tan);
  of((a) => a.asinh(), Math.asinh);
  of(
    (a) => a.frac(),
    (a) => a - Math.trunc(a),
  );
  of((a, b) => a.fmin(b), Math.min);
  of(
    (a, b) => a.logaddexp(b),
    (a, b) => Math.log(Math.exp(a) + Math.exp(b)),
  );
  of(
    (a) => a.relu6(),
    (a) => Math.min(Math.max(a, 0), 6),
  );
  of(
    (a) => a.elu({ alpha: 2 }),
    (a) => (a > 0 ? a : 2 * Math.expm1(a)),
  );
  of(
    (a) => a.tanhshrink(),
    (a) => a - Math.tanh(a),
  );
  of(
    (a) => a.hardswish(),
    (a) => (a * Math.min(Math.max(a + 3, 0), 6)) / 6,
  );
  of(
    (a) => a.rmsNorm({ eps: 0 }),
    (a) => a / Math.sqrt(x.reduce((s, v) => s + v * v, 0) / 5),
  );
  of(
    (a) => a.norm({ p: 1 }).expand([5]),
    () => x.reduce((s, v) => s + Math.abs(v), 0),
  );
  of(
    (a) => a.var().expand([5]),
    () => x.reduce((s, v) => s + (v - 1.05) ** 2, 0) / 4,
  );
  of(
    (a) => a.reshape([1, 1, 5]).adaptiveMaxPool([1]).flatten().expand([5]),
    () => 7,
  );
  of(
    (a, b) => a.matmul(b).expand([5]),
    () => x.reduce((s, v, i) => s + v * (y[i] ?? 0), 0),
  );
});

test("outside of a trace only constants are made", (t) => {
  const w = tensor([
    [1, 2],
    [3, 4],
  ]);
  t.is(w.toString(), "Tensor i64[2, 2]");
  t.is(refusal(() => w.add(1)).detail, "add was called outside of trace(...)");
  t.is(refusal(() => full([2], 1)).detail, "full was called outside of trace(...)");
});

test("refusals name the user's line", (t) => {
  const check = (marker: string, detail: string, hint: RegExp, f: (x: Tensor) => unknown): void => {
    const r = refusal(() => trace({ x: f32(2, 3) }, ({ x }) => f(x) as Tensor));
    t.is(r.scope, "trace");
    t.is(r.detail, detail);
    t.regex(r.hint, hint);
    t.is(r.at.split(":").at(-1), String(lineOf(r.at, `HERE ${marker}`) + 1), `${r.at} for ${marker}`);
  };
  check(
    "number",
    "Tensor f32[2, 3] was used as a JavaScript number or condition; it has no value while it is traced",
    /cond\(\.\.\.\)/,
    (x) => {
      // HERE number
      return (x as unknown as number) > 0 ? x : x.neg();
    },
  );
  check("input", 'add_: input "x" is the caller\'s tensor and cannot be written', /state\(\.\.\.\)/, (x) => {
    // HERE input
    return x.add_(1);
  });
  check("view", 'fill_: input "x" is the caller\'s tensor and cannot be written', /clone\(\)/, (x) => {
    // HERE view
    return x.t().fill_(1);
  });
  check("broadcast", "add: broadcast of axis 1: 3 and 2 differ", /^$/, (x) => {
    // HERE broadcast
    return x.add(tensor([1, 2]));
  });
  check("matmul", "matmul: inner dimensions: 3 and 2 differ", /^$/, (x) => {
    // HERE matmul
    return x.matmul(x);
  });
  check("reshape", "reshape: Tensor f32[2, 3] does not have the shape [4, -1]", /stay the same/, (x) => {
    // HERE reshape
    return x.reshape([4, -1]);
  });
  check("axis", "sum: axis 2 of a tensor of shape [2, 3]", /-2 to 1/, (x) => {
    // HERE axis
    return x.sum(2);
  });
  check("expand", "fill_: an expanded tensor has several elements in one place", /clone/, (x) => {
    // HERE expand
    return x.clone().select(0, 0).unsqueeze(0).expand([4, 3]).fill_(0);
  });
  check("store", "add_: the result has dtype f32, which i64 does not hold", /without _/, () => {
    // HERE store
    return arange(3).clone().add_(1.5);
  });
  check("shape", "copy_: a value of shape [3] into Tensor f32[2, 2]", /broadcast/, (x) => {
    // HERE shape
    return x.slice(1, 0, 2).clone().copy_(x.select(0, 0));
  });
  check("dimension", 'dimension "m" has no range', /dim\("m", 1, 512\)/, (x) => {
    // HERE dimension
    return x.expand(["m", 2, 3]);
  });
});

test("what a trace cannot take", (t) => {
  const of = (f: () => unknown): string => refusal(f).detail;
  t.is(
    of(() => trace({ x: f32("n") }, ({ x }) => x)),
    'dimension "n" has no range',
  );
  t.is(
    of(() => trace({ x: f32(dim("n", 1, 4)), y: f32(dim("n", 1, 5)) }, ({ x }) => x)),
    'dimension "n" is declared with two ranges',
  );
  t.is(
    of(() => trace({ x: f32(2) }, () => undefined as never)),
    "trace: the result is undefined (is there a return?), not a tensor",
  );
  t.is(
    of(() => trace({ x: f32(2) }, (async () => 1) as never)),
    "trace: the function is async",
  );
  t.is(
    of(() => trace({ x: f32(2) }, ({ x }) => ({ x, n: 1 as never }))),
    'trace: "n" is a number, not a tensor',
  );
  t.is(
    of(() => trace({ x: f32(-1) }, ({ x }) => x)),
    'input "x": a size of -1',
  );
  t.is(
    of(() => trace({ x: f32(dim("n", 1, 4)) }, ({ x }) => state("h", f32("n")).add(x))),
    'state: "h" has the shape [n]',
  );
  t.is(
    of(() => trace({}, () => [state("h", f32(1)), state("h", f32(1))])),
    'state: "h" is declared twice',
  );
  t.is(
    of(() => trace({ x: f32(2) }, ({ x }) => x.unsqueeze(0).expand(["n", 2]), { dims: { n: [1, 4] } })),
    'dimension "n" is no input\'s size, so the run cannot know it',
  );
  let kept: Tensor | undefined;
  trace({ x: f32(2) }, ({ x }) => (kept = x));
  t.is(
    of(() => trace({ x: f32(2) }, ({ x }) => x.add(kept ?? 0))),
    "add: a tensor of another trace",
  );
});
