/** dim.ts against a plain evaluator of the same trees, plus the simplifications that fused kernels rely on. */
import test from "ava";
import fc from "fast-check";
import {
  add,
  asConst,
  ceildiv,
  compareDims,
  type Dim,
  DimOverflowError,
  DimSyntaxError,
  dependsOn,
  evaluate,
  floordiv,
  formatDim,
  indexVar,
  linearIn,
  max,
  min,
  mod,
  mul,
  neg,
  parseDim,
  provenEqual,
  provenLess,
  provenLessEqual,
  range,
  type Sym,
  sub,
  substitute,
  sym,
  symOf,
  symsOf,
  terms,
} from "../../compiler/ir/dim.js";

const numRuns = Number(process.env["DIM_RUNS"] ?? 2000);

// ---- random trees over symbols with small ranges, index variables with constant and symbolic extents

const N = sym("N", 1, 4);
const M = sym("M", 1, 3);
const Z = sym("Z", 0, 2);
const s = sym("s", -4, 5);
const ATOMS: ReadonlyMap<string, Dim> = new Map<string, Dim>([
  ["N", N],
  ["M", M],
  ["Z", Z],
  ["s", s],
  ["u", indexVar("u", 4)],
  ["v", indexVar("v", 6)],
  ["i", indexVar("i", N)],
  ["j", indexVar("j", M)],
  ["f", indexVar("f", mul(N, M))],
  ["g", indexVar("g", mul(4, N))],
  ["t", indexVar("t", ceildiv(N, 2))],
  ["z", indexVar("z", Z)],
]);
const scope = (name: string): Dim | undefined => ATOMS.get(name);

type Env = ReadonlyMap<string, number>;

function valueIn(env: Env): (name: string) => number {
  return (name) => {
    const v = env.get(name);
    if (v === undefined) throw new Error(`no value for ${name}`);
    return v;
  };
}

/** A point: every symbol within its range; where a loop is empty, the point is rejected (null). */
function pointOf(picks: readonly number[]): Env | null {
  const env = new Map<string, number>();
  for (const [i, [name, d]] of [...ATOMS].entries()) {
    const { lo, hi, extent } = symbol(d);
    const size = extent === null ? hi - lo + 1 : evaluate(extent, valueIn(env));
    if (size <= 0) return null;
    env.set(name, lo + ((picks[i] ?? 0) % size));
  }
  return env;
}

function symbol(d: Dim): Sym {
  const found = symOf(d);
  if (found === undefined) throw new Error(`${d} is not a symbol`);
  return found;
}

const point = fc
  .array(fc.nat(1000), { minLength: ATOMS.size, maxLength: ATOMS.size })
  .map(pointOf)
  .filter((env): env is Env => env !== null);
const points = fc.array(point, { minLength: 6, maxLength: 6 });

type Tree = number | string | { readonly op: keyof typeof OPS; readonly a: Tree; readonly b: Tree };

const OPS = {
  add: { dim: add, value: (a: number, b: number) => a + b },
  sub: { dim: sub, value: (a: number, b: number) => a - b },
  mul: { dim: mul, value: (a: number, b: number) => a * b },
  floordiv: { dim: floordiv, value: (a: number, b: number) => nonzero(b, Math.floor(a / b)) },
  mod: { dim: mod, value: (a: number, b: number) => nonzero(b, a - b * Math.floor(a / b)) },
  ceildiv: { dim: ceildiv, value: (a: number, b: number) => nonzero(b, Math.ceil(a / b)) },
  min: { dim: min, value: Math.min },
  max: { dim: max, value: Math.max },
} satisfies Record<string, { dim: (a: Dim, b: Dim) => Dim; value: (a: number, b: number) => number }>;

function nonzero(divisor: number, quotient: number): number {
  return divisor === 0 ? Number.NaN : quotient;
}

/** NaN where the tree divides by zero. */
function treeValue(tree: Tree, env: Env): number {
  if (typeof tree === "number") return tree;
  if (typeof tree === "string") return valueIn(env)(tree);
  return OPS[tree.op].value(treeValue(tree.a, env), treeValue(tree.b, env));
}

