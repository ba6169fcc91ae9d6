// What the WebAssembly target computes, and what it refuses of a graph before anything is scheduled. The answers come
// from the tables that the compiler works with: the op table, the registers of code generation, the schedule's ways to
// run an op. All refusals of a graph are collected, so that a user sees them at once.

import { registerOf } from "../../codegen/loops/registers.js";
import { type Dim, DimOverflowError, formatDim, range } from "../../compiler/ir/dim.js";
import { bytesOf, DTYPES, type DType } from "../../compiler/ir/dtype.js";
import type { Refusal } from "../../compiler/ir/errors.js";
import { type Builder, type Graph, type Node, nodesOf, type Value } from "../../compiler/ir/graph.js";
import { isScalarName, scalarRow } from "../../compiler/ir/ops/scalar.js";
import { inDomain } from "../../compiler/ir/ops/scalar-rows.js";
import { OPS, type OpName } from "../../compiler/ir/ops.js";
import { elementCount, formatType, type TensorType } from "../../compiler/ir/types.js";
import { blockForm } from "../../compiler/schedule/blocks.js";
import { isView } from "../../compiler/schedule/views.js";

/** Linear memory ends here. */
const MAX_BYTES = 2 ** 32;

export type Form =
  /** Memory that is there before anything runs. */
  | "memory"
  /** Arithmetic in the kernel that reads it. */
  | "fused"
  /** A change of position: nothing runs. */
  | "view"
  /** A kernel of its own, with elementwise ops around it fused in. */
  | "kernel"
  /** Steps of the plan. */
  | "control"
  /** Simpler ops. */
  | "decomposed";

/** How the target runs an op. */
export function formOf(op: OpName): Form {
  switch (OPS[op].class) {
    case "source":
      return "memory";
    case "scalar":
      return "fused";
    case "composite":
      return op === "blockMatmul" ? "kernel" : "decomposed";
    case "control":
      return "control";
    case "structural":
      if (isView(op)) return "view";
      return op === "iota" || op === "dims" || op === "gather" || op === "take" ? "fused" : "kernel";
  }
}

/** Composite nodes that have a kernel of their own. */
export function wasmKeeps(node: Node): boolean {
  return blockForm(node) !== null;
}

/** Whether values of a dtype can be in the target's registers and memory. */
function hasRegister(dtype: DType): boolean {
  return DTYPES[dtype].kind !== "complex" && registerOf(dtype) !== undefined;
}

/** Dtypes that the target computes with; strings are only moved and compared. */
export const WASM_DTYPES: readonly DType[] = (Object.keys(DTYPES) as DType[]).filter(
  (d) => hasRegister(d) && DTYPES[d].kind !== "string",
);

const NUMBERS_ONLY: ReadonlySet<OpName> = new Set([
  "reduce",
  "argreduce",
  "cumulate",
  "matmul",
  "conv",
  "sort",
  "nonzero",
]);

/** Dtypes of an op's (first) operand that the op is defined on and the target computes with. */
export function dtypesOf(op: OpName): readonly DType[] {
  if (isScalarName(op)) return WASM_DTYPES.filter((d) => inDomain(d, scalarRow(op).domain));
  if (op === "blockMatmul") return ["f32", "i16"];
  if (OPS[op].class === "composite") return WASM_DTYPES.filter((d) => DTYPES[d].kind === "float");
  if (NUMBERS_ONLY.has(op)) return WASM_DTYPES.filter((d) => inDomain(d, "any"));
  return WASM_DTYPES;
}

/** What is nearest to a dtype that the target does not have. */
function nearestTo(dtype: DType): string {
  switch (dtype) {
    case "c64":
      return "keep real and imaginary parts as two f32 values, or on a last axis of size 2";
    case "c128":
      return "keep real and imaginary parts as two f64 values, or on a last axis of size 2";
    default:
      return "cast to a dtype of the list";
  }
}

/** Elements of a type; null where they are more than integers count. */
function countOf(t: TensorType): Dim | null {
  try {
    return elementCount(t.shape);
  } catch (e) {
    if (e instanceof DimOverflowError) return null;
    throw e;
  }
}

/** Everything in a functional graph that the target cannot do, in the order of its nodes. */
export function refusalsOf(graph: Graph, builder: Builder, target: string): readonly Refusal[] {
  const refusals: Refusal[] = [];
  const at = (node: Node): string => {
    if (node.op === "input" || node.op === "state") return `${node.op} "${node.attrs.name}"`;
    return builder.originOf(node) || `${node.op} (node ${node.id})`;
  };
  const seen = new Set<string>();
  const add = (r: Refusal): void => {
    const key = `${r.code} ${r.subject} ${r.at}`;
    if (!seen.has(key)) refusals.push(r);
    seen.add(key);
  };
  for (const node of nodesOf(graph))
    for (const v of [...node.outputs, ...node.inputs])
      if (!hasRegister(v.type.dtype))
        add({
          code: "unsupported_dtype",
          scope: target,
          subject: v.type.dtype,
          detail: `${node.op} ${node.outputs.includes(v) ? "gives" : "takes"} ${formatType(v.type)}; the ${target} target computes with ${WASM_DTYPES.join(", ")}`,
          at: at(node),
          hint: nearestTo(v.type.dtype),
        });
  const ports: Value[] = [...graph.inputs, ...graph.outputs.map((o) => o.value), ...graph.states.map((s) => s.next)];
  for (const v of ports) {
    const count = countOf(v.type);
    const { hi } = count === null ? { hi: Number.POSITIVE_INFINITY } : range(count);
    if (hi * bytesOf(v.type.dtype) > MAX_BYTES)
      add({
        code: "resource_limit",
        scope: target,
        subject: formatType(v.type),
        detail: `${formatType(v.type)} takes ${Number.isFinite(hi) ? `up to ${hi * bytesOf(v.type.dtype)} bytes` : `an unbounded size (${count === null ? "too many" : formatDim(count)} elements)`}; a model's memory ends at 4 GiB`,
        at: at(v.node),
        hint: "bound its dimensions: --dim name=lo..hi, or --bound n for sizes that depend on data",
      });
  }
  return refusals;
}
