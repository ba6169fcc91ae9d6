// An engine that a row runs on: this compiler's runtime, or a peer. Each is given the same ONNX file and the same input
// arrays, and is used the way that is quickest for its users.

import type { Elements } from "../support/onnx-writer.js";
import type { Row } from "./row.js";

export interface Prepared {
  /** One warm run. A peer's run is asynchronous; ours is not, and is timed without a promise. */
  run(): Promise<unknown> | undefined;
  /** Outputs of one run, by name, copied; those that it can tell. */
  outputs(): Promise<ReadonlyMap<string, Elements["data"]>>;
  release(): Promise<void>;
}

export interface Engine {
  readonly name: string;
  /** In the table's head. */
  readonly column: string;
  /** Left out: every row. */
  takes?(row: Row): boolean;
  /** Its results are what the others' are held against. */
  readonly judges?: boolean;
  /** Compiles or opens a row's model. Throws where the engine cannot run it. */
  prepare(row: Row, model: Uint8Array): Promise<Prepared>;
}
