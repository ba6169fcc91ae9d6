// A schedule becomes a plan and WebAssembly modules: kernels are lowered to loops, loops to code, equal code is shared,
// the plan places everything, and one module for each variant and dialect holds all of it. They run the same steps on the
// same memory: only the code of their kernels differs.

import { range } from "../../compiler/ir/dim.js";
import { Bug } from "../../compiler/ir/errors.js";
import type { Builder, Value } from "../../compiler/ir/graph.js";
import { type KernelCode, makePlan } from "../../compiler/plan/make-plan.js";
import type { Plan, Variant } from "../../compiler/plan/plan.js";
import type { Kernel, Schedule } from "../../compiler/schedule/schedule.js";
import { SIMD128, SIMD128_BYTES } from "../../compiler/schedule/tiles.js";
import { symbolsOfRun } from "../entry.js";
import { lowerSchedule } from "../loops/lower-schedule.js";
import { isDivisible } from "../loops/parts.js";
import type { BufferUse, LoopKernel } from "../loops/stmt.js";
import type { Memo } from "../memo.js";
import type { Threading } from "../threading.js";
import { assemble, type ModuleSource } from "./assemble.js";
import { type Dialect, dialectsOf } from "./dialect.js";
import { KernelEmitter } from "./emit-kernel.js";
import { emitEntry } from "./entry.js";
import { outline } from "./outline.js";
import { sourceText } from "./source-text.js";
import { type Job, jobFunction, type ThreadMemory, threadCode, threadMemory } from "./threads.js";
import { isInstruction, type Operand, type WasmFunction } from "./tree.js";
import { largeKernels, unlessWarming, warmFunction } from "./warm.js";

export interface WasmModule {
  readonly variant: Variant;
  readonly features: readonly string[];
  /** What a pool needs behind the plan's memory; null without threads. */
  readonly threads: ThreadMemory | null;
  readonly wasm: Uint8Array;
}

export interface WasmBuild {
  readonly plan: Plan;
  readonly weights: Uint8Array;
  /** In the order of the variants, each in its dialects, best first. */
  readonly modules: readonly WasmModule[];
  /** Byte offset of a value's buffer; null where it has none. */
  readonly placeOf: (v: Value) => number | null;
}

export interface WasmOptions {
  readonly entry: string;
  /** Best first. */
  readonly variants: readonly Variant[];
  readonly threading: Threading;
  readonly memo: Memo;
}

export function buildWasm(schedule: Schedule, builder: Builder, options: WasmOptions): WasmBuild {
  const { entry, variants } = options;
  const lowered = lowerDialects(schedule);
  const kernels = lowered.map(({ kernel }) => kernel);
  const forms = variants.flatMap((variant) =>
    dialectsOf(variant, kernels.some(hasBytes)).map((dialect) => ({ variant, dialect })),
  );
  const emitted = lowered.map((own) =>
    forms.map(({ variant, dialect }) =>
      new KernelEmitter(own.loopsIn(dialect), dialect, variant.threads && own.divisible).emit(),
    ),
  );
  const { functions, uses } = outline(emitted);
  const codes = new Map<Kernel, KernelCode>();
  for (const [i, { kernel, buffers, divisible }] of lowered.entries()) {
    const use = uses[i];
    if (use === undefined) throw new Bug("wasm", `kernel ${kernel.name} has no code`);
    codes.set(kernel, { buffers, fn: use.fn, constants: use.constants, divisible });
  }
  const models = new Map<string, Kernel>(kernels.map((k) => [k.name, k]));
  const { plan, weights, placeOf } = makePlan({
    target: "wasm",
    variants,
    entry,
    schedule,
    codeOf: (k) => {
      const code = codes.get(k);
      if (code === undefined) throw new Bug("wasm", `kernel ${k.name} is unknown`);
      return code;
    },
    functions: functions.map((f) => {
      const name = f[0]?.name ?? "";
      const model = models.get(name);
      const text = f.map(functionText).join("\n");
      return { name, template: model?.template ?? "map", choices: model?.choices ?? {}, text };
    }),
    originOf: (v: Value) => builder.originOf(v.node),
  });
  const scratch = Math.max(0, ...kernels.map((k) => range(k.scratch).hi));
  const modules = forms.map((form, at) => {
    const own = functions.flatMap((f) => f[at] ?? []);
    return moduleOf(plan, own, form, threadMemory(plan, scratch), options);
  });
  const widened = new Set(kernels.flatMap((k) => (k.template === "widen" ? k.outputs : [])));
  return { plan, weights, modules, placeOf: (v) => (widened.has(v) ? null : placeOf(v)) };
}

interface LoweredKernel {
  readonly kernel: Kernel;
  readonly buffers: readonly BufferUse[];
  readonly divisible: boolean;
  readonly loopsIn: (dialect: Dialect) => LoopKernel;
}

/** Whether a kernel is another one where bytes multiply. */
function hasBytes({ template, bytes }: Kernel): boolean {
  return bytes !== null || template === "widen";
}

/** The loops of every kernel, and of those of bytes also where bytes multiply. */
function lowerDialects(schedule: Schedule): readonly LoweredKernel[] {
  const plain = lowerSchedule(schedule, SIMD128);
  const isPlain = plain.every(({ kernel }) => !hasBytes(kernel));
  const ofBytes = isPlain ? plain : lowerSchedule(schedule, SIMD128_BYTES, hasBytes);
  const bytesOf = new Map(ofBytes.map(({ kernel, loops }) => [kernel, loops]));
  return plain.map(({ kernel, loops }) => {
    const other = bytesOf.get(kernel) ?? loops;
    return {
      kernel,
      buffers: loops.buffers,
      divisible: isDivisible(loops),
      loopsIn: ({ bytes }) => (bytes === null ? loops : other),
    };
  });
}

function moduleOf(
  plan: Plan,
  functions: readonly WasmFunction[],
  { variant, dialect }: { readonly variant: Variant; readonly dialect: Dialect },
  memory: ThreadMemory,
  { threading, memo }: WasmOptions,
): WasmModule {
  const { tier, threads } = variant;
  const jobs: Job[] = [];
  const list = threads ? { grain: threading.grain, jobs } : null;
  const idle = new Set(functions.flatMap((f, i) => (f.body.length === 0 ? [i] : [])));
  const entries = plan.entries.map((e) => emitEntry(plan, e, list, idle));
  const large = largeKernels(plan);
  const source: ModuleSource = {
    functions: functions.map((f, i) => (large.includes(i) ? unlessWarming(f) : f)),
    entries,
    warm: large.length === 0 ? null : warmFunction(functions, large),
    symbols: symbolsOfRun(plan),
    pages: plan.memory.bytes / 65536,
    relaxed: tier === "relaxed",
    pool: threads ? { code: threadCode(plan, memory, threading), jobs: jobs.map(jobFunction) } : null,
  };
  const wasm = memo(
    () => sourceText(source),
    () => assemble(source),
  );
  const features = [
    "bulk-memory",
    "nontrapping-fptoint",
    ...dialect.features,
    ...(tier === "relaxed" ? ["relaxed-simd"] : []),
    "simd128",
    ...(threads ? ["threads"] : []),
  ];
  return { variant, features, threads: threads ? memory : null, wasm };
}

function functionText(f: WasmFunction): string {
  const text = (x: Operand): string =>
    isInstruction(x)
      ? `(${x.map(text).join(" ")})`
      : typeof x === "bigint"
        ? `${x}n`
        : Object.is(x, -0)
          ? "-0"
          : String(x);
  return `${f.params} ${f.locals.join(" ")} ${f.body.map(text).join("\n")}`;
}
