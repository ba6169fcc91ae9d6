// Scalar functions written in TypeScript: the function's source is read and its meaning recorded with ordinary scalar
// ops, so that it fuses like any other. It computes in the tensors' dtype, not in JavaScript's doubles.

import type { DType } from "../ir/dtype.js";
import { broadcastShapes } from "../ir/ops/broadcast.js";
import { KernelRun } from "./kernel-eval.js";
import { boolTensor, numeric, toTensor } from "./kernel-math.js";
import { type KernelSource, kernelSource } from "./kernel-source.js";
import { isTensor, type Operand, resultType } from "./promote.js";
import { record } from "./session.js";
import { callSite, refuseTrace } from "./site.js";
import type { Tensor } from "./tensor.js";

export interface KernelOptions {
  /** Numbers from outside that the function uses, by their names in it. */
  readonly consts?: Readonly<Record<string, number | boolean>>;
}

/** Applied to tensors and numbers, which are broadcast. */
export type Kernel<A extends readonly number[]> = (...args: { readonly [K in keyof A]: Operand }) => Tensor;

/**
 * A function of numbers as a function of tensors, element by element: kernel((a, b) => a * Math.exp(-b)). Locals, if,
 * ?:, loops with plain bounds, arithmetic, comparisons and Math are understood; anything else is refused at its line.
 */
export function kernel<A extends readonly number[]>(
  fn: (...args: A) => number | boolean,
  { consts = {} }: KernelOptions = {},
): Kernel<A> {
  const site = callSite();
  let source: KernelSource | null = null;
  const apply = (...args: readonly Operand[]): Tensor =>
    record("kernel", () => {
      const type = resultType(args, "kernel");
      // Truth values count as the integers 0 and 1.
      const dtype: DType = type === "bool" ? "i64" : type;
      if (!args.some(isTensor))
        refuseTrace(
          "malformed_input",
          "kernel",
          "kernel: no argument is a tensor",
          "call the function itself on numbers",
        );
      source ??= kernelSource(fn, site);
      const values = args.map((a) => (typeof a === "bigint" ? Number(a) : a));
      const result = new KernelRun(source, dtype).run(values, consts);
      const truth = typeof result === "boolean" || (isTensor(result) && result.dtype === "bool");
      const value = truth ? boolTensor(result) : toTensor(numeric(result, dtype), dtype);
      // A result that no argument reaches still has one element per place.
      const shapes = args.filter(isTensor).map((t) => t.shape);
      return value.expand(broadcastShapes([value.shape, ...shapes], (a, d) => (typeof d === "number" ? d : a))).clone();
    });
  // Typed by the function's parameters; a call of another length is refused when it runs.
  return apply as Kernel<A>;
}