/** null where a divisor is the constant 0. */
function dimOf(tree: Tree): Dim | null {
  if (typeof tree === "number") return tree;
  if (typeof tree === "string") return ATOMS.get(tree) ?? null;
  const a = dimOf(tree.a);
  const b = dimOf(tree.b);
  if (a === null || b === null) return null;
  if (b === 0 && (tree.op === "floordiv" || tree.op === "mod" || tree.op === "ceildiv")) return null;
  return OPS[tree.op].dim(a, b);
}

const node = (op: keyof typeof OPS, a: Tree, b: Tree): Tree => ({ op, a, b });
const atom = fc.constantFrom(...ATOMS.keys());
const divisor = fc.oneof(
  fc.constantFrom<Tree>(2, 3, 4, 6, 8, 12),
  fc.constantFrom<Tree>("N", "M", node("mul", "N", "M"), node("mul", 4, "N"), node("add", "M", 1)),
);
const { any: tree } = fc.letrec<{ any: Tree; wild: Tree; digits: Tree; flat: Tree; near: Tree }>((tie) => ({
  any: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    atom,
    fc.integer({ min: -9, max: 13 }),
    tie("wild"),
    tie("digits"),
    tie("flat"),
    tie("near"),
  ),
  wild: fc.record({
    op: fc.constantFrom(...(Object.keys(OPS) as (keyof typeof OPS)[])),
    a: tie("any"),
    b: tie("any"),
  }),
  // a digit of a flat index
  digits: fc
    .tuple(fc.constantFrom("floordiv" as const, "mod" as const), tie("any"), divisor)
    .map(([op, a, b]) => node(op, a, b)),
  // a*d + b: a flat index
  flat: fc.tuple(tie("any"), divisor, tie("any")).map(([a, d, b]) => node("add", node("mul", a, d), b)),
  // d*floordiv(a, d) + mod(b, d), where mostly b is a
  near: fc
    .tuple(
      tie("any"),
      divisor,
      fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: tie("any") }),
    )
    .map(([a, d, b]) => node("add", node("mul", d, node("floordiv", a, d)), node("mod", b ?? a, d))),
}));

function everywhere(dims: (...d: Dim[]) => ((values: number[]) => void) | undefined, count: number): void {
  const arb = fc.array(tree, { minLength: count, maxLength: count });
  fc.assert(
    fc.property(arb, points, (ts, envs) => {
      const ds: Dim[] = [];
      for (const t of ts) {
        const d = dimOf(t);
        if (d === null) return;
        ds.push(d);
      }
      const check = dims(...ds);
      if (check === undefined) return;
      for (const env of envs) {
        const values = ts.map((t) => treeValue(t, env));
        if (!values.some(Number.isNaN)) check(values);
      }
    }),
    { numRuns },
  );
}

const show = (d: Dim): string => formatDim(d);

function must(holds: boolean, message: () => string): void {
  if (!holds) throw new Error(message());
}

test("simplified expressions have the tree's value, within range()", (t) => {
  fc.assert(
    fc.property(tree, points, (tr, envs) => {
      const d = dimOf(tr);
      if (d === null) return;
      const { lo, hi } = range(d);
      for (const env of envs) {
        const want = treeValue(tr, env);
        if (Number.isNaN(want)) continue;
        const have = evaluate(d, valueIn(env));
        must(have === want, () => `${show(d)}: have ${have}, want ${want} at ${JSON.stringify([...env])}`);
        must(lo <= have && have <= hi, () => `${show(d)}: ${have} is not in ${lo}..${hi}`);
        must(!Object.is(have, -0) && !Object.is(lo, -0) && !Object.is(hi, -0), () => `${show(d)}: -0`);
      }
    }),
    { numRuns: 2 * numRuns },
  );
  t.pass();
});

test("text round-trips to the identical object", (t) => {
  fc.assert(
    fc.property(tree, (tr) => {
      const d = dimOf(tr);
      if (d === null) return;
      const back = parseDim(show(d), scope);
      must(back === d, () => `${show(d)} parses as ${show(back)}`);
    }),
    { numRuns: 2 * numRuns },
  );
  t.pass();
});

