// Threading that divides whatever can be divided, and goes to sleep at once: every way through the pool is taken.

import type { Threading } from "../../codegen/threading.js";

export const FINEST: Threading = {
  grain: 1,
  partsPerThread: 3,
  grainsPerPart: 1,
  workerSpins: 1,
  callerSpins: 1,
};
