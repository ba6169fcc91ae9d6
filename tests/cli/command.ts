// The command line as a user meets it: the built program in a process of its own, in a fresh folder.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ExecutionContext } from "ava";

const PROGRAM = fileURLToPath(new URL("../../compiler/cli/main.js", import.meta.url));

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export class Folder {
  readonly path = mkdtempSync(join(tmpdir(), "psionic-cli-"));

  write(name: string, content: Uint8Array | string): void {
    writeFileSync(join(this.path, name), content);
  }

  read(name: string): Uint8Array {
    return new Uint8Array(readFileSync(join(this.path, name)));
  }

  text(name: string): string {
    return readFileSync(join(this.path, name), "utf8");
  }

  /** Every file and folder in it, sorted: a half-written file would show. */
  list(): string[] {
    return readdirSync(this.path, { recursive: true, encoding: "utf8" }).sort();
  }

  run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Ran {
    const { NO_COLOR: _no, FORCE_COLOR: _force, NODE_OPTIONS: _options, PSIONIC_CACHE: _cache, ...plain } = process.env;
    const child = spawnSync(process.execPath, [PROGRAM, ...args], {
      cwd: this.path,
      env: { ...plain, ...env },
      encoding: "utf8",
      maxBuffer: 1 << 28,
    });
    return { code: child.status, out: child.stdout, err: child.stderr };
  }
}

/** A fresh folder that is removed when the test ends. */
export function folder(t: ExecutionContext): Folder {
  const f = new Folder();
  t.teardown(() => rmSync(f.path, { recursive: true, force: true }));
  return f;
}

/** Exit code, and stderr by pattern; no stack trace, ever. */
export function fails(t: ExecutionContext, ran: Ran, code: 1 | 2, message: RegExp): void {
  t.is(ran.code, code, ran.err || ran.out);
  t.regex(ran.err, message);
  noTrace(t, ran);
}

export function works(t: ExecutionContext, ran: Ran): void {
  t.is(ran.code, 0, ran.err);
  noTrace(t, ran);
}

function noTrace(t: ExecutionContext, ran: Ran): void {
  t.notRegex(ran.err + ran.out, /^\s+at .*[:(]\d+:\d+\)?$|node:internal|file:\/\//m);
}

/** The one JSON document on stdout. */
export function json(t: ExecutionContext, ran: Ran): Record<string, unknown> {
  const value: unknown = JSON.parse(ran.out);
  if (typeof value !== "object" || value === null) throw new Error(`stdout is ${ran.out}`);
  t.false(ran.out.includes("\u001b"));
  return Object.fromEntries(Object.entries(value));
}
