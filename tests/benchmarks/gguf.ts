// GGUF files, version 3, as llama.cpp reads them: metadata, tensors with their places, and the tensors' bytes. From the
// format's specification (ggml, docs/gguf.md); little-endian throughout.

/** A value of the metadata: u32 and f32 are told apart by name, since JavaScript does not. */
export type GgufValue =
  | { readonly u32: number }
  | { readonly f32: number }
  | { readonly i32s: Int32Array }
  | { readonly f32s: Float32Array }
  | string
  | readonly string[];

/** Types of tensors, by ggml's numbers. */
export const GGML_TYPE = { f32: 0, q4_0: 2 } as const;

export interface GgufTensor {
  readonly name: string;
  readonly type: keyof typeof GGML_TYPE;
  /** The innermost axis first. */
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** Types of metadata, by the specification's numbers. */
const TYPE = { u32: 4, i32: 5, f32: 6, string: 8, array: 9 } as const;
const VERSION = 3;
const ALIGNMENT = 32;

export function writeGguf(metadata: Readonly<Record<string, GgufValue>>, tensors: readonly GgufTensor[]): Uint8Array {
  const out = new Bytes();
  out.put(new TextEncoder().encode("GGUF"));
  out.u32(VERSION);
  out.u64(tensors.length);
  out.u64(Object.keys(metadata).length);
  for (const [key, value] of Object.entries(metadata)) {
    out.text(key);
    putValue(out, value);
  }
  let offset = 0;
  for (const { name, type, shape, bytes } of tensors) {
    out.text(name);
    out.u32(shape.length);
    for (const size of shape) out.u64(size);
    out.u32(GGML_TYPE[type]);
    out.u64(offset);
    offset = aligned(offset + bytes.length);
  }
  for (const { bytes } of tensors) {
    out.pad();
    out.put(bytes);
  }
  return out.whole();
}

function putValue(out: Bytes, value: GgufValue): void {
  if (typeof value === "string") {
    out.u32(TYPE.string);
    out.text(value);
  } else if ("u32" in value) {
    out.u32(TYPE.u32);
    out.u32(value.u32);
  } else if ("f32" in value) {
    out.u32(TYPE.f32);
    out.put(bytesOf(Float32Array.of(value.f32)));
  } else if ("i32s" in value) putArray(out, TYPE.i32, value.i32s.length, () => out.put(bytesOf(value.i32s)));
  else if ("f32s" in value) putArray(out, TYPE.f32, value.f32s.length, () => out.put(bytesOf(value.f32s)));
  else
    putArray(out, TYPE.string, value.length, () => {
      for (const text of value) out.text(text);
    });
}

function putArray(out: Bytes, type: number, count: number, putElements: () => void): void {
  out.u32(TYPE.array);
  out.u32(type);
  out.u64(count);
  putElements();
}

function bytesOf({ buffer, byteOffset, byteLength }: Int32Array | Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function aligned(offset: number): number {
  return Math.ceil(offset / ALIGNMENT) * ALIGNMENT;
}

class Bytes {
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  put(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#length += bytes.length;
  }

  u32(value: number): void {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value, true);
    this.put(bytes);
  }

  u64(value: number): void {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
    this.put(bytes);
  }

  text(value: string): void {
    const bytes = new TextEncoder().encode(value);
    this.u64(bytes.length);
    this.put(bytes);
  }

  pad(): void {
    this.put(new Uint8Array(aligned(this.#length) - this.#length));
  }

  whole(): Uint8Array {
    const all = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }
}
