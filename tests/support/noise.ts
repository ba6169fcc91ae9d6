// Noise for tests, with nothing else behind it: pages of browser tests use it too.

/** Numbers that look random and are the same in every run, in lo..hi. */
export function noise(seed: number, size: number, lo = -2, hi = 2): number[] {
  let state = (seed + 1) >>> 0;
  return Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const mixed = Math.imul(state ^ (state >>> 15), 2246822519) >>> 0;
    return lo + ((hi - lo) * mixed) / 2 ** 32;
  });
}
