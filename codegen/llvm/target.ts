// A schedule becomes a plan and LLVM IR: kernels are lowered to loops, loops to functions, equal functions are shared, and
// the plan places everything. One plan serves every tier and every level of a
// CPU family: they differ in the instructions that are used.

import { range } from "../../compiler/ir/dim.js";
import { Bug } from "../../compiler/ir/errors.js";
import type { Builder, Value } from "../../compiler/ir/graph.js";
import { type KernelCode, makePlan } from "../../compiler/plan/make-plan.js";
import type { Plan, Variant } from "../../compiler/plan/plan.js";
import type { Kernel, Schedule } from "../../compiler/schedule/schedule.js";
import { lowerSchedule } from "../loops/lower-schedule.js";
import { isDivisible } from "../loops/parts.js";
import type { LoopKernel } from "../loops/stmt.js";
import type { Threading } from "../threading.js";
import { emitKernel, runsInParts } from "./emit-kernel.js";
import { moduleText } from "./module.js";
import { type PoolMachine, type PoolMemory, poolMemory } from "./pool-layout.js";
import type { Dialect } from "./spell.js";
import { SymbolTable } from "./symbol-table.js";

/** A level of a CPU family that code is made for. */
export interface CpuLevel {
  /** What the CPU must have; the shim asks for each. */
  readonly features: readonly string[];
  readonly dialect: Dialect;
}

export interface LlvmModule<L extends CpuLevel> {
  readonly variant: Variant;
  readonly level: L;
  readonly text: string;
  /** What a pool takes; null without threads. */
  readonly threads: PoolMemory | null;
}

export interface LlvmBuild<L extends CpuLevel> {
  readonly plan: Plan;
  readonly weights: Uint8Array;
  /** One module for each variant and level, in their order. */
  readonly modules: readonly LlvmModule<L>[];
  /** Byte offset of a value's buffer; null where it has none. */
  readonly placeOf: (v: Value) => number | null;
}

export interface LlvmOptions<L extends CpuLevel> {
  readonly target: string;
  readonly entry: string;
  /** Best first. */
  readonly variants: readonly Variant[];
  /** Best first. */
  readonly levels: readonly L[];
  readonly pool: PoolMachine;
  readonly threading: Threading;
}

export function buildLlvm<L extends CpuLevel>(
  schedule: Schedule,
  builder: Builder,
  { target, entry, variants, levels, pool: machine, threading }: LlvmOptions<L>,
): LlvmBuild<L> {
  const [model] = variants;
  const [best] = levels;
  if (model === undefined || best === undefined) throw new Bug("llvm", `${target} without a variant`);
  const lowered = lowerSchedule(schedule);
  const symbols = new SymbolTable();
  const spell = (loops: LoopKernel, variant: Variant, { dialect }: CpuLevel, declarations: Set<string>): string =>
    emitKernel(loops, { variant, dialect, symbols, declarations });
  // Kernels with equal text share a function.
  const functions: { readonly kernel: Kernel; readonly loops: LoopKernel; readonly text: string }[] = [];
  const numbers = new Map<string, number>();
  const codes = new Map<Kernel, KernelCode>();
  for (const { kernel, loops } of lowered) {
    const text = spell(loops, model, best, new Set());
    const fn = numbers.get(text) ?? functions.length;
    if (fn === functions.length) functions.push({ kernel, loops, text });
    numbers.set(text, fn);
    codes.set(kernel, { buffers: loops.buffers, fn, constants: [], divisible: isDivisible(loops) });
  }
  const { plan, weights, placeOf } = makePlan({
    target,
    variants,
    entry,
    schedule,
    codeOf: (k) => {
      const code = codes.get(k);
      if (code === undefined) throw new Bug("llvm", `kernel ${k.name} is unknown`);
      return code;
    },
    functions: functions.map(({ kernel: { name, template, choices }, text }) => ({ name, template, choices, text })),
    originOf: (v) => builder.originOf(v.node),
  });
  const scratch = Math.max(0, ...lowered.map(({ kernel }) => range(kernel.scratch).hi));
  const modules = variants.flatMap((variant) =>
    levels.map((level) => {
      const declarations = new Set<string>();
      const kernels = functions.map(({ loops }) => ({
        buffers: loops.buffers,
        text: spell(loops, variant, level, declarations),
        inParts: runsInParts(loops, variant),
      }));
      const pool = variant.threads ? { scratch, machine, threading } : null;
      const text = moduleText(plan, kernels, symbols, declarations, pool);
      return { variant, level, text, threads: pool === null ? null : poolMemory(scratch) };
    }),
  );
  return { plan, weights, modules, placeOf };
}
