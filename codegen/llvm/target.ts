// A schedule becomes a plan and LLVM IR: kernels are lowered to loops for each level's vectors, loops to functions, equal
// functions are shared, and the plan places everything. One plan serves every tier and every level of a CPU family: they
// differ in the instructions, the vectors and the tiles that are used.

import { range } from "../../compiler/ir/dim.js";
import { Bug } from "../../compiler/ir/errors.js";
import type { Builder, Value } from "../../compiler/ir/graph.js";
import { type KernelCode, makePlan } from "../../compiler/plan/make-plan.js";
import { layoutName } from "../../compiler/plan/pack.js";
import type { Plan, Variant } from "../../compiler/plan/plan.js";
import type { Kernel, Schedule } from "../../compiler/schedule/schedule.js";
import type { VectorUnit } from "../../compiler/schedule/tiles.js";
import { lowerSchedule } from "../loops/lower-schedule.js";
import { isDivisible } from "../loops/parts.js";
import type { BufferUse, LoopKernel } from "../loops/stmt.js";
import type { Threading } from "../threading.js";
import { emitKernel, runsInParts } from "./emit-kernel.js";
import type { EntryForm } from "./entry-form.js";
import { moduleText } from "./module.js";
import { type PoolMachine, type PoolMemory, poolMemory } from "./pool-layout.js";
import type { Dialect } from "./spelling.js";
import { SymbolTable } from "./symbol-table.js";

/** A level of a CPU family that code is made for. */
export interface CpuLevel {
  /** What the CPU must have; the shim asks for each. */
  readonly features: readonly string[];
  readonly unit: VectorUnit;
  readonly dialect: Dialect;
}

export interface LlvmModule<L extends CpuLevel> {
  readonly variant: Variant;
  readonly level: L;
  /** Its text with functions that stand in a library as this form says. */
  readonly textIn: (form: EntryForm) => string;
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
  if (variants.length === 0 || levels.length === 0) throw new Bug("llvm", `${target} without a variant`);
  const symbols = new SymbolTable();
  const sources = variants.flatMap((variant) =>
    levels.map((level) => ({ variant, level, declarations: new Set<string>() })),
  );
  const spell = (byLevel: ReadonlyMap<L, LoopKernel>): string[] =>
    sources.map(({ variant, level, declarations }) => {
      const loops = byLevel.get(level);
      if (loops === undefined) throw new Bug("llvm", `${target} without a level's loops`);
      return emitKernel(loops, { variant, dialect: level.dialect, symbols, declarations });
    });
  // Kernels with equal text everywhere share a function.
  const functions: Shared[] = [];
  const numbers = new Map<string, number>();
  const codes = new Map<Kernel, KernelCode>();
  for (const { kernel, byLevel } of lowerLevels(schedule, levels)) {
    const texts = spell(byLevel);
    const key = texts.join("\0");
    const fn = numbers.get(key) ?? functions.length;
    const all = [...byLevel.values()];
    const buffers = buffersOf(kernel, all);
    if (fn === functions.length) functions.push({ kernel, buffers, texts, byLevel });
    numbers.set(key, fn);
    codes.set(kernel, { buffers, fn, constants: [], divisible: all.every(isDivisible) });
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
    functions: functions.map(({ kernel: { name, template, choices }, texts }) => ({
      name,
      template,
      choices,
      text: texts[0] ?? "",
    })),
    originOf: (v) => builder.originOf(v.node),
  });
  const scratch = Math.max(0, ...[...codes.keys()].map((kernel) => range(kernel.scratch).hi));
  const modules = sources.map(({ variant, level, declarations }, at) => {
    const kernels = functions.map(({ buffers, texts, byLevel }) => {
      const loops = byLevel.get(level);
      return { buffers, text: texts[at] ?? "", inParts: loops !== undefined && runsInParts(loops, variant) };
    });
    const pool = variant.threads ? { scratch, machine, threading } : null;
    const textIn = (form: EntryForm): string => moduleText(plan, kernels, symbols, declarations, pool, form);
    return { variant, level, textIn, threads: pool === null ? null : poolMemory(scratch) };
  });
  return { plan, weights, modules, placeOf };
}

/** A function that kernels share: its text in every module, and its loops on every level. */
interface Shared {
  readonly kernel: Kernel;
  readonly buffers: readonly BufferUse[];
  readonly texts: readonly string[];
  readonly byLevel: ReadonlyMap<CpuLevel, LoopKernel>;
}

/** The loops of every kernel for each level's vectors. */
function lowerLevels<L extends CpuLevel>(
  schedule: Schedule,
  levels: readonly L[],
): { readonly kernel: Kernel; readonly byLevel: ReadonlyMap<L, LoopKernel> }[] {
  const units = new Map<VectorUnit, ReadonlyMap<Kernel, LoopKernel>>();
  for (const { unit } of levels)
    if (!units.has(unit))
      units.set(unit, new Map(lowerSchedule(schedule, unit).map(({ kernel, loops }) => [kernel, loops])));
  const kernels = [...(units.values().next().value?.keys() ?? [])];
  return kernels.map((kernel) => ({
    kernel,
    byLevel: new Map(
      levels.flatMap((level) => {
        const loops = units.get(level.unit)?.get(kernel);
        return loops === undefined ? [] : [[level, loops] as const];
      }),
    ),
  }));
}

/** The buffers of a kernel, which are the same on every level: they share plan and weights. */
function buffersOf(kernel: Kernel, levels: readonly LoopKernel[]): readonly BufferUse[] {
  const text = (b: BufferUse): string =>
    b.role === "value" ? `${b.value.node.id}.${b.value.index} ${layoutName(b.layout)}` : JSON.stringify(b);
  const [first, ...others] = levels.map((l) => l.buffers.map(text).join());
  if (others.some((o) => o !== first)) throw new Bug("llvm", `${kernel.name} has other buffers on other levels`);
  return levels[0]?.buffers ?? [];
}
