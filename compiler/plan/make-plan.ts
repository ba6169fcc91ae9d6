// A schedule and the functions that its kernels became, turned into a plan: memory laid out, every step with its
// addresses. Everything that will run is in the result; code generation reads nothing else.

import { createHash } from "node:crypto";
import { Bug } from "../ir/errors.js";
import { constantOf, type Value } from "../ir/graph.js";
import type { Choices, Kernel, Schedule, Step } from "../schedule/schedule.js";
import type { BufferUse, Layout } from "./buffers.js";
import { toDimJson } from "./dim-json.js";
import { type Buffer, lifetimesOf } from "./lifetimes.js";
import { layoutName, pack } from "./pack.js";
import { ALIGN, align, bytesAtMost, checkTotal, PAGE, placeArena } from "./place.js";
import type { BufferPlan, ConstantPlan, EntryPlan, KernelPlan, Plan, Port, StatePlan, Variant } from "./plan.js";
import { type KernelCode, stepPlans } from "./step-plans.js";
import { inputSymbols, symbolPlans, symbolSources } from "./symbols.js";

export type { KernelCode } from "./step-plans.js";

export interface PlanParts {
  readonly target: string;
  readonly variants: readonly Variant[];
  readonly entry: string;
  readonly schedule: Schedule;
  readonly codeOf: (k: Kernel) => KernelCode;
  /** Functions of the module: name, template, choices and text. */
  readonly functions: readonly {
    readonly name: string;
    readonly template: string;
    readonly choices: Choices;
    readonly text: string;
  }[];
  readonly originOf: (v: Value) => string;
}

const SYMBOLS_AT = 64;
/** Zeros lie here, or behind the symbols where these take more. */
const ZEROS_AT_LEAST = 1024;

export interface Planned {
  readonly plan: Plan;
  readonly weights: Uint8Array;
  /** Byte offset of a value's buffer in the arena or the states; null where it has none. */
  readonly placeOf: (v: Value) => number | null;
}

