// What a row of the benchmark is: a model, its inputs, and the work that it cannot avoid.

import type { DimSpec } from "../../compiler/import/onnx/import.js";
import type { Elements } from "../support/onnx-writer.js";

/** A row for llama.cpp: the same network in its format, and what it is to do. */
export interface LlamaTask {
  /** The GGUF file of the row's ONNX file. */
  gguf(model: Uint8Array): Uint8Array;
  /** The words of a run, of which it tells what follows the last. */
  readonly words: readonly number[];
  /** Words that stand before them. */
  readonly past: number;
}

/** What products and sums are of, as far as machines have instructions for it. */
export type Arithmetic = "f32" | "bf16" | "integers";

/** By a row's dtype. */
export function arithmeticOf({ dtype }: Row): Arithmetic {
  if (dtype === "bf16") return "bf16";
  return dtype === "int8" || /^[iu]8\*/.test(dtype) ? "integers" : "f32";
}

export interface Row {
  readonly name: string;
  /** Element type of the arithmetic. */
  readonly dtype: string;
  /** Shape and batch, for people. */
  readonly shape: string;
  /** The ONNX file. */
  model(): Uint8Array;
  inputs(): Readonly<Record<string, Elements>>;
  /** Sizes of the model's dynamic dimensions, where it has any. */
  readonly dims?: Readonly<Record<string, DimSpec>>;
  /**
   * Multiplications and additions of products and convolutions; null where they are to be counted in the compiled
   * graph. Other arithmetic is not counted: such rows are bound by `bytes`.
   */
  readonly flops: number | null;
  /** Bytes that must be read and written at least: inputs, weights and outputs once; null: counted from the plan. */
  readonly bytes: number | null;
  /** Greatest error of an output, relative to the output's largest magnitude. */
  readonly tolerance: number;
  /** Words that a run takes in; a rate is then in words. */
  readonly words?: number;
  readonly llama?: LlamaTask;
  /** It also counts where no peer takes it: against the ceiling. */
  readonly alone?: boolean;
  /** Also measured from process start to first result, with peak memory and download size. */
  readonly whole?: boolean;
}
