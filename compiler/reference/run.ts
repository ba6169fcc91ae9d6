// One run of a graph on the reference.
//
// Values are computed when something asks for them and kept: at the root for the whole run, inside a loop for one
// iteration. A value is kept in the innermost region on whose parameters it depends, so an `if` computes only what the
// taken branch needs. Deep graphs cost no stack; only nested regions do.

import type { AttrSchema, AttrValues } from "../ir/attrs.js";
import { type Dim, evaluate, formatDim, type Sym, symOf, symsOf } from "../ir/dim.js";
import { bytesOf } from "../ir/dtype.js";
import { Bug } from "../ir/errors.js";
import { type Binding, Builder, type Constraint, type Graph, type Node, type Region, type Value } from "../ir/graph.js";
import type { OpSpec } from "../ir/op-spec.js";
import { specOf } from "../ir/ops.js";
import { RunIssue } from "../ir/run-issue.js";
import { sizeOf, Tensor } from "../ir/tensor.js";
import { formatType, type TensorType } from "../ir/types.js";
import { type Analysis, analyze } from "./analysis.js";

/** What a node's evaluation needs from the run around it. */
export interface Surroundings {
  size(d: Dim): number;
  call(region: Region, args: readonly Tensor[]): readonly Tensor[];
}

/** `op #id`, for messages. */
export function nameOf(node: Node): string {
  return `${node.op} (node ${node.id})`;
}

/** Values of a node's outputs. RunIssue (pinned to the node) where they cannot be computed; Bug for inputs and states. */
export function evaluateNode(node: Node, inputs: readonly Tensor[], around: Surroundings): readonly Tensor[] {
  const spec = specOf(node);
  const attrs = node.attrs as AttrValues<AttrSchema>;
  try {
    if (spec.evaluate !== undefined) {
      const { size, call } = around;
      const outputs = node.outputs.map((v) => v.type);
      return spec.evaluate({ inputs, attrs, outputs, regions: node.regions, size, sizes: (ds) => ds.map(size), call });
    }
    if (spec.decompose !== undefined) return evaluateComposite(spec, attrs, inputs, around);
  } catch (e) {
    throw e instanceof RunIssue ? e.pinned(nameOf(node)) : e;
  }
  throw new Bug("interpret", `${nameOf(node)} has no value: ${JSON.stringify(attrs)} was not given`);
}

/** A composite means its decomposition, at the sizes at hand. */
function evaluateComposite(
  spec: OpSpec<AttrSchema>,
  attrs: AttrValues<AttrSchema>,
  tensors: readonly Tensor[],
  around: Surroundings,
): readonly Tensor[] {
  const b = new Builder();
  const sized: Record<string, unknown> = {};
  for (const [name, kind] of Object.entries(spec.attrs))
    sized[name] = kind.mapDims === undefined ? attrs[name] : kind.mapDims(attrs[name], around.size);
  const inputs = tensors.map((t, i) => b.one("input", [], { name: String(i), dtype: t.dtype, shape: t.shape }));
  const results = spec.decompose?.(b, inputs, sized) ?? [];
  const outputs = results.map((value, i) => ({ name: String(i), value }));
  const graph: Graph = { name: "", inputs, outputs, states: [], bindings: [], constraints: b.constraints };
  const run = new Run(graph, new Map(), undefined);
  for (const [i, v] of inputs.entries()) {
    const t = tensors[i];
    if (t !== undefined) run.provide(v, t);
  }
  return run.demand(results);
}

type OnNode = (node: Node, outputs: readonly Tensor[]) => void;

/** One invocation of a region, or the whole run. */
interface Frame {
  readonly parent: Frame | null;
  readonly params: ReadonlySet<Node>;
  readonly values: Map<Node, readonly Tensor[]>;
  readonly symbols: Map<string, number>;
}

export class Run {
  readonly #analysis: Analysis;
  readonly #root: Frame;
  readonly #constraints = new Map<string, Constraint[]>();
  readonly #onNode: OnNode | undefined;

  constructor(graph: Graph, symbols: Map<string, number>, onNode: OnNode | undefined) {
    this.#analysis = analyze(graph);
    this.#onNode = onNode;
    this.#root = { parent: null, params: new Set(), values: new Map(), symbols };
    for (const c of graph.constraints) {
      const names = new Set([...symsOf(c.left), ...symsOf(c.right)].map((s) => s.name));
      for (const name of names) this.#constraints.set(name, [...(this.#constraints.get(name) ?? []), c]);
      this.#checkConstraint(c, this.#root);
    }
  }

  /** Sets the value of an input or state. */
  provide(value: Value, tensor: Tensor): void {
    this.#keep(this.#root, value.node, [tensor]);
  }

