// What the pipeline asks of a network, whoever runs it: one float32 array in, one out.

/** Values in row-major order. */
export interface Output {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

export type Network = (data: Float32Array, shape: readonly number[]) => Promise<Output>;

/** The three networks of PP-OCRv4. */
export interface Networks {
  /** [1, 3, height, width] to [1, 1, height, width]: the probability that a pixel is in the core of a line. */
  readonly detection: Network;
  /** [1, 3, 48, 192] to [1, 2]: the probabilities that a line stands upright, and upside down. */
  readonly direction: Network;
  /** [1, 3, 48, width] to [1, steps, characters]: the probability of each character at each step. */
  readonly recognition: Network;
}
