// Readers of untrusted JSON: each takes a parsed value and the path to it, and gives back a typed value or throws a
// LoadError that names the path. Nothing is cast: what a reader returns was looked at field by field.

import { LoadError, show } from "./errors.js";
import { type Json, LIMITS } from "./format.js";

export function malformed(where: string, have: string, want: string): never {
  throw new LoadError("malformed_input", where, have, want, "the bundle is damaged or was not written by psionic");
}

export function over(where: string, have: string, limit: number): never {
  throw new LoadError("resource_limit", where, have, `at most ${limit}`);
}

/** An object with exactly these keys. */
export function object<K extends string>(
  value: unknown,
  where: string,
  keys: readonly K[],
): Readonly<Record<K, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) malformed(where, show(value), "an object");
  for (const key of keys) if (!Object.hasOwn(value, key)) malformed(where, `no field "${key}"`, "it");
  for (const key of Object.keys(value)) {
    if (!keys.some((k) => k === key)) malformed(where, `a field ${show(key)}`, `only ${keys.join(", ")}`);
  }
  return value as Readonly<Record<K, unknown>>;
}

export function list<T>(value: unknown, where: string, limit: number, read: (item: unknown, where: string) => T): T[] {
  if (!Array.isArray(value)) malformed(where, show(value), "an array");
  if (value.length > limit) over(where, `${value.length} items`, limit);
  return value.map((item: unknown, i) => read(item, `${where}[${i}]`));
}

export function int(value: unknown, where: string, lo: number, hi: number): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value)) malformed(where, show(value), "an integer");
  if (value < lo || value > hi) malformed(where, `${value}`, `${lo}..${hi}`);
  return value;
}

export function text(value: unknown, where: string, limit: number = LIMITS.nameLength): string {
  if (typeof value !== "string") malformed(where, show(value), "a string");
  if (value.length > limit) over(where, `${value.length} characters`, limit);
  return value;
}

/** A name that a caller will use as a property. */
export function name(value: unknown, where: string): string {
  const s = text(value, where);
  if (s === "" || s === "__proto__") malformed(where, show(s), "a name");
  return s;
}

export function unique(names: readonly string[], where: string): void {
  const seen = new Set<string>();
  for (const n of names) {
    if (seen.has(n)) malformed(where, `two named ${show(n)}`, "unique names");
    seen.add(n);
  }
}

export function oneOf<T extends string>(value: unknown, where: string, choices: readonly T[]): T {
  return choices.find((c) => c === value) ?? malformed(where, show(value), choices.join(" or "));
}

/**
 * RFC 8785 text of a parsed value: equal to the text it came from exactly when that was canonical (key order, number
 * spelling, no white space, no duplicate keys). Throws where nesting passes LIMITS.jsonDepth.
 */
export function canonicalText(value: Json, depth = 0): string {
  if (depth > LIMITS.jsonDepth) over("manifest", "deeper nesting", LIMITS.jsonDepth);
  if (typeof value === "string") return quoted(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (isArray(value)) return `[${value.map((v) => canonicalText(v, depth + 1)).join(",")}]`;
  const fields = Object.keys(value).sort();
  return `{${fields.map((k) => `${quoted(k)}:${canonicalText(value[k] ?? null, depth + 1)}`).join(",")}}`;
}

/** RFC 8785 has no form for half of a surrogate pair. */
function quoted(s: string): string {
  if (/\p{Surrogate}/u.test(s)) malformed("manifest", "a string that is not Unicode", "canonical JSON (RFC 8785)");
  return JSON.stringify(s);
}

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
