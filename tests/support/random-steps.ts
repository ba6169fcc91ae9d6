// The steps of random graphs: each makes one op, or a small group of ops, on values that are there. One that does not
// fit throws TypeIssue, and is skipped.

import * as ir from "../../compiler/ir/build.js";
import { mul, range, sub } from "../../compiler/ir/dim.js";
import { type DType, isFloat, isInteger } from "../../compiler/ir/dtype.js";
import type { Value } from "../../compiler/ir/graph.js";
import { SCALAR, type ScalarName, scalarRow } from "../../compiler/ir/ops/scalar.js";
import { inDomain } from "../../compiler/ir/ops/scalar-rows.js";
import { elementCount, sameType } from "../../compiler/ir/types.js";
import { broadcasts, known, type Maker, MOST_ELEMENTS, scalar, skip } from "./random-maker.js";

const SMOOTH: readonly ScalarName[] = [
  "add",
  "sub",
  "mul",
  "max",
  "min",
  "neg",
  "abs",
  "tanh",
  "sigmoid",
  "sin",
  "cos",
  "erf",
  "atan",
];

/** One op, on values from the pool. Gives what joins the pool. */
type MakeStep = (m: Maker) => Value | readonly Value[];

function scalarStep(m: Maker): Value {
  const smooth = m.options.smooth === true;
  const x = m.value((v) => !smooth || isFloat(v.type.dtype));
  const names = smooth ? SMOOTH : (Object.keys(SCALAR) as ScalarName[]);
  const op = m.pick(names.filter((n) => inDomain(x.type.dtype, scalarRow(n).domain))) ?? skip();
  const first = m.below(2) > 0;
  if (scalarRow(op).arity === 1) return ir.scalarOp(m.b, op, x);
  const y = m.partner(x);
  return first ? ir.scalarOp(m.b, op, x, y) : ir.scalarOp(m.b, op, y, x);
}

/** Indices below `size`, whatever the run gives. */
function indexStep(m: Maker, size: number): Value {
  if (size === 0) skip();
  const v =
    m.below(2) > 0 ? m.value((u) => isInteger(u.type.dtype) && !u.type.dtype.startsWith("u")) : m.constant("i64", [3]);
  return ir.mod(m.b, ir.cast(m.b, v, "i64"), size);
}

function convStep(m: Maker): Value {
  const rank = 3 + m.below(2);
  const x = m.value((v) => isFloat(v.type.dtype) && v.type.shape.length === rank);
  const nhwc = m.below(3) === 0;
  const layout = nhwc ? "nhwc" : "nchw";
  const channels = x.type.shape[nhwc ? rank - 1 : 1];
  const spatial = rank - 2;
  if (typeof channels !== "number") return skip();
  const groups = m.below(4) === 0 ? channels : 1;
  const lengths = Array.from({ length: spatial }, () => 1 + m.below(2));
  const per = channels / groups;
  const out = groups * (1 + m.below(2));
  const w = m.constant(x.type.dtype, nhwc ? [...lengths, per, out] : [out, per, ...lengths]);
  const each = (n: number): number[] => Array.from({ length: spatial }, () => m.below(n));
  const strides = each(2).map((s) => s + 1);
  return ir.conv(m.b, x, w, { strides, low: each(2), high: each(2), groups, layout, dtype: x.type.dtype });
}

function ifStep(m: Maker): readonly Value[] {
  const pool = m.pool.filter((v) => v.type.dtype === "bool");
  const c = m.below(3) === 0 ? ir.scalar(m.b, "bool", m.below(2) > 0) : (m.pick(pool) ?? skip());
  const condition = c.type.shape.length === 0 ? c : ir.reduceMax(m.b, c);
  const x = m.float();
  if (m.below(3) === 0 && x.type.shape.length > 0) {
    const [d] = x.type.shape;
    const most = d === undefined ? 0 : range(d).hi;
    if (d === undefined || range(d).lo < 1 || !Number.isFinite(most)) return skip();
    const s = m.fresh(most);
    const yes = ir.sliceAxis(m.b, x, 0, 1, sub(d, 1));
    const out = ir.ifElse(m.b, condition, [yes], [ir.neg(m.b, x)], [[s, ...x.type.shape.slice(1)]]);
    for (const value of out) m.bindings.push({ symbol: s, from: "axis", value, index: 0 });
    return out;
  }
  return ir.ifElse(m.b, condition, [ir.tanh(m.b, x), x], [ir.neg(m.b, x), ir.abs(m.b, x)]);
}

