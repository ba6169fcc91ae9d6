// The schedule: which nodes run together in which kernel, in what order, under which control flow, and with which tiles.
// A kernel is a region of the graph between the buffers it reads and those it writes; what it computes is exactly the
// nodes between them. `choices` are plain data: printable, diffable, replayable.

import type { Dim } from "../ir/dim.js";
import type { Binding, Constraint, Graph, Node, Value } from "../ir/graph.js";
import type { Attention } from "./attention.js";

/**
 * map: one loop nest over the output. reduce: a reduction, with what follows it elementwise. rows: several reductions
 * over the same trailing axes and the maps between them, row by row. pool: the greatest or least of windows. matmul,
 * blockMatmul, conv, depthwise: contractions with an epilogue. attention: two products and the rows between them, strip by
 * strip. widen: bytes in 16 bits, for machines that multiply no bytes. The others are one op each.
 */
export type Template =
  | "map"
  | "reduce"
  | "rows"
  | "pool"
  | "matmul"
  | "blockMatmul"
  | "conv"
  | "depthwise"
  | "innerProducts"
  | "attention"
  | "concat"
  | "pad"
  | "scatter"
  | "sort"
  | "argreduce"
  | "cumulate"
  | "nonzero"
  | "widen";

export type Choices = Readonly<Record<string, number | string>>;

export interface Kernel {
  readonly name: string;
  readonly template: Template;
  /** The contraction, reduction or opaque node; for a map, the node of its output. */
  readonly anchor: Node;
  /** Nodes computed inside, the anchor included, in dependency order. */
  readonly nodes: readonly Node[];
  /** Values in buffers that it reads. */
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly choices: Choices;
  /** What an attention kernel keeps in strips; its anchor is the second product. */
  readonly attention: Attention | null;
  /** What a contraction's rows are widened from, for machines that multiply bytes; one of `inputs`. */
  readonly bytes: Value | null;
  /** Bytes of scratch that it needs, at most; 0 for most. */
  readonly scratch: Dim;
}

export type Step =
  | { readonly kind: "kernel"; readonly kernel: Kernel }
  /** Copies a value into the buffer of another of the same type: state and carried values. */
  | { readonly kind: "copy"; readonly from: Value; readonly to: Value; readonly row: Dim | null }
  /** Reads a symbol's value from an element of an integer tensor. */
  | { readonly kind: "bind"; readonly binding: Binding }
  /** Gives a symbol a computed value. */
  | { readonly kind: "assign"; readonly symbol: Dim; readonly value: Dim }
  | { readonly kind: "if"; readonly node: Node; readonly branches: readonly (readonly Step[])[] }
  | { readonly kind: "loop"; readonly node: Node; readonly iteration: Dim; readonly body: readonly Step[] };

/** What scheduling may do. */
export interface ScheduleOptions {
  /** Attention as one kernel, the default; else its products and rows are kernels of their own, with the same bits. */
  readonly attention?: boolean;
}

export interface Schedule {
  readonly graph: Graph;
  readonly steps: readonly Step[];
  readonly constraints: readonly Constraint[];
}
