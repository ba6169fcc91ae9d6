// What `psionic diff` finds: one record per level of the way from the model to the code, in the order in which one
// level causes the next. The first that differs explains those after it.

import type { TextDiff } from "./text-diff.js";

/**
 * source: the imported graph's structure. values: the constants it holds. compiler: version, target, tier, passes.
 * functional: the graph after the passes. schedule, kernels, memory: the plan. weights: constants as packed. code: the
 * modules. signature: names, types and ranges that callers see (it follows from source and is listed last).
 */
export const LEVELS = [
  "source",
  "values",
  "compiler",
  "functional",
  "schedule",
  "kernels",
  "memory",
  "weights",
  "code",
  "signature",
] as const;

export type Level = (typeof LEVELS)[number];

export interface ItemDiff {
  readonly name: string;
  readonly change: "added" | "removed" | "changed";
  /** For "changed": each field that differs. */
  readonly fields: readonly { readonly field: string; readonly old: string; readonly new: string }[];
}

export interface LevelDiff {
  readonly level: Level;
  readonly same: boolean;
  /** One sentence; "" where the same. */
  readonly summary: string;
  readonly text: TextDiff | null;
  readonly items: readonly ItemDiff[];
}

export interface Difference {
  readonly same: boolean;
  readonly old: { readonly path: string; readonly digest: string; readonly bytes: number };
  readonly new: { readonly path: string; readonly digest: string; readonly bytes: number };
  /** The earliest level that differs, and what follows from that, in a sentence; null where the same. */
  readonly explains: { readonly level: Level; readonly because: string } | null;
  readonly levels: readonly LevelDiff[];
}
