// A bundle as the inspecting verbs see it: its manifest, the plan in it, the texts of its levels, and its blobs.

import type { Manifest, ModuleSpec } from "../../runtime-shim/format.js";
import { type Plan, variantName } from "../plan/plan.js";

export interface BundleView {
  readonly path: string;
  readonly bytes: Uint8Array;
  /** The plan digest: SHA-256 of the manifest, hex. */
  readonly digest: string;
  readonly manifest: Manifest;
  readonly plan: Plan;
  /** Text of the levels; null where the bundle was written without it. */
  readonly source: string | null;
  readonly functional: string | null;
  readonly schedule: string | null;
  /** WebAssembly or shared libraries, in the manifest's order. */
  readonly modules: readonly Uint8Array[];
  /** As memory holds them. */
  readonly weights: Uint8Array;
}

/** `strict`, `relaxed threads`: what a module is, with the features that it needs. */
export function moduleName({ tier, threads, features }: ModuleSpec): string {
  return `${variantName({ tier, threads: threads !== null })} (${features.join(", ") || "no features"})`;
}