test("proofs are sound", (t) => {
  everywhere((a = 0, b = 0) => {
    const less = provenLess(a, b);
    const lessEqual = provenLessEqual(a, b);
    const equal = provenEqual(a, b);
    must(!less || lessEqual, () => `${show(a)} < ${show(b)} but not <=`);
    return ([x = 0, y = 0]) => {
      must(!less || x < y, () => `${show(a)} < ${show(b)}: ${x}, ${y}`);
      must(!lessEqual || x <= y, () => `${show(a)} <= ${show(b)}: ${x}, ${y}`);
      must(!equal || x === y, () => `${show(a)} == ${show(b)}: ${x}, ${y}`);
    };
  }, 2);
  t.pass();
});

test("what is proven less is proven less or equal, where only the stricter difference has a tight bound", (t) => {
  const [rows, columns] = [sym("rows", 1, 4), sym("columns", 1, 4)];
  const a = mod(indexVar("row", rows), 3);
  const cell = indexVar("cell", mul(rows, columns));
  const b = floordiv(add(mul(rows, 12), cell), mul(rows, columns));
  t.true(!provenLess(a, b) || provenLessEqual(a, b));
});

test("substitution commutes with evaluation", (t) => {
  // images within the ranges of what they replace
  const images = new Map<string, Dim>([
    ["s", sub(indexVar("u", 4), M)],
    ["u", floordiv(indexVar("v", 6), 2)],
    ["v", add(mod(s, 4), 1)],
    ["i", sub(sub(N, 1), indexVar("i", N))],
    ["f", add(mul(indexVar("i", N), M), indexVar("j", M))],
  ]);
  fc.assert(
    fc.property(tree, points, fc.subarray([...images.keys()]), (tr, envs, names) => {
      const d = dimOf(tr);
      if (d === null) return;
      const image = substituted(d, (v) => (names.includes(v.name) ? images.get(v.name) : undefined));
      for (const env of envs) {
        const inner = (name: string): number =>
          names.includes(name) ? evaluate(images.get(name) ?? 0, valueIn(env)) : valueIn(env)(name);
        const moved = new Map([...env.keys()].map((name) => [name, inner(name)]));
        if (Number.isNaN(treeValue(tr, moved))) continue;
        if (image === null) throw new Error(`${show(d)}: a division by zero, but not here`);
        const [have, want] = [evaluate(image, valueIn(env)), evaluate(d, inner)];
        must(have === want, () => `${show(d)} -> ${show(image)}: have ${have}, want ${want}`);
      }
    }),
    { numRuns },
  );
  t.pass();
});

/** null where an image makes a divisor the constant 0. */
function substituted(d: Dim, f: (v: Sym) => Dim | undefined): Dim | null {
  try {
    return substitute(d, f);
  } catch (e) {
    if (e instanceof RangeError && e.message.startsWith("division by zero")) return null;
    throw e;
  }
}

test("sums and products do not depend on order or grouping; compareDims is a total order", (t) => {
  everywhere((a = 0, b = 0, c = 0) => {
    must(add(a, b) === add(b, a) && mul(a, b) === mul(b, a), () => `${show(a)}, ${show(b)}: not commutative`);
    must(
      mul(mul(a, b), c) === mul(a, mul(b, c)) || provenEqual(mul(mul(a, b), c), mul(a, mul(b, c))),
      () => "associative",
    );
    must(sub(a, a) === 0 && neg(neg(a)) === a, () => `${show(a)}: negation`);
    must(min(a, b) === min(b, a) && max(a, b) === max(b, a), () => `${show(a)}, ${show(b)}: min, max`);
    must(compareDims(a, b) === -compareDims(b, a) + 0, () => `${show(a)}, ${show(b)}: order`);
    must(compareDims(a, b) !== 0 || a === b, () => `${show(a)}: equal order, different objects`);
    return undefined;
  }, 3);
  t.pass();
});

