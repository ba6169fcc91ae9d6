// Statements: loops, stores and mutable registers. A kernel is a list of them over numbered buffers.

import type { Dim } from "../../compiler/ir/dim.js";
import type { DType } from "../../compiler/ir/dtype.js";
import type { BufferUse } from "../../compiler/plan/buffers.js";
import type { Expr, ExprPool } from "./expr.js";

export type Stmt =
  /**
   * for (v = from; v < to; v += step): `v` is an index variable (a Dim that is one symbol). Iterations of a `parallel`
   * loop read nothing that others write, and what two of them write is the same: they may run in any order and at the
   * same time. Registers that are set inside belong to one iteration, scratch bytes to whoever runs it. Parallel loops of one kernel hold this among
   * each other as well.
   */
  | {
      readonly kind: "for";
      readonly v: Dim;
      readonly from: Dim;
      readonly to: Dim;
      readonly step: number;
      readonly body: readonly Stmt[];
      readonly parallel?: true;
    }
  /** buffer[index ...] = value, one element per lane, contiguous. */
  | {
      readonly kind: "store";
      readonly buffer: number;
      readonly dtype: DType;
      readonly index: Dim;
      readonly value: Expr;
    }
  | {
      readonly kind: "storeAt";
      readonly dtype: DType;
      readonly address: Expr;
      readonly offset: number;
      readonly value: Expr;
    }
  /** Asks for the line at a byte address, which may lie anywhere: what is there will be read soon. Changes nothing. */
  | { readonly kind: "prefetch"; readonly address: Expr }
  /** Declares or changes a register (an Expr of kind "var"). */
  | { readonly kind: "set"; readonly target: Expr; readonly value: Expr }
  /** Gives a symbol of the plan its value (an i32). */
  | { readonly kind: "symbol"; readonly symbol: Dim; readonly value: Expr }
  | { readonly kind: "if"; readonly mask: Expr; readonly yes: readonly Stmt[]; readonly no: readonly Stmt[] }
  /** Runs the body while the mask holds, testing before each round. */
  | { readonly kind: "while"; readonly mask: Expr; readonly body: readonly Stmt[] };

/** One kernel as loops: what every target spells. Buffers are numbered in the order of the kernel's arguments. */
export interface LoopKernel {
  readonly name: string;
  readonly buffers: readonly BufferUse[];
  readonly pool: ExprPool;
  readonly body: readonly Stmt[];
}

export type { BitPanels, BufferUse, Layout, Panels } from "../../compiler/plan/buffers.js";