function loopStep(m: Maker): readonly Value[] {
  const x = m.float();
  const y = m.partner(x);
  const bound = 3;
  const data = m.pool.find(scalar("i64"));
  const trips =
    m.below(2) > 0 || data === undefined ? ir.scalar(m.b, "i64", m.below(bound + 1)) : ir.mod(m.b, data, bound + 1);
  const count = m.fresh(bound);
  const stop = m.below(3) === 0;
  const out = ir.loop(m.b, {
    trips,
    carried: [x],
    count,
    body: (i, [c]) => {
      if (c === undefined) return skip();
      const next = ir.tanh(m.b, ir.add(m.b, c, ir.mul(m.b, ir.cast(m.b, i, x.type.dtype), ir.sin(m.b, x))));
      const joined =
        broadcasts(y, x) && y.type.shape.length <= x.type.shape.length ? ir.max(m.b, next, ir.min(m.b, next, y)) : next;
      const fits = joined.type.shape.every((d, k) => d === x.type.shape[k]);
      return {
        ...(stop ? { condition: ir.lt(m.b, i, 1) } : {}),
        carried: [fits ? joined : next],
        scanned: [ir.neg(m.b, next)],
      };
    },
  });
  const scanned = out[1];
  if (scanned !== undefined) m.bindings.push({ symbol: count, from: "axis", value: scanned, index: 0 });
  return out;
}

/** Two carried values that trade places, are combined, or stay. */
function tradeStep(m: Maker): readonly Value[] {
  const x = m.float();
  const y = m.pick(m.pool.filter((v) => sameType(v.type, x.type))) ?? x;
  const choose = [m.below(4), m.below(4)];
  const trips = m.below(4);
  return ir.loop(m.b, {
    trips: ir.scalar(m.b, "i64", trips),
    carried: [x, y],
    count: trips,
    body: (_, [p, q]) => {
      if (p === undefined || q === undefined) return skip();
      const next = [p, q, ir.tanh(m.b, ir.add(m.b, p, q)), ir.neg(m.b, q)];
      return { carried: choose.map((i) => next[i] ?? p) };
    },
  });
}

