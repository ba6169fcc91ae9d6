// Constant data of a library: texts with their zero, tables of structs, arrays. Equal texts are one.

import { global, type Ptr } from "./code.js";
import type { Field, Scalar, Struct } from "./struct.js";

/** A field of a constant: a number, several, or what a pointer points at. */
export type Item = number | bigint | Ptr | readonly (number | bigint)[];

export class Data {
  readonly #lines: string[] = [];
  readonly #texts = new Map<string, Ptr>();

  /** The definitions. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  text(text: string): Ptr {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    const made = this.bytes(`text${this.#texts.size}`, new TextEncoder().encode(`${text}\0`), 1);
    this.#texts.set(text, made);
    return made;
  }

  bytes(name: string, bytes: Uint8Array, align: number): Ptr {
    const text = `c"${Array.from(bytes, byteText).join("")}"`;
    return this.#define(name, `[${bytes.length} x i8]`, text, align);
  }

  words(name: string, type: "i32" | "i64", values: readonly (number | bigint)[]): Ptr {
    return this.#define(name, `[${values.length} x ${type}]`, listOf(type, values), type === "i32" ? 4 : 8);
  }

  pointers(name: string, values: readonly Ptr[]): Ptr {
    const items = values.map((v) => `ptr ${v.text}`);
    return this.#define(
      name,
      `[${values.length} x ptr]`,
      items.length === 0 ? "zeroinitializer" : `[${items.join(", ")}]`,
      8,
    );
  }

  table<F extends Readonly<Record<string, Field>>>(
    name: string,
    struct: Struct<F>,
    rows: readonly { readonly [K in keyof F]: Item }[],
  ): Ptr {
    const row = (values: { readonly [K in keyof F]: Item }): string => {
      const fields = Object.entries(struct.fields).map(([key, field]) => fieldText(field, values[key] ?? 0));
      return `${struct.text} { ${fields.join(", ")} }`;
    };
    const text = rows.length === 0 ? "zeroinitializer" : `[${rows.map(row).join(", ")}]`;
    return this.#define(name, `[${rows.length} x ${struct.text}]`, text, 8);
  }

  #define(name: string, type: string, value: string, align: number): Ptr {
    this.#lines.push(`@face.${name} = internal constant ${type} ${value}, align ${align}`);
    return global(`face.${name}`);
  }
}

function fieldText(field: Field, value: Item): string {
  if (typeof field !== "string") return `[${field[1]} x ${field[0]}] ${listOf(field[0], value as readonly number[])}`;
  const text = typeof value === "object" && "text" in value ? value.text : String(value);
  return `${field} ${text}`;
}

function listOf(type: Scalar, values: readonly (number | bigint)[]): string {
  return values.length === 0 ? "zeroinitializer" : `[${values.map((v) => `${type} ${v}`).join(", ")}]`;
}

const HEX = Array.from({ length: 256 }, (_, byte) => `\\${byte.toString(16).padStart(2, "0")}`);

function byteText(byte: number): string {
  const isPlain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c;
  return isPlain ? String.fromCharCode(byte) : (HEX[byte] ?? "");
}
