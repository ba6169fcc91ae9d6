// Reading where indices say, against the reference bit for bit: constant indices of runs (mirrored, repeated, wrapped
// edges, rotations) and of no pattern on any axis, and positions that are computed from floats, NaN among them, and moved
// inside. Elements that stand twice are pairs of the innermost axis.

import test from "ava";
import fc from "fast-check";
import * as ir from "../../compiler/ir/build.js";
import { type Dim, mul, sym } from "../../compiler/ir/dim.js";
import type { DType } from "../../compiler/ir/dtype.js";
import type { Builder, Value } from "../../compiler/ir/graph.js";
import { tensorFrom } from "../../compiler/ir/tensor.js";
import { sameEverywhere } from "../support/everywhere.js";
import { holds, joined, type Made } from "../support/many-cases.js";
import { sampleTensor } from "../support/sample.js";

interface Case {
  readonly shape: readonly number[];
  readonly axis: number;
  readonly pattern: "reflect" | "edge" | "wrap" | "reverse" | "steps" | "any" | "computed" | "flat" | "doubled";
  readonly before: number;
  readonly behind: number;
  readonly dtype: DType;
  readonly isSymbolic: boolean;
}

const place: fc.Arbitrary<Case> = fc.record({
  shape: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 70 })),
  axis: fc.constantFrom(1, 2, 2),
  pattern: fc.constantFrom("reflect", "edge", "wrap", "reverse", "steps", "any", "computed", "flat", "doubled"),
  before: fc.integer({ min: 0, max: 9 }),
  behind: fc.integer({ min: 0, max: 9 }),
  dtype: fc.constantFrom<DType>("f32", "f32", "u8", "i64", "f16"),
  isSymbolic: fc.boolean(),
});

/** The element of an axis of `size` that stands at a place inside or outside it. */
function placeOf(pattern: Case["pattern"], at: number, size: number, random: () => number): number {
  const wrapped = ((at % size) + size) % size;
  switch (pattern) {
    case "edge":
      return Math.min(Math.max(at, 0), size - 1);
    case "wrap":
      return wrapped;
    case "reverse":
      return size - 1 - wrapped;
    case "steps":
      return (2 * wrapped) % size;
    case "reflect": {
      const period = Math.max(1, 2 * (size - 1));
      const inside = ((at % period) + period) % period;
      return Math.min(inside, 2 * (size - 1) - inside);
    }
    default:
      return Math.floor(random() * size);
  }
}

function build(b: Builder, name: string, c: Case, random: () => number): Made {
  const { shape, axis, pattern } = c;
  const size = shape[axis] ?? 1;
  // The sizes of other axes may be open.
  const open = shape.map((d, i): Dim => (c.isSymbolic && i === 0 ? sym(`${name}.n`, 1, 9) : d));
  const x = ir.input(b, name, c.dtype, open);
  const count = c.before + size + c.behind;
  const feed = sampleTensor(c.dtype, shape, random, { special: true });
  if (pattern === "doubled") {
    // Two elements for each: itself, and what is made of it.
    const once = ir.unsqueeze(b, x, [3]);
    const isFirst = ir.eq(b, ir.iota(b, "i32", [2]), 0);
    const twice = ir.select(b, isFirst, once, axis === 1 ? once : ir.mul(b, once, 3));
    return { x, y: ir.reshape(b, twice, [...open.slice(0, 2), mul(2, open[2] ?? 1)]), feed };
  }
  if (pattern !== "computed" && pattern !== "flat") {
    const at = Array.from({ length: count }, (_, i) => placeOf(pattern, i - c.before, size, random));
    return { x, y: ir.gather(b, x, ir.vector(b, "i64", at), axis), feed };
  }
  const floats = Array.from({ length: count }, () => (random() < 0.1 ? Number.NaN : (random() * 3 - 1) * size));
  // An index of the graph's own making: folding would make a constant of a constant.
  const drift = ir.cast(b, ir.sum(b, ir.ne(b, ir.cast(b, ir.sliceAxis(b, x, 0, 0, 1), "f32"), 1e30), [0, 1, 2]), "f32");
  const moved = ir.add(b, ir.constant(b, tensorFrom("f32", [count], floats)), ir.mul(b, drift, 0));
  const inside = ir.cast(b, ir.max(b, ir.min(b, moved, size - 1), 0), "i64");
  if (pattern === "computed") return { x, y: ir.gather(b, x, inside, axis), feed };
  const [, rows = 1, columns = 1] = shape;
  const lead: Value = ir.mul(b, ir.iota(b, "i64", [open[0] ?? 1, 1, 1]), rows * columns);
  const step = axis === 1 ? columns : 1;
  const at = ir.broadcast(b, ir.add(b, ir.mul(b, inside, step), lead), [open[0] ?? 1, 1, count]);
  return { x, y: ir.take(b, x, ir.reshape(b, at, [mul(open[0] ?? 1, count)])), feed };
}

test("indices read what the reference says", (t) =>
  holds(t, place, { seed: 29, runs: 5, cases: [6, 12] }, async (cases) => {
    const { graph, builder, feeds } = joined(cases, build);
    await sameEverywhere(graph, builder, feeds);
  }));
