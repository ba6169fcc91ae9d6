// A schedule becomes a plan and a WebAssembly module: kernels are lowered to loops, loops to code, equal code is shared,
// the plan places everything, and one module holds all of it.

import type { Dim } from "../../compiler/ir/dim.js";
import { Bug } from "../../compiler/ir/errors.js";
import type { Builder, Value } from "../../compiler/ir/graph.js";
import { type KernelCode, kernelsOf, makePlan } from "../../compiler/plan/make-plan.js";
import type { Plan, Tier } from "../../compiler/plan/plan.js";
import { iterationOf } from "../../compiler/schedule/build.js";
import type { Kernel, Schedule, Step } from "../../compiler/schedule/schedule.js";
import { lowerKernel } from "../loops/lower.js";
import { assemble } from "./assemble.js";
import { KernelEmitter } from "./emit-kernel.js";
import { emitEntry, symbolGlobals } from "./entry.js";
import { outline } from "./outline.js";
import { isInstruction, type Operand, type WasmFunction } from "./tree.js";

export interface WasmBuild {
  readonly plan: Plan;
  readonly weights: Uint8Array;
  readonly module: Uint8Array;
  /** Byte offset of a value's buffer; null where it has none. */
  readonly placeOf: (v: Value) => number | null;
}

export function buildWasm(schedule: Schedule, builder: Builder, entry: string, tier: Tier): WasmBuild {
  const kernels = kernelsOf(schedule.steps);
  const iterations = loopCounters(schedule.steps);
  const lowered = kernels.map((k) => lowerKernel(k, iterations));
  const emitted = lowered.map((k) => new KernelEmitter(k, tier).emit());
  const { functions, uses } = outline(emitted);
  const codes = new Map<Kernel, KernelCode>();
  for (const [i, k] of kernels.entries()) {
    const use = uses[i];
    const loops = lowered[i];
    if (use === undefined || loops === undefined) throw new Bug("wasm", `kernel ${k.name} has no code`);
    codes.set(k, { buffers: loops.buffers, fn: use.fn, constants: use.constants });
  }
  const models = new Map<string, Kernel>(kernels.map((k) => [k.name, k]));
  const { plan, weights, placeOf } = makePlan({
    target: "wasm",
    features: ["bulk-memory", "nontrapping-fptoint", ...(tier === "relaxed" ? ["relaxed-simd"] : []), "simd128"],
    tier,
    entry,
    schedule,
    codeOf: (k) => {
      const code = codes.get(k);
      if (code === undefined) throw new Bug("wasm", `kernel ${k.name} is unknown`);
      return code;
    },
    functions: functions.map((f) => {
      const model = models.get(f.name);
      return { name: f.name, template: model?.template ?? "map", choices: model?.choices ?? {}, text: functionText(f) };
    }),
    originOf: (v: Value) => builder.originOf(v.node),
  });
  const module = assemble({
    functions,
    entries: plan.entries.map((e) => emitEntry(plan, e)),
    symbols: symbolGlobals(plan),
    pages: plan.memory.bytes / 65536,
    relaxed: tier === "relaxed",
  });
  return { plan, weights, module, placeOf };
}

/** The counters of all loops, by the region parameter that reads them. */
function loopCounters(steps: readonly Step[], into = new Map<Value, Dim>()): Map<Value, Dim> {
  for (const s of steps) {
    if (s.kind === "if") for (const b of s.branches) loopCounters(b, into);
    if (s.kind !== "loop") continue;
    const counter = s.node.regions[0]?.params[0];
    if (counter !== undefined && s.node.op === "loop") into.set(counter, iterationOf(s.node));
    loopCounters(s.body, into);
  }
  return into;
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
