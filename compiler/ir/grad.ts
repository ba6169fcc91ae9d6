// Reverse-mode differentiation of a graph: a scalar and what to differentiate by go in, gradient values in the same
// builder come out. Every op's rule is in its row of the op table; composites go through their decomposition.

import type { AttrSchema, AttrValues } from "./attrs.js";
import * as ir from "./build.js";
import { isFloat } from "./dtype.js";
import { type Refusal, Refused, refuse } from "./errors.js";
import { type Builder, formatType, type Node, reachable, TypeIssue, type Value } from "./graph.js";
import { specOf } from "./ops.js";

/**
 * d output / d w for every w of `wrt`, each of w's type; zeros where the output does not depend on w. `output` is a float
 * scalar. Throws Refused with an `unsupported_gradient` for every op in between that has no rule.
 */
export function gradient(b: Builder, output: Value, wrt: readonly Value[]): Value[] {
  const wanted = [
    { value: output, what: "output", rank: 0 },
    ...wrt.map((value) => ({ value, what: "variable", rank: null })),
  ];
  for (const { value, what, rank } of wanted)
    if (!isFloat(value.type.dtype) || (rank !== null && value.type.shape.length !== rank))
      refuse({
        code: "unsupported_gradient",
        scope: "gradient",
        subject: value.node.op,
        detail: `the ${what} is ${formatType(value.type)}, wants a float${rank === null ? "" : " scalar"}`,
        at: placeOf(b, value.node),
        hint: rank === null ? "cast it to a float before it is used" : "reduce it to one number first",
      });
  const refusals: Refusal[] = [];
  const seeds = new Map([[output, ir.scalar(b, output.type.dtype, 1)]]);
  const found = backward(b, seeds, wrt, new Set(), refusals);
  if (refusals.length > 0) throw new Refused(refusals);
  return wrt.map((w) => found.get(w) ?? ir.full(b, w.type.dtype, w.type.shape, 0));
}

/**
 * Gradients of every value between the seeds and `wrt`, going no further than the nodes of `ends`. What stands in the
 * way is added to `refusals`.
 */
function backward(
  b: Builder,
  seeds: ReadonlyMap<Value, Value>,
  wrt: readonly Value[],
  ends: ReadonlySet<Node>,
  refusals: Refusal[],
): ReadonlyMap<Value, Value> {
  const order = reachable(seeds.keys());
  const depends = dependents(order, wrt, ends);
  const relevant = (v: Value): boolean => isFloat(v.type.dtype) && (depends.has(v.node) || wrt.includes(v));
  const gradients = new Map(seeds);
  const accumulate = (v: Value, g: Value): void => {
    const before = gradients.get(v);
    gradients.set(v, before === undefined ? g : ir.add(b, before, g));
  };
  for (const node of order.toReversed()) {
    const arriving = node.outputs.map((v) => gradients.get(v) ?? null);
    if (!depends.has(node) || arriving.every((g) => g === null)) continue;
    try {
      for (const [v, g] of adjoints(b, node, arriving, refusals)) if (relevant(v)) accumulate(v, g);
    } catch (e) {
      if (e instanceof Refused) refusals.push(...e.refusals.map((r) => ({ ...r, at: r.at || placeOf(b, node) })));
      else if (e instanceof TypeIssue)
        refusals.push(missing(b, node, `its gradient cannot be built here: ${e.message}`));
      else throw e;
    }
  }
  return gradients;
}

/** Nodes whose values depend on `wrt`, not counting what makes `wrt` itself. */
function dependents(order: readonly Node[], wrt: readonly Value[], ends: ReadonlySet<Node>): ReadonlySet<Node> {
  const targets = new Set(wrt);
  const depends = new Set<Node>();
  const touches = (v: Value): boolean => targets.has(v) || depends.has(v.node);
  for (const node of order) {
    if (ends.has(node)) continue;
    if (node.inputs.some(touches) || node.regions.some((r) => r.results.some(touches))) depends.add(node);
  }
  return depends;
}

/** What a node passes on to its inputs. An input that is used twice appears twice. */
function adjoints(
  b: Builder,
  node: Node,
  arriving: readonly (Value | null)[],
  refusals: Refusal[],
): readonly (readonly [Value, Value])[] {
  const spec = specOf(node);
  const attrs = node.attrs as AttrValues<AttrSchema>;
  if (spec.vjp !== undefined) {
    const { inputs, outputs } = node;
    const results = spec.vjp(b, { inputs, outputs, attrs }, arriving);
    return inputs.flatMap((v, i) => {
      const g = results[i];
      return g === undefined || g === null ? [] : [[v, g] as const];
    });
  }
  if (spec.decompose !== undefined) {
    const seeds = new Map<Value, Value>();
    for (const [i, v] of spec.decompose(b, node.inputs, attrs).entries()) {
      const g = arriving[i];
      if (g !== undefined && g !== null) seeds.set(v, g);
    }
    const sources = [...new Set(node.inputs)].filter((v) => isFloat(v.type.dtype));
    // Inputs may depend on each other; that is for the walk outside, or it would count twice.
    const inner = backward(b, seeds, sources, new Set(sources.map((v) => v.node)), refusals);
    return sources.flatMap((v) => {
      const g = inner.get(v);
      return g === undefined ? [] : [[v, g] as const];
    });
  }
  refusals.push(missing(b, node, `${node.op} has no gradient`));
  return [];
}

function missing(b: Builder, node: Node, detail: string): Refusal {
  return {
    code: "unsupported_gradient",
    scope: "gradient",
    subject: node.op,
    detail,
    at: placeOf(b, node),
    hint: "rewrite this part with differentiable ops, or stop the gradient before it",
  };
}

function placeOf(b: Builder, node: Node): string {
  return b.originOf(node) || `${node.op} (node ${node.id})`;
}
