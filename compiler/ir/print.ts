// A graph as text, lossless: see text.ts for the form. Nodes are numbered in execution order, so the text, and the
// digest over it, depend on nothing but the graph.

import { createHash } from "node:crypto";
import { type AttrKind, type AttrSchema, tensor } from "./attrs.js";
import { atomExpr, compareDims, type Dim, formatDim, type Sym, symsOf } from "./dim.js";
import { Bug } from "./errors.js";
import { type Binding, type Graph, type Node, nodesOf, symbolsOf, type Value } from "./graph.js";
import { OPS } from "./ops.js";
import { bindingsBySymbol, type Scope, scopesOf } from "./scope.js";
import { type Tensor, tensorFrom } from "./tensor.js";
import { formatType } from "./types.js";

/** Constants with at most this many elements are printed whole. */
const INLINE = 16;

export interface Printed {
  readonly text: string;
  /** Constants that the text names by digest. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** A node's name in the text, as "%3" or "%3, %4". */
  nameOf(node: Node): string;
}

/** The text form. Throws Bug where a region's parameter escapes its region. */
export function print(graph: Graph): Printed {
  const { root } = scopesOf(graph);
  const names = numberValues(root);
  const tensors = new Map<string, Tensor>();
  const name = (v: Value): string => {
    const n = names.get(v);
    if (n === undefined) throw new Bug("print", `a value of ${v.node.op} is used before it is made`);
    return n;
  };
  const strings = (graph.strings ?? []).map((s) => `string ${JSON.stringify(s)}`);
  const lines = [`graph ${JSON.stringify(graph.name)}`, ...strings, ...symbolLines(graph, name)];
  for (const c of constraintLines(graph)) lines.push(c);
  printScope(root, "", lines, name, tensors);
  for (const o of graph.outputs) lines.push(`output ${JSON.stringify(o.name)} = ${name(o.value)}`);
  for (const s of graph.states) lines.push(`state ${JSON.stringify(s.name)} = ${name(s.next)}`);
  return {
    text: `${lines.join("\n")}\n`,
    tensors,
    nameOf: (node) => node.outputs.map((v) => names.get(v) ?? "%?").join(", "),
  };
}

/** SHA-256 of the graph's text, hex: its identity. Constants count by their own digests. */
export function digestOf(graph: Graph): string {
  return createHash("sha256").update(print(graph).text).digest("hex");
}

/** How messages name nodes: `%3 (add)`. Works for graphs that print refuses, with numbers in dependency order. */
export function nodeNames(graph: Graph): (node: Node) => string {
  try {
    const { nameOf } = print(graph);
    return (node) => `${nameOf(node)} (${node.op})`;
  } catch {
    const order = new Map(nodesOf(graph).map((node, i) => [node, i]));
    return (node) => `node ${order.get(node) ?? "?"} (${node.op})`;
  }
}

function numberValues(root: Scope): Map<Value, string> {
  const names = new Map<Value, string>();
  const walk = (scope: Scope): void => {
    for (const v of scope.region?.params ?? []) names.set(v, `%${names.size}`);
    for (const node of scope.nodes) {
      if (node.op !== "param") for (const v of node.outputs) names.set(v, `%${names.size}`);
      for (const child of scope.children.get(node) ?? []) walk(child);
    }
  };
  walk(root);
  return names;
}

function symbolLines(graph: Graph, name: (v: Value) => string): string[] {
  const syms = new Set<Sym>();
  const addAll = (d: Dim): void => {
    for (const s of symsOf(d)) syms.add(s);
  };
  for (const node of nodesOf(graph)) for (const d of symbolsOf(node)) addAll(d);
  for (const c of graph.constraints) for (const d of [c.left, c.right]) addAll(d);
  for (const b of graph.bindings) addAll(b.symbol);
  const bindings = bindingsBySymbol(graph);
  const source = (b: Binding | undefined): string =>
    b === undefined ? "" : ` = ${b.from}(${name(b.value)}, ${b.index})`;
  return [...syms]
    .map((s) => ({ s, d: atomExpr(s) }))
    .sort((x, y) => compareDims(x.d, y.d))
    .map(({ s, d }) => `symbol ${formatDim(d)}: ${bound(s.lo)}..${bound(s.hi)}${source(bindings.get(d))}`);
}

function bound(x: number): string {
  return x === Infinity ? "inf" : x === -Infinity ? "-inf" : String(x);
}

function constraintLines(graph: Graph): string[] {
  const lines = graph.constraints.map(
    (c) => `constraint ${formatDim(c.left)} = ${formatDim(c.right)} ${JSON.stringify(c.reason)}`,
  );
  return [...new Set(lines)].sort();
}

const REGION_NAMES: Readonly<Record<string, readonly string[]>> = { if: ["then", "else"], loop: ["body"] };

/** What a node's region is called in the text. */
export function regionName(op: string, index: number): string {
  return REGION_NAMES[op]?.[index] ?? "region";
}

function printScope(
  scope: Scope,
  indent: string,
  lines: string[],
  name: (v: Value) => string,
  tensors: Map<string, Tensor>,
): void {
  for (const node of scope.nodes) {
    if (node.op === "param") continue;
    const inputs = node.inputs.length === 0 ? "" : `(${node.inputs.map(name).join(", ")})`;
    const types = node.outputs.map((v) => formatType(v.type)).join(", ");
    const left = node.outputs.length === 0 ? "" : `${node.outputs.map(name).join(", ")} = `;
    lines.push(`${indent}${left}${node.op}${inputs}${attrText(node, tensors)} : ${types}`);
    for (const [i, child] of (scope.children.get(node) ?? []).entries()) {
      const params = child.region?.params.map((v) => `${name(v)}: ${formatType(v.type)}`) ?? [];
      lines.push(`${indent}  ${regionName(node.op, i)}${params.length === 0 ? "" : `(${params.join(", ")})`} {`);
      printScope(child, `${indent}    `, lines, name, tensors);
      const results = child.region?.results.map(name) ?? [];
      lines.push(`${indent}    yield${results.length === 0 ? "" : ` ${results.join(", ")}`}`, `${indent}  }`);
    }
  }
}

function attrText(node: Node, tensors: Map<string, Tensor>): string {
  const schema: AttrSchema = OPS[node.op].attrs;
  const attrs: Readonly<Record<string, unknown>> = node.attrs;
  const parts = Object.entries(schema).map(([key, kind]) => `${key}=${valueText(kind, attrs[key], tensors)}`);
  return parts.length === 0 ? "" : ` {${parts.join(", ")}}`;
}

function valueText(kind: AttrKind<unknown>, value: unknown, tensors: Map<string, Tensor>): string {
  if (kind !== tensor) return kind.format(value);
  const t = value as Tensor;
  const inline = inlineText(t);
  if (inline !== null) return inline;
  tensors.set(t.digest, t);
  return kind.format(t);
}

/** All elements, where reading them back gives the same bytes (NaN payloads may not survive). */
function inlineText(t: Tensor): string | null {
  if (t.size > INLINE || t.dtype === "c64" || t.dtype === "c128") return null;
  const values = Array.from<number | bigint>(t.elements as ArrayLike<number> | ArrayLike<bigint>);
  if (tensorFrom(t.dtype, t.shape, values).digest !== t.digest) return null;
  return `${t.dtype}[${t.shape.join(", ")}] [${values.map((v) => (Object.is(v, -0) ? "-0" : String(v))).join(", ")}]`;
}
