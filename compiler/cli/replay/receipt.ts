// A receipt: what a bundle was run on, what came out, and on request what every top-level step wrote. Canonical JSON
// (RFC 8785), so that the same run gives the same bytes.

import canonicalize from "canonicalize";
import { badInput, messageOf } from "../failures.js";

export const RECEIPT_FORMAT = "psionic-receipt/1";

export interface ArrayDigest {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Of the elements' bytes, row-major, little-endian. */
  readonly sha256: string;
}

/** One top-level step of the entry point: a kernel's call, or control flow with all the calls in it. */
export interface StepDigest {
  readonly step: number;
  readonly kind: string;
  /** The kernel's name; for control flow what it is. */
  readonly name: string;
  /** The model's nodes that it computes. */
  readonly origin: string;
  readonly writes: readonly ArrayDigest[];
}

/** Where a receipt was made. Told, not compared: a strict plan gives the same bits on every host. */
export interface Host {
  readonly node: string;
  readonly v8: string;
  readonly platform: string;
  readonly arch: string;
  readonly features: readonly string[];
}

export interface Receipt {
  readonly format: typeof RECEIPT_FORMAT;
  /** The plan digest. */
  readonly plan: string;
  /** Of the module that ran. */
  readonly tier: string;
  readonly threads: number;
  readonly entry: string;
  readonly inputs: readonly ArrayDigest[];
  readonly outputs: readonly ArrayDigest[];
  /** What each state held after the run. */
  readonly states: readonly ArrayDigest[];
  /** Null where it was recorded without --kernels. */
  readonly steps: readonly StepDigest[] | null;
  readonly host: Host;
}

export function receiptText(r: Receipt): string {
  return `${canonicalize(r)}\n`;
}

/** Parses a receipt. Throws a CliError that says what is wrong with it. */
export function parseReceipt(text: string, path: string): Receipt {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (e) {
    throw badInput(`"${path}" is no receipt: ${messageOf(e)}`, 'make one with "psionic replay record"');
  }
  if (isReceipt(value)) return value;
  const format = typeof value === "object" && value !== null && "format" in value ? String(value.format) : "none";
  throw badInput(
    format === RECEIPT_FORMAT
      ? `"${path}" is a receipt with missing or wrong fields`
      : `"${path}" has format ${format}, want ${RECEIPT_FORMAT}`,
    'make one with "psionic replay record"',
  );
}

type Fields = ReadonlyMap<string, unknown>;

function fieldsOf(value: unknown): Fields | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? new Map(Object.entries(value)) : null;
}

function isReceipt(value: unknown): value is Receipt {
  const r = fieldsOf(value);
  return (
    r !== null &&
    r.get("format") === RECEIPT_FORMAT &&
    strings(r, ["plan", "tier", "entry"]) &&
    typeof r.get("threads") === "number" &&
    ["inputs", "outputs", "states"].every((key) => listOf(r.get(key), isArrayDigest)) &&
    (r.get("steps") === null || listOf(r.get("steps"), isStepDigest)) &&
    isHost(r.get("host"))
  );
}

function isArrayDigest(value: unknown): boolean {
  const a = fieldsOf(value);
  return a !== null && strings(a, ["name", "dtype", "sha256"]) && listOf(a.get("shape"), (d) => typeof d === "number");
}

function isStepDigest(value: unknown): boolean {
  const s = fieldsOf(value);
  return (
    s !== null &&
    typeof s.get("step") === "number" &&
    strings(s, ["kind", "name", "origin"]) &&
    listOf(s.get("writes"), isArrayDigest)
  );
}

function isHost(value: unknown): boolean {
  const h = fieldsOf(value);
  return (
    h !== null &&
    strings(h, ["node", "v8", "platform", "arch"]) &&
    listOf(h.get("features"), (f) => typeof f === "string")
  );
}

function strings(fields: Fields, keys: readonly string[]): boolean {
  return keys.every((key) => typeof fields.get(key) === "string");
}

function listOf(value: unknown, item: (v: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(item);
}
