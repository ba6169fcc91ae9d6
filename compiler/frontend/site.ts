// Where the user's code is: the first stack frame outside this folder. Refusals of the frontend carry it as file:line,
// and so do the nodes that a call makes.

import { basename, dirname, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { type RefusalCode, refuse } from "../ir/errors.js";

export interface Site {
  /** Absolute path, or "" where the stack does not say. */
  readonly file: string;
  readonly line: number;
}

function parseFrame(line: string): Site | null {
  const at = /^\s+at (?:.* \()?(.+?):(\d+):\d+\)?$/.exec(line);
  const [, where, number] = at ?? [];
  if (where === undefined || number === undefined || where.startsWith("node:")) return null;
  return { file: where.startsWith("file:") ? fileURLToPath(where) : where, line: Number(number) };
}

/** This folder: as compiled, and as stacks show it, which may be mapped back to sources. */
const own: readonly string[] = [
  dirname(fileURLToPath(import.meta.url)),
  dirname(parseFrame((new Error("own").stack ?? "").split("\n")[1] ?? "")?.file ?? ""),
];

/** The user's frame that called into the frontend. */
export function callSite(): Site {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 40;
  const { stack = "" } = new Error("site");
  Error.stackTraceLimit = limit;
  for (const line of stack.split("\n").slice(1)) {
    const frame = parseFrame(line);
    if (frame === null || own.includes(dirname(frame.file))) continue;
    return frame;
  }
  return { file: "", line: 0 };
}

/** `src/model.ts:12`, relative to the working directory where the file is below it. */
export function formatSite({ file, line }: Site): string {
  if (file === "") return "";
  const near = relative(process.cwd(), file);
  return `${near.startsWith("..") ? file : near}:${line}`;
}

/** `model.ts:12`: the same wherever the project lies, so that it can be part of a plan. */
export function originOf({ file, line }: Site): string {
  return file === "" ? "" : `${basename(file)}:${line}`;
}

/** Refuses at the user's line. `subject` is the method or function that was called. */
export function refuseTrace(
  code: RefusalCode,
  subject: string,
  detail: string,
  hint: string,
  at = formatSite(callSite()),
): never {
  refuse({ code, scope: "trace", subject, detail, at, hint });
}
