// When buffers are alive. In: the schedule's steps and the buffers each kernel uses. Out: every buffer with its first
// and last moment, copies that need not happen removed. A buffer used inside a loop and made outside lives to the end of
// the loop, since the next iteration reads it again.

import type { Dim } from "../ir/dim.js";
import { constantOf, type Value } from "../ir/graph.js";
import type { Kernel, Schedule, Step } from "../schedule/schedule.js";
import { holder } from "../schedule/views.js";
import type { BufferUse } from "./buffers.js";

export interface Buffer {
  readonly value: Value;
  first: number;
  last: number;
}

export interface Scratch {
  readonly kernel: Kernel;
  readonly at: number;
  readonly bytes: Dim;
}

export interface Lifetimes {
  /** Arena buffers in the order of their first moment. */
  readonly buffers: readonly Buffer[];
  readonly scratch: readonly Scratch[];
  /** The value whose buffer holds a value: through reshapes, loop results and elided copies. */
  slot(v: Value): Value;
  /** Copies that are no longer needed. */
  readonly elided: ReadonlySet<Step>;
  readonly end: number;
}

export function lifetimesOf(schedule: Schedule, buffersOf: (k: Kernel) => readonly BufferUse[]): Lifetimes {
  const alias = new Map<Value, Value>();
  const loopResults = (steps: readonly Step[]): void => {
    for (const s of steps) {
      if (s.kind === "if") for (const b of s.branches) loopResults(b);
      if (s.kind !== "loop") continue;
      loopResults(s.body);
      const carried = s.node.op === "loop" ? s.node.attrs.carried : 0;
      for (let i = 0; i < carried; i++) {
        const out = s.node.outputs[i];
        const param = s.node.regions[0]?.params[i + 1];
        if (out !== undefined && param !== undefined) alias.set(out, param);
      }
    }
  };
  loopResults(schedule.steps);
  const slot = (v: Value): Value => {
    let at = holder(v);
    for (let next = alias.get(at); next !== undefined; next = alias.get(at)) at = holder(next);
    return at;
  };
  const elided = elideCopies(schedule, buffersOf, slot, alias);

  const buffers = new Map<Value, Buffer>();
  const scratch: Scratch[] = [];
  let now = 0;
  const touch = (v: Value, first: number, last: number): void => {
    const at = slot(v);
    if (constantOf(at) !== undefined || at.node.op === "state") return;
    const known = buffers.get(at);
    if (known === undefined) buffers.set(at, { value: at, first, last });
    else {
      known.first = Math.min(known.first, first);
      known.last = Math.max(known.last, last);
    }
  };
  for (const v of schedule.graph.inputs) touch(v, -1, -1);
  const walk = (steps: readonly Step[]): void => {
    for (const s of steps) {
      now++;
      switch (s.kind) {
        case "kernel":
          for (const b of buffersOf(s.kernel)) if (b.role === "value") touch(b.value, now, now);
          if (s.kernel.scratch !== 0) scratch.push({ kernel: s.kernel, at: now, bytes: s.kernel.scratch });
          break;
        case "copy":
          if (elided.has(s)) break;
          touch(s.from, now, now);
          touch(s.to, now, now);
          break;
        case "bind":
          touch(s.binding.value, now, now);
          break;
        case "assign":
          break;
        case "if":
          for (const v of s.node.inputs) touch(v, now, now);
          for (const v of s.node.outputs) touch(v, now, now);
          for (const b of s.branches) walk(b);
          now++;
          for (const v of s.node.outputs) touch(v, now, now);
          break;
        case "loop":
          loop(s);
          break;
      }
    }
  };
  const loop = (s: Step & { kind: "loop" }): void => {
    const start = now;
    const carried = s.node.op === "loop" ? s.node.attrs.carried : 0;
    for (const v of s.node.inputs.slice(0, 2)) touch(v, now, now);
    for (const v of s.node.outputs.slice(carried)) touch(v, now, now);
    walk(s.body);
    now++;
    for (const v of s.node.regions[0]?.results.slice(0, 1) ?? []) touch(v, now, now);
    for (const v of s.node.regions[0]?.params.slice(1) ?? []) touch(v, start, now);
    for (const v of s.node.outputs) touch(v, now, now);
    for (const b of buffers.values()) if (b.first <= start && b.last >= start) b.last = Math.max(b.last, now);
  };
  walk(schedule.steps);
  now++;
  for (const o of schedule.graph.outputs) touch(o.value, now, now);
  return {
    buffers: [...buffers.values()].sort((a, b) => a.first - b.first),
    scratch,
    slot,
    elided,
    end: now,
  };
}

/**
 * A copy whose source is written by a kernel of the same step list and read by nothing else lets that kernel write to
 * the target directly, if nothing between reads the target.
 */
function elideCopies(
  schedule: Schedule,
  buffersOf: (k: Kernel) => readonly BufferUse[],
  slot: (v: Value) => Value,
  alias: Map<Value, Value>,
): Set<Step> {
  const readers = new Map<Value, number>();
  const count = (v: Value): void => {
    const at = slot(v);
    readers.set(at, (readers.get(at) ?? 0) + 1);
  };
  const reads = (s: Step): Value[] => {
    switch (s.kind) {
      case "kernel":
        return buffersOf(s.kernel).flatMap((b) => (b.role === "value" && !b.written ? [b.value] : []));
      case "copy":
        return [s.from];
      case "bind":
        return [s.binding.value];
      case "if":
        return [...s.node.inputs, ...s.branches.flat().flatMap(reads)];
      case "loop":
        return [
          ...s.node.inputs.slice(0, 2),
          ...(s.node.regions[0]?.results.slice(0, 1) ?? []),
          ...s.body.flatMap(reads),
        ];
      default:
        return [];
    }
  };
  for (const s of schedule.steps) for (const v of reads(s)) count(v);
  for (const o of schedule.graph.outputs) count(o.value);
  const writes = (s: Step): Value[] => {
    switch (s.kind) {
      case "kernel":
        return [...s.kernel.outputs];
      case "copy":
        return [s.to];
      case "if":
        return [...s.node.outputs, ...s.branches.flat().flatMap(writes)];
      case "loop":
        return [...s.node.outputs, ...(s.node.regions[0]?.params ?? []), ...s.body.flatMap(writes)];
      default:
        return [];
    }
  };
  const elided = new Set<Step>();
  const visit = (steps: readonly Step[]): void => {
    for (const s of steps) {
      if (s.kind === "if") for (const b of s.branches) visit(b);
      if (s.kind === "loop") visit(s.body);
    }
    for (const [i, s] of steps.entries()) {
      if (s.kind !== "copy" || s.row !== null) continue;
      const from = slot(s.from);
      const to = slot(s.to);
      if (from === to || readers.get(from) !== 1) continue;
      const made = steps.findIndex((p) => p.kind === "kernel" && p.kernel.outputs.includes(from));
      if (made < 0 || made > i) continue;
      const between = steps.slice(made, i);
      const busy = between.some((p) => reads(p).some((v) => slot(v) === to) || writes(p).some((v) => slot(v) === to));
      if (busy) continue;
      elided.add(s);
      alias.set(from, to);
    }
  };
  visit(schedule.steps);
  return elided;
}