test("linearIn and terms rebuild the expression", (t) => {
  const v = indexVar("v", 6);
  everywhere((a = 0) => {
    const parts = linearIn(a, symbol(v));
    if (parts !== null) {
      must(!dependsOn(parts.coeff, symbol(v)) && !dependsOn(parts.rest, symbol(v)), () => `${show(a)}: not free of v`);
      must(add(mul(parts.coeff, v), parts.rest) === a, () => `${show(a)}: coeff*v + rest`);
    }
    const sum = terms(a).map(({ coeff, factors }) => {
      return mul(
        coeff,
        ...factors.map((f) => (f.kind === "sym" ? (ATOMS.get(f.name) ?? 0) : OPS[f.kind].dim(f.a, f.b))),
      );
    });
    must(add(...sum) === a, () => `${show(a)}: terms`);
    return undefined;
  }, 1);
  t.pass();
});

test("print and parse do not depend on creation order", (t) => {
  const text = "p2*q2 + 2*q2 + floordiv(p2 + q2, 7) + min(p2, q2) + 5";
  const vars = (name: string): Dim => sym(name, -100, 100);
  t.is(formatDim(parseDim("5 + min(q2, p2) + floordiv(q2 + p2, 7) + q2*p2 + q2*2", vars)), text);
  t.is(formatDim(parseDim(text, vars)), text);
});

// ---- the simplifications by name: sizes unbounded, at least 1

const size = (name: string): Dim => sym(name, 1, Number.POSITIVE_INFINITY);
const [H, W, C, B, X] = [size("H"), size("W"), size("C"), size("B"), sym("X", -Infinity, Infinity)];

test("symbols and index variables are interned by name and range", (t) => {
  t.is(sym("a", 0, 3), sym("a", 0, 3));
  t.not(sym("a", 0, 3), sym("a", 0, 4));
  t.is(indexVar("i", mul(H, 2)), indexVar("i", add(H, H)));
  t.not(indexVar("i", 4), sym("i", 0, 3));
  t.not(symOf(indexVar("one", 1)), undefined);
  t.is(symOf(add(H, 1)), undefined);
  t.is(asConst(sub(H, H)), 0);
  t.deepEqual([...symsOf(floordiv(indexVar("i", W), H))].map((v) => v.name).sort(), ["H", "i"]);
  t.throws(() => sym("a", 1, 0), { instanceOf: RangeError });
  t.throws(() => sym("a", 0.5, 1), { instanceOf: RangeError });
});

/** Row-major: ((i0*e1 + i1)*e2 + i2)... */
function flatten(indices: readonly Dim[], extents: readonly Dim[]): Dim {
  return indices.reduce((flat, index, k) => add(mul(flat, extents[k] ?? 1), index), 0);
}

function delinearize(flat: Dim, extents: readonly Dim[]): Dim[] {
  let inner: Dim = 1;
  const out: Dim[] = [];
  for (const [k, extent] of [...extents.entries()].reverse()) {
    const digit = floordiv(flat, inner);
    out.unshift(k === 0 ? digit : mod(digit, extent));
    inner = mul(inner, extent);
  }
  return out;
}

/** The other common way: peel off the outermost index with a division, go on with the remainder. */
function delinearizeFromOutside(flat: Dim, extents: readonly Dim[]): Dim[] {
  return extents.map((_, k) => {
    const inner = extents.slice(k + 1).reduce<Dim>((x, y) => mul(x, y), 1);
    const digit = floordiv(flat, inner);
    flat = mod(flat, inner);
    return digit;
  });
}

const SHAPES: readonly (readonly Dim[])[] = [
  [2, 3, 4],
  [H, W],
  [B, H, W, C],
  [H, 4, W],
  [3, H, 5, W],
  [H, W, 8],
  [add(H, 2), add(W, 1)],
  [B, add(H, 2), add(W, 2), 16],
  [B, sub(add(H, W), 1), C],
  [mul(2, H), floordiv(add(W, 1), 2), 3],
  [1, H, 1, W],
  [B, 1, C],
];

