// Register expressions: what one iteration of a loop computes, for any target. Hash-consed per kernel, so that sharing
// is identity and an emitter can place each expression once, at the loop level where it becomes invariant.
//
// A register is `lanes` values of one kind. Comparisons give masks, which only select, and, or, xor and not read; a target
// spells them as it likes (0/1 on scalars, all-ones lanes on vectors). Integer division by zero and shifts by the
// width or more must be excluded by whoever builds the expression.

import { type Dim, dimKey, indexVar, type Sym, substitute, symOf } from "../../compiler/ir/dim.js";
import type { DType } from "../../compiler/ir/dtype.js";
import { Bug } from "../../compiler/ir/errors.js";
import { SIMD128, type VectorUnit } from "../../compiler/schedule/tiles.js";

export type RegKind = "i32" | "i64" | "f32" | "f64" | "mask32" | "mask64";

export interface Reg {
  readonly kind: RegKind;
  readonly lanes: number;
}

/** Ops on floats, integers or both; operands and result have one register type unless noted. */
export type MachineOp =
  // both
  | "add"
  | "sub"
  | "mul"
  | "neg"
  | "abs"
  // float; min and max propagate NaN and order -0 below +0; pmin(a, b) = b < a ? b : a, pmax(a, b) = a < b ? b : a
  | "div"
  | "min"
  | "max"
  | "pmin"
  | "pmax"
  | "sqrt"
  | "floor"
  | "ceil"
  | "trunc"
  | "nearest"
  /** a * b + c: fused in the relaxed tier, two roundings in the strict one. */
  | "madd"
  // integer
  | "divS"
  | "divU"
  | "remS"
  | "remU"
  | "minS"
  | "maxS"
  | "minU"
  | "maxU"
  | "and"
  | "or"
  | "xor"
  /** Shift counts are one scalar i32 (or i64 for i64 scalars) for all lanes. */
  | "shl"
  | "shrS"
  | "shrU"
  /** Lanes of 32 bits as halves of 16, each shifted by the count, a constant; to the right with zeros. */
  | "shlHalves"
  | "shrHalves"
  // comparisons: result is a mask of the operands' width
  | "eq"
  | "ne"
  | "lt"
  | "le"
  | "ltU"
  | "leU"
  // masks
  | "not"
  /** (mask, a, b): a where the mask holds. */
  | "select"
  // conversions; the result type says to what
  /** float to signed integer of the same lanes, truncating and saturating; NaN is 0. */
  | "toIntS"
  | "toIntU"
  | "toFloatS"
  | "toFloatU"
  /** The low 16 bits of an i32 as an f16, to f32; and back, rounded to nearest even, in an i32. Only where the target has them. */
  | "fromHalf"
  | "toHalf"
  /** f32 <-> f64 */
  | "promote"
  | "demote"
  /** i32 -> i64, i64 -> i32 (scalars only) */
  | "extendS"
  | "extendU"
  | "wrap"
  /** Same bits, other kind of the same width. */
  | "bits"
  /** mask -> 0 or 1 as i32 (mask32) or i64 (mask64) */
  | "maskToInt"
  /** i32 or i64 (nonzero) -> mask */
  | "intToMask"
  /** A vector's mask32 -> an i32 scalar in which bit i says whether lane i holds. */
  | "laneBits"
  /** The place of an i32 scalar's lowest set bit; the scalar is not 0. */
  | "lowestBit"
  /** scalar -> every lane */
  | "splat"
  /** (a, b): 16-bit halves of each 32-bit lane multiplied and added in pairs: a.lo * b.lo + a.hi * b.hi, signed. */
  | "dot16"
  /**
   * (u, s, c): bytes of each 32-bit lane multiplied and added to the lane of c, modulo 2^32: c + u0 * s0 + ... + u3 * s3, u
   * unsigned, s signed. For `dot7` no byte of u is above 127.
   */
  | "dot8"
  | "dot7"
  /** As dot8, of signed bytes by signed ones. */
  | "dotS"
  /**
   * (rows, columns, c), vectors of 4 lanes: two rows of eight bytes by two columns of eight, modulo 2^32. Lane 2i + j of c
   * gets row i by column j. Columns are signed, rows unsigned (`squareU`) or signed (`squareS`).
   */
  | "squareU"
  | "squareS"
  /** The low halves of two vectors one behind the other, the high halves. */
  | "joinLow"
  | "joinHigh"
  /**
   * (a, b, c): c + a0 * b0 + a1 * b1 of the pairs of bfloat16 in each lane of a and b, which are i32, as the machine's dot
   * product rounds: in relaxed code for machines that have one.
   */
  | "dotBf16"
  /** 32-bit lanes of two vectors alternating: the low halves, the high halves. */
  | "zipLow"
  | "zipHigh"
  /** (a, b), vectors of 32-bit lanes: the even lanes of a, then the odd lanes of b. */
  | "evensOdds"
  /** (index: i32 or i64 scalar, size: i32 scalar): the index as i32 where 0 <= index < size; else 0, and the run fails. */
  | "checkedIndex";

