// Whether two engines gave the same result: the greatest difference, relative to the largest magnitude of the output.
// An output below a thousandth counts as a thousandth: the peers' sigmoid is good to 3e-8, whatever its value.

import type { Elements } from "../support/onnx-writer.js";

const LEAST_MAGNITUDE = 1e-3;

/** Infinity where a name, a length or a type differs, or where only one of two elements is a number. */
export function largestError(
  have: ReadonlyMap<string, Elements["data"]>,
  want: ReadonlyMap<string, Elements["data"]>,
): number {
  let worst = 0;
  for (const [name, b] of want) {
    const a = have.get(name);
    if (a === undefined || a.length !== b.length || a.constructor !== b.constructor) return Number.POSITIVE_INFINITY;
    worst = Math.max(worst, errorOf(a, b));
  }
  return worst;
}

function errorOf(a: Elements["data"], b: Elements["data"]): number {
  let difference = 0;
  let magnitude = 0;
  for (let i = 0; i < b.length; i++) {
    const [x, y] = [Number(a[i]), Number(b[i])];
    if (Object.is(x, y) || x === y) {
      if (Number.isFinite(y)) magnitude = Math.max(magnitude, Math.abs(y));
      continue;
    }
    if (!Number.isFinite(x) || !Number.isFinite(y)) return Number.POSITIVE_INFINITY;
    difference = Math.max(difference, Math.abs(x - y));
    magnitude = Math.max(magnitude, Math.abs(y));
  }
  return difference === 0 ? 0 : difference / Math.max(magnitude, LEAST_MAGNITUDE);
}
