// The parts of two plans that have names: kernels, buffers, ports, constants. Each is a record of fields as text;
// comparing the records says what was added, removed or changed.

import { shapeText } from "../../../runtime-shim/format.js";
import type { EntryPlan, Plan } from "../../plan/plan.js";
import { storedText } from "../stored-text.js";
import type { ItemDiff } from "./difference.js";

export type Fields = Readonly<Record<string, string>>;

/** Records by name; a name that occurs again gets "#2", "#3", ... */
export function byName(items: Iterable<readonly [string, Fields]>): Map<string, Fields> {
  const out = new Map<string, Fields>();
  for (const [name, fields] of items) {
    let unique = name;
    for (let n = 2; out.has(unique); n++) unique = `${name}#${n}`;
    out.set(unique, fields);
  }
  return out;
}

/** What differs, in the old order and then the new. */
export function diffItems(old: ReadonlyMap<string, Fields>, now: ReadonlyMap<string, Fields>): ItemDiff[] {
  const out: ItemDiff[] = [];
  for (const [name, before] of old) {
    const after = now.get(name);
    if (after === undefined) {
      out.push({ name, change: "removed", fields: [] });
      continue;
    }
    const fields = [...new Set([...Object.keys(before), ...Object.keys(after)])]
      .map((field) => ({ field, old: before[field] ?? "", new: after[field] ?? "" }))
      .filter((f) => f.old !== f.new);
    if (fields.length > 0) out.push({ name, change: "changed", fields });
  }
  for (const name of now.keys()) if (!old.has(name)) out.push({ name, change: "added", fields: [] });
  return out;
}

/** "3 added, 1 removed, 2 changed". */
export function countItems(items: readonly ItemDiff[]): string {
  return (["added", "removed", "changed"] as const)
    .map((change) => ({ change, n: items.filter((i) => i.change === change).length }))
    .filter(({ n }) => n > 0)
    .map(({ change, n }) => `${n} ${change}`)
    .join(", ");
}

export function kernelItems(plan: Plan): Map<string, Fields> {
  return byName(
    plan.kernels.map((k) => {
      const choices = Object.entries(k.choices).map(([name, value]) => [name, String(value)] as const);
      return [k.name, { ...Object.fromEntries(choices), template: k.template, code: k.digest }] as const;
    }),
  );
}

export function bufferItems(plan: Plan): Map<string, Fields> {
  const items: [string, Fields][] = [];
  for (const e of plan.entries)
    for (const b of e.buffers)
      items.push([
        `${e.name}/${b.name}`,
        {
          type: `${b.dtype}${shapeText(b.shape)}`,
          offset: String(b.offset),
          bytes: String(b.bytes),
          live: `${b.live[0]}..${b.live[1]}`,
        },
      ]);
  for (const s of plan.states)
    items.push([
      `state ${s.name}`,
      { type: `${s.dtype}${shapeText(s.shape)}`, offset: String(s.offset), bytes: String(s.bytes) },
    ]);
  const { memory } = plan;
  items.push(["memory", { bytes: String(memory.bytes) }]);
  for (const region of ["weights", "states", "arena"] as const)
    items.push([region, { offset: String(memory[region].offset), bytes: String(memory[region].bytes) }]);
  return byName(items);
}

/**
 * Constants are named by their digest, so one with other values has another name: what is gone and what is new pair up
 * in plan order where type and layout are the same.
 */
export function diffConstants(old: Plan, now: Plan): ItemDiff[] {
  const [before, after] = [constantItems(old), constantItems(now)];
  const found = diffItems(before, after);
  const isNew = found.filter((i) => i.change === "added");
  const paired = new Set<ItemDiff>();
  const out = found.map((gone) => {
    if (gone.change !== "removed") return gone;
    const was = before.get(gone.name) ?? {};
    const fits = (i: ItemDiff): boolean => {
      const is = after.get(i.name) ?? {};
      return !paired.has(i) && is["type"] === was["type"] && is["layout"] === was["layout"];
    };
    const match = isNew.find(fits);
    if (match === undefined) return gone;
    paired.add(match);
    const field = { field: "digest", old: was["digest"] ?? "", new: after.get(match.name)?.["digest"] ?? "" };
    return { name: `${was["type"]} ${was["layout"]}, ${gone.name}`, change: "changed" as const, fields: [field] };
  });
  return out.filter((i) => !paired.has(i));
}

function constantItems(plan: Plan): Map<string, Fields> {
  return byName(
    plan.constants.map((c) => [
      c.name,
      {
        type: `${c.dtype}[${c.shape.join(", ")}]`,
        layout: c.layout,
        bytes: String(c.bytes),
        stored: storedText(c),
        digest: c.digest,
      },
    ]),
  );
}

export function signatureItems(plan: Plan): Map<string, Fields> {
  const ranges = new Map(plan.symbols.map((s) => [s.name, `${s.lo}..${s.hi}`]));
  const items: [string, Fields][] = [];
  for (const e of plan.entries) {
    items.push([`entry ${e.name}`, { symbols: e.symbols.map((s) => `${s}: ${ranges.get(s) ?? "?"}`).join(", ") }]);
    for (const [what, ports] of portsOf(e))
      for (const [at, p] of ports.entries())
        items.push([`${e.name}.${what} ${p.name}`, { type: `${p.dtype}${shapeText(p.shape)}`, position: String(at) }]);
  }
  for (const s of plan.states) items.push([`state ${s.name}`, { type: `${s.dtype}${shapeText(s.shape)}` }]);
  return byName(items);
}

function portsOf(e: EntryPlan): readonly (readonly [string, EntryPlan["inputs"]])[] {
  return [
    ["input", e.inputs],
    ["output", e.outputs],
  ];
}