for (const shape of SHAPES) {
  const name = `[${shape.map(show).join(", ")}]`;
  const indices = shape.map((extent, k) => indexVar(`i${k}`, extent));
  const flat = flatten(indices, shape);
  const elems = shape.reduce<Dim>((x, y) => mul(x, y), 1);

  test(`flatten, then delinearize ${name}`, (t) => {
    for (const digits of [delinearize(flat, shape), delinearizeFromOutside(flat, shape)]) {
      // a variable of extent 1 is known to be 0, so it may come back as 0, or added to another digit
      if (shape.includes(1))
        t.true(
          digits.every((d, k) => provenEqual(d, indices[k] ?? 0)),
          digits.map(show).join(),
        );
      else t.deepEqual(digits.map(show), indices.map(show));
    }
    t.true(provenLess(flat, elems));
    t.true(provenLessEqual(0, flat));
    t.is(min(flat, sub(elems, 1)), flat);
    t.is(max(flat, 0), flat);
  });

  test(`delinearize, then flatten ${name}`, (t) => {
    const x = indexVar("x", elems);
    t.is(show(flatten(delinearize(x, shape), shape)), show(x));
    t.is(show(flatten(delinearizeFromOutside(x, shape), shape)), show(x));
    for (const [k, digit] of delinearize(x, shape).entries()) {
      t.true(provenLess(digit, shape[k] ?? 0), `${show(digit)} < ${show(shape[k] ?? 0)}`);
      t.true(provenLessEqual(0, digit));
    }
  });
}

test("reshape chains give back the index", (t) => {
  const chains: (readonly Dim[])[][] = [
    [[2, 3, 4], [6, 4], [24], [4, 6], [2, 12], [2, 3, 4]],
    [[H, W, 4], [mul(H, W), 4], [mul(4, H, W)], [H, mul(4, W)], [H, W, 4]],
    [
      [B, H, W, C],
      [B, mul(H, W), C],
      [mul(B, H), mul(W, C)],
      [B, H, W, C],
    ],
  ];
  for (const chain of chains) {
    const [from = []] = chain;
    const indices = from.map((extent, k) => indexVar(`r${k}`, extent));
    let at: Dim[] = indices;
    let shape = from;
    for (const next of chain.slice(1)) {
      at = delinearize(flatten(at, shape), next);
      shape = next;
    }
    t.deepEqual(at.map(show), indices.map(show));
  }
});

test("digits of a flat index, with symbolic sizes", (t) => {
  const i = indexVar("i", H);
  const j = indexVar("j", W);
  t.is(floordiv(add(mul(i, W), j), W), i);
  t.is(mod(add(mul(i, W), j), W), j);
  t.true(provenLess(add(mul(i, W), j), mul(H, W)));
  t.false(provenLess(add(mul(i, W), j), sub(mul(H, W), 1)));
  const x = indexVar("x", mul(H, W));
  t.is(mod(floordiv(x, W), H), floordiv(x, W));
  t.is(floordiv(x, mul(H, W)), 0);
  // an extent that may be 0: then there is no j, and nothing to be wrong about
  const E = sym("E", 0, Infinity);
  const k = indexVar("k", E);
  t.is(floordiv(add(mul(i, E), k), E), i);
  t.is(mod(add(mul(i, E), k), E), k);
});

test("tiles stay within the size they cover", (t) => {
  const inner = indexVar("inner", 4);
  const whole = add(mul(4, indexVar("outer", floordiv(H, 4))), inner);
  t.true(provenLess(whole, H));
  const ragged = add(mul(4, indexVar("outer", ceildiv(H, 4))), inner);
  t.false(provenLess(ragged, H));
  t.true(provenLess(ragged, add(H, 3 + 1)));
  t.true(provenLess(min(ragged, sub(H, 1)), H));
  t.true(provenLess(add(mul(4, floordiv(H, 4)), indexVar("tail", mod(H, 4))), H));
});

test("padding and windows", (t) => {
  const y = indexVar("y", H);
  const k = indexVar("k", 3);
  t.true(provenLess(add(y, k), add(H, 2)));
  t.true(provenLessEqual(0, max(sub(add(y, k), 1), 0)));
  t.true(provenLess(min(max(sub(add(y, k), 1), 0), sub(H, 1)), H));
  const out = add(floordiv(sub(H, 3), 2), 1);
  t.true(provenLess(add(mul(2, indexVar("o", out)), k), H));
});

