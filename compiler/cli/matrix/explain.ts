// What a target does with a graph, without generating code: its refusals, or how each op runs and how many kernels the
// schedule has.

import { passOptionsOf, type TargetName } from "../../../targets/targets.js";
import { type Form, formOf, refusalsOf } from "../../../targets/wasm/capabilities.js";
import type { DType } from "../../ir/dtype.js";
import type { Refusal } from "../../ir/errors.js";
import { type Builder, type Graph, nodesOf } from "../../ir/graph.js";
import type { OpName } from "../../ir/ops.js";
import { runPasses } from "../../passes/run.js";
import { kernelsOf } from "../../plan/make-plan.js";
import { schedule } from "../../schedule/build.js";

export interface OpUse {
  readonly op: OpName;
  readonly form: Form;
  readonly nodes: number;
  /** Of the operands, or of the result where there are none. */
  readonly dtypes: readonly DType[];
}

export interface Explanation {
  readonly refusals: readonly Refusal[];
  /** Most used first; without sources. */
  readonly ops: readonly OpUse[];
  /** Kernels by template. */
  readonly kernels: Readonly<Record<string, number>>;
}

export function explain(graph: Graph, builder: Builder, target: TargetName): Explanation {
  const { graph: functional } = runPasses(builder, graph, passOptionsOf(target, "strict"));
  const refusals = refusalsOf(functional, builder, target);
  if (refusals.length > 0) return { refusals, ops: [], kernels: {} };
  const counts = new Map<OpName, { nodes: number; dtypes: Set<DType> }>();
  for (const node of nodesOf(functional)) {
    if (formOf(node.op) === "memory") continue;
    const row = counts.get(node.op) ?? { nodes: 0, dtypes: new Set<DType>() };
    counts.set(node.op, row);
    row.nodes++;
    const dtype = (node.inputs[0] ?? node.outputs[0])?.type.dtype;
    if (dtype !== undefined) row.dtypes.add(dtype);
  }
  const ops = [...counts].map(([op, { nodes, dtypes }]) => ({ op, form: formOf(op), nodes, dtypes: [...dtypes] }));
  const kernels: Record<string, number> = {};
  for (const k of kernelsOf(schedule(functional).steps)) kernels[k.template] = (kernels[k.template] ?? 0) + 1;
  return { refusals: [], ops: ops.toSorted((a, b) => b.nodes - a.nodes || (a.op < b.op ? -1 : 1)), kernels };
}
