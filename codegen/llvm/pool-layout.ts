// Where the words of a pool lie (pool.ts). It is one block of zeros: the lines below, then for each thread its line and
// scratch memory of its own.

import { LIMITS } from "../../runtime-shim/format.js";

/** What the pool needs to know of a machine. */
export interface PoolMachine {
  /** Linux' number of the system call. */
  readonly futex: number;
  /** The intrinsic that tells a core that a loop waits for memory. */
  readonly pause: { readonly declaration: string; readonly call: string };
}

/** Bytes of a pool: `shared` once, `each` for every thread. */
export interface PoolMemory {
  readonly shared: number;
  readonly each: number;
}

export const MOST_THREADS = LIMITS.threads;

/** Two cache lines: many CPUs fetch lines in pairs. */
const LINE = 128;
// At 0, EPOCH, which counts jobs: workers wait for it to change.
/** The function of the open job, null where none is; then its arguments and its number of parts. */
export const JOB = LINE;
export const ARGUMENTS = JOB + 8;
export const PARTS = JOB + 16;
/** Threads inside a job. */
export const BUSY = 2 * LINE;
/** Whether the caller sleeps until BUSY is 0. */
export const CALLER_SLEEPS = BUSY + 4;
/** Workers that sleep. */
export const SLEEPERS = 3 * LINE;
/** What is set once: number of threads, process, whether workers are to end. */
export const COUNT = 4 * LINE;
export const PROCESS = COUNT + 4;
export const ENDS = COUNT + 8;
export const SHARED = 5 * LINE;

/** A thread's line: its queue, that is the next part; what it is and its handle; then its scratch memory. */
export const QUEUE = 0;
export const ID = 4;
export const POOL = 8;
export const HANDLE = 16;
export const SCRATCH = LINE;

/** `scratch`: the most bytes that a kernel needs. */
export function poolMemory(scratch: number): PoolMemory {
  return { shared: SHARED, each: SCRATCH + Math.ceil(scratch / LINE) * LINE };
}

/** `name = from + bytes`, as a pointer. */
export const at = (name: string, from: string, bytes: number | string): string =>
  `  ${name} = getelementptr i8, ptr ${from}, i64 ${bytes}`;
