// The header of a .npy file: a Python dictionary literal with the keys descr, fortran_order and shape
// (numpy.lib.format, versions 1.0 to 3.0). Only that literal is read: strings, True and False, integers, tuples.

export interface NpyHeader {
  /** As numpy spells it: "<f4", "|b1". */
  readonly descr: string;
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
}

/** Parses the literal. Throws a RangeError that says what was met. */
export function parseHeader(text: string): NpyHeader {
  const reader = new Literal(text);
  const found = new Map<string, string | boolean | readonly number[]>();
  reader.expect("{");
  while (!reader.take("}")) {
    const key = reader.string();
    reader.expect(":");
    if (found.has(key)) throw new RangeError(`its header names "${key}" twice`);
    if (key === "descr") found.set(key, reader.descr());
    else if (key === "fortran_order") found.set(key, reader.bool());
    else if (key === "shape") found.set(key, reader.tuple());
    else throw new RangeError(`its header has the key "${key}", which the format does not know`);
    if (!reader.take(",")) {
      reader.expect("}");
      break;
    }
  }
  reader.end();
  const descr = found.get("descr");
  const fortranOrder = found.get("fortran_order");
  const shape = found.get("shape");
  if (
    typeof descr !== "string" ||
    typeof fortranOrder !== "boolean" ||
    shape === undefined ||
    typeof shape !== "object"
  )
    throw new RangeError("its header lacks one of descr, fortran_order, shape");
  return { descr, fortranOrder, shape };
}

/** The literal as numpy writes it. */
export function formatHeader(h: NpyHeader): string {
  const shape = h.shape.length === 1 ? `(${h.shape[0]},)` : `(${h.shape.join(", ")})`;
  return `{'descr': '${h.descr}', 'fortran_order': ${h.fortranOrder ? "True" : "False"}, 'shape': ${shape}, }`;
}

class Literal {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  take(token: string): boolean {
    this.#skip();
    if (!this.#text.startsWith(token, this.#at)) return false;
    this.#at += token.length;
    return true;
  }

  expect(token: string): void {
    if (!this.take(token)) throw this.#unexpected(`"${token}"`);
  }

  string(): string {
    this.#skip();
    const quote = this.#text[this.#at];
    if (quote !== "'" && quote !== '"') throw this.#unexpected("a string");
    const end = this.#text.indexOf(quote, this.#at + 1);
    const value = this.#text.slice(this.#at + 1, end);
    if (end < 0 || value.includes("\\")) throw this.#unexpected("a plain string");
    this.#at = end + 1;
    return value;
  }

  descr(): string {
    this.#skip();
    if (this.#text[this.#at] === "[") throw new RangeError("it holds records (a structured dtype); save one field");
    return this.string();
  }

  bool(): boolean {
    if (this.take("True")) return true;
    if (this.take("False")) return false;
    throw this.#unexpected("True or False");
  }

  tuple(): number[] {
    const items: number[] = [];
    this.expect("(");
    while (!this.take(")")) {
      items.push(this.#int());
      if (this.take(",")) continue;
      this.expect(")");
      break;
    }
    return items;
  }

  end(): void {
    this.#skip();
    if (this.#at !== this.#text.length) throw this.#unexpected("the end");
  }

  #int(): number {
    this.#skip();
    const digits = /^\d+/.exec(this.#text.slice(this.#at, this.#at + 20))?.[0];
    const value = Number(digits);
    if (digits === undefined || !Number.isSafeInteger(value)) throw this.#unexpected("a size");
    this.#at += digits.length;
    // Python 2 wrote long integers as 3L.
    if (this.#text[this.#at] === "L") this.#at++;
    return value;
  }

  #skip(): void {
    while (/\s/.test(this.#text[this.#at] ?? "")) this.#at++;
  }

  #unexpected(want: string): RangeError {
    const have = this.#text.slice(this.#at, this.#at + 12).trim();
    return new RangeError(
      `its header has ${have === "" ? "nothing" : `"${have}"`} at character ${this.#at}, want ${want}`,
    );
  }
}
