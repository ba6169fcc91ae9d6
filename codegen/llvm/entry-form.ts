// How the functions of a module stand in a library: exported as planned, for loaders that keep the whole plan's memory, or
// inside a library with a C face, which keeps memory without a hole for the weights.

import type { Plan } from "../../compiler/plan/plan.js";

export interface EntryForm {
  /** Stands after the names of what is seen outside the module: levels of CPUs in one library differ in it. */
  readonly suffix: string;
  /** Seen within the library only, and called with memory that has no room for the weights. */
  readonly isInside: boolean;
}

export const EXPORTED: EntryForm = { suffix: "", isInside: false };

/** Where a byte of the plan's memory lies when the weights region is elsewhere: what is behind the region moves up. */
export interface Place {
  readonly base: "memory" | "weights";
  readonly offset: number;
}

export function placeApart({ memory: { weights } }: Plan, offset: number): Place {
  if (offset < weights.offset) return { base: "memory", offset };
  if (offset < weights.offset + weights.bytes) return { base: "weights", offset: offset - weights.offset };
  return { base: "memory", offset: offset - weights.bytes };
}

/** Bytes of the memory without the weights. */
export function bytesWithoutWeights({ memory: { bytes, weights } }: Plan): number {
  return bytes - weights.bytes;
}
