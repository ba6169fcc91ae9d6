// Weights as a bundle stores them: a constant whose elements are all those of a shorter dtype, bit for bit, is stored as
// that, and the runtime widens it when it loads. Kernels see what they saw. In: a plan, and the weights as memory holds
// them. Out: the plan that says how each constant is stored, and the bytes to store.

import { align } from "../../compiler/plan/place.js";
import type { Plan } from "../../compiler/plan/plan.js";
import { isDType, type WidenedSpec } from "../../runtime-shim/format.js";
import { narrowest } from "./narrow.js";

export interface StoredWeights {
  readonly plan: Plan;
  readonly weights: Uint8Array;
}

/** A constant that would save less is stored as it is. */
const LEAST_SAVED_BYTES = 4096;

/**
 * Less of all weights is not worth it: where any are widened, the others move in memory, at some 5 GB/s, and what is saved
 * need not be read and hashed, at some 1 GB/s.
 */
const LEAST_SAVED_SHARE = 1 / 8;

export function storeWeights(plan: Plan, weights: Uint8Array): StoredWeights {
  const parts = plan.constants.map((constant) => {
    const from = constant.offset - plan.memory.weights.offset;
    // With the zeros behind it, which every dtype has.
    const bytes = weights.subarray(from, from + align(constant.bytes));
    const narrow = bytes.length > LEAST_SAVED_BYTES ? narrowest(bytes, constant.dtype) : null;
    return narrow === null || bytes.length - narrow.bytes.length < LEAST_SAVED_BYTES
      ? { constant, bytes }
      : { constant: { ...constant, stored: narrow.stored, add: narrow.add }, bytes: narrow.bytes };
  });
  const bytes = parts.reduce((sum, p) => sum + p.bytes.length, 0);
  if (weights.length - bytes < weights.length * LEAST_SAVED_SHARE || bytes === weights.length) return { plan, weights };
  const stored = new Uint8Array(bytes);
  let at = 0;
  for (const p of parts) {
    stored.set(p.bytes, at);
    at += p.bytes.length;
  }
  return { plan: { ...plan, constants: parts.map((p) => p.constant) }, weights: stored };
}

/** What a runtime widens: neighbours that are stored alike are one part. */
export function widenedOf({ constants }: Pick<Plan, "constants">): WidenedSpec[] {
  const parts: WidenedSpec[] = [];
  for (const { offset, bytes, dtype, stored, add } of constants) {
    // The runtime has no complex types, and none is widened.
    if (dtype === stored || !isDType(dtype) || !isDType(stored)) continue;
    const last = parts.at(-1);
    const isLike = last?.dtype === dtype && last.stored === stored && last.add === add;
    if (isLike && last.offset + last.bytes === offset)
      parts[parts.length - 1] = { ...last, bytes: last.bytes + align(bytes) };
    else parts.push({ offset, bytes: align(bytes), dtype, stored, add });
  }
  return parts;
}
