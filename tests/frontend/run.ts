// Traces a function and runs it on the reference: what most of the frontend's tests do.

import { readFileSync } from "node:fs";
import type { TensorSpec } from "../../compiler/frontend/spec.js";
import type { Tensor as Traced } from "../../compiler/frontend/tensor.js";
import { type TraceOptions, trace } from "../../compiler/frontend/trace.js";
import type { Tree } from "../../compiler/frontend/tree.js";
import type { DType } from "../../compiler/ir/dtype.js";
import { type Refusal, Refused } from "../../compiler/ir/errors.js";
import type { Graph } from "../../compiler/ir/graph.js";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { formatIssue, verify } from "../../compiler/ir/verify.js";
import { interpret } from "../../compiler/reference/interpret.js";

export interface Given {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

export function given(dtype: DType, shape: readonly number[], values: readonly number[]): Given {
  return { dtype, shape, values };
}

/** 0, 1, 2, ... */
export function counting(...shape: readonly number[]): Given {
  const size = shape.reduce((n, d) => n * d, 1);
  return given(
    "f32",
    shape,
    Array.from({ length: size }, (_, i) => i),
  );
}

export interface Ran {
  readonly outputs: Readonly<Record<string, number[]>>;
  readonly states: Readonly<Record<string, number[]>>;
  readonly shapes: Readonly<Record<string, readonly number[]>>;
}

/** Runs `fn` on these inputs; shapes come from the inputs unless `specs` says otherwise. */
export function run(
  inputs: Readonly<Record<string, Given>>,
  fn: (args: Readonly<Record<string, Traced>>) => Tree,
  specs: Readonly<Record<string, TensorSpec>> = {},
  options: TraceOptions = {},
): Ran {
  const types = Object.fromEntries(
    Object.entries(inputs).map(([k, g]) => [k, specs[k] ?? { dtype: g.dtype, sizes: g.shape }]),
  );
  const { graph } = trace(types, fn, options);
  wantSound(graph);
  const tensors = Object.fromEntries(
    Object.entries(inputs).map(([k, g]) => [k, tensorFrom(g.dtype, g.shape, g.values)]),
  );
  const ran = interpret(graph, tensors);
  const numbers = (r: Record<string, Tensor>) =>
    Object.fromEntries(Object.entries(r).map(([k, t]) => [k, t.numbers()]));
  const shapes = Object.fromEntries(Object.entries(ran.outputs).map(([k, t]) => [k, t.shape]));
  return { outputs: numbers(ran.outputs), states: numbers(ran.states), shapes };
}

/** Throws where the verifier finds anything wrong with a graph. */
export function wantSound(graph: Graph): void {
  const issues = verify(graph);
  if (issues.length > 0) throw new Error(issues.map((i) => formatIssue(i)).join("\n"));
}

/** The single refusal that `f` throws. */
export function refusal(f: () => unknown): Refusal {
  try {
    f();
  } catch (e) {
    const [only] = e instanceof Refused ? e.refusals : [];
    if (only !== undefined) return only;
    throw e;
  }
  throw new Error("nothing was refused");
}

/** The line that has `marker` in a comment, of the file in `at` (as written, or as compiled where stacks say that). */
export function lineOf(at: string, marker: string): number {
  const path = at.replace(/:\d+$/, "");
  const text = readFileSync(path.startsWith("/") ? path : `${process.cwd()}/${path}`, "utf8");
  return text.split("\n").findIndex((l) => l.includes(`// ${marker}`)) + 1;
}
