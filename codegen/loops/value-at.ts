// A value of the graph at a position, as a register expression: the one place where fused nodes become arithmetic.
// Views (reshape, transpose, slice, window, ...) only change the position; scalar ops compute; everything else is a
// buffer that another kernel wrote. Positions are index expressions, one per axis.

import { boundsOf, type Interval } from "../../compiler/ir/bounds.js";
import { add, type Dim, indexVar, mul, provenLess, provenLessEqual } from "../../compiler/ir/dim.js";
import { DTYPES, type DType } from "../../compiler/ir/dtype.js";
import { Bug } from "../../compiler/ir/errors.js";
import { constantOf, type Node, type Value } from "../../compiler/ir/graph.js";
import { isScalarName } from "../../compiler/ir/ops/scalar.js";
import { isNonPositive } from "../../compiler/ir/signs.js";
import { isImmediate } from "../../compiler/schedule/build.js";
import { broadcastPosition, type Position, ravel, throughView, unravel } from "../../compiler/schedule/views.js";
import { type Expr, type ExprPool, I32 } from "./expr.js";
import { decodeNarrow, encodeNarrow } from "./narrow.js";
import { constantIn, regOf } from "./registers.js";
import { lowerCast, lowerScalar } from "./scalar.js";

/** An element of a buffer as its register holds it. */
export function loadElement(pool: ExprPool, buffer: number, dtype: DType, index: Dim): Expr {
  const { kind, bits } = DTYPES[dtype];
  if (kind === "bool")
    return pool.op(
      "intToMask",
      { kind: "mask32", lanes: 1 },
      pool.load(buffer, dtype, { kind: "i32", lanes: 1 }, index),
    );
  if (kind === "float" && bits < 32)
    return decodeNarrow(pool, dtype, pool.load(buffer, dtype, { kind: "i32", lanes: 1 }, index));
  return pool.load(buffer, dtype, regOf(dtype), index);
}

export class ValueReader {
  readonly pool: ExprPool;
  /** Buffers by value: where reading stops. */
  readonly buffers: ReadonlyMap<Value, number>;
  /** Values that the kernel holds in registers, by position. */
  readonly held = new Map<Value, (position: Position) => Expr>();
  #dynamicCount = 0;
  #memo = new Map<string, Expr>();
  readonly #bounds = new Map<Value, Interval>();

  constructor(pool: ExprPool, buffers: ReadonlyMap<Value, number>) {
    this.pool = pool;
    this.buffers = buffers;
  }

  /** Forgets positions seen: what is held has changed. */
  reset(): void {
    this.#memo = new Map();
  }

  at(v: Value, position: Position): Expr {
    const key = `${v.node.id}.${v.index}@${position.map((d) => (typeof d === "number" ? String(d) : `#${d.id}`)).join(",")}`;
    const seen = this.#memo.get(key);
    if (seen !== undefined) return seen;
    const made = this.#read(v, position);
    this.#memo.set(key, made);
    return made;
  }

  /** An element of a value as an index below `size`; a run-time error where it is not. */
  indexAt(v: Value, position: Position, size: Dim): Dim {
    const value = this.at(v, position);
    if (value.kind === "const") {
      const n = Number(value.value);
      if (typeof size === "number" && n >= 0 && n < size) return n;
    }
    const known = indexOf(value);
    if (known !== null && provenLessEqual(0, known) && provenLess(known, size)) return known;
    const { lo, hi } = this.#boundsOf(v);
    if (lo >= 0 && provenLess(hi, size)) return this.#place(v, position);
    const checked = this.pool.op("checkedIndex", { kind: "i32", lanes: 1 }, value, this.pool.index(size));
    return this.dynamicIndex(checked, size);
  }

  /** An element that lies between 0 and 2^31 as an index: sums as sums, so that each part can be computed where it changes. */
  #place(v: Value, position: Position): Dim {
    if (!this.held.has(v) && !this.buffers.has(v)) {
      const view = throughView(v, position);
      if (view !== null) return this.#place(view.source, view.position);
      const [a, b] = v.node.inputs;
      if (v.node.op === "add" && a !== undefined && b !== undefined) {
        const isSum = [a, b].every((x) => this.#boundsOf(x).lo >= 0);
        const at = (x: Value): Dim => this.#place(x, broadcastPosition(position, x.type.shape));
        if (isSum) return add(at(a), at(b));
      }
    }
    const value = this.at(v, position);
    if (value.kind === "const") return Number(value.value);
    const known = indexOf(value);
    if (known !== null) return known;
    const word = value.type.kind === "i64" ? this.pool.op("wrap", I32, value) : value;
    return this.dynamicIndex(word, this.#boundsOf(v).hi + 1);
  }

  #boundsOf(v: Value): Interval {
    const seen = this.#bounds.get(v);
    if (seen !== undefined) return seen;
    const made = boundsOf(v);
    this.#bounds.set(v, made);
    return made;
  }

