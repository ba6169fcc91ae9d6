// What a pass is: a graph in, a graph with the same meaning out.

import type { Builder, Graph } from "../ir/graph.js";
import type { OpName } from "../ir/ops.js";

export interface PassOptions {
  /** relaxed: passes may change how results round. Default strict. */
  readonly tier?: "strict" | "relaxed";
  /** Composite ops that the target takes whole. */
  readonly keep?: ReadonlySet<OpName>;
}

export interface Pass {
  readonly name: string;
  /** Passes that must have run before, by name, and why. */
  readonly after: Readonly<Record<string, string>>;
  run(b: Builder, graph: Graph, options: PassOptions): Graph;
}
