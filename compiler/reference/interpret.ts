// The reference interpreter: a graph and tensors in, tensors out. It is the meaning of every graph, plain and slow; each
// pass, schedule and target is judged against it.

import { Bug } from "../ir/errors.js";
import type { Graph, Node, Value } from "../ir/graph.js";
import type { Tensor } from "../ir/tensor.js";
import { formatType } from "../ir/types.js";
import { InputIssue } from "./input-issue.js";
import { nameOf, Run } from "./run.js";
import { type Argument, bindSymbols } from "./symbols.js";

export { RunIssue } from "../ir/run-issue.js";
export { evaluateConstantNode } from "./constant.js";
export { InputIssue } from "./input-issue.js";

export interface InterpretOptions {
  /** Contents of state slots by name; a slot that is not here starts as zeros. */
  readonly states?: Readonly<Record<string, Tensor>>;
  /** Called after every node that was computed, once per iteration in loops. */
  readonly onNode?: (node: Node, outputs: readonly Tensor[]) => void;
}

export interface Interpreted {
  readonly outputs: Record<string, Tensor>;
  /** What each state slot holds after the run. */
  readonly states: Record<string, Tensor>;
}

/**
 * Runs a graph. Throws InputIssue where what the caller passes does not fit (missing, unknown, dtype, shape, a symbol
 * out of its range), RunIssue where values at run time do not (an index, a constraint, a bound symbol).
 */
export function interpret(
  graph: Graph,
  inputs: Readonly<Record<string, Tensor>>,
  options: InterpretOptions = {},
): Interpreted {
  const inputArgs = argumentsOf("input", graph.inputs, inputs);
  const given = options.states ?? {};
  const currents = graph.states.map((s) => s.current);
  const stateArgs = argumentsOf("state", currents, given, true);
  const env = bindSymbols([...inputArgs, ...stateArgs]);
  const run = new Run(graph, env, options.onNode);
  for (const a of [...inputArgs, ...stateArgs]) run.provide(a.value, a.tensor);
  for (const [i, slot] of graph.states.entries())
    if (given[slot.name] === undefined) run.provide(slot.current, run.zeros(currents[i]?.type ?? slot.current.type));
  const values = run.demand([...graph.outputs.map((o) => o.value), ...graph.states.map((s) => s.next)]);
  const take = (names: readonly string[], from: number): Record<string, Tensor> => {
    const out: Record<string, Tensor> = {};
    for (const [i, name] of names.entries()) {
      const t = values[from + i];
      if (t !== undefined) out[name] = t;
    }
    return out;
  };
  return {
    outputs: take(
      graph.outputs.map((o) => o.name),
      0,
    ),
    states: take(
      graph.states.map((s) => s.name),
      graph.outputs.length,
    ),
  };
}

function argumentsOf(
  kind: "input" | "state",
  values: readonly Value[],
  given: Readonly<Record<string, Tensor>>,
  optional = false,
): (Argument & { readonly value: Value })[] {
  const args: (Argument & { readonly value: Value })[] = [];
  const names: string[] = [];
  for (const value of values) {
    const { node, type } = value;
    if (node.op !== kind) throw new Bug("interpret", `graph lists ${nameOf(node)} as ${kind}`);
    const { name } = node.attrs;
    names.push(name);
    const tensor = Object.hasOwn(given, name) ? given[name] : undefined;
    const what = `${kind} ${JSON.stringify(name)}`;
    if (tensor !== undefined) args.push({ what, name, type, tensor, value });
    else if (!optional) throw new InputIssue("missing_input", name, `${what} is missing, wants ${formatType(type)}`);
  }
  for (const name of Object.keys(given))
    if (!names.includes(name))
      throw new InputIssue(
        "unknown_input",
        name,
        `no ${kind} ${JSON.stringify(name)}: the graph has ${names.join(", ")}`,
      );
  return args;
}
