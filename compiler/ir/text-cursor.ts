// Reads the text form token by token: what the parser and the attribute kinds pull their values from. Every failure is
// a ParseError with line and column.

import { type Dim, DimSyntaxError, parseDim } from "./dim.js";
import { type DType, isDType } from "./dtype.js";
import { type Tensor, tensorFrom } from "./tensor.js";
import type { AttrReader } from "./text-reader.js";
import { type TensorType, tensorType } from "./types.js";

export class ParseError extends Error {
  override readonly name = "ParseError";
  /** 1-based. */
  readonly line: number;
  readonly column: number;
  constructor(message: string, line: number, column: number) {
    super(`line ${line}, column ${column}: ${message}`);
    this.line = line;
    this.column = column;
  }
}

const BLANK = /(?:\s+|;[^\n]*)*/y;
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const SYMBOL = /[A-Za-z_][A-Za-z0-9_.$]*|`(?:[^`\\]|\\[`\\])*`/y;
const INT = /-?[0-9]+/y;
const FLOAT = /-?(?:Infinity|NaN|[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)/y;
const STRING = /"(?:[^"\\\n]|\\.)*"/y;
const VALUE = /%[0-9]+/y;
const DIGEST = /sha256:[0-9a-f]{64}/y;

export class Cursor implements AttrReader {
  readonly #text: string;
  readonly #tensors: ReadonlyMap<string, Tensor>;
  /** Symbols by name. */
  readonly symbols = new Map<string, Dim>();
  at = 0;

  constructor(text: string, tensors: ReadonlyMap<string, Tensor>) {
    this.#text = text;
    this.#tensors = tensors;
  }

  fail(message: string, at = this.at): never {
    const before = this.#text.slice(0, at).split("\n");
    throw new ParseError(message, before.length, (before.at(-1)?.length ?? 0) + 1);
  }

  /** Moves to the next token and returns where it starts. */
  skip(): number {
    BLANK.lastIndex = this.at;
    BLANK.test(this.#text);
    this.at = BLANK.lastIndex;
    return this.at;
  }

  #match(pattern: RegExp): string | null {
    this.skip();
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.#text)?.[0] ?? null;
    if (found !== null) this.at += found.length;
    return found;
  }

  /** What stands at the cursor, for messages. */
  #have(): string {
    this.skip();
    const rest = /^(?:[A-Za-z0-9_.$%]+|.)?/.exec(this.#text.slice(this.at, this.at + 40))?.[0] ?? "";
    return rest === "" ? "the end" : JSON.stringify(rest);
  }

  #want(pattern: RegExp, what: string): string {
    return this.#match(pattern) ?? this.fail(`expected ${what}, have ${this.#have()}`);
  }

  get done(): boolean {
    return this.skip() >= this.#text.length;
  }

  /** Whether this text comes next; does not take it. */
  sees(text: string): boolean {
    return this.#text.startsWith(text, this.skip());
  }

  /** Takes this text if it comes next. */
  takes(text: string): boolean {
    if (!this.sees(text)) return false;
    this.at += text.length;
    return true;
  }

  take(text: string): void {
    if (!this.takes(text)) this.fail(`expected ${JSON.stringify(text)}, have ${this.#have()}`);
  }

  /** The word that comes next, or null; does not take it. */
  peekWord(): string | null {
    NAME.lastIndex = this.skip();
    return NAME.exec(this.#text)?.[0] ?? null;
  }

  name(what: string): string {
    return this.#want(NAME, what);
  }

  value(): string {
    return this.#want(VALUE, "a value such as %0");
  }

  /** item, item, ... up to the closing mark, which is taken. */
  until<T>(close: string, item: () => T): T[] {
    const items: T[] = [];
    if (this.takes(close)) return items;
    do items.push(item());
    while (this.takes(","));
    this.take(close);
    return items;
  }

  /** A symbol's name, unquoted. */
  symbolName(): string {
    const text = this.#want(SYMBOL, "a symbol's name");
    return text.startsWith("`") ? text.slice(1, -1).replace(/\\(.)/g, "$1") : text;
  }

  /** A bound of a symbol's range. */
  bound(): number {
    if (this.takes("inf")) return Infinity;
    return this.takes("-inf") ? -Infinity : this.int();
  }

  int(): number {
    const at = this.skip();
    const n = Number(this.#want(INT, "an integer"));
    return Number.isSafeInteger(n) ? n + 0 : this.fail(`${n} is not a safe integer`, at);
  }

  /** A whole number that is not negative. */
  size(): number {
    const at = this.skip();
    const n = this.int();
    return n >= 0 ? n : this.fail(`${n} is no size`, at);
  }

  float(): number {
    return Number(this.#want(FLOAT, "a number"));
  }

  bool(): boolean {
    return this.word(["true", "false"]) === "true";
  }

  string(): string {
    const at = this.skip();
    const text = this.#want(STRING, "a string");
    try {
      return JSON.parse(text) as string;
    } catch {
      return this.fail(`${text} is not a JSON string`, at);
    }
  }

  word<W extends string>(words: readonly W[]): W {
    const at = this.skip();
    const have = this.name(words.join(" or "));
    return words.find((w) => w === have) ?? this.fail(`expected ${words.join(" or ")}, have "${have}"`, at);
  }

  dtype(): DType {
    const at = this.skip();
    const have = this.name("a dtype");
    return isDType(have) ? have : this.fail(`unknown dtype "${have}"`, at);
  }

  list<T>(item: () => T): T[] {
    this.take("[");
    return this.until("]", item);
  }

  type(): TensorType {
    const dtype = this.dtype();
    return tensorType(
      dtype,
      this.list(() => this.dim()),
    );
  }

  dim(): Dim {
    const start = this.skip();
    let depth = 0;
    let quoted = false;
    let end = start;
    for (; end < this.#text.length; end++) {
      const c = this.#text.charAt(end);
      if (c === "\n") break;
      if (c === "`") quoted = !quoted;
      else if (quoted) end += c === "\\" ? 1 : 0;
      else if (c === "(") depth++;
      else if (c === ")" && depth > 0) depth--;
      else if (depth === 0 && ',]})=";'.includes(c)) break;
    }
    try {
      const d = parseDim(this.#text.slice(start, end), (name) => this.symbols.get(name));
      this.at = end;
      return d;
    } catch (e) {
      if (e instanceof DimSyntaxError) this.fail(e.message.replace(/ \(at offset [0-9]+\)$/, ""), start + e.offset);
      throw e;
    }
  }

  tensor(): Tensor {
    const at = this.skip();
    const dtype = this.dtype();
    const shape = this.list(() => this.size());
    const digest = this.#match(DIGEST)?.slice("sha256:".length);
    if (digest !== undefined) {
      const found = this.#tensors.get(digest) ?? this.fail(`no tensor with digest ${digest} was given`, at);
      const same = found.dtype === dtype && found.shape.join() === shape.join();
      return same ? found : this.fail(`the tensor given is ${found.dtype}[${found.shape.join(", ")}]`, at);
    }
    const wide = dtype === "i64" || dtype === "u64";
    const values = this.list<number | bigint>(() => (wide ? BigInt(this.#want(INT, "an integer")) : this.float()));
    try {
      return tensorFrom(dtype, shape, values);
    } catch (e) {
      if (e instanceof RangeError) this.fail(e.message, at);
      throw e;
    }
  }
}
