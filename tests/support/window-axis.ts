// One axis of an image that windows pass over, for properties of pools and convolutions.

import fc from "fast-check";

export interface WindowAxis {
  readonly size: number;
  readonly taps: number;
  readonly stride: number;
  readonly dilation: number;
  readonly low: number;
  readonly high: number;
}

type Drawn = { readonly [K in keyof WindowAxis]: fc.Arbitrary<WindowAxis[K]> };

/** Axes with at least one window. */
export function windowAxis(drawn: Drawn): fc.Arbitrary<WindowAxis> {
  return fc.record(drawn).filter(({ size, taps, dilation, low, high }) => size + low + high > (taps - 1) * dilation);
}
