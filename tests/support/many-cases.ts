// Properties of many small graphs, joined into one, so that a run compiles once for all of them.

import type { ExecutionContext } from "ava";
import fc from "fast-check";
import { Builder, type Graph, type Value } from "../../compiler/ir/graph.js";
import type { Tensor } from "../../compiler/ir/tensor.js";
import { graphOf } from "./reference.js";
import { randomOf } from "./sample.js";

const times = Number(process.env["PSIONIC_RUNS"] ?? "1");
const shift = Number(process.env["PSIONIC_SEED"] ?? "0");

/** A graph of one input and one output, and what it is fed. */
export interface Made {
  readonly x: Value;
  readonly y: Value;
  readonly feed: Tensor;
}

export interface Joined {
  readonly graph: Graph;
  readonly builder: Builder;
  readonly feeds: Readonly<Record<string, Tensor>>;
}

/** The cases' graphs as one, with an input and an output of its own for each. */
export function joined<C>(
  cases: readonly C[],
  build: (b: Builder, name: string, c: C, random: () => number) => Made,
): Joined {
  const builder = new Builder();
  const random = randomOf(cases.length + shift);
  const made = cases.map((c, i) => build(builder, `x${i}`, c, random));
  const graph = graphOf(
    builder,
    made.map(({ x }) => x),
    Object.fromEntries(made.map(({ y }, i) => [`y${i}`, y])),
  );
  return { graph, builder, feeds: Object.fromEntries(made.map(({ feed }, i) => [`x${i}`, feed])) };
}

export interface Runs {
  readonly seed: number;
  readonly runs: number;
  /** Cases of a run: at least, and at most. */
  readonly cases: readonly [least: number, most: number];
}

/** Draws cases and judges them. PSIONIC_RUNS multiplies the number of runs, PSIONIC_SEED adds to the seeds. */
export async function holds<C>(
  t: ExecutionContext,
  drawn: fc.Arbitrary<C>,
  { seed, runs, cases: [minLength, maxLength] }: Runs,
  judge: (cases: readonly C[]) => Promise<void>,
): Promise<void> {
  const property = fc.asyncProperty(fc.array(drawn, { minLength, maxLength }), judge);
  const result = await fc.check(property, { numRuns: runs * times, seed: seed + shift });
  const cause = result.errorInstance instanceof Error ? result.errorInstance.message : "";
  const counterexample = JSON.stringify(result.counterexample);
  t.false(result.failed, `seed ${result.seed}, path ${result.counterexamplePath ?? ""}: ${cause}\n${counterexample}`);
}
