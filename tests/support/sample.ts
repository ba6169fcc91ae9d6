// Inputs for a graph, from a seed, and the comparison of what two graphs give for them.

import { type Dim, evaluate, symsOf } from "../../compiler/ir/dim.js";
import { type DType, isFloat } from "../../compiler/ir/dtype.js";
import type { Graph } from "../../compiler/ir/graph.js";
import { sizeOf, type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";

/** A small, fast generator (mulberry32): numbers in [0, 1). */
export function randomOf(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const SPECIAL = [0, -0, Number.NaN, Infinity, -Infinity, 1, -1, 1e-40, 3e38];

export interface SampleOptions {
  /** NaN, infinities, -0 and denormals among floats. */
  readonly special?: boolean;
}

/** Values for every input (and sizes for every symbol) of a graph; small numbers, so that sums stay well conditioned. */
export function sampleInputs(graph: Graph, seed: number, options: SampleOptions = {}): Record<string, Tensor> {
  const random = randomOf(seed);
  const sizes = new Map<string, number>();
  const sizeOfDim = (d: Dim): number => {
    for (const s of symsOf(d))
      if (!sizes.has(s.name)) sizes.set(s.name, s.lo + Math.floor(random() * (Math.min(s.hi, s.lo + 6) - s.lo + 1)));
    return evaluate(d, (name) => sizes.get(name) ?? 1);
  };
  const out: Record<string, Tensor> = {};
  for (const v of graph.inputs) {
    if (v.node.op !== "input") continue;
    const { name, dtype, shape } = v.node.attrs;
    out[name] = sampleTensor(dtype, shape.map(sizeOfDim), random, options);
  }
  return out;
}

export function sampleTensor(
  dtype: DType,
  shape: readonly number[],
  random: () => number,
  options: SampleOptions = {},
): Tensor {
  const draw = (): number => {
    if (dtype === "bool") return random() < 0.5 ? 0 : 1;
    if (!isFloat(dtype)) return Math.floor(random() * 9) - (dtype.startsWith("u") ? 0 : 4);
    if (options.special === true && random() < 0.15) return SPECIAL[Math.floor(random() * SPECIAL.length)] ?? 0;
    return Math.round((random() * 2 - 1) * 64) / 64;
  };
  return tensorFrom(dtype, shape, Array.from({ length: sizeOf(shape) }, draw));
}

/**
 * What differs between two results, or null. `tolerance` 0 asks for the same bits (any NaN equals any NaN, and -0 is
 * not 0); else for |a - b| <= tolerance * max(1, |a|, |b|), with infinities and NaN where they were.
 */
export function difference(
  have: Readonly<Record<string, Tensor>>,
  want: Readonly<Record<string, Tensor>>,
  tolerance = 0,
): string | null {
  for (const [name, w] of Object.entries(want)) {
    const h = have[name];
    if (h === undefined) return `output "${name}" is missing`;
    if (h.dtype !== w.dtype || h.shape.join() !== w.shape.join())
      return `output "${name}" is ${h.dtype}[${h.shape.join(", ")}], want ${w.dtype}[${w.shape.join(", ")}]`;
    for (let i = 0; i < w.size; i++) {
      const [a, b] = [h.elements[i], w.elements[i]];
      if (Object.is(a, b)) continue;
      const [x, y] = [Number(a), Number(b)];
      const close = tolerance > 0 && Math.abs(x - y) <= tolerance * Math.max(1, Math.abs(x), Math.abs(y));
      if (!close) return `output "${name}" element ${i} is ${String(a)}, want ${String(b)}`;
    }
  }
  return null;
}
