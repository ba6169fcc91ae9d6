// How the threads of a pool share a kernel: figures of the machine, measured, in targets/.

export interface Threading {
  /** Least work of a part (compiler/schedule/work.ts). */
  readonly grain: number;
  /** Parts of a job for each thread: more of them balance better, and each has its cost. */
  readonly partsPerThread: number;
  /** Looks at a word before a worker sleeps. */
  readonly workerSpins: number;
  /** Looks at a word before the caller sleeps. */
  readonly callerSpins: number;
}
