// What passes between the thread that asks the rig and the one that talks to its process, and the sizes of an answer.

export interface RigTask {
  readonly command: readonly string[];
  /** Shared: the words of CONTROL. */
  readonly control: ArrayBufferLike;
}

/** Null: no more requests. */
export type RigMessage = {
  readonly request: Uint8Array;
  /** Shared: takes the answer, or why there is none. */
  readonly answer: Uint8Array;
} | null;

export const CONTROL = { state: 0, length: 1, words: 2 } as const;
export const STATE = { waiting: 0, answered: 1, ended: 2 } as const;

/** Words of 64 bits: status, and the bytes of text, memory and validity that follow. */
export const ANSWER_WORDS = 4;
/** The most bytes of an answer besides memory and validity. */
export const ANSWER_BESIDES = 8192;
