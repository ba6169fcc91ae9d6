// Views and in-place writes: random programs against a plain model of strided memory, and the cases worth naming.

import test from "ava";
import fc from "fast-check";
import { tensor, zeros } from "../../compiler/frontend/constructors.js";
import { f32 } from "../../compiler/frontend/spec.js";
import type { Tensor } from "../../compiler/frontend/tensor.js";
import { state } from "../../compiler/frontend/trace.js";
import { counting, given, run } from "./run.js";

/** Memory as PyTorch has it: one flat array per storage, handles are lists of positions in it. */
interface Model {
  readonly memory: number[];
  readonly shape: readonly number[];
  /** Position of each element, row-major. */
  readonly at: readonly number[];
}

const size = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);

/** The model's view by a rule from a row-major coordinate of the result to one of the source. */
function pick(m: Model, shape: readonly number[], source: (c: number[]) => number[]): Model {
  const at = Array.from({ length: size(shape) }, (_, flat) => {
    const c: number[] = [];
    let rest = flat;
    for (let i = shape.length - 1; i >= 0; i--) {
      const d = shape[i] ?? 1;
      c[i] = rest % d;
      rest = Math.floor(rest / d);
    }
    const position = source(c).reduce((p, x, i) => p * (m.shape[i] ?? 1) + x, 0);
    return m.at[position] ?? -1;
  });
  return { memory: m.memory, shape, at };
}

interface Pair {
  readonly model: Model;
  readonly tensor: Tensor;
}

type Act = (pool: Pair[], n: readonly number[]) => void;

const mod = (n: number, of: number): number => (of === 0 ? 0 : n % of);
const chosen = (pool: Pair[], n: number): Pair => pool[mod(n, pool.length)] ?? raise();
function raise(): never {
  throw new Error("empty pool");
}

const slice: Act = (pool, [which = 0, a = 0, s = 0, l = 0, st = 0]) => {
  const { model, tensor } = chosen(pool, which);
  if (model.shape.length === 0) return;
  const axis = mod(a, model.shape.length);
  const d = model.shape[axis] ?? 0;
  const start = mod(s, d + 1);
  const end = start + mod(l, d - start + 1);
  const step = 1 + mod(st, 3);
  const length = Math.ceil((end - start) / step);
  pool.push({
    model: pick(
      model,
      model.shape.map((e, i) => (i === axis ? length : e)),
      (c) => c.map((x, i) => (i === axis ? start + x * step : x)),
    ),
    tensor: tensor.slice(axis, start, end, step),
  });
};

const select: Act = (pool, [which = 0, a = 0, i = 0, dynamic = 0]) => {
  const { model, tensor: t } = chosen(pool, which);
  const axis = mod(a, Math.max(1, model.shape.length));
  const d = model.shape[axis];
  if (d === undefined || d === 0) return;
  const index = mod(i, d);
  pool.push({
    model: pick(
      model,
      model.shape.filter((_, j) => j !== axis),
      (c) => [...c.slice(0, axis), index, ...c.slice(axis)],
    ),
    tensor: t.select(axis, dynamic % 2 === 0 ? index : tensor([index]).reshape([])),
  });
};

const permute: Act = (pool, [which = 0, a = 0, b = 0]) => {
  const { model, tensor } = chosen(pool, which);
  const rank = model.shape.length;
  if (rank < 2) return;
  const [p, q] = [mod(a, rank), mod(b, rank)];
  const swap = <T>(c: readonly T[]): T[] => c.map((x, i) => (i === p ? (c[q] ?? x) : i === q ? (c[p] ?? x) : x));
  pool.push({ model: pick(model, swap(model.shape), swap), tensor: tensor.transpose(p, q) });
};

/** A view where every run of positions allows it, else a copy: decided here by trying all strides, not by a rule. */
const flatten: Act = (pool, [which = 0]) => {
  const { model, tensor } = chosen(pool, which);
  const [first = 0, second = 1] = model.at;
  const evenly = model.at.every((p, i) => p === first + i * (second - first));
  const copy = !evenly && model.at.length > 1;
  const flat: Model = copy
    ? { memory: model.at.map((p) => model.memory[p] ?? 0), shape: [model.at.length], at: model.at.map((_, i) => i) }
    : { ...model, shape: [model.at.length] };
  pool.push({ model: flat, tensor: tensor.reshape([-1]) });
};

const unsqueeze: Act = (pool, [which = 0, a = 0]) => {
  const { model, tensor } = chosen(pool, which);
  const axis = mod(a, model.shape.length + 1);
  pool.push({ model: { ...model, shape: model.shape.toSpliced(axis, 0, 1) }, tensor: tensor.unsqueeze(axis) });
};

const fill: Act = (pool, [which = 0, v = 0]) => {
  const { model, tensor } = chosen(pool, which);
  for (const p of model.at) model.memory[p] = v;
  tensor.fill_(v);
};

const add: Act = (pool, [which = 0, v = 0]) => {
  const { model, tensor } = chosen(pool, which);
  for (const p of model.at) model.memory[p] = (model.memory[p] ?? 0) + v;
  tensor.add_(v);
};

const copy: Act = (pool, [to = 0, from = 0]) => {
  const [a, b] = [chosen(pool, to), chosen(pool, from)];
  if (a.model.shape.join() !== b.model.shape.join()) return;
  const values = b.model.at.map((p) => b.model.memory[p] ?? 0);
  for (const [i, p] of a.model.at.entries()) a.model.memory[p] = values[i] ?? 0;
  a.tensor.copy_(b.tensor);
};

