// Where two texts first differ, in lines with context. The differing stretch is what common lines at both ends leave:
// enough to say where a graph or a schedule departs from another, which later lines mostly follow from.

import { counted } from "../style.js";

export interface TextDiff {
  /** First line that differs, from 1. */
  readonly line: number;
  /** Lines of the stretch in the old and in the new text. */
  readonly oldLines: number;
  readonly newLines: number;
  /** Lines before it, the same in both. */
  readonly context: readonly string[];
  /** The first lines of the stretch. */
  readonly old: readonly string[];
  readonly new: readonly string[];
}

const CONTEXT_LINES = 3;
const SHOWN_LINES = 5;

/** Null where the texts are equal. */
export function diffText(before: string, after: string): TextDiff | null {
  if (before === after) return null;
  const old = linesOf(before);
  const now = linesOf(after);
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start++;
  let oldEnd = old.length;
  let newEnd = now.length;
  while (oldEnd > start && newEnd > start && old[oldEnd - 1] === now[newEnd - 1]) {
    oldEnd--;
    newEnd--;
  }
  return {
    line: start + 1,
    oldLines: oldEnd - start,
    newLines: newEnd - start,
    context: old.slice(Math.max(0, start - CONTEXT_LINES), start),
    old: old.slice(start, Math.min(oldEnd, start + SHOWN_LINES)),
    new: now.slice(start, Math.min(newEnd, start + SHOWN_LINES)),
  };
}

/** The stretch in the manner of `diff -u`, long lines cut at `width`. */
export function formatTextDiff(d: TextDiff, width = 160): string[] {
  const cut = (line: string): string => (line.length <= width ? line : `${line.slice(0, width - 3)}...`);
  // Two long lines that differ only far to the right would be cut to the same text: then both begin near that point.
  const out = [`@@ line ${d.line}: ${counted(d.oldLines, "line")} became ${d.newLines} @@`];
  for (const line of d.context) out.push(` ${cut(line)}`);
  const skip = commonLead(d.old[0] ?? "", d.new[0] ?? "", width);
  const show = (line: string): string => cut(skip === 0 ? line : `...${line.slice(skip)}`);
  for (const line of d.old) out.push(`-${show(line)}`);
  if (d.oldLines > d.old.length) out.push(`-... ${d.oldLines - d.old.length} more`);
  for (const line of d.new) out.push(`+${show(line)}`);
  if (d.newLines > d.new.length) out.push(`+... ${d.newLines - d.new.length} more`);
  return out;
}

function commonLead(a: string, b: string, width: number): number {
  let n = 0;
  while (n < a.length && n < b.length && a[n] === b[n]) n++;
  return n < width / 2 ? 0 : n - Math.floor(width / 4);
}

function linesOf(text: string): string[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}
