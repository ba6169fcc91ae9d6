// Kernels whose result depends on the order of elements: sort, argmax and argmin, running sums, nonzero.

import { add, type Dim, indexVar, mul, sub } from "../../../compiler/ir/dim.js";
import { type DType, isFloat } from "../../../compiler/ir/dtype.js";
import { Bug } from "../../../compiler/ir/errors.js";
import { isOp } from "../../../compiler/ir/graph.js";
import { ravel } from "../../../compiler/schedule/views.js";
import { type Expr, I32, I64 } from "../expr.js";
import type { Frame } from "../frame.js";
import { forLoop, parallelLoop, stored } from "../nest.js";
import { accumulator, combine, fromAccumulator, initialOf, toAccumulator } from "../reduction.js";
import { isUnsigned } from "../registers.js";
import type { Stmt } from "../stmt.js";

/** Loop variables for all axes of a shape but one. */
function around(shape: readonly Dim[], axis: number): { position: (at: Dim) => Dim[]; wrap: (body: Stmt[]) => Stmt[] } {
  const vars = shape.map((size, i) => (i === axis ? 0 : indexVar(`o${i}`, size)));
  return {
    position: (at) => vars.map((v, i) => (i === axis ? at : v)),
    wrap: (body) => {
      let out = body;
      for (let i = shape.length - 1; i >= 0; i--)
        if (i !== axis) out = [parallelLoop(vars[i] ?? 0, shape[i] ?? 1, out)];
      return out;
    },
  };
}

/** a comes strictly before b; NaN is the greatest. */
function before(frame: Frame, dtype: DType, a: Expr, b: Expr, descending: boolean): Expr {
  const { pool } = frame;
  const [x, y] = descending ? [b, a] : [a, b];
  if (!isFloat(dtype)) return pool.compare(isUnsigned(dtype) ? "ltU" : "lt", x, y);
  const less = pool.compare("lt", x, y);
  const yNaN = pool.compare("ne", y, y);
  const xNumber = pool.compare("eq", x, x);
  return pool.op("or", less.type, less, pool.op("and", less.type, xNumber, yNaN));
}

function asNumber(frame: Frame, dtype: DType, e: Expr): Expr {
  return toAccumulator(frame.pool, dtype, e);
}

export function lowerArgreduce(frame: Frame): Stmt[] {
  const { pool, reader, kernel, output, buffer } = frame;
  const { anchor } = kernel;
  const x = anchor.inputs[0];
  if (!isOp(anchor, "argreduce") || x === undefined) throw new Bug("loops", "argreduce without its node");
  const { axis, kind, last, keep } = anchor.attrs;
  const { shape, dtype } = x.type;
  const { position, wrap } = around(shape, axis);
  const at = indexVar("at", shape[axis] ?? 1);
  const type = accumulator(dtype);
  const best = pool.variable(type, "best");
  const index = pool.variable(I32, "index");
  const first = asNumber(frame, dtype, reader.at(x, position(0)));
  const value = asNumber(frame, dtype, reader.at(x, position(at)));
  let better = before(frame, dtype, kind === "max" ? best : value, kind === "max" ? value : best, false);
  if (isFloat(dtype) && kind === "min") {
    // NaN wins for the least as well.
    const valueNaN = pool.compare("ne", value, value);
    const bestNaN = pool.compare("ne", best, best);
    const less = pool.compare("lt", value, best);
    const both = pool.op("and", less.type, valueNaN, pool.same("not", bestNaN));
    better = pool.op("or", less.type, less, both);
  }
  if (last) {
    const equal = pool.compare("eq", value, best);
    better = pool.op("or", better.type, better, equal);
    if (isFloat(dtype)) {
      const valueNaN = pool.compare("ne", value, value);
      better = pool.op(
        "or",
        better.type,
        better,
        pool.op("and", better.type, valueNaN, pool.compare("ne", best, best)),
      );
    }
  }
  const outPosition = position(0).filter((_, i) => keep || i !== axis);
  const { shape: outShape } = output.type;
  return wrap([
    { kind: "set", target: best, value: first },
    { kind: "set", target: index, value: pool.i32(0) },
    {
      kind: "for",
      v: at,
      from: 1,
      to: shape[axis] ?? 1,
      step: 1,
      body: [
        {
          kind: "if",
          mask: better,
          yes: [
            { kind: "set", target: index, value: pool.index(at) },
            { kind: "set", target: best, value },
          ],
          no: [],
        },
      ],
    },
    {
      kind: "store",
      buffer: buffer(output),
      dtype: "i64",
      index: ravel(outPosition, outShape),
      value: pool.op("extendS", I64, index),
    },
  ]);
}

