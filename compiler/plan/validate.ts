// Judges a plan, written apart from what makes one: regions and buffers lie where they may, what is alive together shares
// no bytes, every read follows a write, every symbol is known before it is used. A total function: any Plan gives a list.

import { bytesOf } from "../ir/dtype.js";
import { symbolNames } from "./dim-json.js";
import type { BufferPlan, DimJson, EntryPlan, Plan, Port, StepPlan } from "./plan.js";

export interface PlanIssue {
  /** `memory`, `entry "main", step 3 (k3_conv)`, ... */
  readonly at: string;
  readonly message: string;
}

const PAGE = 65536;

export function validatePlan(plan: Plan): PlanIssue[] {
  const issues: PlanIssue[] = [];
  const report = (at: string, message: string): void => {
    issues.push({ at, message });
  };
  checkRegions(plan, report);
  checkConstants(plan, report);
  for (const s of plan.states) checkInside(`state "${s.name}"`, s, plan.memory.states, report);
  checkApart("states", plan.states, report);
  const names = new Set<string>();
  for (const s of plan.symbols) {
    if (names.has(s.name)) report("symbols", `${s.name} is there twice`);
    names.add(s.name);
    if (!(s.lo <= s.hi)) report("symbols", `${s.name} has the empty range ${s.lo}..${s.hi}`);
  }
  for (const e of plan.entries) checkEntry(plan, e, report);
  return issues;
}

type Report = (at: string, message: string) => void;

interface Region {
  readonly offset: number;
  readonly bytes: number;
}

function checkRegions(plan: Plan, report: Report): void {
  const { bytes, weights, states, arena } = plan.memory;
  if (bytes % PAGE !== 0 || bytes <= 0 || bytes > 2 ** 32)
    report("memory", `${bytes} bytes is no number of 64 KiB pages up to 4 GiB`);
  const regions: readonly (readonly [string, Region])[] = [
    ["weights", weights],
    ["states", states],
    ["arena", arena],
  ];
  let end = 0;
  for (const [name, r] of regions) {
    if (!Number.isSafeInteger(r.offset) || !Number.isSafeInteger(r.bytes) || r.bytes < 0)
      report("memory", `the ${name} region is not in whole bytes`);
    if (r.offset < end)
      report("memory", `the ${name} region starts at ${r.offset}, before ${end}, the end of what is before it`);
    end = r.offset + r.bytes;
  }
  if (end > bytes) report("memory", `the arena ends at ${end}, memory at ${bytes}`);
}

function checkInside(at: string, r: Region, region: Region, report: Report): void {
  if (r.offset < region.offset || r.offset + r.bytes > region.offset + region.bytes)
    report(
      at,
      `lies at ${r.offset}..${r.offset + r.bytes}, outside its region ${region.offset}..${region.offset + region.bytes}`,
    );
}

function checkApart(at: string, items: readonly Region[], report: Report): void {
  const sorted = items.filter((i) => i.bytes > 0).sort((a, b) => a.offset - b.offset);
  for (const [i, item] of sorted.entries()) {
    const next = sorted[i + 1];
    if (next !== undefined && item.offset + item.bytes > next.offset)
      report(at, `bytes ${next.offset}.. are given twice`);
  }
}

function checkConstants(plan: Plan, report: Report): void {
  for (const c of plan.constants) {
    checkInside(`constant ${c.name}`, c, plan.memory.weights, report);
    if (c.stored !== c.dtype && bytesOf(c.stored) >= bytesOf(c.dtype))
      report(`constant ${c.name}`, `is stored as ${c.stored}, which is no shorter than ${c.dtype}`);
  }
  checkApart("constants", plan.constants, report);
}

