// Changes of bytes that know nothing of their meaning, but for a dictionary of words that the format has.

import type { Random } from "./random.js";

const EDGES: readonly number[] = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

export function splice(
  bytes: Uint8Array,
  at: number,
  remove: number,
  insert: Uint8Array = new Uint8Array(0),
): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(bytes.length - remove + insert.length);
  out.set(bytes.subarray(0, at));
  out.set(insert, at);
  out.set(bytes.subarray(at + remove), at + insert.length);
  return out;
}

/** One to eight small changes: bits, bytes, integers, runs, words, and parts of `other`. */
export function mutateBytes(
  input: Uint8Array,
  other: Uint8Array,
  random: Random,
  words: readonly Uint8Array[] = [],
): Uint8Array<ArrayBuffer> {
  let bytes = new Uint8Array(input);
  const count = random.once(4) ? 1 + random.below(8) : 1;
  for (let i = 0; i < count; i++) bytes = change(bytes, other, random, words);
  return bytes;
}

function change(
  bytes: Uint8Array<ArrayBuffer>,
  other: Uint8Array,
  random: Random,
  words: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const at = random.below(bytes.length);
  const length = Math.min(1 + random.below(random.once(3) ? 64 : 6), bytes.length - at);
  const word = random.pick(words);
  switch (random.below(11)) {
    case 0:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
      return bytes;
    case 1:
      bytes[at] = random.below(256);
      return bytes;
    case 2:
      bytes[at] = (bytes[at] ?? 0) + (random.once(2) ? 1 : -1) * (1 + random.below(16));
      return bytes;
    case 3:
      return splice(bytes, at, length);
    case 4:
      return splice(
        bytes,
        at,
        0,
        Uint8Array.from({ length }, () => random.below(256)),
      );
    case 5:
      return splice(bytes, random.below(bytes.length + 1), 0, bytes.slice(at, at + length));
    case 6: {
      const from = random.below(other.length);
      const part = other.subarray(from, from + 1 + random.below(100));
      return splice(bytes, at, random.once(2) ? length : 0, part);
    }
    case 7:
      return bytes.slice(0, at);
    case 8:
      return writeInteger(bytes, at, random);
    default:
      if (word === undefined) return bytes;
      return splice(bytes, at, random.once(2) ? Math.min(word.length, bytes.length - at) : 0, word);
  }
}

function writeInteger(bytes: Uint8Array<ArrayBuffer>, at: number, random: Random): Uint8Array<ArrayBuffer> {
  const width = random.pick([1, 2, 4, 8] as const);
  if (at + width > bytes.length) return bytes;
  const value = (random.pick(EDGES) ?? 0) + random.below(3) - 1;
  const view = new DataView(bytes.buffer, at, width);
  const isLittle = !random.once(4);
  if (width === 1) view.setUint8(0, value);
  else if (width === 2) view.setUint16(0, value, isLittle);
  else if (width === 4) view.setUint32(0, value, isLittle);
  else view.setBigInt64(0, BigInt(value) << BigInt(random.below(33)), isLittle);
  return bytes;
}

const DIGITS = /\d+/g;
const NUMBERS = ["0", "1", "2", "-1", "-0", "255", "256", "65536", "2147483647", "2147483648", "4294967296", "1e400"];
const BIG = ["9007199254740991", "9007199254740992", "18446744073709551616", "-9223372036854775808", "0.5", "1e-7"];

/** As mutateBytes, for text: often a number becomes another, or a word or a bracketed part is copied or removed. */
export function mutateText(input: string, other: string, random: Random, words: readonly string[]): string {
  const count = random.once(4) ? 1 + random.below(5) : 1;
  let text = input;
  for (let i = 0; i < count; i++) text = changeText(text, other, random, words);
  return text;
}

function changeText(text: string, other: string, random: Random, words: readonly string[]): string {
  const at = random.below(text.length + 1);
  const put = (from: number, to: number, by: string): string => text.slice(0, from) + by + text.slice(to);
  switch (random.below(8)) {
    case 0:
    case 1: {
      const found = random.pick([...text.matchAll(DIGITS)]);
      if (found === undefined) return put(at, at, random.pick(NUMBERS) ?? "");
      const by = random.once(3) ? String(Number(found[0]) + random.below(5) - 2) : random.pick([...NUMBERS, ...BIG]);
      return put(found.index, found.index + found[0].length, by ?? "");
    }
    case 2:
      return put(at, at + (random.once(2) ? 0 : 1 + random.below(4)), random.pick(words) ?? "");
    case 3: {
      const token = random.pick([...text.matchAll(/\w+|[^\w\s]/g)]);
      if (token === undefined) return text;
      const by = random.once(2) ? (random.pick(words) ?? "") : (random.pick(other.match(/\w+|[^\w\s]/g) ?? []) ?? "");
      return put(token.index, token.index + token[0].length, random.once(4) ? "" : by);
    }
    case 4: {
      const lines = text.split("\n");
      const line = random.pick(random.once(2) ? lines : other.split("\n")) ?? "";
      lines.splice(random.below(lines.length + 1), random.below(2), ...(random.once(3) ? [] : [line]));
      return lines.join("\n");
    }
    case 5: {
      const from = random.below(other.length);
      return put(at, at, other.slice(from, from + 1 + random.below(60)));
    }
    case 6: {
      // The same again and again: depth and length.
      const piece = text.slice(at, at + 1 + random.below(12));
      return put(at, at, piece.repeat(random.once(20) ? 2000 : 1 + random.below(40)));
    }
    default: {
      const code = random.once(4) ? random.below(0x10000) : 32 + random.below(95);
      return put(at, at + random.below(3), String.fromCharCode(code));
    }
  }
}
