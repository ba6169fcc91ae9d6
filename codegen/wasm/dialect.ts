// What a module's instructions are: of its tier, and of what the engines that it is for do beyond the standard's promise.

import type { Tier, Variant } from "../../compiler/plan/plan.js";
import { SIMD128, SIMD128_BYTES, type VectorUnit } from "../../compiler/schedule/tiles.js";

export interface Dialect {
  readonly tier: Tier;
  /**
   * How `relaxed_dot_i8x16_i7x16_add_s` takes its second operand's bytes, exactly: as unsigned ones; null: only up to 127.
   */
  readonly bytes: "unsigned" | null;
  readonly unit: VectorUnit;
  /** Features of the engine that modules with kernels of bytes ask for. */
  readonly features: readonly string[];
}

/** The dialects that modules of a variant are in, best first. `hasBytes`: some kernels differ where bytes multiply. */
export function dialectsOf({ tier }: Variant, hasBytes: boolean): readonly Dialect[] {
  const plain: Dialect = { tier, bytes: null, unit: SIMD128, features: [] };
  if (tier !== "relaxed" || !hasBytes) return [plain];
  return [{ tier, bytes: "unsigned", unit: SIMD128_BYTES, features: ["relaxed-dot-u8"] }, plain];
}
