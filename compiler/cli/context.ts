// What a verb gets besides its options: where to write, and how. With --json, stdout carries one JSON document and
// nothing else; everything meant for a person then goes to stderr.

import { type Style, styleFor, wantsColor } from "./style.js";

export interface Context {
  readonly json: boolean;
  /** Style of what `print` writes. */
  readonly style: Style;
  /** Writes a line for a person to stdout; nothing under --json. */
  print(text: string): void;
  /** Writes the one document of --json; nothing without it. */
  document(value: unknown): void;
  /** Writes a line for a person to stderr. */
  note(text: string): void;
}

export function contextFor(json: boolean): Context {
  return {
    json,
    style: styleFor(wantsColor(process.stdout, process.env)),
    print: (text) => {
      if (!json) process.stdout.write(`${text}\n`);
    },
    document: (value) => {
      if (json) process.stdout.write(`${pretty(value, "")}\n`);
    },
    note: (text) => {
      process.stderr.write(`${text}\n`);
    },
  };
}

/** Indented JSON with lists of plain values on one line. */
function pretty(value: unknown, indent: string): string {
  const inner = `${indent}  `;
  const isNested = (v: unknown): boolean => typeof v === "object" && v !== null;
  if (Array.isArray(value)) {
    if (!value.some(isNested)) return JSON.stringify(value);
    return `[\n${value.map((v) => `${inner}${pretty(v ?? null, inner)}`).join(",\n")}\n${indent}]`;
  }
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).filter(([, v]) => v !== undefined);
  if (fields.length === 0) return "{}";
  return `{\n${fields.map(([k, v]) => `${inner}${JSON.stringify(k)}: ${pretty(v, inner)}`).join(",\n")}\n${indent}}`;
}
