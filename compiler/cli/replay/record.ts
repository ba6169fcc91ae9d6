// Runs an entry point once, from zeroed states, and digests what goes in and comes out; with `steps`, also every buffer
// that a top-level step wrote, as it is just after that step.

import { compileDim } from "../../../runtime-shim/dims.js";
import { isDType } from "../../../runtime-shim/dtype.js";
import { hasFeature } from "../../../runtime-shim/features.js";
import { bytesOf, FEATURES } from "../../../runtime-shim/format.js";
import type { AnyModel, Model, ReadMemory } from "../../../runtime-shim/index.js";
import { hasCpuFeature } from "../../../runtime-shim/native-cpu.js";
import type { NativeTarget } from "../../../targets/llvm/native.js";
import { NATIVE } from "../../../targets/native-targets.js";
import type { Tensor } from "../../ir/tensor.js";
import type { BufferPlan, DimJson, EntryPlan, Plan, StepPlan } from "../../plan/plan.js";
import { feedFrom, sha256, tensorOfView } from "../io/feed.js";
import { digestOfElements } from "../io/texts.js";
import { type ArrayDigest, type Host, RECEIPT_FORMAT, type Receipt, type StepDigest } from "./receipt.js";

/** `plan` is given where the steps are to be digested, else null. Throws the runtime's errors. */
export function record(
  model: Model<AnyModel>,
  entry: string,
  inputs: ReadonlyMap<string, Tensor>,
  plan: Plan | null,
): Receipt {
  const feeds = Object.fromEntries([...inputs].map(([name, t]) => [name, feedFrom(t)]));
  const target = plan?.entries.find((e) => e.name === entry);
  const steps: StepDigest[] = [];
  model.reset();
  const views =
    plan === null || target === undefined
      ? model.runSync(feeds, { entry })
      : model.runSteps(feeds, (i, read) => steps.push(digestStep(plan, target, i, read, inputs)), { entry });
  const outputs = Object.entries(views).map(([name, v]) => digestOf(name, tensorOfView(v)));
  return {
    format: RECEIPT_FORMAT,
    plan: model.digest,
    tier: model.variant.tier,
    threads: model.variant.threads,
    entry,
    inputs: [...inputs].map(([name, t]) => digestOf(name, t)).sort(byName),
    outputs: outputs.sort(byName),
    states: model.states.map((s) => digestOf(s.name, tensorOfView(model.state(s.name).get()))),
    steps: target === undefined ? null : steps,
    host: hostOf(model.target),
  };
}

function hostOf(target: string): Host {
  const { node = "", v8 = "" } = process.versions;
  const native = Object.values(NATIVE).find((t) => t.name === target);
  const features = native === undefined ? FEATURES.filter(hasFeature) : cpuFeatures(native);
  return { node, v8, platform: process.platform, arch: process.arch, features };
}

/** Of those that the target's levels ask for, what this machine has. */
function cpuFeatures({ levels }: NativeTarget): string[] {
  const asked = new Set(Object.values(levels).flatMap((l) => l.features));
  return [...asked].filter(hasCpuFeature).sort();
}

function digestOf(name: string, t: Tensor): ArrayDigest {
  return { name, dtype: t.dtype, shape: t.shape, sha256: digestOfElements(t) };
}

function byName(a: ArrayDigest, b: ArrayDigest): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

function digestStep(
  plan: Plan,
  entry: EntryPlan,
  index: number,
  read: ReadMemory,
  inputs: ReadonlyMap<string, Tensor>,
): StepDigest {
  const step = entry.steps[index];
  if (step === undefined) return { step: index, kind: "unknown", name: "", origin: "", writes: [] };
  const sizeOf = sizes(plan, entry, read, inputs);
  const buffers = new Map(entry.buffers.map((b) => [b.name, b]));
  const writes = [...new Set(writesOf(step))].flatMap((name) => {
    const buffer = buffers.get(name);
    const digest = buffer === undefined ? null : digestBuffer(buffer, read, sizeOf);
    return digest === null ? [] : [digest];
  });
  return { step: index, ...describe(plan, step), writes };
}

/** Null where the buffer has no valid size now: a branch that did not run would have set its symbols. */
function digestBuffer(b: BufferPlan, read: ReadMemory, sizeOf: (d: DimJson) => number): ArrayDigest | null {
  if (!isDType(b.dtype)) return null;
  const shape = b.shape.map(sizeOf);
  const bytes = shape.reduce((n, d) => n * d, bytesOf(b.dtype));
  if (!shape.every((d) => d >= 0) || !(bytes <= b.bytes)) return null;
  return { name: b.name, dtype: b.dtype, shape, sha256: sha256(read(b.offset, bytes)) };
}

/** A dimension's value in this run: symbols from the inputs' shapes, or from where the run leaves them. */
function sizes(
  plan: Plan,
  entry: EntryPlan,
  read: ReadMemory,
  inputs: ReadonlyMap<string, Tensor>,
): (d: DimJson) => number {
  const values = plan.symbols.map((s) => {
    if (s.offset !== null) {
      const word = read(s.offset, 4);
      return new DataView(word.buffer, word.byteOffset, 4).getInt32(0, true);
    }
    const source = entry.sources.find((x) => x.symbol === s.name);
    const size =
      source === undefined ? undefined : inputs.get(entry.inputs[source.input]?.name ?? "")?.shape[source.axis];
    return source === undefined || size === undefined ? Number.NaN : (size - source.add) / source.mul;
  });
  const slots = new Map(plan.symbols.map((s, i) => [s.name, i]));
  return (d) => compileDim(d, (name) => slots.get(name) ?? -1)(values);
}

function describe(plan: Plan, step: StepPlan): { kind: string; name: string; origin: string } {
  switch (step.kind) {
    case "call":
      return { kind: "call", name: plan.kernels[step.kernel]?.name ?? step.name, origin: step.origin };
    case "bind":
      return { kind: "bind", name: step.symbol, origin: "" };
    case "copy":
      return { kind: "copy", name: step.to, origin: "" };
    case "if":
      return { kind: "if", name: step.condition, origin: "" };
    case "loop":
      return { kind: "loop", name: step.iteration, origin: "" };
  }
}

function writesOf(step: StepPlan): string[] {
  switch (step.kind) {
    case "call":
      return [...step.writes];
    case "bind":
      return [];
    case "copy":
      return [step.to];
    case "if":
      return [...step.yes, ...step.no].flatMap(writesOf);
    case "loop":
      return step.body.flatMap(writesOf);
  }
}
