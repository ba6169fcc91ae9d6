// Every kernel of a schedule as loops, for vectors of one width.

import type { Dim } from "../../compiler/ir/dim.js";
import type { Value } from "../../compiler/ir/graph.js";
import { kernelsOf } from "../../compiler/plan/make-plan.js";
import { iterationOf } from "../../compiler/schedule/build.js";
import type { Kernel, Schedule, Step } from "../../compiler/schedule/schedule.js";
import type { VectorUnit } from "../../compiler/schedule/tiles.js";
import { lowerKernel } from "./lower.js";
import type { LoopKernel } from "./stmt.js";

export interface Lowered {
  readonly kernel: Kernel;
  readonly loops: LoopKernel;
}

/** `wanted`: the kernels that are lowered; default: all. */
export function lowerSchedule(
  schedule: Schedule,
  unit: VectorUnit,
  wanted: (kernel: Kernel) => boolean = () => true,
): readonly Lowered[] {
  const iterations = loopCounters(schedule.steps);
  const kernels = kernelsOf(schedule.steps).filter(wanted);
  return kernels.map((kernel) => ({ kernel, loops: lowerKernel(kernel, iterations, unit) }));
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
