// Whatever was thrown, to an exit code and words. A user's error is a few lines with what to do next, never a stack
// trace; a bug of ours is a few lines too, with the details in a file that can be sent.

import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Bug, Refused } from "../ir/errors.js";
import type { Context } from "./context.js";
import { CliError, type ExitCode, messageOf } from "./failures.js";
import { styleFor, wantsColor } from "./style.js";

/** The `error` object of --json. */
export interface ErrorDocument {
  /** usage, io, bad_input, refused, bug, or the code of the runtime's error. */
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  /** With code "refused": every refusal. */
  readonly refusals?: Refused["refusals"];
  /** With code "bug": where the details are. */
  readonly report?: string;
}

/** Reports an error and gives the exit code for it. */
export function report(e: unknown, cx: Context): ExitCode {
  const { exit, error } = explain(e);
  if (cx.json) cx.document({ error });
  else cx.note(toText(error));
  return exit;
}

function explain(e: unknown): { exit: ExitCode; error: ErrorDocument } {
  if (e instanceof CliError)
    return { exit: e.exit, error: { code: e.code, message: e.message, ...(e.hint === "" ? {} : { hint: e.hint }) } };
  if (e instanceof Refused) return { exit: 1, error: { code: "refused", message: e.message, refusals: e.refusals } };
  if (isRuntimeError(e)) return { exit: 1, error: { code: e.code, message: withoutCode(e.message, e.code) } };
  return { exit: 1, error: bug(e) };
}

/** The shim's LoadError, InputError and RunError, told by name: `--help` and `compile` do not load the shim for this. */
function isRuntimeError(e: unknown): e is Error & { readonly code: string } {
  return (
    e instanceof Error &&
    ["LoadError", "InputError", "RunError"].includes(e.name) &&
    "code" in e &&
    typeof e.code === "string"
  );
}

/** A LoadError's message begins with its code, which is told apart here. */
function withoutCode(message: string, code: string): string {
  return message.startsWith(`${code}: `) ? message.slice(code.length + 2) : message;
}

function bug(e: unknown): ErrorDocument {
  const stage = e instanceof Bug ? e.stage : "cli";
  const message = e instanceof Bug ? e.message : `unexpected ${e instanceof Error ? e.name : "error"}: ${messageOf(e)}`;
  const path = join(tmpdir(), `psionic-bug-${randomBytes(6).toString("hex")}.txt`);
  const details = [
    `stage: ${stage}`,
    `message: ${message}`,
    `node: ${process.version} ${process.platform} ${process.arch}`,
    `command: ${process.argv.slice(2).join(" ")}`,
    "",
    e instanceof Error ? (e.stack ?? "") : "",
    "",
    e instanceof Bug ? e.ir : "",
  ].join("\n");
  const kept = tryWrite(path, details);
  const hint = kept
    ? `this is a bug in Psionic, not in your model: please report it with the file ${path}, which holds the stage and the IR before it`
    : "this is a bug in Psionic, not in your model: please report it with this message";
  return { code: "bug", message, hint, ...(kept ? { report: path } : {}) };
}

function tryWrite(path: string, text: string): boolean {
  try {
    writeFileSync(path, text, { flag: "wx" });
    return true;
  } catch {
    return false;
  }
}

function toText(error: ErrorDocument): string {
  const style = styleFor(wantsColor(process.stderr, process.env));
  const hint = error.hint === undefined ? "" : `\n${style.dim("hint:")} ${error.hint}`;
  if (error.refusals === undefined) {
    const code = ["usage", "io", "bad_input"].includes(error.code) ? "" : ` (${error.code})`;
    return `${style.red(`error${code}:`)} ${error.message}${hint}`;
  }
  const count = error.refusals.length;
  const head = `refused: ${count === 1 ? "one thing cannot" : `${count} things cannot`} be compiled`;
  return `${style.red(head)}\n${error.message}${hint}`;
}
