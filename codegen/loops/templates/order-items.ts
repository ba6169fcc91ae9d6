// What is sorted instead of elements: items, pairs of a key and an index that are compared as unsigned numbers. Keys tell
// elements apart exactly as the order does: of floats NaN is the greatest and zeros are equal.

import { type DType, isFloat } from "../../../compiler/ir/dtype.js";
import { type Expr, type ExprPool, I32, I64 } from "../expr.js";
import type { Frame } from "../frame.js";
import { toAccumulator } from "../reduction.js";
import { isUnsigned } from "../registers.js";
import type { Stmt } from "../stmt.js";

/** An element as a signed integer of 32 or 64 bits, of which lesser ones come first. */
export function orderKey(pool: ExprPool, dtype: DType, element: Expr, descending: boolean): Expr {
  const e = toAccumulator(pool, dtype, element);
  const isWide = e.type.kind === "i64" || e.type.kind === "f64";
  const type = { kind: isWide ? "i64" : "i32", lanes: e.type.lanes } as const;
  const bits = isWide ? 64 : 32;
  const number = (n: bigint): Expr => pool.constant(type, isWide ? n : Number(n));
  const key = (): Expr => {
    if (isUnsigned(dtype)) return pool.same("xor", e, number(-(1n << BigInt(bits - 1))));
    if (!isFloat(dtype)) return e;
    const greatest = number((1n << BigInt(bits - 1)) - 1n);
    // Adding 0 makes -0 the other zero.
    const raw = pool.op("bits", type, pool.same("add", e, pool.constant(e.type, 0)));
    const below = pool.same("and", pool.same("shrS", raw, pool.i32(bits - 1)), greatest);
    return pool.select(pool.compare("ne", e, e), greatest, pool.same("xor", raw, below));
  };
  return descending ? pool.same("xor", key(), number(-1n)) : key();
}

/** An item in registers: one word that holds key and index, or one for each. */
export type Item = readonly Expr[];

export class Items {
  readonly #pool: ExprPool;
  readonly bytes: number;
  /** Words of 64 bits. */
  readonly words: number;
  /** Where the key's lowest digit of 8 bits lies in the first word. */
  readonly lowest: number;

  constructor({ pool }: Frame, bytes: number) {
    this.#pool = pool;
    this.bytes = bytes;
    this.words = bytes / 8;
    this.lowest = this.words === 1 ? 32 : 0;
  }

  /** An item of a signed key. */
  make(key: Expr, index: Expr): Item {
    const pool = this.#pool;
    const place = pool.op("extendU", I64, index);
    if (this.words === 2) return [pool.same("xor", key, pool.constant(I64, -(2n ** 63n))), place];
    const high = pool.op("extendU", I64, pool.same("xor", key, pool.i32(-(2 ** 31))));
    return [pool.same("or", pool.same("shl", high, pool.i32(32)), place)];
  }

  /** The item behind all others. */
  get last(): Item {
    return Array.from({ length: this.words }, () => this.#pool.constant(I64, -1n));
  }

  registers(name: string): Item {
    return Array.from({ length: this.words }, (_, w) => this.#pool.variable(I64, `${name}${w}`));
  }

  set(to: Item, from: Item): Stmt[] {
    return to.flatMap((target, w): Stmt[] => {
      const value = from[w];
      return value === undefined ? [] : [{ kind: "set", target, value }];
    });
  }

  read(to: Item, address: Expr): Stmt[] {
    return to.map((target, w) => ({ kind: "set", target, value: this.#pool.loadAt(address, 8 * w, "i64", I64) }));
  }

  write(address: Expr, item: Item): Stmt[] {
    return item.map((value, w) => ({ kind: "storeAt", dtype: "i64", address, offset: 8 * w, value }));
  }

  before(a: Item, b: Item): Expr {
    const pool = this.#pool;
    const [key, index] = a;
    const [otherKey, otherIndex] = b;
    if (key === undefined || otherKey === undefined) throw new RangeError("an item without a key");
    const less = pool.compare("ltU", key, otherKey);
    if (index === undefined || otherIndex === undefined) return less;
    const tie = pool.same("and", pool.compare("eq", key, otherKey), pool.compare("ltU", index, otherIndex));
    return pool.same("or", less, tie);
  }

  choose(mask: Expr, a: Item, b: Item): Item {
    return a.map((word, w) => this.#pool.select(mask, word, b[w] ?? word));
  }

  /** Eight bits of the key, from a bit of the first word on. */
  digit([word]: Item, from: Expr): Expr {
    const pool = this.#pool;
    if (word === undefined) throw new RangeError("an item without a key");
    return pool.same("and", pool.op("wrap", I32, pool.same("shrU", word, from)), pool.i32(255));
  }

  index(item: Item): Expr {
    const word = item.at(-1);
    if (word === undefined) throw new RangeError("an item without an index");
    return this.#pool.op("wrap", I32, word);
  }
}
