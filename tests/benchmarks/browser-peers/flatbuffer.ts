// Writes FlatBuffers (https://flatbuffers.dev/internals/): tables of fields by number. A table comes before what it refers to, so
// every offset points forward, as the format wants.

/** One field's value; a field that is left out has its schema's default. */
export type Field =
  | { readonly kind: "byte" | "int" | "float"; readonly value: number }
  | { readonly kind: "text"; readonly value: string }
  | { readonly kind: "ints"; readonly value: readonly number[] }
  | { readonly kind: "bytes"; readonly value: Uint8Array }
  | { readonly kind: "table"; readonly value: Table }
  | { readonly kind: "tables"; readonly value: readonly Table[] };

/** Fields by their numbers in the schema. */
export type Table = Readonly<Record<number, Field>>;

export const byte = (value: number): Field => ({ kind: "byte", value });
export const int = (value: number): Field => ({ kind: "int", value });
export const float = (value: number): Field => ({ kind: "float", value });
export const text = (value: string): Field => ({ kind: "text", value });
export const ints = (value: readonly number[]): Field => ({ kind: "ints", value });
export const bytes = (value: Uint8Array): Field => ({ kind: "bytes", value });
export const table = (value: Table): Field => ({ kind: "table", value });
export const tables = (value: readonly Table[]): Field => ({ kind: "tables", value });

/** Vectors of bytes start at a multiple of this, for readers that map them. */
const BYTES_ALIGN = 16;

class Writer {
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #end = 0;

  /** The next position at which `position + ahead` is a multiple of `align`. */
  #reserve(count: number, align: number, ahead = 0): number {
    const at = Math.ceil((this.#end + ahead) / align) * align - ahead;
    this.#end = at + count;
    if (this.#end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#end, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }

  root(t: Table, identifier: string): Uint8Array {
    const at = this.#reserve(8, 4);
    this.#bytes.set(new TextEncoder().encode(identifier), at + 4);
    this.#refer(at, this.#table(t));
    return this.#bytes.slice(0, this.#end);
  }

  #refer(from: number, to: number): void {
    this.#view.setUint32(from, to - from, true);
  }

  #table(t: Table): number {
    const fields = Object.entries(t).map(([number, field]): readonly [number, Field] => [Number(number), field]);
    const slots = 1 + Math.max(-1, ...fields.map(([number]) => number));
    const vtable = this.#reserve(4 + 2 * slots, 2);
    // Every field takes four bytes, after the table's own offset to its vtable.
    const size = 4 + 4 * fields.length;
    const start = this.#reserve(size, 4);
    this.#view.setUint16(vtable, 4 + 2 * slots, true);
    this.#view.setUint16(vtable + 2, size, true);
    this.#view.setInt32(start, start - vtable, true);
    for (const [i, [number, field]] of fields.entries()) {
      const offset = 4 + 4 * i;
      this.#view.setUint16(vtable + 4 + 2 * number, offset, true);
      this.#field(start + offset, field);
    }
    return start;
  }

  #field(at: number, f: Field): void {
    switch (f.kind) {
      case "byte":
        this.#view.setInt8(at, f.value);
        return;
      case "int":
        this.#view.setInt32(at, f.value, true);
        return;
      case "float":
        this.#view.setFloat32(at, f.value, true);
        return;
      case "table":
        this.#refer(at, this.#table(f.value));
        return;
      case "text": {
        const encoded = new TextEncoder().encode(f.value);
        this.#refer(at, this.#vector(encoded, encoded.length, 1, 4));
        return;
      }
      case "bytes":
        this.#refer(at, this.#vector(f.value, f.value.length, 0, BYTES_ALIGN));
        return;
      case "ints": {
        const data = new Uint8Array(Int32Array.from(f.value).buffer);
        this.#refer(at, this.#vector(data, f.value.length, 0, 4));
        return;
      }
      case "tables": {
        const start = this.#vector(new Uint8Array(4 * f.value.length), f.value.length, 0, 4);
        this.#refer(at, start);
        for (const [i, t] of f.value.entries()) this.#refer(start + 4 + 4 * i, this.#table(t));
        return;
      }
    }
  }

  /** A count, then data; text ends with a zero byte that does not count. */
  #vector(data: Uint8Array, count: number, zeros: number, align: number): number {
    const at = this.#reserve(4 + data.length + zeros, align, 4);
    this.#view.setUint32(at, count, true);
    this.#bytes.set(data, at + 4);
    return at;
  }
}

export function flatbuffer(root: Table, identifier: string): Uint8Array {
  return new Writer().root(root, identifier);
}
