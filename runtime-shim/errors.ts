// What the shim throws. LoadError: the bundle was refused, nothing of it ran. InputError: the caller's arrays do not fit
// the signature, nothing ran. RunError: the model ran (or was asked to) and could not finish. An aborted load throws the
// signal's own reason.

export type LoadErrorCode =
  | "digest_mismatch"
  | "malformed_input"
  | "unsupported_dtype"
  | "unsupported_backend_capability"
  | "serialization_incompatibility"
  | "resource_limit"
  | "sandbox_policy_denied";

function sentence(where: string, have: string, want: string, hint: string): string {
  return `${where}: have ${have}, want ${want}${hint === "" ? "" : ` (${hint})`}`;
}

export class LoadError extends Error {
  override readonly name = "LoadError";
  readonly code: LoadErrorCode;
  /** Part of the bundle: "header", "manifest.entries[0].inputs[1].offset", "blob 1 (weights), chunk 3". */
  readonly where: string;
  readonly have: string;
  readonly want: string;
  /** What to do next; may be empty. */
  readonly hint: string;
  constructor(code: LoadErrorCode, where: string, have: string, want: string, hint = "") {
    super(`${code}: ${sentence(where, have, want, hint)}`);
    this.code = code;
    this.where = where;
    this.have = have;
    this.want = want;
    this.hint = hint;
  }
}

export type InputErrorCode = "missing" | "unknown" | "type" | "shape" | "value";

export class InputError extends Error {
  override readonly name = "InputError";
  readonly code: InputErrorCode;
  /** `input "x"` or `state "cache"`. */
  readonly where: string;
  readonly have: string;
  readonly want: string;
  constructor(code: InputErrorCode, where: string, have: string, want: string, hint = "") {
    super(sentence(where, have, want, hint));
    this.code = code;
    this.where = where;
    this.have = have;
    this.want = want;
  }
}

export type RunErrorCode =
  | "index_out_of_range"
  | "constraint"
  | "bound"
  | "trap"
  | "status"
  | "disposed"
  | "busy"
  | "unknown_entry"
  | "unknown_name";

export class RunError extends Error {
  override readonly name = "RunError";
  readonly code: RunErrorCode;
  /** Index of the entry's top-level step where it stopped; -1 where that is not known. */
  readonly step: number;
  constructor(code: RunErrorCode, message: string, step = -1) {
    super(message);
    this.code = code;
    this.step = step;
  }
}

/** A value of unknown type, short enough for an error message. */
export function show(value: unknown): string {
  if (typeof value === "string")
    return value.length > 80 ? `${JSON.stringify(value.slice(0, 77))}...` : JSON.stringify(value);
  if (value === null || typeof value === "number" || typeof value === "boolean" || value === undefined)
    return `${value}`;
  if (typeof value === "bigint") return `${value}n`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (ArrayBuffer.isView(value)) return Object.prototype.toString.call(value).slice(8, -1);
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