const EQUAL: readonly (readonly [string, string])[] = [
  // u < 4, v < 6; X is any integer
  ["floordiv(4*X + u, 8)", "floordiv(X, 2)"],
  ["mod(4*X + u, 8)", "4*mod(X, 2) + u"],
  ["mod(12*X + u + 5, 4)", "mod(u + 1, 4)"],
  ["floordiv(X, 1)", "X"],
  ["floordiv(0, H)", "0"],
  ["mod(X, 1)", "0"],
  ["mod(X, -1)", "0"],
  ["floordiv(X, -1)", "-X"],
  ["floordiv(-7, 2)", "-4"],
  ["mod(-7, 2)", "1"],
  ["mod(7, -2)", "-1"],
  ["floordiv(H*X, H)", "X"],
  ["mod(H*X, H)", "0"],
  ["floordiv(H, H)", "1"],
  ["floordiv(6*X, 4)", "X + floordiv(X, 2)"],
  ["floordiv(H*X, H*W)", "floordiv(X, W)"],
  ["mod(H*X, H*W)", "H*mod(X, W)"],
  ["floordiv(u - 4, 4)", "-1"],
  ["mod(u - 4, 4)", "u"],
  ["floordiv(-1, H)", "-1"],
  ["mod(-1, H)", "H - 1"],
  ["ceildiv(H*X, H)", "X"],
  ["ceildiv(8*X + 1, 8)", "X + 1"],
  ["floordiv(floordiv(X, 3), 5)", "floordiv(X, 15)"],
  ["floordiv(floordiv(X, H), W)", "floordiv(X, H*W)"],
  ["mod(mod(X, 12), 4)", "mod(X, 4)"],
  ["mod(mod(X, H*W), W)", "mod(X, W)"],
  ["mod(mod(X, H), H)", "mod(X, H)"],
  ["mod(3*mod(X, 4) + u, 12)", "mod(3*X + u, 12)"],
  ["floordiv(mod(X, 12), 4)", "mod(floordiv(X, 4), 3)"],
  ["floordiv(mod(X, H*W), W)", "mod(floordiv(X, W), H)"],
  ["4*floordiv(X, 4) + mod(X, 4)", "X"],
  ["H*floordiv(X, H) + mod(X, H)", "X"],
  ["3*C*H*floordiv(X, H) + 3*C*mod(X, H) + 2", "3*C*X + 2"],
  ["(H + 1)*floordiv(X, H + 1) + mod(X, H + 1)", "X"],
  ["8*floordiv(X, 4) + 2*mod(X, 4)", "2*X"],
  ["4*floordiv(X, 4) + 2*mod(X, 4)", "X + mod(X, 4)"],
  ["X - 4*floordiv(X, 4) - mod(X, 4)", "0"],
  ["4*mod(floordiv(X, 4), 3) + mod(X, 4)", "mod(X, 12)"],
  ["12*floordiv(X, 12) + 4*mod(floordiv(X, 4), 3) + mod(X, 4)", "X"],
  ["H*W*floordiv(X, H*W) + W*mod(floordiv(X, W), H) + mod(X, W)", "X"],
  ["min(X, X)", "X"],
  ["min(u, 3)", "u"],
  ["max(u, 0)", "u"],
  ["min(u, 8)", "u"],
  ["max(X, X + 1)", "X + 1"],
  ["min(H, H*W)", "H"],
  ["max(min(X, 3), 7)", "7"],
  ["min(min(X, H), min(H, 5))", "min(X, min(5, H))"],
  ["max(v, X, u, 5)", "max(X, 5)"],
  ["(X + 1)*(X - 1)", "X*X - 1"],
];

const NAMES = new Map<string, Dim>([
  ["X", X],
  ["H", H],
  ["W", W],
  ["C", C],
  ["u", indexVar("u", 4)],
  ["v", indexVar("v", 6)],
]);

for (const [from, to] of EQUAL) {
  test(`${from} is ${to}`, (t) => {
    const [have, want] = [parseDim(from, (n) => NAMES.get(n)), parseDim(to, (n) => NAMES.get(n))];
    t.is(show(have), show(want));
    t.is(have, want);
  });
}

