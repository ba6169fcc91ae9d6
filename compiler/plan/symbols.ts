// The symbols of a plan: those that the inputs' sizes give and from which axis, and those that the run binds.

import { type Dim, linearIn, symOf, symsOf } from "../ir/dim.js";
import { Bug } from "../ir/errors.js";
import type { Graph } from "../ir/graph.js";
import type { Schedule } from "../schedule/schedule.js";
import type { SymbolPlan, SymbolSource } from "./plan.js";

/** The name of a dimension that the run binds. */
export function symbolName(d: Dim): string {
  const s = symOf(d);
  if (s === undefined) throw new Bug("plan", "a bound dimension must be a symbol");
  return s.name;
}

function symbolsOfInputs(graph: Graph): Map<string, { lo: number; hi: number }> {
  const out = new Map<string, { lo: number; hi: number }>();
  for (const v of [...graph.inputs, ...graph.states.map((s) => s.current)])
    for (const d of v.type.shape) for (const s of symsOf(d)) out.set(s.name, { lo: s.lo, hi: s.hi });
  return out;
}

/** Symbols that the sizes of inputs and states name; the caller's sizes give them. */
export function inputSymbols(graph: Graph): SymbolPlan[] {
  return [...symbolsOfInputs(graph)].map(([name, { lo, hi }]) => ({ name, lo, hi, offset: null }));
}

/** Symbols that the run binds, with the place of their value: i32 from byte `at` on. */
export function symbolPlans(schedule: Schedule, at: number): SymbolPlan[] {
  const names = new Map<string, { lo: number; hi: number }>();
  for (const b of schedule.graph.bindings) {
    const s = symOf(b.symbol);
    if (s !== undefined) names.set(s.name, { lo: s.lo, hi: s.hi });
  }
  return [...names].map(([name, { lo, hi }], i) => ({ name, lo, hi, offset: at + 4 * i }));
}

/** For each symbol of the inputs, an axis whose size gives it. */
export function symbolSources(graph: Graph): { sources: SymbolSource[]; order: string[] } {
  const sources: SymbolSource[] = [];
  const order = [...symbolsOfInputs(graph).keys()];
  for (const name of order) {
    let best: SymbolSource | null = null;
    for (const [input, v] of graph.inputs.entries()) {
      for (const [axis, d] of v.type.shape.entries()) {
        const all = [...symsOf(d)];
        const [only] = all;
        if (only === undefined || all.length !== 1 || only.name !== name) continue;
        const linear = linearIn(d, only);
        if (
          linear === null ||
          typeof linear.coeff !== "number" ||
          typeof linear.rest !== "number" ||
          linear.coeff === 0
        )
          continue;
        const source = { symbol: name, input, axis, mul: linear.coeff, add: linear.rest };
        if (best === null || (source.mul === 1 && best.mul !== 1)) best = source;
      }
    }
    if (best === null) throw new Bug("plan", `no input's axis gives the symbol ${name}`);
    sources.push(best);
  }
  return { sources, order };
}
