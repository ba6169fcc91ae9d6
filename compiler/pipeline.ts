// The compiler, start to end: a graph goes in, a bundle comes out.

import { type Levels, levelsOf } from "../codegen/bundle/levels.js";
import { storeWeights } from "../codegen/bundle/store.js";
import { writeBundle } from "../codegen/bundle/write.js";
import type { Threading } from "../codegen/threading.js";
import { type CLibrary, type CLibraryOptions, checkCLibrary } from "../targets/llvm/c-library.js";
import { type Build, build, passOptionsOf, type TargetName, tilesOf, toolsOf } from "../targets/targets.js";
import { refusalsOf } from "../targets/wasm/capabilities.js";
import { readCompiled, writeCompiled } from "./cache/compiled.js";
import { cacheKey } from "./cache/key.js";
import { memoIn, noMemo } from "./cache/memo.js";
import type { Cache } from "./cache/store.js";
import { Refused } from "./ir/errors.js";
import type { Builder, Graph, Value } from "./ir/graph.js";
import { print } from "./ir/print.js";
import { runPasses } from "./passes/run.js";
import type { Plan, Tier, Variant } from "./plan/plan.js";
import { schedule } from "./schedule/build.js";
import { printSchedule } from "./schedule/print.js";
import type { Schedule, ScheduleOptions } from "./schedule/schedule.js";
import { separate } from "./schedule/separate.js";
import { replayTuning, type TuningEntry, type TuningLock } from "./schedule/tuning.js";
import { PRODUCER } from "./version.js";

export interface CompileOptions {
  /** Default: wasm. */
  readonly target?: TargetName;
  /** Levels of a native target's CPUs that code is made for, by name; its standard ones by default. */
  readonly cpus?: readonly string[];
  /**
   * strict (default): the same bits on every host. relaxed: fused multiply-add where the engine has it. Both: the bundle
   * holds a module of each, and the runtime picks.
   */
  readonly tier?: Tier | readonly Tier[];
  /** Also a module of each tier whose kernels run on the threads of a pool. */
  readonly threads?: boolean;
  /** How threads share a kernel; default: the target's figures. */
  readonly threading?: Threading;
  /** Name of the entry point; default "main". */
  readonly entry?: string;
  readonly producer?: string;
  /** A tuning file's entries, replayed, and the class of machines whose entries count where it has several. */
  readonly tuning?: { readonly lock: TuningLock; readonly machine?: string };
  /** A folder of results by content: what was compiled before is read from it. The bundle is the same either way. */
  readonly cache?: Cache;
  readonly schedule?: ScheduleOptions;
  /** Also a shared library with a C face and its header, for a native target. */
  readonly library?: CLibraryOptions;
}

export interface Compiled {
  /** The deployment bundle: kernels, weights, plan, digests. */
  readonly bundle: Uint8Array<ArrayBuffer>;
  readonly plan: Plan;
  readonly levels: Levels;
  readonly texts: { readonly source: string; readonly functional: string; readonly schedule: string };
  /** Entries of the tuning file, for this tier and class of machines, that no kernel of the model has. */
  readonly unusedTuning: readonly TuningEntry[];
  /** The library with a C face, where it was asked for. */
  readonly library?: CLibrary;
}

/** What compilation goes through, for tools that look between the stages. */
export interface Stages {
  readonly compiled: Compiled;
  /** The graph after all passes. */
  readonly functional: Graph;
  /** The graph that is scheduled: its values are what kernels compute. */
  readonly schedule: Schedule;
  /** Byte offset of a value's buffer; null where it has none. */
  readonly placeOf: (v: Value) => number | null;
}

/**
 * Compiles a graph to a bundle. Throws Refused with everything that the target cannot do, Bug where the compiler breaks
 * one of its own promises.
 */
export function compile(
  source: { readonly graph: Graph; readonly builder: Builder },
  options: CompileOptions = {},
): Compiled {
  const { cache, ...told } = options;
  // A library for C is put together again; its code, and its bundle's modules, are not made again.
  if (cache === undefined || told.library !== undefined) return compileStages(source, options).compiled;
  const lock = told.tuning?.lock ?? { entries: [] };
  const tools = knownTools(told.target ?? "wasm");
  const key = tools === null ? null : cacheKey(source.graph, source.builder, told, tools);
  const known = key === null ? null : readCompiled(cache, key, lock);
  if (known !== null) return known;
  const { compiled } = compileStages(source, options);
  if (key !== null) writeCompiled(cache, key, compiled, lock);
  return compiled;
}

/** Null where one is missing: the model's own refusals come first. */
function knownTools(target: TargetName): readonly string[] | null {
  try {
    return toolsOf(target);
  } catch (e) {
    if (e instanceof Refused) return null;
    throw e;
  }
}

/** As `compile`, with what lies between, which the cache does not keep: it only serves modules here. */
export function compileStages(
  source: { readonly graph: Graph; readonly builder: Builder },
  options: CompileOptions = {},
): Stages {
  const { graph, builder } = source;
  const { target = "wasm", entry = "main", producer = PRODUCER, threading } = options;
  const memo = options.cache === undefined ? noMemo : memoIn(options.cache);
  const variants = variantsOf(options);
  // All variants run one graph on the same weights: it keeps what the strictest of them promises.
  const tier = variants.some((v) => v.tier === "strict") ? "strict" : "relaxed";
  if (options.library !== undefined) checkCLibrary(target, target !== "wasm", options.library);
  const sourceText = print(graph).text;
  const { graph: functional, log } = runPasses(builder, graph, {
    tier,
    ...passOptionsOf(target, tier, options.cpus),
  });
  const refusals = refusalsOf(functional, builder, target);
  if (refusals.length > 0) throw new Refused(refusals);
  const replay = options.tuning === undefined ? null : replayTuning({ ...options.tuning, tier });
  const scheduled = schedule(separate(builder, functional), replay?.choices, {
    ...options.schedule,
    tiles: tilesOf(target, tier, options.cpus),
  });
  const built = build(target, scheduled, builder, { entry, variants, threading, memo, cpus: options.cpus });
  const { modules, placeOf } = built;
  // A library for C maps the weights of its bundle where they are.
  const { plan, weights } = options.library === undefined ? storeWeights(built.plan, built.weights) : built;
  const texts = { source: sourceText, functional: print(functional).text, schedule: printSchedule(scheduled) };
  const levels = levelsOf(plan, texts, log, built.tools);
  const bundle = writeBundle({
    plan,
    modules,
    weights,
    levels,
    texts,
    producer,
  });
  const compiled = {
    bundle,
    plan,
    levels,
    texts,
    unusedTuning: replay?.unused() ?? [],
    ...libraryOf(built, options.library, bundle, producer),
  };
  return { compiled, functional, schedule: scheduled, placeOf };
}

function libraryOf(
  { library }: Build,
  wanted: CLibraryOptions | undefined,
  bundle: Uint8Array,
  producer: string,
): Pick<Compiled, "library"> {
  return wanted === undefined || library === undefined ? {} : { library: library(wanted, bundle, producer) };
}

/** The modules that a bundle holds: of each tier one thread first, then threads. */
function variantsOf({ tier = "strict", threads = false }: CompileOptions): Variant[] {
  const tiers = new Set(typeof tier === "string" ? [tier] : tier);
  return [...tiers].flatMap((t) => [{ tier: t, threads: false }, ...(threads ? [{ tier: t, threads: true }] : [])]);
}
