// The function that runs an entry point, spelled in WebAssembly: symbols are globals, and kernels are called by index or
// shared by threads.

import type { DimJson, EntryPlan, Plan } from "../../compiler/plan/plan.js";
import { type EntryCode, entryCode } from "../entry.js";
import type { Job } from "./threads.js";
import { get, type Instruction, i32, type ValueType, type WasmFunction } from "./tree.js";

const START = 0;
const STOP = 1;

export interface JobList {
  /** Least work of a part. */
  readonly grain: number;
  readonly jobs: Job[];
}

/**
 * `jobs`: where kernels run in parts, the steps that threads share are added to it; null for one thread. `idle`: kernels that do
 * nothing in this module.
 */
export function emitEntry(plan: Plan, entry: EntryPlan, jobs: JobList | null, idle: ReadonlySet<number>): WasmFunction {
  const speller = new EntrySpeller(2 + entry.symbols.length, jobs, idle);
  const symbols = entry.symbols.map((name, i): Instruction => ["symbol.set", name, get(2 + i, "i32")]);
  const steps = entryCode(plan, entry).flatMap((code) => speller.spell(code));
  const body: Instruction[] = [["fail.set", i32(0)], ...symbols, ...steps, i32(0)];
  return { name: entry.export, params: 2 + entry.symbols.length, locals: speller.locals, body };
}

function returnIf(condition: Instruction, status: number): Instruction {
  return ["if", condition, ["block", ["return", i32(status)]], ["block"]];
}

class EntrySpeller {
  readonly locals: ValueType[] = [];
  readonly #params: number;
  readonly #jobs: JobList | null;
  readonly #idle: ReadonlySet<number>;

  constructor(params: number, jobs: JobList | null, idle: ReadonlySet<number>) {
    this.#params = params;
    this.#jobs = jobs;
    this.#idle = idle;
  }

  spell(code: EntryCode): Instruction[] {
    switch (code.kind) {
      case "step": {
        const { index, body, failed } = code;
        const after: Instruction = ["i32.le_u", get(START, "i32"), i32(index)];
        const inside: Instruction = ["i32.and", after, ["i32.lt_u", i32(index), get(STOP, "i32")]];
        return [["if", inside, ["block", ...this.#all(body), returnIf(["fail.get"], failed)], ["block"]]];
      }
      case "call":
        return this.#idle.has(code.kernel) ? [] : [this.#call(code)];
      case "setSymbol":
        return [["symbol.set", code.name, dimCode(code.value)]];
      case "readSymbol":
        return [["symbol.set", code.name, ["i32.wrap", ["i64.load", 0, 8, i32(code.offset)]]]];
      case "keepSymbol":
        return [["i32.store", 0, 4, i32(code.offset), ["symbol.get", code.name]]];
      case "requireEqual":
        return [returnIf(["i32.ne", dimCode(code.left), dimCode(code.right)], code.status)];
      case "requireRange": {
        const value: Instruction = ["symbol.get", code.name];
        const outside: Instruction = ["i32.or", ["i32.lt_s", value, i32(code.lo)], ["i32.gt_s", value, i32(code.hi)]];
        return [returnIf(outside, code.status)];
      }
      case "copy": {
        const bytes = dimCode(code.bytes);
        const to = i32(code.to);
        const row: Instruction = code.row === null ? to : ["i32.add", to, ["i32.mul", ["symbol.get", code.row], bytes]];
        return [["memory.copy", row, i32(code.from), bytes]];
      }
      case "if": {
        const condition: Instruction = ["i32.load8_u", 0, 1, i32(code.condition)];
        return [["if", condition, ["block", ...this.#all(code.yes)], ["block", ...this.#all(code.no)]]];
      }
      case "loop":
        return this.#loop(code);
    }
  }

  #all(codes: readonly EntryCode[]): Instruction[] {
    return codes.flatMap((code) => this.spell(code));
  }

  #call({ kernel, args, work }: EntryCode & { kind: "call" }): Instruction {
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

  #loop({ counter, trips, first, next, body, count }: EntryCode & { kind: "loop" }): Instruction[] {
    this.locals.push("i32");
    const i = this.#params + this.locals.length - 1;
    const more = (condition: number): Instruction => [
      "i32.and",
      ["i64.lt_s", ["i64.extend_u", get(i, "i32")], ["i64.load", 0, 8, i32(trips)]],
      ["i32.ne", ["i32.load8_u", 0, 1, i32(condition)], i32(0)],
    ];
    const round: Instruction[] = [
      ["symbol.set", counter, get(i, "i32")],
      ...this.#all(body),
      ["local.set", i, ["i32.add", get(i, "i32"), i32(1)]],
      ["continue_if", more(next)],
    ];
    const out: Instruction[] = [
      ["local.set", i, i32(0)],
      ["if", more(first), ["block", ["loop", ...round]], ["block"]],
    ];
    if (count !== null) out.push(["symbol.set", count, get(i, "i32")]);
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
