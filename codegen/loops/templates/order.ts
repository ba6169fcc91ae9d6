// Kernels whose result depends on the order of elements: argmax and argmin, running sums, nonzero.

import { add, indexVar, mul, sub } from "../../../compiler/ir/dim.js";
import { type DType, isFloat } from "../../../compiler/ir/dtype.js";
import { Bug } from "../../../compiler/ir/errors.js";
import { isOp } from "../../../compiler/ir/graph.js";
import { ravel } from "../../../compiler/schedule/views.js";
import { type Expr, I32, I64 } from "../expr.js";
import type { Frame } from "../frame.js";
import { forLoop, stored } from "../nest.js";
import { accumulator, combine, fromAccumulator, initialOf, toAccumulator } from "../reduction.js";
import { isUnsigned } from "../registers.js";
import type { Stmt } from "../stmt.js";
import { around } from "./lines.js";

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
