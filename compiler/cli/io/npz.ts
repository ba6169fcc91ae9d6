// .npz files: a zip of .npy files, one per name. Entries are stored, not deflated, and carry a fixed date, so that the
// same arrays give the same bytes. fflate checks no CRC, so the central directory's are checked here.

import { crc32 } from "node:zlib";
import { strFromU8, type UnzipFileInfo, unzipSync, zipSync } from "fflate";
import type { DType } from "../../ir/dtype.js";
import type { Tensor } from "../../ir/tensor.js";
import { messageOf } from "../failures.js";
import { readNpy, writeNpy } from "./npy.js";

/** True where the bytes begin as a zip file does (an empty one too). */
export function isZip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b && (bytes[2] === 3 || bytes[2] === 5);
}

/** Arrays by name. `expect` gives the dtype to read untyped bytes as. Throws a RangeError that says what is wrong. */
export function readNpz(
  bytes: Uint8Array,
  expect: (name: string) => DType | undefined = () => undefined,
): Map<string, Tensor> {
  const arrays = new Map<string, Tensor>();
  for (const [entry, data] of unzip(bytes)) {
    const name = entry.endsWith(".npy") ? entry.slice(0, -".npy".length) : entry;
    if (arrays.has(name)) throw new RangeError(`it has two arrays named "${name}"`);
    try {
      arrays.set(name, readNpy(data, expect(name)));
    } catch (e) {
      throw new RangeError(`its entry "${entry}" is no .npy array: ${messageOf(e)}`);
    }
  }
  return arrays;
}

/** A .npz file that numpy reads back, with entries in the order given. */
export function writeNpz(arrays: Iterable<readonly [string, Tensor]>): Uint8Array {
  const entries: Record<string, Uint8Array> = {};
  for (const [name, t] of arrays) entries[`${name}.npy`] = writeNpy(t);
  // The date is local time in a zip: built from local fields, it is the same bytes in every time zone.
  return zipSync(entries, { level: 0, mtime: new Date(1980, 0, 1) });
}

function unzip(bytes: Uint8Array): Map<string, Uint8Array> {
  let entries: Record<string, Uint8Array>;
  try {
    entries = unzipSync(bytes, { filter: sizeCheck(bytes.byteLength) });
  } catch (e) {
    throw new RangeError(`it is no zip file that can be read: ${messageOf(e)}`);
  }
  const sums = checksums(bytes);
  for (const [name, data] of Object.entries(entries)) {
    const have = sums.get(name);
    if (have === undefined || crc32(data) !== have) throw new RangeError(`its entry "${name}" is damaged (CRC)`);
  }
  return new Map(Object.entries(entries));
}

/** No byte of deflated data stands for more than this many. */
const MOST_DEFLATED = 1032;

/** Sizes are what a file says of itself: memory is taken only for what its bytes can hold. */
function sizeCheck(fileBytes: number): (entry: UnzipFileInfo) => boolean {
  let left = fileBytes;
  return ({ name, size, originalSize, compression }) => {
    left -= size;
    if (left < 0) throw new RangeError(`its entries say more bytes than the file has, at "${name}"`);
    if (compression === 0 ? originalSize === size : originalSize <= size * MOST_DEFLATED) return true;
    throw new RangeError(`its entry "${name}" says ${originalSize} bytes, in ${size}`);
  };
}

const CENTRAL_ENTRY = 0x02014b50;
const CENTRAL_END = 0x06054b50;
const UTF8_NAME = 0x800;

/** CRC-32 of every entry by name, from the central directory (APPNOTE.TXT 4.3.12). */
function checksums(bytes: Uint8Array): Map<string, number> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.byteLength - 22;
  while (end > 0 && view.getUint32(end, true) !== CENTRAL_END) end--;
  const sums = new Map<string, number>();
  let at = view.getUint32(end + 16, true);
  while (at + 46 <= end && view.getUint32(at, true) === CENTRAL_ENTRY) {
    const nameBytes = view.getUint16(at + 28, true);
    const utf8 = (view.getUint16(at + 8, true) & UTF8_NAME) !== 0;
    const name = strFromU8(bytes.subarray(at + 46, at + 46 + nameBytes), !utf8);
    if (sums.has(name)) throw new RangeError(`it has two entries named "${name}"`);
    sums.set(name, view.getUint32(at + 16, true));
    at += 46 + nameBytes + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return sums;
}
