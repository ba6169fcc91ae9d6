// Engines run a function first as their baseline compiler made it, several times slower than optimized, and exchange it at a
// call, once it has used up a budget. A large kernel is one call, so that its whole first run would be the slow code. A module
// therefore exports a function that calls its large kernels many times without letting them do anything: engines count what
// a call passes over, take the kernels for hot and optimize them on threads of their own, before the first run or
// while it begins.

import type { DimJson, Plan, StepPlan } from "../../compiler/plan/plan.js";
import { get, type Instruction, i32, set, type WasmFunction } from "./tree.js";

/** Work (schedule/work.ts) of one run from which on a function is worth it: about a millisecond of baseline code. */
const LARGE = 2 ** 21;

/** Functions whose calls in one run have much to do, at the greatest sizes; in order. */
export function largeKernels(plan: Plan): readonly number[] {
  const greatest = new Map(plan.symbols.map((s) => [s.name, s.hi]));
  const work = new Map<number, number>();
  const walk = (steps: readonly StepPlan[]): void => {
    for (const s of steps) {
      if (s.kind === "call" && s.work !== null)
        work.set(s.kernel, (work.get(s.kernel) ?? 0) + sizeOf(s.work, greatest));
      else if (s.kind === "loop") walk(s.body);
      else if (s.kind === "if") {
        walk(s.yes);
        walk(s.no);
      }
    }
  };
  for (const e of plan.entries) walk(e.steps);
  return [...work].flatMap(([kernel, sum]) => (sum >= LARGE ? [kernel] : [])).sort((a, b) => a - b);
}

function sizeOf(d: DimJson, symbols: ReadonlyMap<string, number>): number {
  if (typeof d === "number") return d;
  // A loop's counter.
  if (typeof d === "string") return symbols.get(d) ?? 1;
  const [op, a, b] = d;
  const [x, y] = [sizeOf(a, symbols), sizeOf(b, symbols)];
  switch (op) {
    case "add":
      return x + y;
    case "mul":
      return x * y;
    case "div":
      return Math.floor(x / y);
    case "mod":
      return x % y;
    case "min":
      return Math.min(x, y);
    case "max":
      return Math.max(x, y);
  }
}

/** The kernel, passed over while the module warms up. Its end stays where it was: engines count up to where a call leaves. */
export function unlessWarming({ body, ...rest }: WasmFunction): WasmFunction {
  return { ...rest, body: [["if", ["i32.eqz", ["warming.get"]], ["block", ...body], ["block"]]] };
}

/** (calls): calls each of these kernels so many times. */
export function warmFunction(functions: readonly WasmFunction[], large: readonly number[]): WasmFunction {
  const calls = large.map(
    (kernel): Instruction => [
      "call.fn",
      kernel,
      ...Array.from({ length: functions[kernel]?.params ?? 0 }, () => i32(0)),
    ],
  );
  const [left, next] = [get(0, "i32"), set(0, ["i32.sub", get(0, "i32"), i32(1)])];
  const body: Instruction[] = [
    ["warming.set", i32(1)],
    ["if", left, ["block", ["loop", ...calls, next, ["continue_if", left]]], ["block"]],
    ["warming.set", i32(0)],
  ];
  return { name: "warm", params: 1, locals: [], body };
}
