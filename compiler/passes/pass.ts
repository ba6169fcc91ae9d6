// What a pass is: a graph in, a graph with the same meaning out.

import type { Builder, Graph, Node } from "../ir/graph.js";

export interface PassOptions {
  /** relaxed: passes may change how results round. Default strict. */
  readonly tier?: "strict" | "relaxed";
  /** Whether the target takes a composite node whole; none where it is absent. */
  readonly keeps?: (node: Node) => boolean;
  /**
   * The target has dot products of four bytes, u8 by i8. some: only on some of its machines, where rows in bytes are read
   * before they are widened; on the others of bytes up to 127. None where it is absent.
   */
  readonly byteDots?: "all" | "some";
  /** The target has dot products of pairs of bfloat16, which round in their own way: for tiers that allow it. */
  readonly bf16Dots?: boolean;
  /** Integers are multiplied in pairs of 16 bits at best, for which fewer products pay. */
  readonly pairProducts?: boolean;
  /** Multiplications that take the target as long as one weight from memory. Default 4. */
  readonly multipliesPerWeight?: number;
  /** Multiplications that a byte more of weights in a bundle has to save, where fewer products take larger weights. */
  readonly multipliesPerByte?: number;
}

export interface Pass {
  readonly name: string;
  /** Passes that must have run before, by name, and why. */
  readonly after: Readonly<Record<string, string>>;
  run(b: Builder, graph: Graph, options: PassOptions): Graph;
}