export function lowerCumulate(frame: Frame): Stmt[] {
  const { pool, reader, kernel, output, buffer } = frame;
  const { anchor } = kernel;
  const x = anchor.inputs[0];
  if (!isOp(anchor, "cumulate") || x === undefined) throw new Bug("loops", "cumulate without its node");
  const { axis, kind, exclusive, reverse } = anchor.attrs;
  const { shape, dtype } = x.type;
  const { position, wrap } = around(shape, axis);
  const size = shape[axis] ?? 1;
  const step = indexVar("at", size);
  const at = reverse ? sub(sub(size, 1), step) : step;
  const acc = pool.variable(accumulator(dtype), "acc");
  const next: Stmt = {
    kind: "set",
    target: acc,
    value: combine(pool, kind, dtype, acc, asNumber(frame, dtype, reader.at(x, position(at)))),
  };
  const store: Stmt = {
    kind: "store",
    buffer: buffer(output),
    dtype,
    index: ravel(position(at), shape),
    value: stored(pool, dtype, fromAccumulator(pool, dtype, acc)),
  };
  return wrap([
    { kind: "set", target: acc, value: pool.constant(acc.type, initialOf(kind, dtype)) },
    forLoop(step, size, exclusive ? [store, next] : [next, store]),
  ]);
}

export function lowerNonzero(frame: Frame): Stmt[] {
  const { pool, reader, kernel, output, buffer } = frame;
  const { anchor } = kernel;
  const x = anchor.inputs[0];
  if (!isOp(anchor, "nonzero") || x === undefined) throw new Bug("loops", "nonzero without its node");
  const { count } = anchor.attrs;
  const { shape, dtype } = x.type;
  const position = shape.map((size, i) => indexVar(`o${i}`, size));
  const value = asNumber(frame, dtype, reader.at(x, position));
  const isSet = pool.compare("ne", value, pool.constant(value.type, value.type.kind === "i64" ? 0n : 0));
  const found = pool.variable(I32, "found");
  const bump: Stmt = { kind: "set", target: found, value: pool.same("add", found, pool.i32(1)) };
  const wrap = (body: Stmt[]): Stmt[] => {
    let out = body;
    for (let i = shape.length - 1; i >= 0; i--) out = [forLoop(position[i] ?? 0, shape[i] ?? 1, out)];
    return out;
  };
  const place = frame.reader.dynamicIndex(found, count);
  const stores = position.map(
    (p, row): Stmt => ({
      kind: "store",
      buffer: buffer(output),
      dtype: "i64",
      index: add(mul(row, count), place),
      value: pool.op("extendS", I64, pool.index(p)),
    }),
  );
  return [
    { kind: "set", target: found, value: pool.i32(0) },
    ...wrap([{ kind: "if", mask: isSet, yes: [bump], no: [] }]),
    { kind: "symbol", symbol: count, value: found },
    { kind: "set", target: found, value: pool.i32(0) },
    ...wrap([{ kind: "if", mask: isSet, yes: [...stores, bump], no: [] }]),
  ];
}

