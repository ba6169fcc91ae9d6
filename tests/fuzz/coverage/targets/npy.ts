// .npy and .npz files: readNpy and readNpz give a tensor or a RangeError, and what they read they write and read again
// to the same tensor. Besides changes of bytes: the header's text with its length made right, and archives zipped again
// with right checksums.

import { unzipSync, zipSync } from "fflate";
import { readNpy, writeNpy } from "../../../../compiler/cli/io/npy.js";
import { isZip, readNpz, writeNpz } from "../../../../compiler/cli/io/npz.js";
import type { DType } from "../../../../compiler/ir/dtype.js";
import { type Tensor, tensorFrom } from "../../../../compiler/ir/tensor.js";
import { mutateBytes, mutateText, splice } from "../mutate-bytes.js";
import type { Random } from "../random.js";
import { Broken, type Target } from "../target.js";

const DTYPES: readonly DType[] = ["bool", "i8", "u8", "i16", "i64", "u32", "f16", "f32", "f64", "bf16", "f8e4m3fn"];

const tensors = DTYPES.map((dtype, i) =>
  tensorFrom(dtype, i % 3 === 0 ? [] : i % 3 === 1 ? [2] : [1, 2], i % 3 === 0 ? [1] : [0, 1]),
);

const WORDS = ["{", "}", "(", ")", ",", "'descr'", "'fortran_order'", "'shape'", "True", "False", ":", "L", "()"];
const DESCRS = [
  "'<f4'",
  "'>f8'",
  "'|b1'",
  "'=i2'",
  "'<c16'",
  "'>c8'",
  "'|V2'",
  "'<V1'",
  "'O'",
  "'<U4'",
  "[('a','f4')]",
];
const words = [...WORDS, ...DESCRS, "(0,)", "(2, 3)", "(4294967296, 4294967296)", "'__proto__'", "'constructor'"];
const byteWords = [...words.map((w) => new TextEncoder().encode(w)), Uint8Array.of(0x50, 0x4b, 1, 2)];

const fortran = (): Uint8Array => {
  const bytes = writeNpy(tensorFrom("f32", [2, 3], [1, 2, 3, 4, 5, 6]));
  return withHeader(bytes, (text) => text.replace("False", "True "));
};

/** The .npy file with another header text, and its length made right. */
function withHeader(bytes: Uint8Array, change: (text: string) => string): Uint8Array<ArrayBuffer> {
  const isWide = (bytes[6] ?? 1) > 1;
  const fixed = isWide ? 12 : 10;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < fixed) return new Uint8Array(bytes);
  const length = isWide ? view.getUint32(8, true) : view.getUint16(8, true);
  if (fixed + length > bytes.length) return new Uint8Array(bytes);
  const text = Buffer.from(change(Buffer.from(bytes.subarray(fixed, fixed + length)).toString("latin1")), "latin1");
  const out = splice(bytes, fixed, length, text);
  const outView = new DataView(out.buffer);
  if (isWide) outView.setUint32(8, text.length, true);
  else outView.setUint16(8, text.length, true);
  return out;
}

function mutateNpy(input: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  if (random.once(3)) return mutateBytes(input, other, random, byteWords);
  const otherText = Buffer.from(other.subarray(0, 128)).toString("latin1");
  return withHeader(input, (text) => mutateText(text, otherText, random, words));
}

function mutateZip(input: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  if (random.once(2)) return mutateBytes(input, other, random, byteWords);
  let entries: [string, Uint8Array][];
  try {
    entries = Object.entries(unzipSync(input, { filter: (f) => f.originalSize < 1 << 20 }));
  } catch {
    return mutateBytes(input, other, random, byteWords);
  }
  const at = random.below(entries.length);
  const [name, data] = entries[at] ?? ["x.npy", writeNpy(tensorFrom("f32", [1], [1]))];
  const names = ["a.npy", "a", "", "__proto__.npy", "../x.npy", "é.npy", ".npy", "constructor.npy"];
  if (random.once(4)) entries.push([random.pick(names) ?? "", data]);
  else if (random.once(6)) entries.splice(at, 1);
  else entries[at] = [random.once(5) ? (random.pick(names) ?? "") : name, mutateNpy(data, other, random)];
  const level = random.once(2) ? 0 : 6;
  return zipSync(Object.fromEntries(entries), { level, mtime: new Date(1980, 0, 1) });
}

function same(a: Tensor, b: Tensor): boolean {
  return a.dtype === b.dtype && a.shape.join() === b.shape.join() && Buffer.compare(a.bytes, b.bytes) === 0;
}

function check(t: Tensor): void {
  const elems = t.shape.reduce((a, d) => a * d, 1);
  if (!Number.isSafeInteger(elems) || t.size !== elems) throw new Broken(`a tensor of shape [${t.shape.join()}]`);
  const again = readNpy(writeNpy(t), t.dtype);
  if (!same(again, t)) throw new Broken(`${t.dtype}[${t.shape.join()}] is another after writing and reading`);
}

function read(input: Uint8Array): string {
  if (isZip(input)) {
    const arrays = readNpz(input, () => "bf16");
    for (const t of arrays.values()) check(t);
    const again = readNpz(writeNpz(arrays), (name) => arrays.get(name)?.dtype);
    if (again.size !== arrays.size) throw new Broken(`${arrays.size} arrays, ${again.size} after writing and reading`);
    for (const [name, t] of arrays) {
      const other = again.get(name);
      if (other === undefined || !same(t, other)) throw new Broken(`array "${name}" is another after writing`);
    }
    return "npz";
  }
  check(readNpy(input, "f8e4m3fn"));
  return "npy";
}

export const target: Target = {
  name: "npy",
  maxBytes: 4096,
  seeds: [
    ...tensors.map(writeNpy),
    fortran(),
    writeNpz([]),
    writeNpz(tensors.slice(0, 2).map((t, i) => [`a${i}`, t] as const)),
    zipSync({ "x.npy": writeNpy(tensorFrom("f32", [64], Array<number>(64).fill(2))) }, { level: 9 }),
  ],
  mutate: (input, other, random) =>
    isZip(input) && !random.once(20) ? mutateZip(input, other, random) : mutateNpy(input, other, random),
  async run(input) {
    try {
      return read(input);
    } catch (e) {
      if (e instanceof RangeError && !/call stack|Array buffer|Invalid typed array length|offset/i.test(e.message))
        return "refused";
      throw e;
    }
  },
};