function checkEntry(plan: Plan, entry: EntryPlan, report: Report): void {
  const at = `entry "${entry.name}"`;
  const buffers = new Map(entry.buffers.map((b) => [b.name, b]));
  if (buffers.size !== entry.buffers.length) report(at, "two buffers have one name");
  for (const b of entry.buffers) checkInside(`${at}, buffer ${b.name}`, b, plan.memory.arena, report);
  checkLifetimes(at, entry.buffers, report);
  const known = new Set([...entry.symbols, ...plan.symbols.filter((s) => s.offset === null).map((s) => s.name)]);
  for (const s of entry.sources) {
    const port = entry.inputs[s.input];
    if (port === undefined || port.shape[s.axis] === undefined)
      report(at, `symbol ${s.symbol} comes from axis ${s.axis} of input ${s.input}, which is not there`);
  }
  const constants = new Set(plan.constants.map((c) => c.name));
  const states = new Set(plan.states.map((s) => `state.${s.name}`));
  const written = new Set<string>();
  for (const p of entry.inputs)
    for (const b of entry.buffers) if (b.offset === p.offset && b.live[0] < 0) written.add(b.name);
  checkPorts(at, entry, plan, report);
  const readable = (name: string): boolean => written.has(name) || constants.has(name) || states.has(name);
  const read = (where: string, name: string): void => {
    if (!readable(name)) report(where, `reads ${name}, which nothing wrote before`);
  };
  const write = (where: string, name: string): void => {
    if (!buffers.has(name) && !states.has(name)) report(where, `writes ${name}, which is no buffer`);
    if (constants.has(name)) report(where, `writes the constant ${name}`);
    written.add(name);
  };
  const dimension = (where: string, d: DimJson): void => {
    for (const name of symbolNames(d)) if (!known.has(name)) report(where, `needs ${name}, which is not known yet`);
  };
  const walk = (steps: readonly StepPlan[], path: string): void => {
    for (const [i, s] of steps.entries()) {
      const where = `${at}, step ${path}${i}${s.kind === "call" ? ` (${s.name})` : ""}`;
      switch (s.kind) {
        case "call":
          if (plan.kernels[s.kernel] === undefined) report(where, `calls kernel ${s.kernel} of ${plan.kernels.length}`);
          for (const name of s.reads) read(where, name);
          for (const name of s.writes) {
            write(where, name);
            if (s.reads.includes(name)) report(where, `reads and writes ${name}`);
          }
          for (const name of s.binds) known.add(name);
          break;
        case "copy":
          read(where, s.from);
          dimension(where, s.bytes);
          if (s.row !== null) dimension(where, s.row);
          write(where, s.to);
          break;
        case "bind":
          if ("size" in s.value) dimension(where, s.value.size);
          else read(where, s.value.buffer);
          known.add(s.symbol);
          break;
        case "if":
          read(where, s.condition);
          walk(s.yes, `${path}${i}.then.`);
          walk(s.no, `${path}${i}.else.`);
          break;
        case "loop":
          read(where, s.trips);
          read(where, s.condition);
          known.add(s.iteration);
          walk(s.body, `${path}${i}.`);
          read(where, s.next);
          if (s.count !== null) known.add(s.count);
          break;
      }
    }
  };
  walk(entry.steps, "");
  for (const b of entry.buffers)
    if (written.has(b.name)) for (const d of b.shape) dimension(`${at}, buffer ${b.name}`, d);
  for (const c of entry.constraints) {
    dimension(`${at}, constraint`, c.left);
    dimension(`${at}, constraint`, c.right);
  }
}

/** Buffers that are alive at the same moment share no bytes. */
function checkLifetimes(at: string, buffers: readonly BufferPlan[], report: Report): void {
  const sorted = buffers.filter((b) => b.bytes > 0).sort((a, b) => a.offset - b.offset);
  for (const [i, a] of sorted.entries()) {
    for (let j = i + 1; j < sorted.length; j++) {
      const b = sorted[j];
      if (b === undefined || b.offset >= a.offset + a.bytes) break;
      if (a.live[0] <= b.live[1] && b.live[0] <= a.live[1])
        report(at, `buffers ${a.name} and ${b.name} share bytes and are alive together`);
    }
  }
}

function checkPorts(at: string, entry: EntryPlan, plan: Plan, report: Report): void {
  const homes: readonly Region[] = [...entry.buffers, ...plan.constants, ...plan.states];
  const check = (what: string, p: Port): void => {
    const home = homes.some((h) => h.offset === p.offset && p.bytes <= h.bytes);
    if (!home && p.bytes > 0) report(at, `${what} "${p.name}" lies at ${p.offset}, where no buffer of its size starts`);
    const fixed = p.shape.every((d) => typeof d === "number")
      ? p.shape.reduce<number>((n, d) => n * Number(d), bytesOf(p.dtype))
      : null;
    if (fixed !== null && fixed !== p.bytes) report(at, `${what} "${p.name}" takes ${fixed} bytes and has ${p.bytes}`);
  };
  for (const p of entry.inputs) check("input", p);
  for (const p of entry.outputs) check("output", p);
}
