// Attention graphs of every form that models write: masks, shared key heads, layouts, sizes that no tile divides.

import * as ir from "../../compiler/ir/build.js";
import { type Dim, sym } from "../../compiler/ir/dim.js";
import { Builder, type Graph, type Value } from "../../compiler/ir/graph.js";

export interface AttentionSpec {
  readonly batch: number;
  /** Heads of keys, and query heads for each of them. */
  readonly heads: number;
  readonly shared: number;
  readonly queries: number;
  readonly keys: number;
  readonly depth: number;
  readonly width: number;
  /** causal: from positions. kept: an input of truth values. bias: an input that is added. empty: as kept, and rows
   * without keys give zeros. capped: scores through tanh. */
  readonly mask: "none" | "causal" | "kept" | "bias" | "empty" | "capped";
  /** How queries, keys and values lie: heads outside, steps outside, or keys already turned. */
  readonly layout: "heads" | "steps" | "turned";
  /** Numbers of queries and keys are only known at run time. */
  readonly dynamic: boolean;
}

export function attentionGraph(spec: AttentionSpec): { readonly builder: Builder; readonly graph: Graph } {
  const { batch, heads, shared, depth, width, mask, layout, dynamic } = spec;
  const b = new Builder();
  const queries: Dim = dynamic ? sym("queries", 1, spec.queries + 3) : spec.queries;
  const keys: Dim = dynamic ? sym("keys", 1, spec.keys + 3) : spec.keys;
  const inputs: Value[] = [];
  const input = (name: string, shape: readonly Dim[], dtype: "f32" | "bool" = "f32"): Value => {
    const v = ir.input(b, name, dtype, shape);
    inputs.push(v);
    return v;
  };
  const perHead = (name: string, count: number, steps: Dim, size: number): Value =>
    layout === "steps"
      ? ir.transpose(
          b,
          ir.reshape(b, input(name, [batch, steps, count * size]), [batch, steps, count, size]),
          [0, 2, 1, 3],
        )
      : input(name, [batch, count, steps, size]);
  const all = heads * shared;
  const repeated = (v: Value): Value => {
    const [, , rows = 1, columns = 1] = v.type.shape;
    if (shared === 1) return v;
    const wide = ir.broadcast(b, ir.unsqueeze(b, v, [2]), [batch, heads, shared, rows, columns]);
    return ir.reshape(b, wide, [batch, all, rows, columns]);
  };
  const q = perHead("q", all, queries, depth);
  const k =
    layout === "turned" ? input("k", [batch, heads, depth, keys]) : ir.swapAxes(b, perHead("k", heads, keys, depth));
  const v = perHead("v", heads, keys, width);
  let scores = ir.mul(b, ir.matmul(b, q, repeated(k), "f32"), 1 / Math.sqrt(depth));
  if (mask === "causal") {
    const [row, column] = [ir.iota(b, "i64", [queries, 1], 0), ir.iota(b, "i64", [1, keys], 1)];
    scores = ir.select(b, ir.le(b, column, row), scores, Number.NEGATIVE_INFINITY);
  } else if (mask === "bias") scores = ir.add(b, scores, input("bias", [batch, 1, queries, keys]));
  else if (mask === "capped") scores = ir.mul(b, ir.tanh(b, ir.div(b, scores, 2)), 2);
  else if (mask !== "none")
    scores = ir.select(b, input("kept", [queries, keys], "bool"), scores, Number.NEGATIVE_INFINITY);
  let weights = ir.softmax(b, scores, 3);
  if (mask === "empty") {
    const most = ir.reduce(b, "max", scores, [3], true);
    weights = ir.select(b, ir.eq(b, most, Number.NEGATIVE_INFINITY), 0, weights);
  }
  const mixed = ir.matmul(b, weights, repeated(v), "f32");
  const y = ir.reshape(b, ir.transpose(b, mixed, [0, 2, 1, 3]), [batch, queries, all * width]);
  const outputs = [{ name: "y", value: layout === "steps" ? y : ir.add(b, mixed, 0.5) }];
  const graph: Graph = { name: "attention", inputs, outputs, states: [], constraints: [], bindings: [] };
  return { builder: b, graph };
}
