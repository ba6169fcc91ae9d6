// Where indices say to read. Indices that are known to lie below 2^31 are computed in 32 bits, which vectors have and
// 64-bit loads do not cost. A gather of a few runs of neighbours along the last axis (the edges of a mirrored, repeated
// or wrapped image, a rotation) is these runs one behind another: slices are read in vectors, indices one by one.

import { boundsOf, within } from "../ir/bounds.js";
import * as ir from "../ir/build.js";
import { type Dim, mul, provenLess, range } from "../ir/dim.js";
import { isFloat, isInteger } from "../ir/dtype.js";
import { type Builder, constantOf, type Node, type NodeOf, type Value } from "../ir/graph.js";
import { remake } from "../ir/map-graph.js";
import { rewrite, rule, ruleFor } from "../ir/rewrite.js";
import { evaluated, recast } from "./integers.js";
import type { Pass } from "./pass.js";
import { inputOf } from "./shapes.js";

/** How far the making of indices is followed. */
const MAX_DEPTH = 12;
/** Longer lists of indices are not looked through. */
const MOST_INDICES = 1 << 20;
/** Elements that a run has on average, at least. */
const LEAST_RUN = 8;

/** The value in 32 bits: what it is modulo 2^32. */
function narrowed(b: Builder, v: Value, depth = 0): Value {
  const constant = constantOf(v);
  const isSmall = within(boundsOf(v), "i32");
  if (constant !== undefined && isSmall) return b.one("const", [], { value: recast(constant, "i32") });
  const { node } = v;
  const cut = (): Value => ir.cast(b, v, "i32");
  if (v.type.dtype !== "i64" || depth > MAX_DEPTH) return cut();
  const all = (): Value =>
    remake(
      b,
      node,
      node.inputs.map((x) => narrowed(b, x, depth + 1)),
    )[0] ?? cut();
  switch (node.op) {
    case "cast": {
      const x = inputOf(node);
      if (isFloat(x.type.dtype)) return isSmall ? ir.cast(b, x, "i32") : cut();
      return isInteger(x.type.dtype) ? ir.cast(b, x, "i32") : cut();
    }
    case "iota":
      return isSmall ? b.one("iota", [], { ...node.attrs, dtype: "i32" }) : cut();
    case "add":
    case "sub":
    case "mul":
    case "reshape":
    case "transpose":
    case "broadcast":
    case "slice":
      return all();
    default:
      return cut();
  }
}

function inWords(b: Builder, node: Node): readonly Value[] | null {
  const [x, at] = [inputOf(node), inputOf(node, 1)];
  if (at.type.dtype !== "i64" || at.type.shape.includes(0)) return null;
  const { lo, hi } = boundsOf(at);
  return lo >= 0 && hi < 2 ** 31 ? remake(b, node, [x, narrowed(b, at)]) : null;
}

interface Run {
  readonly start: number;
  readonly step: number;
  readonly length: number;
}

/** Indices as runs that are evenly spaced, as long as they can be from the left. */
function runsOf(at: readonly number[]): Run[] {
  const runs: Run[] = [];
  for (let i = 0; i < at.length; ) {
    const start = at[i] ?? 0;
    const step = (at[i + 1] ?? start) - start;
    let length = 1;
    while (i + length < at.length && at[i + length] === start + length * step) length++;
    // A step of two elements alone may lead into the next run.
    if (length === 2 && Math.abs(step) > 1) length = 1;
    runs.push({ start, step: length === 1 ? 1 : step, length });
    i += length;
  }
  return runs;
}

function inRuns(b: Builder, node: NodeOf<"gather">): Value | null {
  const [x, list] = [inputOf(node), inputOf(node, 1)];
  const { axis } = node.attrs;
  const { shape } = x.type;
  const size = shape[axis] ?? 0;
  const behind = range(mul(1, ...shape.slice(axis + 1))).hi;
  if (list.type.shape.length !== 1 || behind > 1 || range(list.type.shape[0] ?? 0).hi > MOST_INDICES) return null;
  const at = evaluated(list, b)?.numbers() ?? [];
  if (at.length === 0 || at.some((i) => i < 0 || !provenLess(i, size))) return null;
  const runs = runsOf(at);
  if (runs.length < 2 || runs.length * LEAST_RUN > at.length) return null;
  const along = <T>(other: (d: Dim) => T, here: T): T[] => shape.map((d, i) => (i === axis ? here : other(d)));
  const parts = runs.map(({ start, step, length }): Value => {
    const starts = along<Dim>(() => 0, start);
    if (step !== 0)
      return ir.slice(
        b,
        x,
        starts,
        along<Dim>((d) => d, length),
        along(() => 1, step),
      );
    return ir.broadcast(
      b,
      ir.slice(
        b,
        x,
        starts,
        along<Dim>((d) => d, 1),
      ),
      along<Dim>((d) => d, length),
    );
  });
  return ir.concat(b, parts, axis);
}

export const places: Pass = {
  name: "places",
  after: {
    simplify: "it makes indices constants that their formulas are",
    layout: "transposes move through a gather, not through what it becomes",
  },
  run: (b, graph) =>
    rewrite(b, graph, [
      rule("gather-runs", "gather", (node) => inRuns(b, node)),
      ...ruleFor("indices-in-words", ["gather", "take"], (node) => inWords(b, node)),
    ]),
};