export type Expr =
  | { readonly kind: "const"; readonly id: number; readonly type: Reg; readonly value: number | bigint }
  /** A register of the kernel, see `Stmt`. `fixed`: set once, before every read, in the scope that owns it. */
  | { readonly kind: "var"; readonly id: number; readonly type: Reg; readonly name: string; readonly fixed: boolean }
  /** An index expression over loop variables, symbols and data-dependent indices; an i32 scalar. */
  | { readonly kind: "index"; readonly id: number; readonly type: Reg; readonly dim: Dim }
  /** Elements of a buffer at `index` (in elements); `stride` elements between lanes (0: one element in every lane). */
  | {
      readonly kind: "load";
      readonly id: number;
      readonly type: Reg;
      readonly buffer: number;
      readonly dtype: DType;
      readonly index: Dim;
      readonly stride: Dim;
    }
  /** Elements at a byte address held in a register plus a constant offset. */
  | {
      readonly kind: "loadAt";
      readonly id: number;
      readonly type: Reg;
      readonly dtype: DType;
      readonly address: Expr;
      readonly offset: number;
      readonly splat: boolean;
    }
  /** Byte address of an element of a buffer. */
  | {
      readonly kind: "address";
      readonly id: number;
      readonly type: Reg;
      readonly buffer: number;
      readonly index: Dim;
      readonly bytes: number;
    }
  | { readonly kind: "lane"; readonly id: number; readonly type: Reg; readonly from: Expr; readonly lane: number }
  /** A vector from scalars, one per lane. */
  | { readonly kind: "lanes"; readonly id: number; readonly type: Reg; readonly items: readonly Expr[] }
  | {
      readonly kind: "op";
      readonly id: number;
      readonly type: Reg;
      readonly op: MachineOp;
      readonly args: readonly Expr[];
    };

export const I32: Reg = { kind: "i32", lanes: 1 };
export const I64: Reg = { kind: "i64", lanes: 1 };

function maskOf(t: Reg): Reg {
  return { kind: t.kind === "f64" || t.kind === "i64" || t.kind === "mask64" ? "mask64" : "mask32", lanes: t.lanes };
}

export function isFloatReg(t: Reg): boolean {
  return t.kind === "f32" || t.kind === "f64";
}

/**
 * Rebuilds an expression with every index expression changed, those that give its data-dependent indices too; what does not
 * change stays the same object.
 */
export function reindex(pool: ExprPool, e: Expr, change: (d: Dim) => Dim, memo = new Map<Expr, Expr>()): Expr {
  const seen = memo.get(e);
  if (seen !== undefined) return seen;
  const go = (x: Expr): Expr => reindex(pool, x, change, memo);
  const f = (d: Dim): Dim =>
    substitute(change(d), (s) => {
      const given = pool.dynamic.get(s);
      if (given === undefined) return undefined;
      const moved = go(given);
      return moved === given ? undefined : pool.dynamicIndex(`${s.name}.${moved.id}`, moved, s.extent ?? s.hi + 1);
    });
  const make = (): Expr => {
    switch (e.kind) {
      case "index":
        return pool.index(f(e.dim));
      case "load":
        return pool.load(e.buffer, e.dtype, e.type, f(e.index), e.stride);
      case "address":
        return pool.address(e.buffer, f(e.index), e.bytes);
      case "loadAt":
        return pool.loadAt(go(e.address), e.offset, e.dtype, e.type, e.splat);
      case "lane":
        return pool.lane(go(e.from), e.lane);
      case "lanes":
        return pool.lanes(e.items.map(go));
      case "op":
        return pool.op(e.op, e.type, ...e.args.map(go));
      default:
        return e;
    }
  };
  const made = make();
  memo.set(e, made);
  return made;
}

/** An unbuilt expression: the variants of Expr without identity. */
type Draft = Expr extends infer E ? (E extends Expr ? Omit<E, "id"> : never) : never;

/** Makes and interns expressions; one per kernel. */
export class ExprPool {
  readonly #interned = new Map<string, Expr>();
  /** Expressions that give data-dependent indices, by their symbol. */
  readonly dynamic = new Map<Sym, Expr>();
  /** Elements of 32 bits in the target's vectors: a power of two, at least 4. */
  readonly vectorLanes: number;
  /** Whether the target has `fromHalf` and `toHalf`. */
  readonly convertsHalves: boolean;

  constructor({ lanes, convertsHalves }: Pick<VectorUnit, "lanes" | "convertsHalves"> = SIMD128) {
    this.vectorLanes = lanes;
    this.convertsHalves = convertsHalves;
  }

