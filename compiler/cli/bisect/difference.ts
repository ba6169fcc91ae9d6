// How two tensors of one shape differ, in the units that people judge by. Floats may differ within a tolerance, relative
// to the element or to the root mean square of all, whichever is greater, so that elements that cancelled to nearly zero
// are no findings. Integers, bools, infinities and NaN must be equal.

import { isFloat } from "../../ir/dtype.js";
import type { Tensor } from "../../ir/tensor.js";

export interface Difference {
  readonly differs: boolean;
  /** Null where an element is NaN or infinite on one side only. */
  readonly maxAbs: number | null;
  /** Over elements that are wanted not to be 0. */
  readonly maxRelative: number | null;
  /** Greatest distance in representable numbers, of f32; else null. */
  readonly maxUlp: number | null;
  /** Signal to noise ratio in dB over finite elements; null where they are equal. */
  readonly snr: number | null;
  /** The element that is furthest out of tolerance; null where all are equal. */
  readonly worst: { readonly index: readonly number[]; readonly have: string; readonly want: string } | null;
  /** Set where dtype or shape differ: then nothing else was compared. */
  readonly form: string | null;
}

export function differenceOf(have: Tensor, want: Tensor, tolerance: number): Difference {
  if (have.dtype !== want.dtype || have.shape.join() !== want.shape.join()) {
    const text = (t: Tensor): string => `${t.dtype}[${t.shape.join(", ")}]`;
    const form = `have ${text(have)}, want ${text(want)}`;
    return { differs: true, maxAbs: null, maxRelative: null, maxUlp: null, snr: null, worst: null, form };
  }
  const float = isFloat(want.dtype);
  const [a, b] = [have.elements, want.elements];
  let [signal, noise, finite] = [0, 0, 0];
  for (let i = 0; i < b.length; i++) {
    const [x, y] = [Number(a[i]), Number(b[i])];
    if (!Number.isFinite(x) || !Number.isFinite(y)) continue;
    signal += y * y;
    noise += (x - y) ** 2;
    finite++;
  }
  const floor = finite === 0 ? 0 : Math.sqrt(signal / finite);
  let [maxAbs, maxRelative, maxUlp, excess, worst] = [0, 0, 0, 0, -1];
  for (let i = 0; i < b.length; i++) {
    if (a[i] === b[i]) continue;
    const [x, y] = [Number(a[i]), Number(b[i])];
    if (float && Number.isNaN(x) && Number.isNaN(y)) continue;
    const apart = Number.isFinite(x) && Number.isFinite(y) ? Math.abs(x - y) : Number.POSITIVE_INFINITY;
    maxAbs = Math.max(maxAbs, apart);
    if (y !== 0) maxRelative = Math.max(maxRelative, apart / Math.abs(y));
    if (want.dtype === "f32") maxUlp = Math.max(maxUlp, ulps(x, y));
    const slack = float ? tolerance * Math.max(Math.abs(y), floor) : 0;
    const over = apart === Number.POSITIVE_INFINITY || slack === 0 ? Number.POSITIVE_INFINITY : apart / slack;
    if (worst >= 0 && over <= excess) continue;
    excess = over;
    worst = i;
  }
  return {
    differs: excess > 1,
    maxAbs: Number.isFinite(maxAbs) ? maxAbs : null,
    maxRelative: Number.isFinite(maxRelative) ? maxRelative : null,
    maxUlp: want.dtype === "f32" && Number.isFinite(maxAbs) ? maxUlp : null,
    snr: noise === 0 ? null : 10 * Math.log10(signal / noise),
    worst: worst < 0 ? null : { index: indexOf(worst, want.shape), have: text(a[worst]), want: text(b[worst]) },
    form: null,
  };
}

const word = new Float32Array(1);
const pattern = new Int32Array(word.buffer);

/** The place of an f32 among all of them in order; both zeros are 0. */
function ordinal(x: number): number {
  word[0] = x;
  const bits = pattern[0] ?? 0;
  return bits < 0 ? -(bits + 2 ** 31) : bits;
}

function ulps(x: number, y: number): number {
  return Number.isNaN(x) || Number.isNaN(y) ? Number.POSITIVE_INFINITY : Math.abs(ordinal(x) - ordinal(y));
}

function indexOf(flat: number, shape: readonly number[]): number[] {
  const out: number[] = [];
  let rest = flat;
  for (const size of [...shape].reverse()) {
    out.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return out;
}

function text(x: number | bigint | undefined): string {
  return Object.is(x, -0) ? "-0" : String(x);
}
