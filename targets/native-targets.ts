// The CPU families that native code is made for, as data.

import { AARCH64 } from "./aarch64/target.js";
import type { NativeTarget } from "./llvm/native.js";
import { X86_64 } from "./x86-64/target.js";

export type NativeName = "x86-64" | "aarch64";

/** By name. */
export const NATIVE: Readonly<Record<NativeName, NativeTarget>> = { "x86-64": X86_64, aarch64: AARCH64 };

/** Names of the levels whose features a machine has, best first. */
export function levelsWith({ levels }: NativeTarget, has: (feature: string) => boolean): string[] {
  return Object.entries(levels).flatMap(([name, { features }]) => (features.every(has) ? [name] : []));
}
