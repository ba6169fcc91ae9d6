// What the runner tells the page, and what the page answers. Arrays are files of their own beside the task.

import type { Elements, NodeSpec } from "../../support/onnx-writer.js";

export const PEER_NAMES = ["jax-js", "tfjs-wasm", "LiteRT.js"] as const;

export type PeerName = (typeof PEER_NAMES)[number];

/** An array as a file: its URL. */
export interface ArrayFile {
  readonly dtype: Elements["dtype"];
  readonly shape: readonly number[];
  readonly url: string;
}

export interface Task {
  readonly bundle: string;
  readonly nodes: readonly NodeSpec[];
  readonly inputs: Readonly<Record<string, ArrayFile>>;
  readonly weights: Readonly<Record<string, ArrayFile>>;
  readonly output: string;
  readonly outputShape: readonly number[];
  readonly peers: readonly PeerName[];
  readonly seconds: number;
}

export interface PeerReport {
  readonly name: PeerName;
  readonly ms: number;
  /** Peer's time / ours. */
  readonly ratio: number;
  /** Greatest difference between its result and ours, relative to the largest magnitude. */
  readonly error: number;
}

export interface Report {
  readonly ms: number;
  readonly peers: readonly PeerReport[];
  /** Why the others have no figure. */
  readonly reasons: Readonly<Partial<Record<PeerName, string>>>;
}
