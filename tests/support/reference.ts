// Small ways to write graphs and tensors for tests of the reference.

import { sub, sum } from "../../compiler/ir/build.js";
import { mul } from "../../compiler/ir/build-scalar.js";
import type { DType } from "../../compiler/ir/dtype.js";
import type { Binding, Builder, Graph, Value } from "../../compiler/ir/graph.js";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { interpret } from "../../compiler/reference/interpret.js";
import { noise } from "./noise.js";

export { noise };

export function graphOf(
  b: Builder,
  inputs: readonly Value[],
  outputs: Readonly<Record<string, Value>>,
  bindings: readonly Binding[] = [],
): Graph {
  const named = Object.entries(outputs).map(([name, value]) => ({ name, value }));
  return { name: "test", inputs, outputs: named, states: [], bindings, constraints: b.constraints };
}

/** Evaluates values that depend on constants alone. */
export function valuesOf(b: Builder, ...values: readonly Value[]): Tensor[] {
  const named = Object.fromEntries(values.map((v, i) => [String(i), v]));
  const { outputs } = interpret(graphOf(b, [], named), {});
  return values.map((_, i) => {
    const t = outputs[String(i)];
    if (t === undefined) throw new Error(`no output ${i}`);
    return t;
  });
}

export function numbersOf(b: Builder, v: Value): number[] {
  return valuesOf(b, v).flatMap((t) => t.numbers());
}

export function noiseTensor(dtype: DType, shape: readonly number[], seed: number, lo = -2, hi = 2): Tensor {
  const size = shape.reduce((n, d) => n * d, 1);
  return tensorFrom(dtype, shape, noise(seed, size, lo, hi));
}

/** sum((x - c) * x) for a fixed c: a scalar whose derivative in every element of x is different. */
export function loss(b: Builder, x: Value, c: Value): Value {
  return sum(b, mul(b, sub(b, x, c), x));
}
