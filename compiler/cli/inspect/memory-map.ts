// Where every byte of a plan's memory lies, and when it matters.

import type { Plan } from "../../plan/plan.js";
import type { BundleView } from "../bundle-view.js";
import { storedText } from "../stored-text.js";
import { bytesText, grouped, type Style, table } from "../style.js";
import { indent, typeText } from "./summary.js";

/** The JSON form: regions, states, constants and the buffers of each entry point. */
export function memoryDocument(plan: Plan): Record<string, unknown> {
  return {
    regions: plan.memory,
    states: plan.states,
    constants: plan.constants,
    entries: plan.entries.map((e) => ({ name: e.name, buffers: e.buffers })),
  };
}

export function memoryText({ plan }: BundleView, style: Style): string {
  const lines = [`${style.bold("memory")}: ${grouped(plan.memory.bytes)} bytes (${bytesText(plan.memory.bytes)})`];
  const constants = plan.constants.map((c) => [
    hex(c.offset),
    grouped(c.bytes),
    `${c.dtype}[${c.shape.join(", ")}]`,
    c.layout,
    c.stored === c.dtype ? "" : storedText(c),
    c.name,
    c.digest.slice(0, 12),
  ]);
  section(
    lines,
    style,
    `weights at ${hex(plan.memory.weights.offset)}`,
    ["offset", "bytes", "type", "layout", "stored", "name", "digest"],
    constants,
  );
  const states = plan.states.map((s) => [hex(s.offset), grouped(s.bytes), typeText(s), s.name]);
  section(lines, style, `states at ${hex(plan.memory.states.offset)}`, ["offset", "bytes", "type", "name"], states);
  for (const e of plan.entries) {
    const buffers = [...e.buffers].sort((a, b) => a.offset - b.offset || a.live[0] - b.live[0]);
    const rows = buffers.map((b) => [
      hex(b.offset),
      grouped(b.bytes),
      `${b.live[0]}..${b.live[1]}`,
      typeText(b),
      b.name,
    ]);
    const sum = e.buffers.reduce((n, b) => n + b.bytes, 0);
    const arena = plan.memory.arena;
    const reuse = `${bytesText(sum)} of buffers in ${bytesText(arena.bytes)}`;
    section(
      lines,
      style,
      `entry ${e.name}: arena at ${hex(arena.offset)}, ${reuse}`,
      ["offset", "bytes", "live", "type", "name"],
      rows,
    );
  }
  return lines.join("\n");
}

function section(
  lines: string[],
  style: Style,
  title: string,
  head: readonly string[],
  rows: readonly string[][],
): void {
  if (rows.length === 0) return;
  lines.push("", style.bold(title), ...indent(table(head, rows, ["offset", "bytes"])));
}

function hex(n: number): string {
  return `0x${n.toString(16)}`;
}
