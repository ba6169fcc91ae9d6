// A Difference as text for a terminal and as Markdown for a review.

import { bytesText, type Style } from "../style.js";
import type { Difference, ItemDiff, LevelDiff } from "./difference.js";
import { formatTextDiff } from "./text-diff.js";

const MAX_ITEMS = 20;

export function renderText(d: Difference, style: Style): string {
  const lines = [`old  ${side(d.old)}`, `new  ${side(d.new)}`, ""];
  if (d.same) return [...lines, style.green("same plan")].join("\n");
  if (d.explains !== null)
    lines.push(`${style.bold(`first difference: ${d.explains.level}`)}: ${d.explains.because}`, "");
  for (const level of d.levels) {
    if (level.same) {
      lines.push(style.dim(`= ${level.level}`));
      continue;
    }
    lines.push(style.yellow(`! ${level.level}: ${level.summary}`));
    for (const line of detailLines(level)) {
      const paint = line.startsWith("-") ? style.red : line.startsWith("+") ? style.green : style.dim;
      lines.push(`    ${paint(line)}`);
    }
  }
  return lines.join("\n");
}

export function renderMarkdown(d: Difference): string {
  const lines = ["## Psionic diff", "", "| | file | plan digest | size |", "|---|---|---|---|"];
  for (const [name, s] of [
    ["old", d.old],
    ["new", d.new],
  ] as const)
    lines.push(`| ${name} | \`${s.path}\` | \`${s.digest.slice(0, 16)}\` | ${bytesText(s.bytes)} |`);
  lines.push("");
  if (d.same) return [...lines, "The plans are the same."].join("\n");
  if (d.explains !== null) lines.push(`**First difference: ${d.explains.level}** - ${d.explains.because}`, "");
  lines.push("| level | |", "|---|---|");
  for (const level of d.levels) lines.push(`| ${level.level} | ${level.same ? "same" : escapeCell(level.summary)} |`);
  for (const level of d.levels) {
    const details = detailLines(level);
    if (details.length > 0) lines.push("", `### ${level.level}`, "", "```diff", ...details, "```");
  }
  return lines.join("\n");
}

/** Lines that begin with "-", "+", " " or "@@", as a unified diff's do. */
export function detailLines(level: LevelDiff): string[] {
  const lines = level.text === null ? [] : formatTextDiff(level.text);
  for (const item of level.items.slice(0, MAX_ITEMS)) lines.push(...itemLines(item));
  if (level.items.length > MAX_ITEMS) lines.push(` ... ${level.items.length - MAX_ITEMS} more (see --json)`);
  return lines;
}

function itemLines(item: ItemDiff): string[] {
  if (item.change !== "changed") return [`${item.change === "added" ? "+" : "-"} ${item.name}`];
  const fields = item.fields.map((f) => `${f.field} ${short(f.old)} -> ${short(f.new)}${delta(f.field, f.old, f.new)}`);
  return [`  ${item.name}: ${fields.join("; ")}`];
}

function delta(field: string, old: string, now: string): string {
  if (field !== "bytes") return "";
  const n = Number(now) - Number(old);
  return ` (${n > 0 ? "+" : "-"}${bytesText(Math.abs(n))})`;
}

function short(text: string): string {
  if (/^[0-9a-f]{64}$/.test(text)) return text.slice(0, 12);
  return text === "" ? "none" : text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}

function side(s: Difference["old"]): string {
  return `${s.path}  ${s.digest.slice(0, 16)}  ${bytesText(s.bytes)}`;
}

function escapeCell(text: string): string {
  return text.replaceAll("|", "\\|");
}
