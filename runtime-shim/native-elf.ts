// Whether bytes are a whole shared library for this machine's CPU family, looked at before the system opens them: a file
// that ends early would end the process, and one for another CPU would be told in the system's words.

import { LoadError } from "./errors.js";

/** e_machine by target. */
const MACHINES: Readonly<Record<string, number>> = { "x86-64": 62, aarch64: 183 };

const HEADER = 64;
const SEGMENT = 56;
const SHARED = 3;
const LOADED = 1;
const DYNAMIC = 2;
/** The magic number, then 64 bits, little-endian, version 1. */
const IDENTITY = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1];

function malformed(have: string, want: string): never {
  throw new LoadError("malformed_input", "library", have, want, "the bundle was not written by psionic");
}

/** Throws LoadError. */
export function checkLibrary(code: Uint8Array, target: string): void {
  if (code.length < HEADER || IDENTITY.some((byte, i) => code[i] !== byte))
    malformed(`${code.length} bytes that are no ELF file of 64 bits`, "a shared library");
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  const machine = view.getUint16(18, true);
  if (machine !== MACHINES[target]) {
    const made = Object.keys(MACHINES).find((name) => MACHINES[name] === machine) ?? `machine ${machine}`;
    throw new LoadError("unsupported_backend_capability", "library", `code for ${made}`, `code for ${target}`);
  }
  if (view.getUint16(16, true) !== SHARED) malformed("an ELF file of another kind", "a shared library");
  checkSegments(view);
}

/** Every part that is mapped lies in the file, and so does the table of sections, with which linkers end it. */
function checkSegments(view: DataView): void {
  const word = (at: number): number => Number(view.getBigUint64(at, true));
  const table = word(32);
  const count = view.getUint16(56, true);
  if (view.getUint16(54, true) !== SEGMENT || !(table + count * SEGMENT <= view.byteLength))
    malformed("segments that are not in the file", "a whole shared library");
  const kinds = new Set<number>();
  for (let at = table; at < table + count * SEGMENT; at += SEGMENT) {
    const kind = view.getUint32(at, true);
    kinds.add(kind);
    const [offset, inFile, inMemory] = [word(at + 8), word(at + 32), word(at + 40)];
    const isWhole = offset + inFile <= view.byteLength && (kind !== LOADED || inFile <= inMemory);
    if (!isWhole) malformed(`${view.byteLength} bytes, of which a segment takes ${offset + inFile}`, "all of them");
  }
  const end = word(40) + view.getUint16(58, true) * view.getUint16(60, true);
  if (!(end <= view.byteLength)) malformed(`${view.byteLength} bytes`, `a whole shared library, of ${end}`);
  if (!kinds.has(LOADED) || !kinds.has(DYNAMIC)) malformed("nothing to load or to link", "a shared library");
}
