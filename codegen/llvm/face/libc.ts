// All of the C library that the face calls: old functions, that the library may run on old systems.

import { type Bool, type Code, i64, type Ptr, signature } from "./code.js";

export const LIBC = {
  /** (path, flags, ...) -> descriptor, or -1 */
  open: signature("open", "i32", ["ptr", "i32"]),
  read: signature("read", "i64", ["i32", "ptr", "i64"]),
  /** (descriptor, offset, whence) -> position, or -1 */
  lseek: signature("lseek", "i64", ["i32", "i64", "i32"]),
  close: signature("close", "i32", ["i32"]),
  /** (address, bytes, access, kind, descriptor, offset) -> address, or -1 */
  mmap: signature("mmap", "ptr", ["ptr", "i64", "i32", "i32", "i32", "i64"]),
  munmap: signature("munmap", "i32", ["ptr", "i64"]),
  /** (address, bytes, advice) -> 0, or -1: advice may be refused */
  madvise: signature("madvise", "i32", ["ptr", "i64", "i32"]),
  memcpy: signature("memcpy", "ptr", ["ptr", "ptr", "i64"]),
  memset: signature("memset", "ptr", ["ptr", "i32", "i64"]),
  memcmp: signature("memcmp", "i32", ["ptr", "ptr", "i64"]),
  /** (text, bytes, format, ...) */
  snprintf: signature("snprintf", "i32", ["ptr", "i64", "ptr"]),
  /** The place of errno. */
  errno: signature("__errno_location", "ptr", []),
  getauxval: signature("getauxval", "i64", ["i64"]),
} as const;

export const O_RDONLY_CLOEXEC = 0x80000;
export const SEEK_END = 2;
export const PROT_READ = 1;
export const PROT_READ_WRITE = 3;
export const MAP_PRIVATE = 2;
export const MAP_PRIVATE_ANONYMOUS = 0x22;
export const MADV_DONTNEED = 4;
export const MADV_HUGEPAGE = 14;

/** What mmap gives where it fails. */
export function isFailedMap(code: Code, p: Ptr): Bool {
  return code.compare("eq", code.address(p), i64(-1));
}
