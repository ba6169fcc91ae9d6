// What a search found, put into a tuning file that may hold other entries already.

import type { Stages } from "../../pipeline.js";
import { kernelsOf } from "../../plan/make-plan.js";
import type { Tier } from "../../plan/plan.js";
import { kernelKey } from "../../schedule/kernel-key.js";
import { formatTuning, mergeTuning, type TuningEntry, type TuningLock } from "../../schedule/tuning.js";
import type { Found } from "./search.js";

/**
 * The file's text. Entries of the kernels that were tried, on this machine and in this tier, are those found and no
 * others; all other entries stay.
 */
export function writeTuning(existing: TuningLock, found: Found, machine: string, tier: Tier): string {
  const tried = new Set(found.tried);
  const isOld = (e: TuningEntry): boolean => e.machine === machine && e.tier === tier && tried.has(e.kernel);
  const base = { entries: existing.entries.filter((e) => !isOld(e)) };
  return formatTuning(mergeTuning(base, { entries: found.entries }));
}

/** Entries of the tier that fit no kernel of a model. */
export function unknownEntries(stages: Stages, lock: TuningLock, tier: Tier): readonly TuningEntry[] {
  const keys = new Set(kernelsOf(stages.schedule.steps).map(kernelKey));
  return lock.entries.filter((e) => e.tier === tier && !keys.has(e.kernel));
}
