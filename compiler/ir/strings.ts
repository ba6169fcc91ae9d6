// Strings as numbers. Kernels know a string only as an i32, its number in a table: the model's own strings come first and
// are the graph's (`Graph.strings`), a string that only one run meets gets a number behind them. Equal strings have equal
// numbers and only they, so moving, comparing and looking up numbers is exact. Their order means nothing. Number 0 is the
// empty string: zeros in memory are valid strings.

import { sizeOf, type Tensor, tensorFrom } from "./tensor.js";

export class StringTable {
  readonly #strings: string[] = [];
  readonly #numbers = new Map<string, number>();

  constructor(known: readonly string[] = [""]) {
    for (const s of known) this.number(s);
  }

  /** All strings so far, in the order of their numbers. */
  get strings(): readonly string[] {
    return this.#strings;
  }

  /** The string's number: a new one where it is new. */
  number(s: string): number {
    let n = this.#numbers.get(s);
    if (n === undefined) {
      n = this.#strings.push(s) - 1;
      this.#numbers.set(s, n);
    }
    return n;
  }

  /** The string of a number. Throws RangeError where there is none. */
  string(n: number): string {
    const s = this.#strings[n];
    if (s === undefined) throw new RangeError(`no string has the number ${n}`);
    return s;
  }

  tensor(shape: readonly number[], strings: readonly string[]): Tensor {
    if (strings.length !== sizeOf(shape))
      throw new RangeError(`str[${shape.join(",")}] takes ${sizeOf(shape)} strings, have ${strings.length}`);
    return tensorFrom(
      "str",
      shape,
      strings.map((s) => this.number(s)),
    );
  }

  /** The elements of a str tensor whose numbers are this table's. */
  stringsOf(t: Tensor): string[] {
    return t.numbers().map((n) => this.string(n));
  }

  /** A str tensor with the numbers that another table gives the same strings; any other tensor as it is. */
  renumbered(t: Tensor, to: StringTable): Tensor {
    return t.dtype === "str" ? to.tensor(t.shape, this.stringsOf(t)) : t;
  }
}

export function isStringTable(strings: readonly string[]): boolean {
  return strings[0] === "" && new Set(strings).size === strings.length;
}
