// How the threads of a WebAssembly pool share a kernel: figures that were measured.

import type { Threading } from "../../codegen/threading.js";

export const WASM_THREADING: Threading = {
  // About 6 microseconds of one thread: to open a job for threads that are awake takes less than one.
  grain: 1 << 16,
  partsPerThread: 8,
  // A row times a matrix of some hundred KB is streamed sooner in halves than in many parts.
  grainsPerPart: 8,
  // Some 50 microseconds: the small kernels between two large ones take less.
  workerSpins: 50_000,
  callerSpins: 20_000,
};
