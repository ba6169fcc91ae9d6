// The networks as bundles, run by Psionic's runtime: in Node and in a browser, or as native code in Node.

import { type AnyModel, type BundleSource, load, type Model } from "../../runtime-shim/index.js";
import type { Network, Networks } from "./network.js";

/** The bytes of a bundle per network. */
export type Bundles = Readonly<Record<keyof Networks, Uint8Array>>;

/** `load` of psionic/runtime, or `loadNative` of psionic/native. */
type Load = (source: BundleSource) => Promise<Model<AnyModel>>;

/** Loads one bundle, which has one input "x" and one output. Rejects when a digest does not match. */
async function loadNetwork(bundle: BundleSource, loadBundle: Load): Promise<Network> {
  const model = await loadBundle(bundle);
  return async (data, shape) => {
    const [output] = Object.values(await model.run({ x: { data, shape } }));
    if (!(output?.data instanceof Float32Array)) throw new Error("the bundle has no float32 output");
    return { data: output.data, shape: output.shape };
  };
}

/** Loads the three bundles: bytes, or responses that are checked while they arrive. */
export async function loadNetworks(
  bundles: Readonly<Record<keyof Networks, BundleSource>>,
  loadBundle: Load = load,
): Promise<Networks> {
  const { detection, direction, recognition } = bundles;
  return {
    detection: await loadNetwork(detection, loadBundle),
    direction: await loadNetwork(direction, loadBundle),
    recognition: await loadNetwork(recognition, loadBundle),
  };
}
