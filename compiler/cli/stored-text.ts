// How a bundle stores a constant, as people read it: "bf16", "u8 - 133".

import type { ConstantPlan } from "../plan/plan.js";

export function storedText({ stored, add }: Pick<ConstantPlan, "stored" | "add">): string {
  if (add === 0) return stored;
  return `${stored} ${add < 0 ? "-" : "+"} ${Math.abs(add)}`;
}
