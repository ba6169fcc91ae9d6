// What a shared library for Linux says of itself: its machine, and the functions that it gives and wants. From the ELF-64
// specification ("ELF-64 Object File Format", version 1.5; System V ABI, chapters 4 and 5); little-endian only.

import { badInput } from "../failures.js";

export interface SharedLibrary {
  /** e_machine. */
  readonly machine: number;
  /** Names of dynamic symbols that are defined in it, and of those that it expects of others. */
  readonly exports: readonly string[];
  readonly imports: readonly string[];
}

const MAGIC = [0x7f, 0x45, 0x4c, 0x46];
const CLASS_64 = 2;
const LITTLE_ENDIAN = 1;
const SHARED = 3;
const SECTION_BYTES = 64;
const DYNAMIC_SYMBOLS = 11;
const SYMBOL_BYTES = 24;

/** Throws a CliError where the bytes are no such library, or end before what they name. */
export function readSharedLibrary(bytes: Uint8Array): SharedLibrary {
  try {
    return read(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  } catch (e) {
    // A place outside the bytes.
    if (e instanceof RangeError) throw badInput("it names places outside its own bytes");
    throw e;
  }
}

function read(bytes: Uint8Array, view: DataView): SharedLibrary {
  const isElf = MAGIC.every((b, i) => bytes[i] === b) && bytes[4] === CLASS_64 && bytes[5] === LITTLE_ENDIAN;
  if (!isElf || u16(view, 16) !== SHARED) throw badInput("it is no 64-bit, little-endian shared library in ELF");
  const [sections, count] = [offsetAt(view, 40), u16(view, 60)];
  const symbols = Array.from({ length: count }, (_, i) => sections + i * SECTION_BYTES).filter(
    (at) => u32(view, at + 4) === DYNAMIC_SYMBOLS,
  );
  const exports: string[] = [];
  const imports: string[] = [];
  for (const at of symbols) {
    const [from, size] = [offsetAt(view, at + 24), offsetAt(view, at + 32)];
    const names = offsetAt(view, sections + u32(view, at + 40) * SECTION_BYTES + 24);
    // The first symbol stands for none.
    for (let symbol = from + SYMBOL_BYTES; symbol < from + size; symbol += SYMBOL_BYTES)
      (u16(view, symbol + 6) === 0 ? imports : exports).push(textAt(bytes, names + u32(view, symbol)));
  }
  return { machine: u16(view, 18), exports: exports.sort(), imports: imports.sort() };
}

function u16(view: DataView, at: number): number {
  return view.getUint16(at, true);
}

function u32(view: DataView, at: number): number {
  return view.getUint32(at, true);
}

/** A place or a size: RangeError where it is beyond the file. */
function offsetAt(view: DataView, at: number): number {
  const value = view.getBigUint64(at, true);
  if (value > view.byteLength) throw new RangeError("outside the file");
  return Number(value);
}

function textAt(bytes: Uint8Array, from: number): string {
  const end = bytes.indexOf(0, from);
  if (end < 0) throw new RangeError("a name without an end");
  return new TextDecoder().decode(bytes.subarray(from, end));
}
