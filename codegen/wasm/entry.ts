// The function that runs an entry point: symbols into globals, constraints checked, then the plan's steps in order, with
// their control flow. It reads the plan and nothing else.

import { Bug } from "../../compiler/ir/errors.js";
import { symbolNames } from "../../compiler/plan/dim-json.js";
import { type DimJson, type EntryPlan, type Plan, STATUS, type StepPlan } from "../../compiler/plan/plan.js";
import type { Job } from "./threads.js";
import { get, type Instruction, i32, type ValueType, type WasmFunction } from "./tree.js";

const START = 0;
const STOP = 1;

/** `jobs`: where kernels run in parts, the steps that threads share are added to it; null for one thread. */
export function emitEntry(plan: Plan, entry: EntryPlan, jobs: JobList | null): WasmFunction {
  return new EntryEmitter(plan, entry, jobs).emit();
}

export interface JobList {
  /** Least work of a part. */
  readonly grain: number;
  readonly jobs: Job[];
}

/** Names of all symbols that need a global: the plan's, and the counters of its loops. */
export function symbolGlobals(plan: Plan): string[] {
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

class EntryEmitter {
  readonly #plan: Plan;
  readonly #entry: EntryPlan;
  readonly #offsets: ReadonlyMap<string, number>;
  readonly #locals: ValueType[] = [];
  readonly #params: number;
  /** Constraints not checked yet, by index. */
  readonly #pending: Set<number>;
  readonly #known: Set<string>;
  readonly #jobs: JobList | null;
  #top = 0;

  constructor(plan: Plan, entry: EntryPlan, jobs: JobList | null) {
    this.#jobs = jobs;
    this.#plan = plan;
    this.#entry = entry;
    this.#params = 2 + entry.symbols.length;
    this.#pending = new Set(entry.constraints.keys());
    this.#known = new Set(entry.symbols);
    const offsets = new Map(entry.buffers.map((b) => [b.name, b.offset]));
    for (const s of plan.states) offsets.set(`state.${s.name}`, s.offset);
    this.#offsets = offsets;
  }

  emit(): WasmFunction {
    const body: Instruction[] = [["fail.set", i32(0)]];
    for (const [i, name] of this.#entry.symbols.entries()) body.push(["symbol.set", name, get(2 + i, "i32")]);
    body.push(...this.#constraints());
    for (const [i, s] of this.#entry.steps.entries()) {
      this.#top = i;
      const inside: Instruction = [
        "i32.and",
        ["i32.le_u", get(START, "i32"), i32(i)],
        ["i32.lt_u", i32(i), get(STOP, "i32")],
      ];
      body.push([
        "if",
        inside,
        ["block", ...this.#step(s), this.#returnIf(["fail.get"], i * 8 + STATUS.indexOutOfRange)],
        ["block"],
      ]);
    }
    body.push(i32(0));
    return { name: this.#entry.export, params: this.#params, locals: this.#locals, body };
  }

  #returnIf(condition: Instruction, status: number): Instruction {
    return ["if", condition, ["block", ["return", i32(status)]], ["block"]];
  }

  #offset(name: string): number {
    const offset = this.#offsets.get(name) ?? this.#constant(name);
    if (offset === undefined) throw new Bug("wasm", `the plan has no buffer ${name}`);
    return offset;
  }

  /** Constants are named by the digest of their elements in plain layout. */
  #constant(name: string): number | undefined {
    return this.#plan.constants.find((c) => c.layout === "plain" && c.name === name)?.offset;
  }

  #constraints(): Instruction[] {
    const out: Instruction[] = [];
    for (const i of [...this.#pending]) {
      const c = this.#entry.constraints[i];
      if (c === undefined) continue;
      const names = symbolNames(c.right, symbolNames(c.left));
      if ([...names].some((n) => !this.#known.has(n))) continue;
      this.#pending.delete(i);
      out.push(this.#returnIf(["i32.ne", dimCode(c.left), dimCode(c.right)], i * 8 + STATUS.constraint));
    }
    return out;
  }

  /** After a symbol is set: its range, its place in memory, and the constraints it completes. */
  #bound(name: string): Instruction[] {
    const s = this.#plan.symbols.find((x) => x.name === name);
    this.#known.add(name);
    const out: Instruction[] = [];
    if (s !== undefined) {
      const value: Instruction = ["symbol.get", name];
      const hi = Math.min(s.hi, 2 ** 31 - 1);
      const outside: Instruction = ["i32.or", ["i32.lt_s", value, i32(s.lo)], ["i32.gt_s", value, i32(hi)]];
      out.push(this.#returnIf(outside, this.#top * 8 + STATUS.bound));
      if (s.offset !== null) out.push(["i32.store", 0, 4, i32(s.offset), value]);
    }
    return [...out, ...this.#constraints()];
  }

  #step(s: StepPlan): Instruction[] {
    switch (s.kind) {
      case "call": {
        const code = [this.#call(s)];
        for (const name of s.binds) code.push(...this.#bound(name));
        return code;
      }
      case "copy": {
        const bytes = dimCode(s.bytes);
        const to: Instruction = i32(this.#offset(s.to));
        const target: Instruction = s.row === null ? to : ["i32.add", to, ["i32.mul", ["symbol.get", s.row], bytes]];
        return [["memory.copy", target, i32(this.#offset(s.from)), bytes]];
      }
      case "bind": {
        const { value } = s;
        const code: Instruction =
          "size" in value
            ? dimCode(value.size)
            : ["i32.wrap", ["i64.load", value.index * 8, 8, i32(this.#offset(value.buffer))]];
        return [["symbol.set", s.symbol, code], ...this.#bound(s.symbol)];
      }
      case "if": {
        const condition: Instruction = ["i32.load8_u", 0, 1, i32(this.#offset(s.condition))];
        const yes = s.yes.flatMap((x) => this.#step(x));
        const no = s.no.flatMap((x) => this.#step(x));
        return [["if", condition, ["block", ...yes], ["block", ...no]]];
      }
      case "loop":
        return this.#loop(s);
    }
  }

  #call({ kernel, args, work }: StepPlan & { kind: "call" }): Instruction {
    const plain = args.map(i32);
    if (this.#jobs === null || work === null) return ["call.fn", kernel, ...plain];
    const { grain, jobs } = this.#jobs;
    // Less than two parts: not worth a job.
    if (typeof work === "number" && work < 2 * grain) return ["call.fn", kernel, i32(0), i32(1), ...plain];
    const grains: Instruction =
      typeof work === "number"
        ? i32(Math.min(Math.floor(work / grain), MOST_GRAINS))
        : ["i32.trunc_u_sat.f64", ["f64.div", numberCode(work), ["f64.const", grain]]];
    jobs.push({ kernel, args });
    return ["call.thread", "threads.fork", i32(jobs.length - 1), grains];
  }

  #loop(s: StepPlan & { kind: "loop" }): Instruction[] {
    this.#locals.push("i32");
    const i = this.#params + this.#locals.length - 1;
    this.#known.add(s.iteration);
    const more = (condition: string): Instruction => [
      "i32.and",
      ["i64.lt_s", ["i64.extend_u", get(i, "i32")], ["i64.load", 0, 8, i32(this.#offset(s.trips))]],
      ["i32.ne", ["i32.load8_u", 0, 1, i32(this.#offset(condition))], i32(0)],
    ];
    const body: Instruction[] = [];
    if (s.bound !== null)
      body.push(this.#returnIf(["i32.ge_s", get(i, "i32"), i32(s.bound)], this.#top * 8 + STATUS.bound));
    body.push(["symbol.set", s.iteration, get(i, "i32")]);
    for (const x of s.body) body.push(...this.#step(x));
    body.push(["local.set", i, ["i32.add", get(i, "i32"), i32(1)]], ["continue_if", more(s.next)]);
    const out: Instruction[] = [
      ["local.set", i, i32(0)],
      ["if", more(s.condition), ["block", ["loop", ...body]], ["block"]],
    ];
    if (s.count !== null) out.push(["symbol.set", s.count, get(i, "i32")], ...this.#bound(s.count));
    return out;
  }
}

/** More parts than any number of threads takes. */
const MOST_GRAINS = 2 ** 20;

/** A dimension as f64 code: work may be more than an i32 holds. */
function numberCode(d: DimJson): Instruction {
  if (typeof d === "number") return ["f64.const", d];
  if (typeof d === "string") return ["f64.convert_s.i32", ["symbol.get", d]];
  const [op, a, b] = d;
  const [x, y] = [numberCode(a), numberCode(b)];
  const quotient: Instruction = ["f64.floor", ["f64.div", x, y]];
  if (op === "div") return quotient;
  if (op === "mod") return ["f64.sub", x, ["f64.mul", y, quotient]];
  return [`f64.${op}`, x, y];
}

/** A dimension as i32 code; divisions round down for the non-negative values that dimensions have. */
function dimCode(d: DimJson): Instruction {
  if (typeof d === "number") return i32(d);
  if (typeof d === "string") return ["symbol.get", d];
  const [op, a, b] = d;
  const [x, y] = [dimCode(a), dimCode(b)];
  switch (op) {
    case "add":
      return ["i32.add", x, y];
    case "mul":
      return ["i32.mul", x, y];
    case "div":
      return ["call.floordiv", x, y];
    case "mod":
      return ["call.floormod", x, y];
    case "min":
      return ["select", ["i32.lt_s", x, y], x, y];
    case "max":
      return ["select", ["i32.gt_s", x, y], x, y];
  }
}
