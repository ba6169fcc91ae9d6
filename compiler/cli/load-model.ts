// The runtime for a bundle, told by the bundle's target: WebAssembly's, or the one of native code.

import type { AnyModel, LoadOptions, Model } from "../../runtime-shim/index.js";
import type { BundleSource } from "../../runtime-shim/source.js";

export type Load = (source: BundleSource, options?: LoadOptions) => Promise<Model<AnyModel>>;

/** What a machine cannot run is the runtime's refusal, when it loads. */
export async function loaderOf(target: string): Promise<Load> {
  if (isNative(target)) return (await import("../../runtime-shim/native.js")).loadNative;
  return (await import("../../runtime-shim/index.js")).load;
}

/** Whether a bundle of this target holds shared libraries. */
export function isNative(target: string): boolean {
  return !target.startsWith("wasm");
}
