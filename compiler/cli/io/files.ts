// Files in and out. Reading says plainly what is wrong with a path. Writing is atomic: bytes go to a temporary file in
// the same folder that is then renamed, so that a reader, or a run that fails, never sees half a file.

import { randomBytes } from "node:crypto";
import {
  accessSync,
  closeSync,
  constants,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { ioFailure, messageOf } from "../failures.js";

/** All bytes of a file. Throws a CliError that names the path. */
export function readBytes(path: string, what: string): Uint8Array {
  try {
    const bytes = readFileSync(path);
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  } catch (e) {
    throw ioFailure(`cannot read the ${what} "${path}": ${reason(e)}`, readHint(e));
  }
}

export interface OutputFile {
  readonly path: string;
  readonly bytes: Uint8Array | string;
}

/** Fails early, before long work, where a path cannot be written. */
export function checkWritable(path: string): void {
  const stat = statOf(path);
  if (stat?.isDirectory()) throw ioFailure(`cannot write "${path}": it is a folder`, "name a file in it");
  const folder = dirname(path);
  const parent = statOf(folder);
  if (parent === undefined)
    throw ioFailure(`cannot write "${path}": the folder "${folder}" does not exist`, `mkdir -p ${folder}`);
  if (!parent.isDirectory()) throw ioFailure(`cannot write "${path}": "${folder}" is not a folder`);
  try {
    accessSync(stat === undefined ? folder : path, constants.W_OK);
  } catch (e) {
    throw ioFailure(`cannot write "${path}": ${reason(e)}`, "choose another output with -o");
  }
}

/** Writes all files or none: every temporary file is complete before the first is renamed. */
export function writeFiles(files: readonly OutputFile[]): void {
  for (const { path } of files) checkWritable(path);
  const staged: { temporary: string; target: string }[] = [];
  let at = "";
  try {
    for (const { path, bytes } of files) {
      at = path;
      if (isDevice(path)) {
        writeFileSync(path, bytes);
        continue;
      }
      const target = existing(path);
      const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString("hex")}.tmp`);
      staged.push({ temporary, target });
      writeDurably(temporary, bytes);
    }
    for (const { temporary, target } of staged) {
      at = target;
      renameSync(temporary, target);
    }
  } catch (e) {
    for (const { temporary } of staged) rmSync(temporary, { force: true });
    throw ioFailure(`cannot write "${at}": ${reason(e)}`, "choose another output with -o");
  }
}

/** Makes a folder for outputs, with its parents. */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (e) {
    throw ioFailure(`cannot make the folder "${path}": ${reason(e)}`, "choose another output with -o");
  }
}

function writeDurably(path: string, bytes: Uint8Array | string): void {
  const file = openSync(path, "wx", 0o666);
  try {
    writeFileSync(file, bytes);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Undefined where there is nothing, and where a part of the path is a file. Throws a CliError otherwise. */
export function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch (e) {
    if (codeOf(e) === "ENOENT" || codeOf(e) === "ENOTDIR") return undefined;
    throw ioFailure(`cannot look at "${path}": ${reason(e)}`);
  }
}

/** A device or a pipe (/dev/null, /dev/stdout) is written to, never replaced. */
function isDevice(path: string): boolean {
  const stat = statOf(path);
  return stat !== undefined && !stat.isFile();
}

/** The file that a path stands for: a symbolic link is kept, and what it names is replaced. */
function existing(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function codeOf(e: unknown): string {
  return e instanceof Error && "code" in e && typeof e.code === "string" ? e.code : "";
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or folder",
  ENOTDIR: "a part of the path is not a folder",
  EISDIR: "it is a folder",
  EACCES: "permission denied",
  EPERM: "not permitted",
  EROFS: "the file system is read-only",
  ENOSPC: "no space is left",
  EMFILE: "too many files are open",
  ERR_FS_FILE_TOO_LARGE: "the file is larger than 2 GiB",
};

function reason(e: unknown): string {
  const code = codeOf(e);
  return REASONS[code] ?? (code === "" ? messageOf(e) : code);
}

function readHint(e: unknown): string {
  return codeOf(e) === "ENOENT" ? "check the path; it is relative to the current folder" : "";
}
