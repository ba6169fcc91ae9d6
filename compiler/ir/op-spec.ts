// What a row of the op table says. See ops.ts for the table and docs/ARCHITECTURE.md for the three classes.

import type { AttrSchema, AttrValues } from "./attrs.js";
import type { Dim } from "./dim.js";
import type { DType } from "./dtype.js";
import type { Builder, Region, Value } from "./graph.js";
import type { Tensor } from "./tensor.js";
import type { TensorType } from "./types.js";

/**
 * source: inputs, constants, parameters, state. scalar: elementwise, spelled by dialects, broadcasting as NumPy does.
 * structural: lowered to loops. composite: means its decomposition. control: owns regions.
 */
export type OpClass = "source" | "scalar" | "structural" | "composite" | "control";

export interface Arity {
  readonly min: number;
  readonly max: number;
}

export interface InferContext<A> {
  readonly types: readonly TensorType[];
  /** The input values themselves, for the few rules that read a constant. */
  readonly inputs: readonly Value[];
  readonly attrs: A;
  readonly regions: readonly Region[];
  /** Rejects the node: say have and want. */
  fail(message: string): never;
  /** The common dimension of two that must be equal; records a run-time constraint where it cannot be proved. */
  unify(a: Dim, b: Dim, what: string): Dim;
}

export interface EvalContext<A> {
  readonly inputs: readonly Tensor[];
  readonly attrs: A;
  readonly outputs: readonly { readonly dtype: DType; readonly shape: readonly Dim[] }[];
  readonly regions: readonly Region[];
  /** Value of a dimension in this run. Throws where a symbol is not bound yet. */
  size(d: Dim): number;
  sizes(ds: readonly Dim[]): number[];
  /** Runs a region on arguments, one per parameter. */
  call(region: Region, args: readonly Tensor[]): readonly Tensor[];
}

/** Adjoint rule: gradients of the inputs from those of the outputs. null: no gradient flows to that input. */
export type Vjp<A> = (
  b: Builder,
  node: { readonly inputs: readonly Value[]; readonly outputs: readonly Value[]; readonly attrs: A },
  gradients: readonly (Value | null)[],
) => readonly (Value | null)[];

export interface OpSpec<S extends AttrSchema> {
  readonly class: OpClass;
  readonly arity: Arity;
  readonly attrs: S;
  /** Output types, also for symbolic shapes. Throws through `fail`. */
  infer(cx: InferContext<AttrValues<S>>): readonly TensorType[];
  /** The reference meaning. Absent exactly for composites, which mean their decomposition, and for sources. */
  readonly evaluate?: (cx: EvalContext<AttrValues<S>>) => readonly Tensor[];
  /** The same values from simpler ops. */
  readonly decompose?: (b: Builder, inputs: readonly Value[], attrs: AttrValues<S>) => readonly Value[];
  readonly vjp?: Vjp<AttrValues<S>>;
}

/** Rows for a table of attribute schemas: the type checker asks for every one. */
export type OpRows<T extends Readonly<Record<string, AttrSchema>>> = {
  readonly [K in keyof T]: Omit<OpSpec<T[K]>, "attrs">;
};

export const arity = (min: number, max = min): Arity => ({ min, max });
