// What decides a kernel's speed, as one line of text: its template, and every node that it computes with types and
// attributes. Names are not in it, nor the values of weights: two kernels with one key run the same code on other data.
// Symbols are renamed in the order they are met and keep their ranges, so the key does not depend on the model's names.

import type { AttrSchema } from "../ir/attrs.js";
import { atomExpr, type Dim, formatDim, range, type Sym, substitute, sym, symsOf } from "../ir/dim.js";
import { constantOf, type Node, type Value } from "../ir/graph.js";
import { OPS } from "../ir/ops.js";
import { formatType, type TensorType } from "../ir/types.js";
import type { Kernel } from "./schedule.js";

/** `matmul in0:f32[80, 256] w0:f32[256, 1024]; v0 = matmul(in0, w0); v1 = tanh(v0) -> f32[80, 1024]` */
export function kernelKey(kernel: Kernel): string {
  const symbols = new SymbolNames();
  const names = new Map<Value, string>();
  const typed = (name: string, v: Value): string => `${name}:${formatType(symbols.type(v.type))}`;
  const counts = { in: 0, w: 0, v: 0 };
  const reads = kernel.inputs.map((v) => {
    const kind = constantOf(v) === undefined ? "in" : "w";
    const name = `${kind}${counts[kind]++}`;
    names.set(v, name);
    return typed(name, v);
  });
  const operand = (v: Value): string => names.get(v) ?? typed("c", v);
  const lines: string[] = [];
  for (const node of kernel.nodes) {
    if (node.op === "const" || node.op === "param" || node.op === "input" || node.op === "state") continue;
    for (const v of node.outputs) names.set(v, `v${counts.v++}`);
    const results = node.outputs.map(operand).join(", ");
    lines.push(`${results} = ${node.op}(${node.inputs.map(operand).join(", ")})${attributes(node, symbols)}`);
  }
  const results = kernel.outputs.map((v) => formatType(symbols.type(v.type))).join(", ");
  const text = [`${kernel.template} ${reads.join(" ")}`, ...lines].join("; ");
  return `${text} -> ${results}${symbols.ranges()}`;
}

function attributes(node: Node, symbols: SymbolNames): string {
  const schema: AttrSchema = OPS[node.op].attrs;
  const attrs: Readonly<Record<string, unknown>> = node.attrs;
  const shown = Object.entries(schema).map(([key, kind]) => {
    const value = kind.mapDims === undefined ? attrs[key] : kind.mapDims(attrs[key], (d) => symbols.dim(d));
    return `${key}: ${kind.format(value)}`;
  });
  return shown.length === 0 ? "" : ` {${shown.join(", ")}}`;
}

/** The kernel's symbols as s0, s1, ... in the order they are met. */
class SymbolNames {
  readonly #named = new Map<Sym, Dim>();

  dim(d: Dim): Dim {
    for (const s of symsOf(d)) {
      const { lo, hi } = range(atomExpr(s));
      if (!this.#named.has(s)) this.#named.set(s, sym(`s${this.#named.size}`, lo, hi));
    }
    return substitute(d, (s) => this.#named.get(s));
  }

  type({ dtype, shape }: TensorType): TensorType {
    return { dtype, shape: shape.map((d) => this.dim(d)) };
  }

  ranges(): string {
    const texts = [...this.#named.values()].map((d) => `${formatDim(d)} in ${range(d).lo}..${range(d).hi}`);
    return texts.length === 0 ? "" : ` where ${texts.join(", ")}`;
  }
}