const clone: Act = (pool, [which = 0]) => {
  const { model, tensor } = chosen(pool, which);
  const memory = model.at.map((p) => model.memory[p] ?? 0);
  pool.push({ model: { memory, shape: model.shape, at: memory.map((_, i) => i) }, tensor: tensor.clone() });
};

const ACTS = { slice, select, permute, flatten, unsqueeze, fill, add, copy, clone } as const;

test("random programs of views and writes agree with strided memory", (t) => {
  const names = Object.keys(ACTS) as (keyof typeof ACTS)[];
  const step = fc.tuple(
    fc.constantFrom(...names, "fill", "add", "copy", "slice"),
    fc.array(fc.nat(97), { minLength: 5, maxLength: 5 }),
  );
  const shape = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(shape, fc.array(step, { minLength: 1, maxLength: 14 }), (sizes, steps) => {
      const memory = Array.from({ length: size(sizes) }, (_, i) => i);
      const pool: Pair[] = [];
      const ran = run({ x: given("f32", sizes, memory) }, ({ x }) => {
        if (x === undefined) return raise();
        pool.push({ model: { memory: [...memory], shape: sizes, at: memory.map((_, i) => i) }, tensor: x.clone() });
        for (const [name, n] of steps) ACTS[name](pool, n);
        return pool.map((p) => p.tensor);
      });
      for (const [i, { model }] of pool.entries()) {
        const want = model.at.map((p) => model.memory[p]);
        const have = ran.outputs[`output${i}`];
        if (JSON.stringify(have) !== JSON.stringify(want)) throw new Error(`tensor ${i}: have ${have}, want ${want}`);
        if (ran.shapes[`output${i}`]?.join() !== model.shape.join()) throw new Error(`tensor ${i}: shape`);
      }
    }),
    { numRuns: 400, seed: 20240607 },
  );
  t.pass();
});

const one = (inputs: Parameters<typeof run>[0], fn: (x: Tensor) => Tensor): number[] =>
  run(inputs, ({ x }) => (x === undefined ? raise() : fn(x))).outputs["output"] ?? [];

test("a write through a view is seen by the base and by other views", (t) => {
  const out = run({ x: counting(2, 3) }, ({ x = raise() }) => {
    const base = x.clone();
    const [top, column] = [base.select(0, 0), base.t().select(0, 2)];
    top.add_(10);
    column.mul_(2);
    return { base, top, column };
  });
  t.deepEqual(out.outputs["base"], [10, 11, 24, 3, 4, 10]);
  t.deepEqual(out.outputs["top"], [10, 11, 24]);
  t.deepEqual(out.outputs["column"], [24, 10]);
});

test("reshape after permute copies, view refuses", (t) => {
  t.deepEqual(
    one({ x: counting(2, 3) }, (x) => {
      const base = x.clone();
      base.t().reshape([6]).fill_(7);
      base.reshape([6]).slice(0, 4).fill_(9);
      return base;
    }),
    [0, 1, 2, 3, 9, 9],
  );
  t.throws(() => one({ x: counting(2, 3) }, (x) => x.t().view([6])), { message: /use reshape, which copies/ });
});

test("set writes parts as Python's indexing does", (t) => {
  t.deepEqual(
    one({ x: counting(3, 4) }, (x) =>
      x
        .clone()
        .set([1, [0, null, 2]], -1)
        .set([-1], tensor([5, 6, 7, 8])),
    ),
    [0, 1, 2, 3, -1, 5, -1, 7, 5, 6, 7, 8],
  );
});

test("values read before a write stay what they were", (t) => {
  const out = run({ x: counting(3) }, ({ x = raise() }) => {
    const y = x.clone();
    const before = y.mul(2);
    y.fill_(9);
    return { before, after: y.mul(2) };
  });
  t.deepEqual(out.outputs, { before: [0, 2, 4], after: [18, 18, 18] });
});

test("a tensor copied onto an overlapping part of itself is read first", (t) => {
  t.deepEqual(
    one({ x: counting(5) }, (x) => {
      const y = x.clone();
      y.slice(0, 1).copy_(y.slice(0, 0, 4));
      return y;
    }),
    [0, 0, 1, 2, 3],
  );
});

test("a state keeps its last value", (t) => {
  const out = run({ x: counting(2) }, ({ x = raise() }) => {
    const h = state("h", f32(3, 2));
    h.select(0, 1).copy_(x).add_(1);
    return h.sum();
  });
  t.deepEqual(out.states["h"], [0, 0, 1, 2, 0, 0]);
  t.deepEqual(out.outputs["output"], [3]);
});

test("a cache is appended to at a computed position", (t) => {
  const out = run({ x: counting(1, 2), at: given("i64", [], [2]) }, ({ x = raise(), at = raise() }) => {
    const cache = state("cache", f32(4, 2));
    cache.narrow(0, at, 1).copy_(x.add(5));
    return cache.narrow(0, at, 1);
  });
  t.deepEqual(out.states["cache"], [0, 0, 0, 0, 5, 6, 0, 0]);
  t.deepEqual(out.outputs["output"], [5, 6]);
});

test("a write at a computed position outside of the tensor fails at run time", (t) => {
  for (const at of [4, -1])
    t.throws(() =>
      run({ at: given("i64", [], [at]) }, ({ at = raise() }) => {
        const y = zeros([2, 4]);
        y.select(1, at).fill_(1);
        return y;
      }),
    );
});
