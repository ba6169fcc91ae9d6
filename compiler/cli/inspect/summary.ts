// What a bundle is, at a glance: identity, entry points with their types, memory, kernels by template, blobs.

import { toLevels } from "../../../codegen/bundle/levels.js";
import { dimText, shapeText } from "../../../runtime-shim/format.js";
import { MEASURED_ERROR } from "../../../targets/wasm/exactness.js";
import type { EntryPlan, Plan, Port, StepPlan, Tier } from "../../plan/plan.js";
import { type BundleView, moduleName } from "../bundle-view.js";
import { bytesText, counted, grouped, type Style, table } from "../style.js";

export function typeText(p: { readonly dtype: string; readonly shape: Port["shape"] }): string {
  return `${p.dtype}${shapeText(p.shape)}`;
}

/** Calls in a list of steps, inner ones too. */
function countCalls(steps: readonly StepPlan[]): number {
  let calls = 0;
  for (const s of steps) {
    if (s.kind === "call") calls++;
    else if (s.kind === "if") calls += countCalls(s.yes) + countCalls(s.no);
    else if (s.kind === "loop") calls += countCalls(s.body);
  }
  return calls;
}

/** The JSON form, without what the flags add. */
export function summaryDocument(b: BundleView): Record<string, unknown> {
  const { manifest: m, plan } = b;
  return {
    path: b.path,
    digest: b.digest,
    bytes: b.bytes.byteLength,
    format: m.format,
    producer: m.producer,
    target: m.target,
    symbols: plan.symbols,
    entries: plan.entries.map((e) => ({
      name: e.name,
      export: e.export,
      symbols: e.symbols,
      inputs: e.inputs.map((p) => ({ name: p.name, dtype: p.dtype, shape: p.shape, bytes: p.bytes })),
      outputs: e.outputs.map((p) => ({ name: p.name, dtype: p.dtype, shape: p.shape, bytes: p.bytes })),
      constraints: e.constraints,
      steps: e.steps.length,
      calls: countCalls(e.steps),
    })),
    states: plan.states.map((s) => ({ name: s.name, dtype: s.dtype, shape: s.shape, bytes: s.bytes })),
    memory: plan.memory,
    kernels: plan.kernels.length,
    constants: plan.constants.length,
    modules: m.modules,
    measuredError: Object.fromEntries(tiersOf(b).map((t) => [t, MEASURED_ERROR[t]])),
    blobs: m.blobs.map(({ kind, offset, bytes }) => ({ kind, offset, bytes })),
    levels: m.levels,
  };
}

export function summaryText(b: BundleView, style: Style): string {
  const { manifest: m, plan } = b;
  const lines = [
    `${style.bold(b.path)}  ${bytesText(b.bytes.byteLength)}`,
    `plan digest  ${b.digest}`,
    `producer     ${m.producer}`,
    ...(toLevels(m.levels).tools ?? []).map((tool, i) => `${i === 0 ? "tools" : ""}`.padEnd(13) + tool),
    `target       ${m.target}`,
    ...m.modules.map((x, i) => `${i === 0 ? "modules" : ""}`.padEnd(13) + moduleName(x)),
    ...tiersOf(b).map((t, i) => `${i === 0 ? "exactness" : ""}`.padEnd(13) + exactnessText(t)),
  ];
  for (const e of plan.entries) lines.push("", ...entryLines(e, plan, style));
  if (plan.states.length > 0) {
    lines.push("", style.bold("states"));
    for (const s of plan.states) lines.push(`  ${s.name}: ${typeText(s)}  ${bytesText(s.bytes)}`);
  }
  lines.push("", style.bold("memory"), ...indent(regionTable(plan)));
  lines.push("", style.bold(`kernels (${plan.kernels.length})`), ...indent(templateTable(plan)));
  const blobs = m.blobs.map((x) => [x.kind, grouped(x.bytes), bytesText(x.bytes)]);
  lines.push("", style.bold("blobs"), ...indent(table(["kind", "bytes", "size"], blobs, ["bytes", "size"])));
  const levels = toLevels(m.levels);
  const digests = (["signature", "source", "functional", "schedule", "memory"] as const).map((name) => [
    name,
    levels[name],
  ]);
  const shown = digests.filter(([, digest]) => digest !== "").map(([name = "", digest = ""]) => [name, digest]);
  if (shown.length > 0) lines.push("", style.bold("levels"), ...indent(table(["level", "sha256"], shown)));
  const passes = levels.passes.map((p) => [
    p.name,
    p.changed ? "changed the graph" : "changed nothing",
    p.digest.slice(0, 16),
  ]);
  if (passes.length > 0) lines.push("", style.bold("passes"), ...indent(table(["pass", "", "graph after"], passes)));
  return lines.join("\n");
}

function tiersOf({ manifest }: BundleView): readonly Tier[] {
  return [...new Set(manifest.modules.map((m) => m.tier))];
}

/** What a tier promises, and its error as it was measured. */
function exactnessText(tier: Tier): string {
  const promise = tier === "strict" ? "the same bits on every host and number of threads" : "bits differ between hosts";
  const error = MEASURED_ERROR[tier].toExponential(0);
  return `${tier}: ${promise}; seen within ${error} of exact results, relative to the largest (docs/performance.md)`;
}

function entryLines(e: EntryPlan, plan: Plan, style: Style): string[] {
  const lines = [style.bold(`entry ${e.name}`)];
  for (const p of e.inputs) lines.push(`  in   ${p.name}: ${typeText(p)}`);
  for (const p of e.outputs) lines.push(`  out  ${p.name}: ${typeText(p)}`);
  for (const name of e.symbols) {
    const s = plan.symbols.find((x) => x.name === name);
    if (s !== undefined) lines.push(`  ${name} is ${s.lo}..${s.hi}`);
  }
  for (const c of e.constraints) lines.push(`  requires ${dimText(c.left)} = ${dimText(c.right)} (${c.reason})`);
  lines.push(`  ${counted(e.steps.length, "step")}, ${counted(countCalls(e.steps), "kernel call")}`);
  return lines;
}

function regionTable(plan: Plan): string {
  const { memory } = plan;
  const rows = (["weights", "states", "arena"] as const).map((name) => {
    const r = memory[name];
    return [name, String(r.offset), grouped(r.bytes), bytesText(r.bytes)];
  });
  rows.push(["total", "", grouped(memory.bytes), bytesText(memory.bytes)]);
  return table(["region", "offset", "bytes", "size"], rows, ["offset", "bytes", "size"]);
}

function templateTable(plan: Plan): string {
  const counts = new Map<string, number>();
  for (const k of plan.kernels) counts.set(k.template, (counts.get(k.template) ?? 0) + 1);
  const rows = [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).map(([name, n]) => [name, String(n)]);
  return table(["template", "count"], rows, ["count"]);
}

export function indent(text: string): string[] {
  return text.split("\n").map((line) => `  ${line}`);
}
