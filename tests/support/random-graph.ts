// Random well-typed graphs for property tests: a list of small numbers goes in (which fast-check shrinks), a graph comes
// out. Every step picks an op and values for it from what is there; a step that does not fit is skipped.

import fc from "fast-check";
import * as ir from "../../compiler/ir/build.js";
import { type Dim, range, sym } from "../../compiler/ir/dim.js";
import { isFloat } from "../../compiler/ir/dtype.js";
import { type Builder, type Graph, TypeIssue, type Value } from "../../compiler/ir/graph.js";
import { print } from "../../compiler/ir/print.js";
import { settle } from "../../compiler/ir/settle.js";
import { elementCount } from "../../compiler/ir/types.js";
import { Maker, MOST_ELEMENTS, type RandomGraphOptions, type Step } from "./random-maker.js";
import { STEPS } from "./random-steps.js";

export type { RandomGraphOptions } from "./random-maker.js";
export { STEPS } from "./random-steps.js";
export { sampleInputs } from "./sample.js";

export interface RandomGraph {
  readonly builder: Builder;
  readonly graph: Graph;
  /** How a failing property shows it. */
  [fc.toStringMethod]: () => string;
}

const NETWORK = [
  ...new Array<string>(3).fill("conv"),
  ...new Array<string>(3).fill("normalizedConv"),
  ..."scalar scalar pool concat pad reduce reshape broadcast slice softmax transpose chain matmul".split(" "),
];

const ROUGH = new Set(["sort", "argreduce", "nonzero", "scatter", "take", "gather", "cumulate", "iota", "dims"]);

/** What a state slot holds next: the newest value of its type, or one made for it. */
function nextOf(m: Maker, slot: Value): Value {
  const like = m.pool.findLast(
    (v) => v !== slot && v.type.dtype === slot.type.dtype && v.type.shape.join() === slot.type.shape.join(),
  );
  if (like !== undefined) return like;
  if (slot.type.dtype === "bool") return ir.not(m.b, slot);
  // Floats stay small and exact: 0, 1, 0, ...
  return isFloat(slot.type.dtype) ? ir.neg(m.b, ir.sub(m.b, slot, 1)) : ir.add(m.b, slot, 1);
}

function build(steps: readonly Step[], options: RandomGraphOptions): RandomGraph {
  const m = new Maker(options);
  const dtypes =
    options.smooth === true ? (["f32"] as const) : (options.dtypes ?? (["f32", "i32", "i64", "bool", "f16"] as const));
  const names = (options.only ?? (options.network === true ? NETWORK : Object.keys(STEPS))).filter(
    (n) =>
      !(options.control === false && ["if", "loop", "trade"].includes(n)) && !(options.smooth === true && ROUGH.has(n)),
  );
  const [head, ...rest] = steps;
  const n = options.symbolic === false ? 3 : sym("n", 1, 5);
  const shapes: readonly (readonly Dim[])[] = [[n, 3], [2, 4, 4, 3], [1, 2, n, 4], [4], [], [2, 6], [1, 3, 5], [n]];
  if (head !== undefined) m.start(head);
  for (let i = 0; i < 2 + m.below(2); i++) {
    const image: readonly Dim[] = [1 + m.below(2), 2, n, 4];
    const shape = options.network === true && i === 0 ? image : (m.pick(shapes) ?? []);
    const x = ir.input(
      m.b,
      `x${i}`,
      (i === 0 && options.dtypes === undefined ? undefined : m.pick(dtypes)) ?? "f32",
      shape,
    );
    m.inputs.push(x);
    m.pool.push(x);
  }
  const slot = m.below(3) === 0 ? ir.state(m.b, "s", options.dtypes?.[0] ?? "f32", [1, 4]) : undefined;
  if (slot !== undefined) m.pool.push(slot);
  for (const step of rest) {
    m.start(step);
    const make = STEPS[names[step.op % names.length] ?? ""];
    if (make === undefined) continue;
    const bound = m.bindings.length;
    try {
      const made = make(m);
      const values = Array.isArray(made) ? (made as readonly Value[]) : [made as Value];
      const small = values.every(
        (v) => range(elementCount(v.type.shape)).hi <= MOST_ELEMENTS && v.type.shape.length <= 7,
      );
      if (small) m.pool.push(...values);
      else m.bindings.length = bound;
    } catch (e) {
      m.bindings.length = bound;
      if (!(e instanceof TypeIssue) && !(e instanceof RangeError)) throw e;
    }
  }
  const last = m.pool.slice(-3);
  const graph = settle({
    name: "random",
    inputs: m.inputs,
    outputs: last.map((value, i) => ({ name: `y${i}`, value })),
    states: slot === undefined ? [] : [{ name: "s", current: slot, next: nextOf(m, slot) }],
    bindings: m.bindings,
    constraints: [],
  });
  return { builder: m.b, graph, [fc.toStringMethod]: () => print(graph).text };
}

/** Graphs that type-check and verify, each in a builder of its own. */
export function arbitraryGraph(options: RandomGraphOptions = {}): fc.Arbitrary<RandomGraph> {
  const step = fc.record({
    op: fc.nat(999),
    draws: fc.array(fc.nat(9999), { minLength: 12, maxLength: 12 }),
  });
  return fc
    .array(step, { minLength: 4, maxLength: (options.steps ?? 12) + 1, size: "max" })
    .map((steps) => build(steps, options));
}
