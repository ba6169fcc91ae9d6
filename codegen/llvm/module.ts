// One LLVM module for a plan: a function for each kernel, the entry points, the few helpers that both call, and the pool of
// threads. The text names no machine: the driver of a target gives it triple and data layout.

import type { Plan } from "../../compiler/plan/plan.js";
import { symbolsOfRun } from "../entry.js";
import type { Threading } from "../threading.js";
import { emitEntry } from "./emit-entry.js";
import type { EntryForm } from "./entry-form.js";
import { jobText, type KernelFunction } from "./jobs.js";
import { ALIAS_NODES } from "./memory.js";
import { poolDeclarations, poolText } from "./pool.js";
import type { PoolMachine } from "./pool-layout.js";
import type { SymbolTable } from "./symbol-table.js";

/** Quotient and remainder that round down. A zero divisor is the size of an empty value: nothing is read with the result. */
export const HELPERS = `define internal i64 @floordiv(i64 %a, i64 %b) #2 {
  %empty = icmp eq i64 %b, 0
  %d = select i1 %empty, i64 1, i64 %b
  %q = sdiv i64 %a, %d
  %r = srem i64 %a, %d
  %inexact = icmp ne i64 %r, 0
  %signs = xor i64 %r, %d
  %differ = icmp slt i64 %signs, 0
  %wrong = and i1 %inexact, %differ
  %one = zext i1 %wrong to i64
  %floor = sub i64 %q, %one
  %result = select i1 %empty, i64 0, i64 %floor
  ret i64 %result
}
define internal i64 @mod(i64 %a, i64 %b) #2 {
  %empty = icmp eq i64 %b, 0
  %d = select i1 %empty, i64 1, i64 %b
  %r = srem i64 %a, %d
  %inexact = icmp ne i64 %r, 0
  %signs = xor i64 %r, %d
  %differ = icmp slt i64 %signs, 0
  %wrong = and i1 %inexact, %differ
  %moved = add i64 %r, %d
  %floor = select i1 %wrong, i64 %moved, i64 %r
  %result = select i1 %empty, i64 0, i64 %floor
  ret i64 %result
}
`;

/** What a module with threads has beside its kernels and entries. */
export interface PoolOptions {
  /** The most bytes of scratch memory that a kernel needs. */
  readonly scratch: number;
  readonly machine: PoolMachine;
  readonly threading: Threading;
}

/** `pool`: null for a module of one thread. */
export function moduleText(
  plan: Plan,
  kernels: readonly KernelFunction[],
  symbols: SymbolTable,
  declarations: Set<string>,
  pool: PoolOptions | null,
  form: EntryForm,
): string {
  const functions = kernels.map(({ text }, i) => `define internal void @k${i}${text}`);
  for (const name of symbolsOfRun(plan)) symbols.indexOf(name);
  const jobs = new Set<number>();
  const sharing = pool === null ? null : { kernels, grain: pool.threading.grain, jobs };
  const entries = plan.entries.map((e) => emitEntry(plan, e, { form, symbols, declarations, sharing }));
  if (pool !== null) for (const d of poolDeclarations(pool.machine)) declarations.add(d);
  return [
    ...functions,
    ...kernels.flatMap((k, i) => (jobs.has(i) ? [jobText(i, k)] : [])),
    ...entries,
    pool === null ? "" : poolText(pool.scratch, pool.machine, pool.threading, form),
    HELPERS,
    ...[...declarations].sort(),
    "attributes #0 = { nounwind noinline }",
    "attributes #1 = { nounwind }",
    "attributes #2 = { nounwind alwaysinline }",
    ...ALIAS_NODES,
    "",
  ].join("\n");
}
