// How the threads of a pool share a kernel: figures of the machine, measured, in targets/.

export interface Threading {
  /** Least work of a part (compiler/schedule/work.ts). */
  readonly grain: number;
  /** The most parts of a job for each thread: more of them balance better, and each has its cost. */
  readonly partsPerThread: number;
  /** Grains of a part at least, where a thread has more than one of a job: where a part starts, its data are not on the way. */
  readonly grainsPerPart: number;
  /** Looks at a word before a worker sleeps. */
  readonly workerSpins: number;
  /** Looks at a word before the caller sleeps. */
  readonly callerSpins: number;
}
