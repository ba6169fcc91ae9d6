// What a conformance run executes graphs on. A target turns a graph into a function of named tensors; it throws Refused
// where it cannot.

import type { Builder, Graph } from "../../compiler/ir/graph.js";
import type { StringTable } from "../../compiler/ir/strings.js";
import type { Tensor } from "../../compiler/ir/tensor.js";
import type { CompileOptions } from "../../compiler/pipeline.js";
import { interpretWith } from "../../compiler/reference/strings.js";
import type { Model } from "../../runtime-shim/model.js";
import { hasCpuFeature } from "../../runtime-shim/native-cpu.js";
import { NATIVE, type NativeName } from "../../targets/native-targets.js";
import type { TargetName } from "../../targets/targets.js";
import type { RigName } from "../native/rig/hosts.js";
import type { Rig } from "../native/rig/rig.js";
import { bitDifference } from "../support/bits.js";
import { fromValue, toValue } from "../support/values.js";

/** Str tensors have the numbers of `strings`, in and out. */
export type RunGraph = (
  inputs: Readonly<Record<string, Tensor>>,
  strings: StringTable,
) => Promise<Readonly<Record<string, Tensor>>>;
export type Target = (graph: Graph, builder: Builder) => Promise<RunGraph>;

const reference: Target = async (graph) => async (inputs, strings) => interpretWith(strings, graph, inputs);

/** The compiled bundle, loaded and run by the runtime. */
const compiled =
  (target: TargetName): Target =>
  async (graph, builder) => {
    // Only here: a run on the reference alone does not load the compiler.
    const { compile } = await import("../../compiler/pipeline.js");
    const { bundle } = compile({ graph, builder }, { target });
    return runOf(
      target === "wasm"
        ? await (await import("../../runtime-shim/index.js")).load(bundle)
        : await (await import("../../runtime-shim/native.js")).loadNative(bundle),
    );
  };

/** The library for C of this machine's CPU family, called from here. */
const throughC: Target = async (graph, builder) => (await import("./c-face.js")).throughC(host, graph, builder);

/** One level of a native target on a rig. */
const onRig = (target: NativeName, cpu: string, name: RigName, options: CompileOptions): Target => {
  let rig: Promise<Rig> | null = null;
  return async (graph, builder) => {
    const { compileStages } = await import("../../compiler/pipeline.js");
    const { guardedModels } = await import("../native/rig/guarded.js");
    rig ??= import("../native/rig/rig.js").then((m) => new m.Rig(name));
    const [model] = guardedModels(compileStages({ graph, builder }, { ...options, target, cpus: [cpu] }), await rig);
    if (model === undefined) throw new Error("a bundle without a library");
    return runOf(model);
  };
};

function runOf(model: Pick<Model, "inputs" | "runSync">): RunGraph {
  return async (inputs, strings) => {
    const feeds = Object.fromEntries(
      Object.entries(inputs)
        .filter(([name]) => model.inputs.some((p) => p.name === name))
        .map(([name, t]) => [name, toValue(t, strings)]),
    );
    const outputs = model.runSync(feeds);
    return Object.fromEntries(Object.entries(outputs).map(([name, v]) => [name, fromValue(v, strings)]));
  };
}

/** The results of the first, which must be those of all others bit for bit. */
const alike =
  (first: Target, ...others: readonly Target[]): Target =>
  async (graph, builder) => {
    const expect = await first(graph, builder);
    const runs: RunGraph[] = [];
    for (const other of others) runs.push(await other(graph, builder));
    return async (inputs, strings) => {
      const want = await expect(inputs, strings);
      for (const run of runs) {
        const have = await run(inputs, strings).catch((e: unknown) => {
          throw new Error(`only one target fails: ${e instanceof Error ? e.message : String(e)}`);
        });
        const found = bitDifference(have, want);
        if (found !== null) throw new Error(`the targets differ: ${found}`);
      }
      return want;
    };
  };

const wasm = compiled("wasm");
const host: NativeName = process.arch === "arm64" ? "aarch64" : "x86-64";
const native = compiled(host);
/** Of this machine's CPU. */
const levels = Object.entries(NATIVE[host].levels)
  .filter(([, { features }]) => features.every(hasCpuFeature))
  .map(([name]) => name);

const onRigs =
  (target: NativeName, cpus: readonly string[], name: RigName) =>
  (options: CompileOptions = {}): Target =>
    alike(wasm, ...cpus.map((cpu) => onRig(target, cpu, name, options)));

/** Levels of a native target on a rig, compared with WebAssembly bit for bit; by what code is made for beside that. */
export const RIG_TARGETS = {
  guarded: onRigs(host, levels, "host"),
  memcheck: onRigs(host, NATIVE[host].standard, "memcheck"),
  aarch64: onRigs("aarch64", Object.keys(NATIVE.aarch64.levels), "aarch64"),
} as const;

/**
 * `native` is this machine's own CPU family, `c` the same through the C face of a library; `wasm+native` also compares the two bit for bit, as do those on a rig:
 * `guarded` on this machine's every level, `memcheck`, and `aarch64`, emulated where this machine is of another family.
 */
export const TARGETS: Readonly<Record<string, Target>> = {
  reference,
  wasm,
  native,
  c: throughC,
  "wasm+native": alike(wasm, native),
  guarded: RIG_TARGETS.guarded(),
  memcheck: RIG_TARGETS.memcheck(),
  aarch64: RIG_TARGETS.aarch64(),
};
