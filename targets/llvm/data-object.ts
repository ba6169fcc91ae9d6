// An object file (ELF, 64 bits, little-endian) that holds bytes under one name, for the linker: read-only data, as large as
// it may be, without going through a compiler.

/** ELF's numbers of CPU families. */
export type ElfMachine = 62 | 183;

const HEADER = 64;
const SECTION = 64;
const SYMBOL = 24;

const RELOCATABLE = 1;
const PROGBITS = 1;
const SYMTAB = 2;
const STRTAB = 3;
const ALLOC = 2;
const GLOBAL_OBJECT = 0x11;
const HIDDEN = 2;

/** `name` is seen within the library only. The bytes begin at a multiple of 64. */
export function dataObject(machine: ElfMachine, name: string, bytes: Uint8Array): Uint8Array {
  const sectionNames = "\0.rodata\0.symtab\0.strtab\0.shstrtab\0.note.GNU-stack\0";
  const nameAt = (section: string): number => sectionNames.indexOf(`${section}\0`);
  const encoder = new TextEncoder();
  const [strings, sections] = [encoder.encode(`\0${name}\0`), encoder.encode(sectionNames)];
  const symbolsAt = align(HEADER + bytes.length);
  const stringsAt = symbolsAt + 2 * SYMBOL;
  const sectionsAt = stringsAt + strings.length;
  const tableAt = align(sectionsAt + sections.length);
  const rows: readonly Section[] = [
    { name: 0, type: 0, flags: 0, offset: 0, size: 0, link: 0, info: 0, align: 0, entry: 0 },
    { ...PLAIN, name: nameAt(".rodata"), type: PROGBITS, flags: ALLOC, offset: HEADER, size: bytes.length, align: 64 },
    // The strings are section 3; the first global symbol is 1.
    {
      ...PLAIN,
      name: nameAt(".symtab"),
      type: SYMTAB,
      offset: symbolsAt,
      size: 2 * SYMBOL,
      link: 3,
      info: 1,
      align: 8,
      entry: SYMBOL,
    },
    { ...PLAIN, name: nameAt(".strtab"), type: STRTAB, offset: stringsAt, size: strings.length },
    { ...PLAIN, name: nameAt(".shstrtab"), type: STRTAB, offset: sectionsAt, size: sections.length },
    // Says that no stack needs to be executable.
    { ...PLAIN, name: nameAt(".note.GNU-stack"), type: PROGBITS, offset: tableAt, size: 0 },
  ];
  const out = new Uint8Array(tableAt + rows.length * SECTION);
  const view = new DataView(out.buffer);
  out.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, RELOCATABLE, true);
  view.setUint16(18, machine, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(40, BigInt(tableAt), true);
  view.setUint16(52, HEADER, true);
  view.setUint16(58, SECTION, true);
  view.setUint16(60, rows.length, true);
  view.setUint16(62, 4, true);
  out.set(bytes, HEADER);
  const symbol = symbolsAt + SYMBOL;
  view.setUint32(symbol, 1, true);
  out[symbol + 4] = GLOBAL_OBJECT;
  out[symbol + 5] = HIDDEN;
  view.setUint16(symbol + 6, 1, true);
  view.setBigUint64(symbol + 16, BigInt(bytes.length), true);
  out.set(strings, stringsAt);
  out.set(sections, sectionsAt);
  for (const [i, row] of rows.entries()) writeSection(view, tableAt + i * SECTION, row);
  return out;
}

interface Section {
  readonly name: number;
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly align: number;
  readonly entry: number;
}

const PLAIN = { flags: 0, link: 0, info: 0, align: 1, entry: 0 } as const;

function writeSection(view: DataView, at: number, s: Section): void {
  view.setUint32(at, s.name, true);
  view.setUint32(at + 4, s.type, true);
  view.setBigUint64(at + 8, BigInt(s.flags), true);
  view.setBigUint64(at + 24, BigInt(s.offset), true);
  view.setBigUint64(at + 32, BigInt(s.size), true);
  view.setUint32(at + 40, s.link, true);
  view.setUint32(at + 44, s.info, true);
  view.setBigUint64(at + 48, BigInt(s.align), true);
  view.setBigUint64(at + 56, BigInt(s.entry), true);
}

function align(n: number): number {
  return Math.ceil(n / 8) * 8;
}