/** Bottom-up merge sort of each line along the axis: stable, no recursion. Scratch holds two index arrays of a line. */
export function lowerSort(frame: Frame): Stmt[] {
  const { pool, kernel, buffer, scratch } = frame;
  const { anchor } = kernel;
  const x = anchor.inputs[0];
  const [values, indices] = anchor.outputs;
  if (!isOp(anchor, "sort") || x === undefined || values === undefined || indices === undefined)
    throw new Bug("loops", "sort without its node");
  const { axis, descending } = anchor.attrs;
  const { shape, dtype } = x.type;
  const { position, wrap } = around(shape, axis);
  const size = shape[axis] ?? 1;
  const source = frame.reader;
  const number = (at: Dim): Expr => asNumber(frame, dtype, source.at(x, position(at)));
  const v = (name: string): Expr => pool.variable(I32, name);
  const [width, left, middle, right, i, j, k, from, to, swap] = [
    "width",
    "left",
    "middle",
    "right",
    "i",
    "j",
    "k",
    "from",
    "to",
    "swap",
  ].map(v);
  if (!width || !left || !middle || !right || !i || !j || !k || !from || !to || !swap)
    throw new Bug("loops", "sort without registers");
  const n = pool.index(size);
  const set = (target: Expr, value: Expr): Stmt => ({ kind: "set", target, value });
  const plus = (a: Expr, b: Expr): Expr => pool.same("add", a, b);
  const cell = (base: Expr, index: Expr): Expr => plus(base, pool.same("shl", index, pool.i32(2)));
  const load = (base: Expr, index: Expr): Expr => pool.loadAt(cell(base, index), 0, "i32", I32);
  const put = (base: Expr, index: Expr, value: Expr): Stmt => ({
    kind: "storeAt",
    dtype: "i32",
    address: cell(base, index),
    offset: 0,
    value,
  });
  const base = pool.address(scratch, 0, 1);
  const other = pool.address(scratch, size, 4);
  const less = (a: Expr, b: Expr): Expr => pool.compare("lt", a, b);
  const [candidateI, candidateJ] = [v("candidateI"), v("candidateJ")];
  const atI = source.dynamicIndex(candidateI, size);
  const atJ = source.dynamicIndex(candidateJ, size);
  const one = pool.i32(1);
  // Take from the right run only when it comes strictly before: equal elements keep their order.
  const takeRight = before(frame, dtype, number(atJ), number(atI), descending);
  const merge: Stmt[] = [
    {
      kind: "while",
      mask: pool.op("and", less(i, middle).type, less(i, middle), less(j, right)),
      body: [
        set(candidateI, load(from, i)),
        set(candidateJ, load(from, j)),
        {
          kind: "if",
          mask: takeRight,
          yes: [put(to, k, candidateJ), set(j, plus(j, one))],
          no: [put(to, k, candidateI), set(i, plus(i, one))],
        },
        set(k, plus(k, one)),
      ],
    },
    {
      kind: "while",
      mask: less(i, middle),
      body: [put(to, k, load(from, i)), set(i, plus(i, one)), set(k, plus(k, one))],
    },
    {
      kind: "while",
      mask: less(j, right),
      body: [put(to, k, load(from, j)), set(j, plus(j, one)), set(k, plus(k, one))],
    },
  ];
  const limit = (e: Expr): Expr => pool.same("minS", e, n);
  const fill = indexVar("fill", size);
  const done = indexVar("done", size);
  const rank = v("rank");
  const ranked = source.dynamicIndex(rank, size);
  return wrap([
    set(from, base),
    set(to, other),
    forLoop(fill, size, [put(from, pool.index(fill), pool.index(fill))]),
    set(width, one),
    {
      kind: "while",
      mask: less(width, n),
      body: [
        set(left, pool.i32(0)),
        {
          kind: "while",
          mask: less(left, n),
          body: [
            set(middle, limit(plus(left, width))),
            set(right, limit(plus(middle, width))),
            set(i, left),
            set(j, middle),
            set(k, left),
            ...merge,
            set(left, right),
          ],
        },
        set(swap, from),
        set(from, to),
        set(to, swap),
        set(width, pool.same("shl", width, one)),
      ],
    },
    forLoop(done, size, [
      set(rank, load(from, pool.index(done))),
      {
        kind: "store",
        buffer: buffer(values),
        dtype,
        index: ravel(position(done), shape),
        value: stored(pool, dtype, source.at(x, position(ranked))),
      },
      {
        kind: "store",
        buffer: buffer(indices),
        dtype: "i64",
        index: ravel(position(done), shape),
        value: pool.op("extendS", I64, rank),
      },
    ]),
  ]);
}
