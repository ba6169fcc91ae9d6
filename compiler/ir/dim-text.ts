/**
 * The text form of a Dim, lossless: parseDim(formatDim(d), scope) === d where scope gives back d's symbols by name.
 *
 *   2*h*w + 3      floordiv(h + 1, 2)      mod(x, 4)      min(a, b)      `batch size`*4 - 1
 *
 * A name that is not [A-Za-z_][A-Za-z0-9_.$]* is in backquotes, with \` and \\ as escapes. The parser also takes
 * parentheses, ceildiv, and min and max of more than two.
 */
import { type Atom, add, ceildiv, type Dim, floordiv, max, min, mod, mul, neg, sub } from "./dim.js";
import { termsOf } from "./dim-poly.js";

const PLAIN_NAME = /^[A-Za-z_][A-Za-z0-9_.$]*$/;

export class DimSyntaxError extends Error {
  override readonly name = "DimSyntaxError";
  /** index into the text, in UTF-16 units */
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(`${message} (at offset ${offset})`);
    this.offset = offset;
  }
}

export function formatDim(d: Dim): string {
  if (typeof d === "number") return String(d);
  let text = "";
  for (const { coeff, factors } of termsOf(d)) {
    const size = Math.abs(coeff);
    const parts = factors.map(formatAtom);
    if (size !== 1 || parts.length === 0) parts.unshift(String(size));
    const sign = text === "" ? (coeff < 0 ? "-" : "") : coeff < 0 ? " - " : " + ";
    text += sign + parts.join("*");
  }
  return text;
}

function formatAtom(atom: Atom): string {
  if (atom.kind !== "sym") return `${atom.kind}(${formatDim(atom.a)}, ${formatDim(atom.b)})`;
  return PLAIN_NAME.test(atom.name) ? atom.name : `\`${atom.name.replace(/[\\`]/g, "\\$&")}\``;
}

interface Fn {
  readonly most: number;
  readonly apply: (a: Dim, b: Dim) => Dim;
}

// thunks: this file and dim.ts import each other, and the operations may not be there yet
const FUNCTIONS: ReadonlyMap<string, Fn> = new Map([
  ["floordiv", { most: 2, apply: (a, b) => floordiv(a, b) }],
  ["ceildiv", { most: 2, apply: (a, b) => ceildiv(a, b) }],
  ["mod", { most: 2, apply: (a, b) => mod(a, b) }],
  ["min", { most: Infinity, apply: (a, b) => min(a, b) }],
  ["max", { most: Infinity, apply: (a, b) => max(a, b) }],
] satisfies [string, Fn][]);

interface Token {
  readonly kind: "number" | "name" | "quoted" | "mark" | "end";
  readonly text: string;
  readonly offset: number;
}

const TOKEN = /\s*(?:([0-9]+)|([A-Za-z_][A-Za-z0-9_.$]*)|`((?:[^`\\]|\\[`\\])*)`|([-+*(),]))/y;
const TOKEN_KINDS = ["number", "name", "quoted", "mark"] as const;

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  const end = text.trimEnd().length;
  let at = 0;
  while (at < end) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    if (match === null) {
      const offset = at + text.slice(at).search(/\S/);
      throw new DimSyntaxError(`unexpected ${JSON.stringify(text.charAt(offset))}`, offset);
    }
    const offset = at + match[0].search(/\S/);
    for (const [i, kind] of TOKEN_KINDS.entries()) {
      const piece = match[i + 1];
      if (piece !== undefined)
        tokens.push({ kind, text: kind === "quoted" ? piece.replace(/\\(.)/g, "$1") : piece, offset });
    }
    at = TOKEN.lastIndex;
  }
  tokens.push({ kind: "end", text: "the end", offset: end });
  return tokens;
}

const MOST_NESTED = 500;

/** The Dim that text says, simplified. Throws DimSyntaxError where it is malformed or scope does not know a name. */
export function parseDim(text: string, scope: (name: string) => Dim | undefined): Dim {
  const tokens = tokenize(text);
  let at = 0;
  const peek = (ahead = 0): Token => tokens[at + ahead] ?? { kind: "end", text: "the end", offset: text.length };
  const next = (): Token => {
    const token = peek();
    at++;
    return token;
  };
  const isMark = (mark: string, ahead = 0): boolean => peek(ahead).kind === "mark" && peek(ahead).text === mark;
  const unexpected = (want: string): DimSyntaxError =>
    new DimSyntaxError(
      `expected ${want}, have ${peek().kind === "end" ? "the end" : JSON.stringify(peek().text)}`,
      peek().offset,
    );
  const take = (mark: string): void => {
    if (!isMark(mark)) throw unexpected(`"${mark}"`);
    at++;
  };
  const located = (offset: number, f: () => Dim): Dim => {
    try {
      return f();
    } catch (e) {
      if (e instanceof RangeError) throw new DimSyntaxError(e.message, offset);
      throw e;
    }
  };

  const sum = (): Dim => {
    const { offset } = peek();
    const parts: Dim[] = [];
    let sign = 1;
    do {
      if (parts.length > 0) sign = next().text === "-" ? -1 : 1;
      const part = product();
      parts.push(sign < 0 ? neg(part) : part);
    } while (isMark("+") || isMark("-"));
    return located(offset, () => add(...parts));
  };
  const product = (): Dim => {
    const { offset } = peek();
    const factors = [unary()];
    while (isMark("*")) {
      at++;
      factors.push(unary());
    }
    return located(offset, () => mul(...factors));
  };
  let depth = 0;
  const unary = (): Dim => {
    if (++depth > MOST_NESTED) throw new DimSyntaxError(`nested more than ${MOST_NESTED} deep`, peek().offset);
    const { offset } = peek();
    let d: Dim;
    if (isMark("-")) {
      at++;
      const inner = unary();
      d = located(offset, () => sub(0, inner));
    } else d = primary();
    depth--;
    return d;
  };
  const primary = (): Dim => {
    if (isMark("(")) {
      at++;
      const d = sum();
      take(")");
      return d;
    }
    const { kind, text: word, offset } = peek();
    if (kind === "number") {
      at++;
      if (!Number.isSafeInteger(Number(word))) throw new DimSyntaxError(`${word} is not a safe integer`, offset);
      return Number(word);
    }
    if (kind === "name" && isMark("(", 1)) return call();
    if (kind !== "name" && kind !== "quoted") throw unexpected("a number, a name or (");
    at++;
    const d = scope(word);
    if (d === undefined) throw new DimSyntaxError(`unknown name ${JSON.stringify(word)}`, offset);
    return d;
  };
  const call = (): Dim => {
    const { text: word, offset } = next();
    const fn = FUNCTIONS.get(word);
    if (fn === undefined) {
      throw new DimSyntaxError(`unknown function "${word}", have ${[...FUNCTIONS.keys()].join(", ")}`, offset);
    }
    take("(");
    const args = [sum()];
    while (isMark(",")) {
      at++;
      args.push(sum());
    }
    take(")");
    if (args.length < 2 || args.length > fn.most) {
      const want = fn.most === 2 ? "2" : "at least 2";
      throw new DimSyntaxError(`${word} takes ${want} arguments, have ${args.length}`, offset);
    }
    return located(offset, () => args.reduce((a, b) => fn.apply(a, b)));
  };

  const d = sum();
  if (peek().kind !== "end") throw unexpected("an operator or the end");
  return d;
}