  /** A computed i32 in [0, size) as a symbol that index expressions can use. */
  dynamicIndex(e: Expr, size: Dim): Dim {
    for (const [known, expr] of this.pool.dynamic) if (expr === e) return indexVar(known.name, size);
    return this.pool.dynamicIndex(`@${this.#dynamicCount++}`, e, size);
  }

  #read(v: Value, position: Position): Expr {
    const held = this.held.get(v);
    if (held !== undefined) return held(position);
    const buffer = this.buffers.get(v);
    if (buffer !== undefined) return loadElement(this.pool, buffer, v.type.dtype, ravel(position, v.type.shape));
    const constant = constantOf(v);
    if (constant !== undefined && isImmediate(constant)) {
      const first = constant.elements[0] ?? 0;
      return constantIn(this.pool, v.type.dtype, first);
    }
    return this.#compute(v.node, v, position);
  }

  #compute(node: Node, v: Value, position: Position): Expr {
    const input = (i: number): Value => {
      const x = node.inputs[i];
      if (x === undefined) throw new Bug("loops", `${node.op} has no input ${i}`);
      return x;
    };
    const broadcast = (i: number): Expr => this.at(input(i), broadcastPosition(position, input(i).type.shape));
    const { pool } = this;
    if (isScalarName(node.op)) {
      const args = node.inputs.map((_, i) => broadcast(i));
      const facts = { isNonPositive: () => isNonPositive(input(0)) };
      return lowerScalar(node.op, pool, input(0).type.dtype, args, facts);
    }
    const view = throughView(v, position);
    if (view !== null) return this.at(view.source, view.position);
    switch (node.op) {
      case "select":
        return pool.select(broadcast(0), broadcast(1), broadcast(2));
      case "cast":
        return lowerCast(pool, input(0).type.dtype, node.attrs.to, node.attrs.saturate, broadcast(0));
      case "bitcast":
        return this.#bitcast(input(0).type.dtype, node.attrs.to, broadcast(0));
      case "iota": {
        const p = position[node.attrs.axis] ?? 0;
        return lowerCast(pool, "i32", node.attrs.dtype, false, pool.index(p));
      }
      case "dims":
        return this.#dimension(node.attrs.of, position[0] ?? 0);
      case "gather": {
        const { axis } = node.attrs;
        const [data, indices] = [input(0), input(1)];
        const rank = indices.type.shape.length;
        const at = this.indexAt(indices, position.slice(axis, axis + rank), data.type.shape[axis] ?? 0);
        return this.at(data, [...position.slice(0, axis), at, ...position.slice(axis + rank)]);
      }
      case "take": {
        const data = input(0);
        const at = this.indexAt(input(1), position, mul(1, ...data.type.shape));
        return this.at(data, unravel(at, data.type.shape));
      }
      default:
        throw new Bug("loops", `${node.op} is neither fused nor a buffer`);
    }
  }

  #dimension(of: readonly Dim[], position: Dim): Expr {
    const wide = (d: Dim): Expr => this.pool.op("extendS", { kind: "i64", lanes: 1 }, this.pool.index(d));
    if (typeof position === "number") return wide(of[position] ?? 0);
    const index = this.pool.index(position);
    let value = wide(of[0] ?? 0);
    for (let i = 1; i < of.length; i++)
      value = this.pool.select(this.pool.compare("eq", index, this.pool.i32(i)), wide(of[i] ?? 0), value);
    return value;
  }

  /** The same bits: narrow floats by their stored form, everything else in its register. */
  #bitcast(from: DType, to: DType, e: Expr): Expr {
    const { pool } = this;
    if (from === "bool") return this.#bitcast("u8", to, pool.op("maskToInt", { kind: "i32", lanes: 1 }, e));
    if (to === "bool") return pool.op("intToMask", { kind: "mask32", lanes: 1 }, this.#bitcast(from, "u8", e));
    const raw = isNarrowFloat(from) ? encodeNarrow(pool, from, e) : e;
    const rawDtype: DType = isNarrowFloat(from) ? (DTYPES[from].bits === 16 ? "u16" : "u8") : from;
    if (isNarrowFloat(to))
      return decodeNarrow(pool, to, lowerCast(pool, rawDtype, DTYPES[to].bits === 16 ? "u16" : "u8", false, raw));
    const reg = regOf(to);
    if (reg.kind === raw.type.kind) return lowerCast(pool, rawDtype, to, false, raw);
    return pool.op("bits", reg, raw);
  }
}

function isNarrowFloat(dtype: DType): boolean {
  const { kind, bits } = DTYPES[dtype];
  return kind === "float" && bits < 32;
}

/** The index expression that a register holds, if that is all it holds. */
function indexOf(e: Expr): Dim | null {
  if (e.kind === "index") return e.dim;
  const inner = e.kind === "op" && e.op === "extendS" ? e.args[0] : undefined;
  return inner?.kind === "index" ? inner.dim : null;
}
