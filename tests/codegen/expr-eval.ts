// Evaluates a register expression over a batch of inputs, op by op, as a machine would: f32 and i32 are rounded or wrapped after each
// op, i64 are bigints. `fused` rounds madd once (f32 only: no target fuses on f64 registers).

import type { Expr, MachineOp, RegKind } from "../../codegen/loops/expr.js";

export type Column = Float32Array | Float64Array | Int32Array | BigInt64Array;

export function column(kind: RegKind, count: number): Column {
  switch (kind) {
    case "f32":
      return new Float32Array(count);
    case "f64":
      return new Float64Array(count);
    case "i64":
      return new BigInt64Array(count);
    default:
      return new Int32Array(count);
  }
}

function nearest(x: number): number {
  if (!Number.isFinite(x) || Math.abs(x) >= 2 ** 52) return x;
  const magic = x < 0 || Object.is(x, -0) ? -(2 ** 52) : 2 ** 52;
  const r = x + magic - magic;
  return r === 0 && magic < 0 ? -0 : r;
}

const word = new DataView(new ArrayBuffer(8));

/** fl(a * b + c) with one rounding, for f32 operands: the double sum is rounded to odd first. */
export function fusedF32(a: number, b: number, c: number): number {
  const p = a * b;
  const s = p + c;
  if (!Number.isFinite(s)) return Math.fround(s);
  const v = s - p;
  const error = p - (s - v) + (c - v);
  if (error === 0) return Math.fround(s);
  word.setFloat64(0, s);
  const bits = word.getBigInt64(0);
  if ((bits & 1n) === 0n) word.setBigInt64(0, error > 0 === s > 0 ? bits + 1n : bits - 1n);
  return Math.fround(word.getFloat64(0));
}

const FLOAT: Readonly<Partial<Record<MachineOp, (a: number, b: number) => number>>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  neg: (a) => -a,
  abs: Math.abs,
  sqrt: Math.sqrt,
  floor: Math.floor,
  ceil: Math.ceil,
  trunc: Math.trunc,
  nearest,
  min: Math.min,
  max: Math.max,
  pmin: (a, b) => (b < a ? b : a),
  pmax: (a, b) => (a < b ? b : a),
};

const INT32: Readonly<Partial<Record<MachineOp, (a: number, b: number) => number>>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: Math.imul,
  neg: (a) => -a,
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b) => a << b,
  shrS: (a, b) => a >> b,
  shrU: (a, b) => a >>> b,
  minS: Math.min,
  maxS: Math.max,
  minU: (a, b) => Math.min(a >>> 0, b >>> 0),
  maxU: (a, b) => Math.max(a >>> 0, b >>> 0),
};

const INT64: Readonly<Partial<Record<MachineOp, (a: bigint, b: bigint) => bigint>>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  neg: (a) => -a,
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b) => a << b,
  shrS: (a, b) => a >> b,
  shrU: (a, b) => BigInt.asUintN(64, a) >> b,
};

function compare(op: MachineOp, a: Column, b: Column, out: Column): void {
  const unsigned = op === "ltU" || op === "leU";
  for (let i = 0; i < out.length; i++) {
    let x = a[i] ?? 0;
    let y = b[i] ?? 0;
    if (unsigned && typeof x === "number") x = x >>> 0;
    if (unsigned && typeof y === "number") y = y >>> 0;
    if (unsigned && typeof x === "bigint") x = BigInt.asUintN(64, x);
    if (unsigned && typeof y === "bigint") y = BigInt.asUintN(64, y);
    const holds = op === "eq" ? x === y : op === "ne" ? x !== y : op === "lt" || op === "ltU" ? x < y : x <= y;
    out[i] = holds ? 1 : 0;
  }
}

function toInt64(x: number): bigint {
  if (Number.isNaN(x)) return 0n;
  if (x >= 2 ** 63) return 2n ** 63n - 1n;
  if (x <= -(2 ** 63)) return -(2n ** 63n);
  return BigInt(Math.trunc(x));
}

export class Evaluator {
  readonly #columns = new Map<Expr, Column>();
  readonly #count: number;
  readonly #fused: boolean;

  constructor(inputs: ReadonlyMap<Expr, Column>, count: number, fused = false) {
    for (const [e, c] of inputs) this.#columns.set(e, c);
    this.#count = count;
    this.#fused = fused;
  }

  at(e: Expr): Column {
    const seen = this.#columns.get(e);
    if (seen !== undefined) return seen;
    const out = column(e.type.kind, this.#count);
    if (e.kind === "const") {
      if (out instanceof BigInt64Array) out.fill(BigInt(e.value));
      else out.fill(Number(e.value));
    } else if (e.kind === "op")
      this.#run(
        e.op,
        e.args.map((a) => this.at(a)),
        out,
      );
    else throw new RangeError(`expressions of kind ${e.kind} have no value here`);
    this.#columns.set(e, out);
    return out;
  }

  #run(op: MachineOp, args: readonly Column[], out: Column): void {
    const [a, b, c] = args;
    if (a === undefined) throw new RangeError(`${op} has no operand`);
    const n = this.#count;
    switch (op) {
      case "eq":
      case "ne":
      case "lt":
      case "le":
      case "ltU":
      case "leU":
        if (b !== undefined) compare(op, a, b, out);
        return;
      case "select":
        for (let i = 0; i < n; i++) out[i] = (a[i] === 1 ? b?.[i] : c?.[i]) ?? 0;
        return;
      case "not":
        for (let i = 0; i < n; i++) out[i] = 1 - Number(a[i]);
        return;
      case "bits": {
        const bytes = new Uint8Array(a.buffer, a.byteOffset, a.byteLength);
        new Uint8Array(out.buffer).set(bytes);
        return;
      }
      case "toFloatS":
        for (let i = 0; i < n; i++) out[i] = Number(a[i]);
        return;
      case "toIntS":
        if (out instanceof BigInt64Array) for (let i = 0; i < n; i++) out[i] = toInt64(Number(a[i]));
        else for (let i = 0; i < n; i++) out[i] = Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, Number(a[i]))) | 0;
        return;
      case "madd":
        for (let i = 0; i < n; i++) {
          const [x, y, z] = [Number(a[i]), Number(b?.[i]), Number(c?.[i])];
          if (out instanceof Float32Array) out[i] = this.#fused ? fusedF32(x, y, z) : Math.fround(x * y) + z;
          else out[i] = x * y + z;
        }
        return;
    }
    if (out instanceof BigInt64Array) {
      const f = INT64[op];
      if (f === undefined) throw new RangeError(`${op} on i64`);
      for (let i = 0; i < n; i++) out[i] = BigInt.asIntN(64, f(BigInt(a[i] ?? 0), BigInt(b?.[i] ?? 0)));
      return;
    }
    const f = out instanceof Int32Array ? INT32[op] : FLOAT[op];
    if (f === undefined) throw new RangeError(`${op} is not known to the evaluator`);
    for (let i = 0; i < n; i++) out[i] = f(a[i] as number, b?.[i] as number);
  }
}
