// What goes wrong on a command line, as values: who is at fault decides the exit code. A CliError is about the command
// line or the file system (exit 2) or about the content of what was given (exit 1); compiler and runtime errors keep
// their own types and are told apart in report.ts.

/** 0: done, or the same. 1: differs, or refused. 2: the command line, or a file that cannot be read or written. */
export type ExitCode = 0 | 1 | 2;

export class CliError extends Error {
  override readonly name = "CliError";
  readonly code: string;
  readonly exit: ExitCode;
  /** What to do next, or "". */
  readonly hint: string;
  constructor(code: string, exit: ExitCode, message: string, hint: string) {
    super(message);
    this.code = code;
    this.exit = exit;
    this.hint = hint;
  }
}

/** The command line is wrong: exit 2. */
export function usage(message: string, hint = ""): CliError {
  return new CliError("usage", 2, message, hint);
}

/** A file cannot be read or written: exit 2. */
export function ioFailure(message: string, hint = ""): CliError {
  return new CliError("io", 2, message, hint);
}

/** A file's content, or a value, does not fit what it is given to: exit 1. */
export function badInput(message: string, hint = ""): CliError {
  return new CliError("bad_input", 1, message, hint);
}

/** The message of whatever was thrown. */
export function messageOf(e: unknown): string {
  return e instanceof Error ? e.message : String(e);
}
