// What the function of an entry point does, for any target: symbols set, constraints checked, then the plan's steps in
// order with their control flow. It reads the plan and nothing else; targets spell it.

import { Bug } from "../compiler/ir/errors.js";
import { symbolNames } from "../compiler/plan/dim-json.js";
import { type DimJson, type EntryPlan, type Plan, STATUS, type StepPlan } from "../compiler/plan/plan.js";

/** Offsets are bytes from the start of the plan's memory. */
export type EntryCode =
  /** A top-level step: runs where start <= index < stop, then the entry returns `failed` if a check of an index failed. */
  | { readonly kind: "step"; readonly index: number; readonly body: readonly EntryCode[]; readonly failed: number }
  /** `work`: as the plan estimates it, where the kernel can run in parts. */
  | {
      readonly kind: "call";
      readonly kernel: number;
      readonly args: readonly number[];
      readonly work: DimJson | null;
    }
  | { readonly kind: "setSymbol"; readonly name: string; readonly value: DimJson }
  /** A symbol from the low half of an i64 in memory. */
  | { readonly kind: "readSymbol"; readonly name: string; readonly offset: number }
  /** Leaves a symbol's value in memory. */
  | { readonly kind: "keepSymbol"; readonly name: string; readonly offset: number }
  /** Returns `status` unless the two are equal. */
  | { readonly kind: "requireEqual"; readonly left: DimJson; readonly right: DimJson; readonly status: number }
  /** Returns `status` unless lo <= symbol <= hi. */
  | {
      readonly kind: "requireRange";
      readonly name: string;
      readonly lo: number;
      readonly hi: number;
      readonly status: number;
    }
  /** Copies to `to`, or behind as many times `bytes` as the symbol `row` says. */
  | {
      readonly kind: "copy";
      readonly from: number;
      readonly to: number;
      readonly bytes: DimJson;
      readonly row: string | null;
    }
  /** Tests a bool in memory. */
  | {
      readonly kind: "if";
      readonly condition: number;
      readonly yes: readonly EntryCode[];
      readonly no: readonly EntryCode[];
    }
  /**
   * While counter < the i64 at `trips` and the bool at `first` (later `next`) holds: sets the symbol `counter` from 0 on
   * and runs the body. `count`: a symbol that is left with the number of iterations.
   */
  | {
      readonly kind: "loop";
      readonly counter: string;
      readonly trips: number;
      readonly first: number;
      readonly next: number;
      readonly body: readonly EntryCode[];
      readonly count: string | null;
    };

/** Names of all symbols of a run: the plan's, and the counters of its loops. */
export function symbolsOfRun(plan: Plan): string[] {
  const names = new Set(plan.symbols.map((s) => s.name));
  const walk = (steps: readonly StepPlan[]): void => {
    for (const s of steps) {
      if (s.kind === "loop") {
        names.add(s.iteration);
        walk(s.body);
      } else if (s.kind === "if") {
        walk(s.yes);
        walk(s.no);
      }
    }
  };
  for (const e of plan.entries) walk(e.steps);
  return [...names];
}

/** The entry's code; the symbols of its inputs have their values before it starts. */
export function entryCode(plan: Plan, entry: EntryPlan): EntryCode[] {
  return new EntryWriter(plan, entry).code();
}

class EntryWriter {
  readonly #plan: Plan;
  readonly #entry: EntryPlan;
  readonly #offsets: ReadonlyMap<string, number>;
  /** Constraints not checked yet, by index. */
  readonly #pending: Set<number>;
  readonly #known: Set<string>;
  #top = 0;

  constructor(plan: Plan, entry: EntryPlan) {
    this.#plan = plan;
    this.#entry = entry;
    this.#pending = new Set(entry.constraints.keys());
    this.#known = new Set(entry.symbols);
    const offsets = new Map(plan.constants.filter((c) => c.layout === "plain").map((c) => [c.name, c.offset]));
    for (const b of entry.buffers) offsets.set(b.name, b.offset);
    for (const s of plan.states) offsets.set(`state.${s.name}`, s.offset);
    this.#offsets = offsets;
  }

  code(): EntryCode[] {
    const out = this.#constraints();
    for (const [index, s] of this.#entry.steps.entries()) {
      this.#top = index;
      out.push({ kind: "step", index, body: this.#step(s), failed: index * 8 + STATUS.indexOutOfRange });
    }
    return out;
  }

  #offset(name: string): number {
    const offset = this.#offsets.get(name);
    if (offset === undefined) throw new Bug("entry", `the plan has no buffer ${name}`);
    return offset;
  }

  #constraints(): EntryCode[] {
    const out: EntryCode[] = [];
    for (const i of [...this.#pending]) {
      const c = this.#entry.constraints[i];
      if (c === undefined || [...symbolNames(c.right, symbolNames(c.left))].some((n) => !this.#known.has(n))) continue;
      this.#pending.delete(i);
      out.push({ kind: "requireEqual", left: c.left, right: c.right, status: i * 8 + STATUS.constraint });
    }
    return out;
  }

  /** After a symbol is set: its range, its place in memory, and the constraints it completes. */
  #settled(name: string): EntryCode[] {
    const s = this.#plan.symbols.find((x) => x.name === name);
    this.#known.add(name);
    const out: EntryCode[] = [];
    if (s !== undefined) {
      const hi = Math.min(s.hi, 2 ** 31 - 1);
      out.push({ kind: "requireRange", name, lo: s.lo, hi, status: this.#top * 8 + STATUS.bound });
      if (s.offset !== null) out.push({ kind: "keepSymbol", name, offset: s.offset });
    }
    return [...out, ...this.#constraints()];
  }

  #step(s: StepPlan): EntryCode[] {
    switch (s.kind) {
      case "call":
        return [
          { kind: "call", kernel: s.kernel, args: s.args, work: s.work },
          ...s.binds.flatMap((name) => this.#settled(name)),
        ];
      case "copy": {
        const [from, to] = [this.#offset(s.from), this.#offset(s.to)];
        return [{ kind: "copy", from, to, bytes: s.bytes, row: s.row }];
      }
      case "bind": {
        const { symbol: name, value } = s;
        const code: EntryCode =
          "size" in value
            ? { kind: "setSymbol", name, value: value.size }
            : { kind: "readSymbol", name, offset: this.#offset(value.buffer) + 8 * value.index };
        return [code, ...this.#settled(name)];
      }
      case "if": {
        const yes = s.yes.flatMap((x) => this.#step(x));
        const no = s.no.flatMap((x) => this.#step(x));
        return [{ kind: "if", condition: this.#offset(s.condition), yes, no }];
      }
      case "loop":
        return this.#loop(s);
    }
  }

  #loop(s: StepPlan & { kind: "loop" }): EntryCode[] {
    this.#known.add(s.iteration);
    const body: EntryCode[] = [];
    if (s.bound !== null)
      body.push({
        kind: "requireRange",
        name: s.iteration,
        lo: 0,
        hi: s.bound - 1,
        status: this.#top * 8 + STATUS.bound,
      });
    for (const x of s.body) body.push(...this.#step(x));
    const loop: EntryCode = {
      kind: "loop",
      counter: s.iteration,
      trips: this.#offset(s.trips),
      first: this.#offset(s.condition),
      next: this.#offset(s.next),
      body,
      count: s.count,
    };
    return s.count === null ? [loop] : [loop, ...this.#settled(s.count)];
  }
}
