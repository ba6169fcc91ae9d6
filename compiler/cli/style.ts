// Colour and the width of tables. Colour is for a terminal only; NO_COLOR turns it off, FORCE_COLOR turns it on.

import { styleText } from "node:util";

export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
}

type Stream = { readonly isTTY?: boolean };
type Environment = Readonly<Record<string, string | undefined>>;

/** Whether a stream gets colour, by no-color.org and Node's FORCE_COLOR. */
export function wantsColor(stream: Stream, env: Environment): boolean {
  const {
    FORCE_COLOR: force,
    NO_COLOR: no,
    TERM: term,
  } = env as { FORCE_COLOR?: string; NO_COLOR?: string; TERM?: string };
  if (force !== undefined && force !== "") return force !== "0" && force !== "false";
  if (no !== undefined && no !== "") return false;
  return stream.isTTY === true && term !== "dumb";
}

export function styleFor(color: boolean): Style {
  const as = (format: "bold" | "dim" | "red" | "green" | "yellow") => (text: string) =>
    color && text !== "" ? styleText(format, text) : text;
  return { bold: as("bold"), dim: as("dim"), red: as("red"), green: as("green"), yellow: as("yellow") };
}

/** Rows as aligned columns; columns named in `right` are aligned at the right. No trailing spaces. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly string[] = [],
): string {
  const all = [head, ...rows];
  const widths = head.map((_, i) => Math.max(...all.map((row) => (row[i] ?? "").length)));
  const line = (row: readonly string[]): string =>
    head
      .map((name, i) => {
        const cell = row[i] ?? "";
        return right.includes(name) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0);
      })
      .join("  ")
      .trimEnd();
  return all.map(line).join("\n");
}

/** "1 step", "3 steps". */
export function counted(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

/** "1,234,567". */
export function grouped(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** "17.2 MiB", exact below a KiB. */
export function bytesText(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB"];
  let at = 0;
  let size = n;
  while (Math.abs(size) >= 1024 && at < units.length - 1) {
    size /= 1024;
    at++;
  }
  return at === 0 ? `${n} B` : `${size.toFixed(1)} ${units[at]}`;
}
