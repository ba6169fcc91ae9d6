// A schedule and the functions that its kernels became, turned into a plan: memory laid out, every step with its
// addresses. Everything that will run is in the result; code generation reads nothing else.

import { createHash } from "node:crypto";
import { type Dim, linearIn, range, symOf, symsOf } from "../ir/dim.js";
import { bytesOf } from "../ir/dtype.js";
import { Bug } from "../ir/errors.js";
import { constantOf, type Graph, type Value } from "../ir/graph.js";
import { elementCount } from "../ir/types.js";
import { iterationOf } from "../schedule/build.js";
import type { Choices, Kernel, Schedule, Step } from "../schedule/schedule.js";
import type { BufferUse, Layout } from "./buffers.js";
import { toDimJson } from "./dim-json.js";
import { type Buffer, lifetimesOf } from "./lifetimes.js";
import { layoutName, pack } from "./pack.js";
import { ALIGN, align, bytesAtMost, checkTotal, PAGE, placeArena } from "./place.js";
import type {
  BufferPlan,
  ConstantPlan,
  EntryPlan,
  KernelPlan,
  Plan,
  Port,
  StatePlan,
  StepPlan,
  SymbolPlan,
  SymbolSource,
  Tier,
} from "./plan.js";

/** What code generation made of a kernel: its buffers, its function, and the constants the function takes. */
export interface KernelCode {
  readonly buffers: readonly BufferUse[];
  readonly fn: number;
  readonly constants: readonly number[];
}

export interface PlanParts {
  readonly target: string;
  readonly features: readonly string[];
  readonly tier: Tier;
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
const ZEROS_AT = 1024;

export function makePlan(parts: PlanParts): { plan: Plan; weights: Uint8Array } {
  const { schedule, codeOf } = parts;
  const { graph } = schedule;
  const buffersOf = (k: Kernel): readonly BufferUse[] => codeOf(k).buffers;
  const life = lifetimesOf(schedule, buffersOf);
  const arena = placeArena(life);

  // Reserved bytes: symbols of the run, and zeros.
  const symbols = symbolPlans(schedule);
  let zeroBytes = 0;
  for (const k of kernelsOf(schedule.steps))
    for (const b of buffersOf(k)) if (b.role === "zeros") zeroBytes = Math.max(zeroBytes, b.bytes);
  if (SYMBOLS_AT + symbols.length * 4 > ZEROS_AT) throw new Bug("plan", `${symbols.length} run-time symbols`);
  const weightsAt = align(ZEROS_AT + zeroBytes);

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
  const nameOf = (v: Value): string => {
    const at = life.slot(v);
    const constant = constantOf(at);
    if (constant !== undefined) return constantName(constant.digest);
    if (at.node.op === "state") return `state.${at.node.attrs.name}`;
    return buffers.get(at)?.name ?? "?";
  };
  const argument = (k: Kernel, b: BufferUse): number => {
    if (b.role === "zeros") return ZEROS_AT;
    if (b.role === "scratch") return scratchOffset.get(k) ?? ZEROS_AT;
    return offsetOf(b.value, b.layout);
  };
  const stepsOf = (steps: readonly Step[]): StepPlan[] => {
    const out: StepPlan[] = [];
    for (const s of steps) {
      if (s.kind === "copy" && life.elided.has(s)) continue;
      out.push(stepPlan(s));
    }
    return out;
  };
  const stepPlan = (s: Step): StepPlan => {
    switch (s.kind) {
      case "kernel": {
        const code = codeOf(s.kernel);
        const values = code.buffers.flatMap((b) => (b.role === "value" ? [b] : []));
        return {
          kind: "call",
          name: s.kernel.name,
          kernel: code.fn,
          args: [...code.buffers.map((b) => argument(s.kernel, b)), ...code.constants],
          reads: values.filter((b) => !b.written).map((b) => nameOf(b.value)),
          writes: values.filter((b) => b.written).map((b) => nameOf(b.value)),
          binds: graph.bindings
            .filter((b) => b.from === "axis" && b.value.node === s.kernel.anchor)
            .map((b) => symbolName(b.symbol)),
          origin: [...new Set(s.kernel.outputs.map(parts.originOf))].filter((o) => o !== "").join(", "),
        };
      }
      case "copy": {
        const bytes = elementCount(s.from.type.shape);
        const each = bytesOf(s.from.type.dtype);
        const size = toDimJson(bytes);
        return {
          kind: "copy",
          from: nameOf(s.from),
          to: nameOf(s.to),
          bytes: typeof size === "number" ? size * each : ["mul", size, each],
          row: s.row === null ? null : symbolName(s.row),
        };
      }
      case "bind":
        return {
          kind: "bind",
          symbol: symbolName(s.binding.symbol),
          value: { buffer: nameOf(s.binding.value), index: s.binding.index },
        };
      case "assign":
        return { kind: "bind", symbol: symbolName(s.symbol), value: { size: toDimJson(s.value) } };
      case "if": {
        const [condition] = s.node.inputs;
        const [yes, no] = s.branches;
        if (condition === undefined) throw new Bug("plan", "an if without a condition");
        return { kind: "if", condition: nameOf(condition), yes: stepsOf(yes ?? []), no: stepsOf(no ?? []) };
      }
      case "loop": {
        const [trips, condition] = s.node.inputs;
        const next = s.node.regions[0]?.results[0];
        if (s.node.op !== "loop" || trips === undefined || condition === undefined || next === undefined)
          throw new Bug("plan", "a loop without its parts");
        const { count, carried } = s.node.attrs;
        const stacks = s.node.outputs.length > carried;
        const { hi } = range(count);
        const counted = symOf(count) !== undefined && graph.bindings.some((b) => b.symbol === count);
        return {
          kind: "loop",
          trips: nameOf(trips),
          condition: nameOf(condition),
          next: nameOf(next),
          iteration: symbolName(iterationOf(s.node)),
          bound: stacks && Number.isFinite(hi) ? hi : null,
          count: counted ? symbolName(count) : null,
          body: stepsOf(s.body),
        };
      }
    }
  };
  const steps = stepsOf(schedule.steps);
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
    tier: parts.tier,
    target: parts.target,
    features: parts.features,
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
  };
  return { plan, weights };
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

function symbolName(d: Dim): string {
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

function inputSymbols(graph: Graph): SymbolPlan[] {
  return [...symbolsOfInputs(graph)].map(([name, { lo, hi }]) => ({ name, lo, hi, offset: null }));
}

/** Symbols that the run binds, with the place of their value. */
function symbolPlans(schedule: Schedule): SymbolPlan[] {
  const names = new Map<string, { lo: number; hi: number }>();
  for (const b of schedule.graph.bindings) {
    const s = symOf(b.symbol);
    if (s !== undefined) names.set(s.name, { lo: s.lo, hi: s.hi });
  }
  return [...names].map(([name, { lo, hi }], i) => ({ name, lo, hi, offset: SYMBOLS_AT + 4 * i }));
}

/** For each symbol of the inputs, an axis whose size gives it. */
function symbolSources(graph: Graph): { sources: SymbolSource[]; order: string[] } {
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
