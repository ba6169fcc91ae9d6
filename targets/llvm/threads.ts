// How the threads of a native pool share a kernel: figures that were measured.

import type { Threading } from "../../codegen/threading.js";

/**
 * Workers look for work for some four tenths of a millisecond, which is what stands between the runs of a busy program: one that
 * has slept may start on its caller's core and be moved some milliseconds later.
 */
export const NATIVE_THREADING: Threading = {
  // Some 2 microseconds of one thread. Opening a job takes 1 where cores share a cache, and 5 where they do not.
  grain: 1 << 18,
  partsPerThread: 8,
  grainsPerPart: 8,
  workerSpins: 20_000,
  callerSpins: 2_000,
};