/** Steps by name. */
export const STEPS: Readonly<Record<string, MakeStep>> = {
  scalar: scalarStep,
  scalar2: scalarStep,
  scalar3: scalarStep,
  select: (m) => {
    const x = m.float();
    const y = m.partner(x);
    const c = ir.lt(m.b, x, y);
    return ir.select(m.b, m.below(2) > 0 ? c : ir.not(m.b, c), x, m.below(2) > 0 ? y : ir.neg(m.b, y));
  },
  cast: (m) => {
    const x = m.value();
    const to = m.pick<DType>(
      m.options.smooth === true ? ["f32"] : ["f32", "f64", "i32", "i64", "u8", "i8", "bool", "f16"],
    );
    return ir.cast(m.b, x, to ?? "f32", m.below(2) > 0);
  },
  constant: (m) =>
    m.constant(m.pick<DType>(["f32", "i64", "bool"]) ?? "f32", [1 + m.below(3), 1 + m.below(4)].slice(m.below(3))),
  reshape: (m) => {
    const x = m.value();
    const { shape } = x.type;
    const kind = m.below(4);
    if (kind === 0) return ir.reshape(m.b, x, [elementCount(shape)]);
    if (kind === 1) return ir.unsqueeze(m.b, x, [m.below(shape.length + 1)]);
    if (kind === 2)
      return ir.squeeze(
        m.b,
        x,
        [...shape.keys()].filter((i) => shape[i] === 1),
      );
    const i = m.axis(x);
    const d = shape[i];
    const e = shape[i + 1];
    if (d !== undefined && e !== undefined && m.below(2) > 0)
      return ir.reshape(m.b, x, [...shape.slice(0, i), mul(d, e), ...shape.slice(i + 2)]);
    if (typeof d !== "number" || d % 2 !== 0) return skip();
    return ir.reshape(m.b, x, [...shape.slice(0, i), d / 2, 2, ...shape.slice(i + 1)]);
  },
  transpose: (m) => {
    const x = m.value((v) => v.type.shape.length > 1);
    const perm = [...x.type.shape.keys()];
    for (const i of perm.keys()) {
      const j = m.below(perm.length);
      [perm[i], perm[j]] = [perm[j] ?? 0, perm[i] ?? 0];
    }
    return ir.transpose(m.b, x, perm);
  },
  broadcast: (m) => {
    const x = m.value();
    const shape = x.type.shape.map((d) => (d === 1 ? 1 + m.below(3) : d));
    return ir.broadcast(m.b, x, m.below(2) > 0 ? [2, ...shape] : shape);
  },
  slice: (m) => {
    const x = m.value((v) => v.type.shape.length > 0);
    const i = m.axis(x);
    const d = x.type.shape[i] ?? 0;
    if (range(d).lo < 1) return skip();
    if (typeof d !== "number") return ir.sliceAxis(m.b, x, i, 0, m.below(2) > 0 ? 1 : sub(d, 1));
    const start = m.below(d);
    if (m.below(2) > 0) {
      const down = m.below(2) > 0;
      return ir.sliceAxis(m.b, x, i, down ? d - 1 : 0, Math.ceil(d / 2), down ? -2 : 2);
    }
    return ir.sliceAxis(m.b, x, i, start, 1 + m.below(d - start));
  },
  pad: (m) => {
    const x = m.value((v) => v.type.shape.length > 0);
    const some = m.axis(x);
    const each = (): number[] => x.type.shape.map((_, i) => (i === some || m.below(4) === 0 ? m.below(2) : 0));
    return m.b.one("pad", [x, ir.scalar(m.b, x.type.dtype, m.below(2))], {
      low: each(),
      high: each(),
      interior: each(),
    });
  },
  concat: (m) => {
    const x = m.value((v) => v.type.shape.length > 0);
    const i = m.axis(x);
    const like = m.value(
      (v) =>
        v.type.dtype === x.type.dtype &&
        v.type.shape.length === x.type.shape.length &&
        v.type.shape.every((d, k) => k === i || d === x.type.shape[k]),
    );
    return ir.concat(m.b, m.below(4) === 0 ? [x] : [x, like], i);
  },
  pool: (m) => {
    const x = m.value((v) => isFloat(v.type.dtype) && v.type.shape.length > 0);
    const i = m.axis(x);
    if (range(x.type.shape[i] ?? 0).lo < 2) return skip();
    const w = m.b.one("window", [x], { axes: [i], lengths: [2], strides: [1 + m.below(2)], dilations: [1] });
    return ir.reduce(m.b, m.below(2) > 0 ? "max" : "sum", w, [w.type.shape.length - 1]);
  },
  dims: (m) => {
    const x = m.value((v) => v.type.shape.length > 0);
    const v = ir.dimsOf(m.b, x.type.shape);
    return m.below(2) > 0 ? v : ir.mul(m.b, v, 2);
  },
  iota: (m) => {
    const x = m.value((v) => v.type.shape.length > 0);
    return ir.iota(m.b, m.pick<DType>(["f32", "i64", "i32"]) ?? "f32", x.type.shape, m.axis(x));
  },
  gather: (m) => {
    const x = m.value((v) => v.type.shape.length > 0);
    const i = m.axis(x);
    return ir.gather(m.b, x, indexStep(m, known(x)[i] ?? 0), i);
  },
  take: (m) => {
    const x = m.value();
    return ir.take(
      m.b,
      x,
      indexStep(
        m,
        known(x).reduce((n, d) => n * d, 1),
      ),
    );
  },
  scatter: (m) => {
    const x = m.value((v) => v.type.dtype !== "bool");
    const at = indexStep(
      m,
      known(x).reduce((n, d) => n * d, 1),
    );
    const updates = ir.full(m.b, x.type.dtype, at.type.shape, 1 + m.below(3));
    return ir.scatter(m.b, x, at, updates, m.pick(["set", "add", "mul", "min", "max"] as const));
  },
  sort: (m) => {
    const x = m.value((v) => v.type.shape.length > 0);
    const s = ir.sort(m.b, x, m.axis(x), m.below(2) > 0);
    return [s.values, s.indices];
  },
  nonzero: (m) => {
    const x = m.value();
    const most = range(elementCount(x.type.shape)).hi;
    if (!Number.isFinite(most)) return skip();
    const count = m.fresh(most);
    const value = ir.nonzero(m.b, x, count);
    m.bindings.push({ symbol: count, from: "axis", value, index: 1 });
    return value;
  },
  reduce: (m) => {
    const smooth = m.options.smooth === true;
    const x = m.value((v) => !smooth || isFloat(v.type.dtype));
    const axes = [...x.type.shape.keys()].filter(() => m.below(2) > 0);
    const kinds = smooth ? (["sum", "max", "min"] as const) : (["sum", "prod", "max", "min"] as const);
    return ir.reduce(m.b, m.pick(kinds) ?? "sum", x, axes, m.below(2) > 0);
  },
  argreduce: (m) => {
    const x = m.value((v) => v.type.shape.every((d) => range(d).lo > 0));
    return m.b.one("argreduce", [x], {
      kind: m.below(2) > 0 ? "max" : "min",
      axis: m.axis(x),
      keep: m.below(2) > 0,
      last: m.below(2) > 0,
    });
  },
  cumulate: (m) => {
    const x = m.value((v) => v.type.shape.length > 0);
    return m.b.one("cumulate", [x], {
      kind: m.pick(["sum", "max", "min"] as const) ?? "sum",
      axis: m.axis(x),
      exclusive: m.below(2) > 0,
      reverse: m.below(2) > 0,
    });
  },
  matmul: (m) => {
    const x = m.value((v) => isFloat(v.type.dtype) && v.type.shape.length > 1);
    const k = x.type.shape.at(-1);
    if (m.below(3) === 0) return ir.matmul(m.b, x, ir.swapAxes(m.b, x), x.type.dtype);
    return typeof k === "number"
      ? ir.matmul(m.b, x, m.constant(x.type.dtype, [k, 1 + m.below(3)]), x.type.dtype)
      : skip();
  },
  conv: convStep,
  normalizedConv: (m) => {
    const y = convStep(m);
    const rank = y.type.shape.length;
    const { node } = y;
    const nchw = node.op === "conv" && node.attrs.layout === "nchw";
    const c = y.type.shape[nchw ? 1 : rank - 1];
    if (typeof c !== "number") return skip();
    const shape = [c, ...new Array<number>(nchw ? rank - 2 : 0).fill(1)];
    const centered = m.below(2) > 0 ? y : ir.sub(m.b, y, m.constant(y.type.dtype, shape));
    const scaled = ir.mul(m.b, centered, m.constant(y.type.dtype, shape));
    return m.below(2) > 0 ? scaled : ir.add(m.b, scaled, m.constant(y.type.dtype, shape));
  },
  softmax: (m) => {
    const x = m.value((v) => isFloat(v.type.dtype) && v.type.shape.length > 0);
    return m.below(2) > 0 ? ir.softmax(m.b, x, m.axis(x)) : ir.logSoftmax(m.b, x, m.axis(x));
  },
  layerNorm: (m) => {
    const x = m.value((v) => isFloat(v.type.dtype) && v.type.shape.length > 0);
    const c = x.type.shape.at(-1);
    if (typeof c !== "number" || c === 0) return skip();
    const part = (): Value => m.constant(x.type.dtype, [c]);
    return ir.layerNorm(m.b, x, part(), part(), x.type.shape.length - 1, 0.5);
  },
  chain: (m) => {
    m.chained = true;
    try {
      const made: Value[] = [];
      for (let i = 0; i < 3; i++) {
        const step = STEPS[m.pick(MOVES) ?? ""] ?? skip();
        const [v] = [step(m)].flat() as readonly Value[];
        if (v === undefined || range(elementCount(v.type.shape)).hi > MOST_ELEMENTS) return skip();
        made.push(v);
        m.pool.push(v);
      }
      m.pool.splice(-made.length);
      return made;
    } finally {
      m.chained = false;
    }
  },
  if: ifStep,
  loop: loopStep,
  trade: tradeStep,
};

const MOVES = ["transpose", "transpose", "reshape", "reshape", "slice", "broadcast", "cast", "concat"];
