// What a module is made from, as text: equal texts, equal modules. For keeping modules by their content.

import type { ModuleSource } from "./assemble.js";

/** Lossless: -0, NaN and infinities too, and a bigint is no number. */
export function sourceText(source: ModuleSource): string {
  return textOf(source);
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(textOf).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${textOf(field)}`).join(",")}}`;
  }
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  return Object.is(value, -0) ? "-0" : String(value);
}