test("ranges of common forms are tight", (t) => {
  const u = indexVar("u", 4);
  t.deepEqual(range(mod(X, 7)), { lo: 0, hi: 6 });
  t.deepEqual(range(floordiv(indexVar("n", 100), 7)), { lo: 0, hi: 14 });
  t.deepEqual(range(sub(3, u)), { lo: 0, hi: 3 });
  t.deepEqual(range(mul(sym("s", -3, 2), sym("s", -3, 2))), { lo: 0, hi: 9 });
  t.deepEqual(range(sub(sub(H, 1), indexVar("i", H))), { lo: 0, hi: Infinity });
  t.deepEqual(range(sub(X, mul(4, floordiv(X, 4)))), { lo: 0, hi: 3 });
  t.deepEqual(range(H), { lo: 1, hi: Infinity });
});

test("integers stay safe", (t) => {
  const big = Number.MAX_SAFE_INTEGER;
  t.throws(() => add(big, 1), { instanceOf: RangeError });
  t.throws(() => mul(mul(X, big), 2), { instanceOf: DimOverflowError });
  t.throws(() => add(X, 0.5), { instanceOf: RangeError });
  t.throws(() => evaluate(mul(X, 2), () => big), { instanceOf: RangeError });
  t.is(floordiv(big, 2), 4503599627370495);
  t.is(floordiv(-big, big), -1);
  // optional rewrites that would overflow are not taken
  t.is(show(floordiv(floordiv(X, big), big)), `floordiv(floordiv(X, ${big}), ${big})`);
  t.throws(() => floordiv(X, 0), { instanceOf: RangeError });
  t.throws(() => mod(X, sub(H, H)), { instanceOf: RangeError });
  t.throws(() => evaluate(mod(3, X), () => 0), { instanceOf: RangeError });
});

test("any name round-trips", (t) => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.string(), (a, b) => {
      const names = new Map<string, Dim>([a, b].map((n) => [n, sym(n, 0, 9)]));
      const d = add(mul(3, ...names.values()), floordiv(sym(a, 0, 9), 4), -7);
      must(parseDim(show(d), (n) => names.get(n)) === d, () => show(d));
    }),
  );
  t.is(show(sym("a`b\\c d", 0, 1)), "`a\\`b\\\\c d`");
  t.is(show(sym("min", 0, 1)), "min");
});

test("syntax errors say where", (t) => {
  const parse = (text: string) => () => parseDim(text, (n) => NAMES.get(n));
  const refused: [string, string, number][] = [
    ["X + ?", 'unexpected "?" (at offset 4)', 4],
    ["X + y", 'unknown name "y" (at offset 4)', 4],
    ["X +", "expected a number, a name or (, have the end (at offset 3)", 3],
    ["(X", 'expected ")", have the end (at offset 2)', 2],
    ["X X", 'expected an operator or the end, have "X" (at offset 2)', 2],
    ["", "expected a number, a name or (, have the end (at offset 0)", 0],
    ["mod(X)", "mod takes 2 arguments, have 1 (at offset 0)", 0],
    ["mod(X, 1, 2)", "mod takes 2 arguments, have 3 (at offset 0)", 0],
    ["1 + floordiv(X, 0)", "division by zero: floordiv(X, 0) (at offset 4)", 4],
    ["99999999999999999", "99999999999999999 is not a safe integer (at offset 0)", 0],
    ["pow(X, 2)", 'unknown function "pow", have floordiv, ceildiv, mod, min, max (at offset 0)', 0],
    ["`X", 'unexpected "`" (at offset 0)', 0],
  ];
  for (const [text, message, offset] of refused) {
    const error = t.throws(parse(text), { instanceOf: DimSyntaxError, message });
    t.is(error?.offset, offset);
  }
});

test("100k simple operations are fast", (t) => {
  const p = indexVar("p", 64);
  const q = indexVar("q", 128);
  const start = performance.now();
  for (let n = 0; n < 25_000; n++) {
    const e = add(mul(p, n % 977), q, n);
    mod(e, 16);
    floordiv(e, (n % 13) + 2);
    min(e, n);
  }
  const ms = performance.now() - start;
  t.log(`${Math.round(ms)} ms`);
  t.true(ms < 5000); // usually a few hundred; the limit is for busy machines
});
