// Which bytes of memory each step of an entry may touch, from the plan, for the stand that runs native code: buffers,
// constants, states, scratch, zeros, and the words of symbols.

import type { EntryPlan, Plan, StepPlan } from "../../../compiler/plan/plan.js";

export interface Region {
  readonly offset: number;
  readonly bytes: number;
  readonly written: boolean;
  /** The step is the first to use it, and all that it needs from before lies elsewhere. */
  readonly fresh: boolean;
}

export interface EntryRegions {
  /** What has a value before the first step. */
  readonly initial: readonly Region[];
  /** By top-level step. */
  readonly steps: readonly (readonly Region[])[];
}

interface Place {
  readonly offset: number;
  readonly bytes: number;
}

const readable = ({ offset, bytes }: Place): Region => ({ offset, bytes, written: false, fresh: false });

const overlap = (a: Place, b: Place): boolean => a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;

/** `scratch`: the bytes of scratch memory that a kernel has, by the name of its step. */
export function regionsOf(plan: Plan, entry: EntryPlan, scratch: (step: string) => number): EntryRegions {
  const { weights } = plan.memory;
  const inputs = entry.buffers.filter((b) => b.live[0] < 0);
  const unused = new Set(entry.buffers.map((b) => b.name));
  for (const b of inputs) unused.delete(b.name);
  const values = new Map<string, Place>(entry.buffers.map((b) => [b.name, b]));
  for (const s of plan.states) values.set(`state.${s.name}`, s);
  const plain = new Map<string, Place>(plan.constants.filter((c) => c.layout === "plain").map((c) => [c.name, c]));
  const words = plan.symbols.flatMap((s) => (s.offset === null ? [] : [{ offset: s.offset, bytes: 4 }]));

  const use = (name: string, written: boolean): Region => {
    const place = values.get(name) ?? plain.get(name);
    if (place === undefined) throw new Error(`the plan has no buffer ${name}`);
    return { offset: place.offset, bytes: place.bytes, written, fresh: unused.delete(name) };
  };
  const regionsOfCall = ({ name, args, reads, writes }: StepPlan & { kind: "call" }): Region[] => {
    const found = [...reads.filter((r) => values.has(r)).map((r) => use(r, false)), ...writes.map((w) => use(w, true))];
    for (const at of args) {
      const constant = plan.constants.find((c) => c.offset === at);
      if (constant !== undefined) found.push(readable(constant));
      else if (at < weights.offset) found.push(readable({ offset: at, bytes: weights.offset - at }));
      else if (!found.some((r) => r.offset === at))
        found.push({ offset: at, bytes: scratch(name), written: true, fresh: true });
    }
    return found;
  };
  const regionsOfStep = (s: StepPlan): Region[] => {
    switch (s.kind) {
      case "call":
        return regionsOfCall(s);
      case "bind":
        return "buffer" in s.value ? [use(s.value.buffer, false)] : [];
      case "copy":
        return [use(s.from, false), use(s.to, true)];
      case "if":
        return [use(s.condition, false), ...[...s.yes, ...s.no].flatMap(regionsOfStep)];
      case "loop":
        return [use(s.trips, false), use(s.condition, false), ...s.body.flatMap(regionsOfStep), use(s.next, false)];
    }
  };

  /** Inside a branch or a loop a buffer may take the place of one that the step itself has read by then. */
  const settled = (step: StepPlan): Region[] => {
    const later = new Set(unused);
    const found = regionsOfStep(step);
    const before = [...values].filter(([name]) => !later.has(name)).map(([, place]) => place);
    const needed = found.filter((r) => !r.fresh && before.some((p) => p.offset === r.offset && p.bytes === r.bytes));
    return found.map((r) => ({ ...r, fresh: r.fresh && !needed.some((n) => overlap(n, r)) }));
  };

  const zerosAt = Math.max(0, ...words.map((w) => w.offset + w.bytes));
  return {
    initial: [{ offset: zerosAt, bytes: weights.offset - zerosAt }, ...words, ...inputs, ...plan.states].map(readable),
    steps: entry.steps.map((s) => [...words.map((w) => ({ ...w, written: true, fresh: false })), ...settled(s)]),
  };
}
