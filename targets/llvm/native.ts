// A CPU family as data, and the way from a schedule to the shared libraries of its levels.

import type { ModuleVariant } from "../../codegen/bundle/write.js";
import { EXPORTED } from "../../codegen/llvm/entry-form.js";
import type { PoolMachine } from "../../codegen/llvm/pool-layout.js";
import { buildLlvm, type CpuLevel } from "../../codegen/llvm/target.js";
import type { Memo } from "../../codegen/memo.js";
import type { Threading } from "../../codegen/threading.js";
import { Bug, refuse } from "../../compiler/ir/errors.js";
import type { Builder, Value } from "../../compiler/ir/graph.js";
import type { Plan, Variant } from "../../compiler/plan/plan.js";
import type { Schedule } from "../../compiler/schedule/schedule.js";
import { type CLibrary, type CLibraryOptions, makeCLibrary } from "./c-library.js";
import { compileObject } from "./compile.js";
import { openLlvm } from "./library.js";
import { type LinkTarget, linkerName, linkShared } from "./link.js";
import { NATIVE_THREADING } from "./threads.js";

export interface NativeLevel extends CpuLevel {
  /** LLVM's name of the CPU level. */
  readonly cpu: string;
  /** LLVM's features beyond it. */
  readonly enable: string;
}

export interface NativeTarget {
  readonly name: string;
  readonly triple: string;
  /** LLVM's name of the CPU that every machine of the family has: for code that runs before a level is chosen. */
  readonly baseline: string;
  readonly link: LinkTarget;
  readonly pool: PoolMachine;
  /** By name, best first. */
  readonly levels: Readonly<Record<string, NativeLevel>>;
  /** What is made where nothing else is asked for. */
  readonly standard: readonly string[];
}

export interface NativeBuild {
  readonly plan: Plan;
  readonly weights: Uint8Array;
  /** Shared libraries, best first. */
  readonly modules: readonly ModuleVariant[];
  readonly placeOf: (v: Value) => number | null;
  /** LLVM and the linker, with their versions: the modules' bytes depend on them. */
  readonly tools: readonly string[];
  /** The library with a C face that belongs to this bundle: code of the first variant on every level. */
  readonly library: (wanted: CLibraryOptions, bundle: Uint8Array, producer: string) => CLibrary;
}

export interface NativeOptions {
  readonly entry: string;
  /** Best first. */
  readonly variants: readonly Variant[];
  /** Names of levels; the target's standard ones by default. */
  readonly cpus?: readonly string[] | undefined;
  readonly threading?: Threading | undefined;
  readonly memo: Memo;
}

/**
 * A module with threads also runs on one, at the same speed: it stands for both. Throws Refused where a level is unknown,
 * or LLVM or a linker is missing.
 */
export function buildNative(
  target: NativeTarget,
  schedule: Schedule,
  builder: Builder,
  { entry, variants, cpus = target.standard, threading = NATIVE_THREADING, memo }: NativeOptions,
): NativeBuild {
  const levels = levelsOf(target, cpus);
  const tools = toolsOfNative(target);
  const { plan, weights, modules, placeOf } = buildLlvm(schedule, builder, {
    target: target.name,
    entry,
    variants: variants.filter((v) => v.threads || !variants.some((w) => w.threads && w.tier === v.tier)),
    levels,
    pool: target.pool,
    threading,
  });
  return {
    plan,
    weights,
    placeOf,
    tools,
    library: (wanted, bundle, producer) =>
      makeCLibrary(target, { plan, modules, weights, bundle, producer, tools, memo }, wanted),
    modules: modules.map(({ variant, level, textIn, threads }) => {
      const text = textIn(EXPORTED);
      const machine = { triple: target.triple, cpu: level.cpu, features: level.enable };
      // How it is compiled and linked is in the compiler's own code.
      const content = (): string => JSON.stringify({ tools, target: target.name, machine, text });
      const wasm = memo(content, () => linkShared([compileObject(text, machine)], target.link));
      return { variant, features: level.features, threads, wasm };
    }),
  };
}

/** LLVM and the linker, with their versions: the modules' bytes depend on them. Throws Refused where one is missing. */
export function toolsOfNative(target: NativeTarget): readonly string[] {
  return [openLlvm().name, linkerName(target.link)];
}

/** The best of these levels, for which the schedule is made. Throws Refused where one is unknown. */
export function bestLevel(target: NativeTarget, cpus: readonly string[] = target.standard): NativeLevel {
  const [best] = levelsOf(target, cpus);
  if (best === undefined) throw new Bug("llvm", `${target.name} without a level`);
  return best;
}

/** The levels of these names, in the target's order. Throws Refused where one is unknown. */
export function levelsOf(target: NativeTarget, cpus: readonly string[] = target.standard): readonly NativeLevel[] {
  const all = Object.keys(target.levels);
  const unknown = cpus.find((c) => !all.includes(c));
  if (unknown !== undefined || cpus.length === 0)
    refuse({
      code: "unsupported_backend_capability",
      scope: target.name,
      subject: unknown ?? "cpu",
      detail: `${target.name} has no CPU level "${unknown ?? ""}"; it has ${all.join(", ")}`,
      at: "",
      hint: "name levels of the target",
    });
  return Object.entries(target.levels)
    .filter(([name]) => cpus.includes(name))
    .map(([, level]) => level);
}
