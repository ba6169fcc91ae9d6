// Which steps of the schedule the top-level steps of the plan are: what a run step by step can be told apart by.

import type { Stages } from "../pipeline.js";
import type { Step } from "../schedule/schedule.js";

/**
 * For each top-level step of the plan, that of the schedule; null for copies, which the plan may leave out. All others
 * are there one for one, in order.
 */
export function topSteps({ compiled, schedule }: Pick<Stages, "compiled" | "schedule">): (Step | null)[] {
  const rest = schedule.steps.filter((s) => s.kind !== "copy");
  let next = 0;
  return (compiled.plan.entries[0]?.steps ?? []).map((plan) => (plan.kind === "copy" ? null : (rest[next++] ?? null)));
}
