// The steps of a schedule as the runtime takes them: calls with their addresses, copies, bindings, branches and loops.

import { range, symOf } from "../ir/dim.js";
import { bytesOf } from "../ir/dtype.js";
import { Bug } from "../ir/errors.js";
import type { Graph, Value } from "../ir/graph.js";
import { elementCount } from "../ir/types.js";
import { iterationOf } from "../schedule/build.js";
import type { Kernel, Step } from "../schedule/schedule.js";
import { workOf } from "../schedule/work.js";
import type { BufferUse } from "./buffers.js";
import { toDimJson } from "./dim-json.js";
import type { StepPlan } from "./plan.js";
import { symbolName } from "./symbols.js";

/** What code generation made of a kernel: its buffers, its function, and the constants the function takes. */
export interface KernelCode {
  readonly buffers: readonly BufferUse[];
  readonly fn: number;
  readonly constants: readonly number[];
  /** Whether it can run in parts. */
  readonly divisible: boolean;
}

/** What is settled when steps are planned: where values are and how they are called. */
export interface Places {
  readonly bindings: Graph["bindings"];
  /** Copies that the placement made needless. */
  readonly elided: ReadonlySet<Step>;
  readonly codeOf: (k: Kernel) => KernelCode;
  readonly nameOf: (v: Value) => string;
  /** Byte address of a kernel's buffer. */
  readonly argument: (k: Kernel, b: BufferUse) => number;
  readonly originOf: (v: Value) => string;
}

export function stepPlans(steps: readonly Step[], places: Places): StepPlan[] {
  return steps.filter((s) => !(s.kind === "copy" && places.elided.has(s))).map((s) => stepPlan(s, places));
}

function stepPlan(s: Step, places: Places): StepPlan {
  switch (s.kind) {
    case "kernel": {
      const code = places.codeOf(s.kernel);
      const values = code.buffers.flatMap((b) => (b.role === "value" ? [b] : []));
      return {
        kind: "call",
        name: s.kernel.name,
        kernel: code.fn,
        args: [...code.buffers.map((b) => places.argument(s.kernel, b)), ...code.constants],
        reads: values.filter((b) => !b.written).map((b) => places.nameOf(b.value)),
        writes: values.filter((b) => b.written).map((b) => places.nameOf(b.value)),
        binds: places.bindings
          .filter((b) => b.from === "axis" && b.value.node === s.kernel.anchor)
          .map((b) => symbolName(b.symbol)),
        origin: [...new Set(s.kernel.outputs.map(places.originOf))].filter((o) => o !== "").join(", "),
        work: code.divisible ? toDimJson(workOf(s.kernel)) : null,
      };
    }
    case "copy": {
      const bytes = elementCount(s.from.type.shape);
      const each = bytesOf(s.from.type.dtype);
      const size = toDimJson(bytes);
      return {
        kind: "copy",
        from: places.nameOf(s.from),
        to: places.nameOf(s.to),
        bytes: typeof size === "number" ? size * each : ["mul", size, each],
        row: s.row === null ? null : symbolName(s.row),
      };
    }
    case "bind":
      return {
        kind: "bind",
        symbol: symbolName(s.binding.symbol),
        value: { buffer: places.nameOf(s.binding.value), index: s.binding.index },
      };
    case "assign":
      return { kind: "bind", symbol: symbolName(s.symbol), value: { size: toDimJson(s.value) } };
    case "if": {
      const [condition] = s.node.inputs;
      const [yes, no] = s.branches;
      if (condition === undefined) throw new Bug("plan", "an if without a condition");
      return {
        kind: "if",
        condition: places.nameOf(condition),
        yes: stepPlans(yes ?? [], places),
        no: stepPlans(no ?? [], places),
      };
    }
    case "loop": {
      const [trips, condition] = s.node.inputs;
      const next = s.node.regions[0]?.results[0];
      if (s.node.op !== "loop" || trips === undefined || condition === undefined || next === undefined)
        throw new Bug("plan", "a loop without its parts");
      const { count, carried } = s.node.attrs;
      const stacks = s.node.outputs.length > carried;
      const { hi } = range(count);
      const counted = symOf(count) !== undefined && places.bindings.some((b) => b.symbol === count);
      return {
        kind: "loop",
        trips: places.nameOf(trips),
        condition: places.nameOf(condition),
        next: places.nameOf(next),
        iteration: symbolName(iterationOf(s.node)),
        bound: stacks && Number.isFinite(hi) ? hi : null,
        count: counted ? symbolName(count) : null,
        body: stepPlans(s.body, places),
      };
    }
  }
}
