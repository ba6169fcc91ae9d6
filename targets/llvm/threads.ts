// How the threads of a native pool share a kernel: figures that were measured.

import type { Threading } from "../../codegen/threading.js";

export const NATIVE_THREADING: Threading = {
  grain: 1 << 17,
  partsPerThread: 8,
  workerSpins: 2_000,
  callerSpins: 2_000,
};
