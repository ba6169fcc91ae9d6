// What the spelling of one register operation is given: its operands as text, and what the level of CPUs has.

import type { Tier } from "../../compiler/plan/plan.js";
import type { Expr, Reg } from "../loops/expr.js";
import type { FunctionText } from "./text.js";

/** What the spelling may use beyond LLVM's portable instructions. */
export interface Dialect {
  /** Fused multiply-add is one instruction. */
  readonly fma: boolean;
  /** x86's multiply-add of 16-bit pairs, by the widest vector in bytes; 0 without. */
  readonly pairBytes: number;
  /** The dot product of four bytes in one instruction, if there is one. */
  readonly byteDot: "vpdpbusd" | "sdot" | "usdot" | null;
  /** The dot product of pairs of bfloat16 in one instruction, which rounds in its own way, if there is one. */
  readonly bf16Dot: "vdpbf16ps" | "bfdot" | null;
  /** Conversions of vectors to integers saturate by themselves. */
  readonly saturates: boolean;
}

export interface Spelling {
  readonly type: Reg;
  readonly args: readonly string[];
  readonly operands: readonly Expr[];
  readonly tier: Tier;
  readonly dialect: Dialect;
  readonly out: FunctionText;
  /** Where a failed check is noted. */
  readonly fail: string;
}

export type Spell = (cx: Spelling) => string;

export function arg(cx: Spelling, i: number): string {
  const x = cx.args[i];
  if (x === undefined) throw new RangeError(`operand ${i} is missing`);
  return x;
}

export function cast(cx: Spelling, op: string, from: string, value: string, to: string): string {
  return from === to ? value : cx.out.value(`${op} ${from} ${value} to ${to}`);
}