export function makePlan(parts: PlanParts): Planned {
  const { schedule, codeOf } = parts;
  const { graph } = schedule;
  const buffersOf = (k: Kernel): readonly BufferUse[] => codeOf(k).buffers;
  const life = lifetimesOf(schedule, buffersOf);
  const arena = placeArena(life);

  // Reserved bytes: symbols of the run, and zeros.
  const symbols = symbolPlans(schedule, SYMBOLS_AT);
  let zeroBytes = 0;
  for (const k of kernelsOf(schedule.steps))
    for (const b of buffersOf(k)) if (b.role === "zeros") zeroBytes = Math.max(zeroBytes, b.bytes);
  const zerosAt = Math.max(ZEROS_AT_LEAST, align(SYMBOLS_AT + symbols.length * 4));
  const weightsAt = align(zerosAt + zeroBytes);

  // Weights: one copy of each constant in each layout.
  const constants: ConstantPlan[] = [];
  const packed: Uint8Array[] = [];
  const constantAt = new Map<string, number>();
  let weightsBytes = 0;
  const placeConstant = (v: Value, layout: Layout): number => {
    const tensor = constantOf(v);
    if (tensor === undefined) throw new Bug("plan", `${v.node.op} is no constant`);
    const key = `${tensor.digest}|${layoutName(layout)}`;
    const known = constantAt.get(key);
    if (known !== undefined) return known;
    const bytes = pack(tensor, layout);
    const offset = weightsAt + weightsBytes;
    const digest = createHash("sha256").update(bytes).digest("hex");
    constants.push({
      name: constantName(tensor.digest),
      offset,
      bytes: bytes.byteLength,
      dtype: tensor.dtype,
      stored: tensor.dtype,
      add: 0,
      shape: tensor.shape,
      layout: layoutName(layout),
      digest,
    });
    packed.push(bytes);
    constantAt.set(key, offset);
    weightsBytes = align(weightsBytes + bytes.byteLength);
    return offset;
  };
  const eachConstant = (v: Value, layout: Layout): void => {
    const at = life.slot(v);
    if (constantOf(at) !== undefined) placeConstant(at, layout);
  };
  visitValues(schedule, buffersOf, life.elided, eachConstant);

  // State, then the arena.
  const statesAt = align(weightsAt + weightsBytes);
  const stateOffsets = new Map<string, number>();
  const states: StatePlan[] = [];
  let statesBytes = 0;
  for (const slot of graph.states) {
    const offset = statesAt + statesBytes;
    const bytes = bytesAtMost(slot.current);
    const { dtype, shape } = slot.current.type;
    states.push({ name: slot.name, dtype, shape: shape.map(toDimJson), offset, bytes });
    stateOffsets.set(slot.name, offset);
    statesBytes = align(statesBytes + bytes);
  }
  const arenaAt = align(statesAt + statesBytes);
  // A vector read at the end of the last buffer stays in memory.
  const total = align(arenaAt + arena.bytes + ALIGN, PAGE);
  checkTotal(total);

  const buffers = new Map<Value, { buffer: Buffer; name: string; offset: number }>();
  for (const [i, buffer] of life.buffers.entries())
    buffers.set(buffer.value, { buffer, name: `b${i}`, offset: arenaAt + (arena.offsets.get(buffer) ?? 0) });
  const scratchOffset = new Map<Kernel, number>();
  for (const s of life.scratch) scratchOffset.set(s.kernel, arenaAt + (arena.offsets.get(s) ?? 0));

  const offsetOf = (v: Value, layout: Layout = "plain"): number => {
    const at = life.slot(v);
    if (constantOf(at) !== undefined) return placeConstant(at, layout);
    if (at.node.op === "state") return stateOffsets.get(at.node.attrs.name) ?? 0;
    const placed = buffers.get(at);
    if (placed === undefined) throw new Bug("plan", `a value of ${at.node.op} has no buffer`);
    return placed.offset;
  };
  const placeOf = (v: Value): number | null => {
    const at = life.slot(v);
    if (at.node.op === "state") return stateOffsets.get(at.node.attrs.name) ?? null;
    return buffers.get(at)?.offset ?? null;
  };
  const nameOf = (v: Value): string => {
    const at = life.slot(v);
    const constant = constantOf(at);
    if (constant !== undefined) return constantName(constant.digest);
    if (at.node.op === "state") return `state.${at.node.attrs.name}`;
    return buffers.get(at)?.name ?? "?";
  };
  const argument = (k: Kernel, b: BufferUse): number => {
    if (b.role === "zeros") return zerosAt;
    if (b.role === "scratch") return scratchOffset.get(k) ?? zerosAt;
    return offsetOf(b.value, b.layout);
  };
  const steps = stepPlans(schedule.steps, {
    bindings: graph.bindings,
    elided: life.elided,
    codeOf,
    nameOf,
    argument,
    originOf: parts.originOf,
  });
  const port = (name: string, v: Value): Port => ({
    name,
    dtype: v.type.dtype,
    shape: v.type.shape.map(toDimJson),
    offset: offsetOf(v),
    bytes: bytesAtMost(v),
  });
  const inputs = graph.inputs.map((v) => port(v.node.op === "input" ? v.node.attrs.name : "", v));
  const outputs = graph.outputs.map((o) => port(o.name, o.value));
  const bufferPlans = [...buffers.values()].map(
    ({ buffer, name, offset }): BufferPlan => ({
      name,
      dtype: buffer.value.type.dtype,
      shape: buffer.value.type.shape.map(toDimJson),
      offset,
      bytes: bytesAtMost(buffer.value),
      live: [buffer.first, buffer.last],
    }),
  );
  const { sources, order } = symbolSources(graph);
  const entry: EntryPlan = {
    name: parts.entry,
    export: `run_${parts.entry}`,
    symbols: order,
    sources,
    inputs,
    outputs,
    constraints: schedule.constraints.map((c) => ({
      left: toDimJson(c.left),
      right: toDimJson(c.right),
      reason: c.reason,
    })),
    steps,
    buffers: bufferPlans,
  };
  const kernels = parts.functions.map(
    (f): KernelPlan => ({
      name: f.name,
      template: f.template,
      digest: createHash("sha256").update(f.text).digest("hex"),
      choices: f.choices,
    }),
  );
  const weights = new Uint8Array(weightsBytes);
  for (const [i, c] of constants.entries()) weights.set(packed[i] ?? new Uint8Array(), c.offset - weightsAt);
  const plan: Plan = {
    target: parts.target,
    variants: parts.variants,
    symbols: [...inputSymbols(graph), ...symbols],
    memory: {
      bytes: total,
      weights: { offset: weightsAt, bytes: weightsBytes },
      states: { offset: statesAt, bytes: statesBytes },
      arena: { offset: arenaAt, bytes: total - arenaAt },
    },
    constants,
    states,
    kernels,
    entries: [entry],
    strings: [...inputs, ...outputs].some((p) => p.dtype === "str") ? (graph.strings ?? []) : [],
  };
  return { plan, weights, placeOf };
}

function constantName(digest: string): string {
  return `c${digest.slice(0, 16)}`;
}

export function kernelsOf(steps: readonly Step[]): Kernel[] {
  return steps.flatMap((s) => {
    if (s.kind === "kernel") return [s.kernel];
    if (s.kind === "if") return s.branches.flatMap(kernelsOf);
    return s.kind === "loop" ? kernelsOf(s.body) : [];
  });
}

/** Every value that a step names, with the layout it is read in. */
function visitValues(
  schedule: Schedule,
  buffersOf: (k: Kernel) => readonly BufferUse[],
  elided: ReadonlySet<Step>,
  f: (v: Value, layout: Layout) => void,
): void {
  const walk = (steps: readonly Step[]): void => {
    for (const s of steps) {
      if (s.kind === "kernel") for (const b of buffersOf(s.kernel)) if (b.role === "value") f(b.value, b.layout);
      if (s.kind === "copy" && !elided.has(s)) f(s.from, "plain");
      if (s.kind === "bind") f(s.binding.value, "plain");
      if (s.kind === "if") {
        for (const v of s.node.inputs) f(v, "plain");
        for (const b of s.branches) walk(b);
      }
      if (s.kind === "loop") {
        for (const v of [...s.node.inputs.slice(0, 2), ...(s.node.regions[0]?.results.slice(0, 1) ?? [])])
          f(v, "plain");
        walk(s.body);
      }
    }
  };
  walk(schedule.steps);
  for (const o of schedule.graph.outputs) f(o.value, "plain");
}