  /** A computed i32 in [0, size) as a symbol that index expressions can use. One name belongs to one expression. */
  dynamicIndex(name: string, e: Expr, size: Dim): Dim {
    const d = indexVar(name, size);
    const s = symOf(d);
    if (s === undefined) throw new Bug("loops", "a data-dependent index is no symbol");
    this.dynamic.set(s, e);
    return d;
  }

  #make(key: string, draft: Draft): Expr {
    const found = this.#interned.get(key);
    if (found !== undefined) return found;
    const made = { ...draft, id: this.#interned.size } as Expr;
    this.#interned.set(key, made);
    return made;
  }

  /** `value` in every lane. */
  constant(type: Reg, value: number | bigint): Expr {
    const text = Object.is(value, -0) ? "-0" : String(value);
    return this.#make(`c${type.kind}x${type.lanes}:${text}`, { kind: "const", type, value });
  }

  i32(value: number): Expr {
    return this.constant(I32, value);
  }

  variable(type: Reg, name: string, fixed = false): Expr {
    return this.#make(`v${name}`, { kind: "var", type, name, fixed });
  }

  index(dim: Dim): Expr {
    if (typeof dim === "number") return this.i32(dim);
    return this.#make(`x${dimKey(dim)}`, { kind: "index", type: I32, dim });
  }

  load(buffer: number, dtype: DType, type: Reg, index: Dim, stride: Dim = 0): Expr {
    return this.#make(`l${buffer}:${dtype}x${type.lanes}:${dimKey(index)}:${dimKey(stride)}`, {
      kind: "load",
      type,
      buffer,
      dtype,
      index,
      stride,
    });
  }

  loadAt(address: Expr, offset: number, dtype: DType, type: Reg, splat = false): Expr {
    return this.#make(`a${address.id}+${offset}:${dtype}x${type.lanes}:${splat}`, {
      kind: "loadAt",
      type,
      dtype,
      address,
      offset,
      splat,
    });
  }

  address(buffer: number, index: Dim, bytes: number): Expr {
    return this.#make(`@${buffer}:${dimKey(index)}*${bytes}`, { kind: "address", type: I32, buffer, index, bytes });
  }

  lane(from: Expr, lane: number): Expr {
    return this.#make(`e${from.id}.${lane}`, { kind: "lane", type: { kind: from.type.kind, lanes: 1 }, from, lane });
  }

  lanes(items: readonly Expr[]): Expr {
    const kind = items[0]?.type.kind ?? "f32";
    return this.#make(`g${items.map((e) => e.id).join(",")}`, {
      kind: "lanes",
      type: { kind, lanes: items.length },
      items,
    });
  }

  op(op: MachineOp, type: Reg, ...args: readonly Expr[]): Expr {
    if ((op === "max" || op === "min") && isFloatReg(type))
      return this.#bounded(op, type, args) ?? this.#plain(op, type, args);
    return this.#plain(op, type, args);
  }

  /**
   * max and min against a constant, from the cheaper pmax and pmin: these keep a NaN in their first operand, and only
   * differ from max and min in the sign of zero.
   */
  #bounded(op: "max" | "min", type: Reg, args: readonly Expr[]): Expr | null {
    const [a, b] = args;
    if (a === undefined || b === undefined) return null;
    const [x, c] = b.kind === "const" ? [a, b] : a.kind === "const" ? [b, a] : [a, null];
    if (c === null || c.kind !== "const" || x.kind === "const") return null;
    const bound = Number(c.value);
    if (Number.isNaN(bound)) return null;
    if (op === "min") return Object.is(bound, -0) ? null : this.#plain("pmin", type, [x, c]);
    const kept = this.#plain("pmax", type, [x, c]);
    // pmax(-0, 0) is -0: adding 0 makes it +0 and changes nothing else.
    return Object.is(bound, 0) ? this.#plain("add", type, [kept, c]) : kept;
  }

  #plain(op: MachineOp, type: Reg, args: readonly Expr[]): Expr {
    return this.#make(`o${op}:${type.kind}x${type.lanes}(${args.map((e) => e.id).join(",")})`, {
      kind: "op",
      type,
      op,
      args,
    });
  }

  /** Ops whose result has the first operand's type. */
  same(op: MachineOp, first: Expr, ...rest: readonly Expr[]): Expr {
    return this.op(op, first.type, first, ...rest);
  }

  compare(op: "eq" | "ne" | "lt" | "le" | "ltU" | "leU", a: Expr, b: Expr): Expr {
    return this.op(op, maskOf(a.type), a, b);
  }

  select(mask: Expr, a: Expr, b: Expr): Expr {
    return this.op("select", a.type, mask, a, b);
  }

  splat(e: Expr, lanes: number): Expr {
    if (lanes === 1) return e;
    if (e.kind === "const") return this.constant({ kind: e.type.kind, lanes }, e.value);
    return this.op("splat", { kind: e.type.kind, lanes }, e);
  }
}
