// Structs as C lays them out on a machine of 64 bits: the ABI's, and rows of constant tables.

export type Scalar = "i1" | "i8" | "i32" | "i64" | "ptr";

/** One value, or so many of a type. */
export type Field = Scalar | readonly [Scalar, number];

export const BYTES: Readonly<Record<Scalar, number>> = { i1: 1, i8: 1, i32: 4, i64: 8, ptr: 8 };

export class Struct<F extends Readonly<Record<string, Field>>> {
  readonly fields: F;
  readonly bytes: number;
  /** LLVM's type of it. */
  readonly text: string;
  readonly #offsets: Readonly<Record<string, number>>;

  constructor(fields: F) {
    this.fields = fields;
    let at = 0;
    let widest = 1;
    const offsets: Record<string, number> = {};
    for (const [name, field] of Object.entries(fields)) {
      const [type, count] = typeof field === "string" ? [field, 1] : field;
      at = Math.ceil(at / BYTES[type]) * BYTES[type];
      offsets[name] = at;
      at += BYTES[type] * count;
      widest = Math.max(widest, BYTES[type]);
    }
    this.#offsets = offsets;
    this.bytes = Math.ceil(at / widest) * widest;
    const types = Object.values(fields).map((f) => (typeof f === "string" ? f : `[${f[1]} x ${f[0]}]`));
    this.text = `{ ${types.join(", ")} }`;
  }

  offset(name: keyof F & string): number {
    return this.#offsets[name] ?? 0;
  }
}

/** The fields that hold one value. */
export type Single<F> = { [K in keyof F]: F[K] extends Scalar ? K : never }[keyof F] & string;
export type TypeOf<F, K extends keyof F> = F[K] extends Scalar ? F[K] : never;