  zeros(type: TensorType): Tensor {
    const shape = type.shape.map((d) => this.#size(this.#root, d));
    return new Tensor(type.dtype, shape, new Uint8Array(sizeOf(shape) * bytesOf(type.dtype)));
  }

  demand(values: readonly Value[]): readonly Tensor[] {
    return this.#demand(values, this.#root);
  }

  #demand(values: readonly Value[], frame: Frame): readonly Tensor[] {
    const stack: { node: Node; home: Frame; deps: readonly Node[]; next: number }[] = [];
    const push = (node: Node): void => {
      const home = this.#homeOf(node, frame);
      if (!home.values.has(node)) stack.push({ node, home, deps: this.#analysis.depsOf(node), next: 0 });
    };
    for (const v of values) {
      push(v.node);
      for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
        const dep = top.deps[top.next++];
        if (dep !== undefined) push(dep);
        else {
          if (!top.home.values.has(top.node)) this.#compute(top.node, top.home);
          stack.pop();
        }
      }
    }
    return values.map((v) => this.#valueOf(v, frame));
  }

  #valueOf(v: Value, frame: Frame): Tensor {
    const t = this.#homeOf(v.node, frame).values.get(v.node)?.[v.index];
    if (t === undefined) throw new Bug("interpret", `${nameOf(v.node)} has no value ${v.index}`);
    return t;
  }

  /** The innermost invocation on whose parameters the node depends. */
  #homeOf(node: Node, frame: Frame): Frame {
    const free = this.#analysis.freeParams(node);
    if (free.size === 0) return this.#root;
    for (let f: Frame | null = frame; f !== null; f = f.parent) for (const p of free) if (f.params.has(p)) return f;
    throw new Bug("interpret", `${nameOf(node)} uses a region's parameter outside the region`);
  }

  #compute(node: Node, home: Frame): void {
    const inputs = node.inputs.map((v) => this.#valueOf(v, home));
    const outputs = evaluateNode(node, inputs, {
      size: (d) => this.#size(home, d),
      call: (region, args) => this.#call(region, args, home),
    });
    this.#keep(home, node, outputs);
    this.#onNode?.(node, outputs);
  }

  #call(region: Region, args: readonly Tensor[], frame: Frame): readonly Tensor[] {
    if (region.params.length === 0) return this.#demand(region.results, frame);
    const inner: Frame = {
      parent: frame,
      params: new Set(region.params.map((p) => p.node)),
      values: new Map(),
      symbols: new Map(),
    };
    for (const [i, p] of region.params.entries()) {
      const t = args[i];
      if (t === undefined)
        throw new Bug("interpret", `a region takes ${region.params.length} arguments, has ${args.length}`);
      this.#keep(inner, p.node, [t]);
    }
    return this.#demand(region.results, inner);
  }

  /** Remembers a node's values, binds the symbols that they settle, and holds them against the node's types. */
  #keep(home: Frame, node: Node, outputs: readonly Tensor[]): void {
    home.values.set(node, outputs);
    try {
      for (const b of this.#analysis.bindingsAt(node)) this.#bind(home, b, outputs);
      for (const { type, index } of node.outputs) this.#check(home, type, outputs[index]);
    } catch (e) {
      throw e instanceof RunIssue ? e.pinned(nameOf(node)) : e;
    }
  }

  #bind(home: Frame, { symbol, from, value, index }: Binding, outputs: readonly Tensor[]): void {
    const t = outputs[value.index];
    const s = symOf(symbol);
    if (t === undefined || s === undefined) throw new Bug("interpret", `binding of ${formatDim(symbol)} has no value`);
    const size = from === "axis" ? t.shape[index] : t.at(index);
    if (size === undefined)
      throw new RunIssue("size_mismatch", `${s.name} is axis ${index} of [${t.shape.join(", ")}]`);
    wantRange(s, size);
    const before = home.symbols.get(s.name);
    if (before === size) return;
    if (before !== undefined) throw new RunIssue("constraint_violated", `${s.name} is ${before} and ${size}`);
    home.symbols.set(s.name, size);
    for (const c of this.#constraints.get(s.name) ?? []) this.#checkConstraint(c, home);
  }

  #check(home: Frame, type: TensorType, t: Tensor | undefined): void {
    if (t === undefined) throw new Bug("interpret", `no value of type ${formatType(type)}`);
    if (t.dtype !== type.dtype || t.shape.length !== type.shape.length)
      throw new Bug("interpret", `value is ${t.dtype}[${t.shape.join(", ")}], its type ${formatType(type)}`);
    for (const [axis, d] of type.shape.entries()) {
      if (!this.#known(d, home)) continue;
      const want = this.#size(home, d);
      if (t.shape[axis] !== want)
        throw new RunIssue(
          "size_mismatch",
          `axis ${axis} of ${formatType(type)} is ${t.shape[axis]} at run time, wants ${want}`,
        );
    }
  }

  #checkConstraint({ left, right, reason }: Constraint, frame: Frame): void {
    if (!this.#known(left, frame) || !this.#known(right, frame)) return;
    const [a, b] = [this.#size(frame, left), this.#size(frame, right)];
    if (a !== b)
      throw new RunIssue(
        "constraint_violated",
        `${reason}: ${formatDim(left)} is ${a} and ${formatDim(right)} is ${b}, want equal`,
      );
  }

  #lookup(frame: Frame, name: string): number | undefined {
    for (let f: Frame | null = frame; f !== null; f = f.parent) {
      const v = f.symbols.get(name);
      if (v !== undefined) return v;
    }
    return undefined;
  }

  #known(d: Dim, frame: Frame): boolean {
    for (const s of symsOf(d)) if (this.#lookup(frame, s.name) === undefined) return false;
    return true;
  }

  #size(frame: Frame, d: Dim): number {
    return evaluate(d, (name) => {
      const v = this.#lookup(frame, name);
      if (v === undefined) throw new RunIssue("symbol_unbound", `${name} in ${formatDim(d)} has no value yet`);
      return v;
    });
  }
}

function wantRange(s: Sym, value: number): void {
  if (value < s.lo || value > s.hi || !Number.isInteger(value))
    throw new RunIssue("symbol_out_of_range", `${s.name} is ${value}, wants ${s.lo} to ${s.hi}`);
}
