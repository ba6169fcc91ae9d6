// Pairs of an input and an output, to persistent state: the input becomes a slot that holds zeros before the first run,
// and what the output computed before every later one. Both leave the signature. For models that pass their memory
// around by hand, as recurrent networks exported to ONNX do.

import { type Refusal, Refused } from "../ir/errors.js";
import { type Builder, formatType, type Graph, type StateSlot, type Value } from "../ir/graph.js";
import { mapGraph, provenSameType } from "../ir/map-graph.js";
import { staticShape } from "../ir/types.js";

export interface StatePair {
  readonly input: string;
  readonly output: string;
}

/**
 * The graph with each pair as a state slot named like the input. Throws Refused, with every pair's refusal, where a
 * name is unknown or used twice, the types differ, or a size is symbolic.
 */
export function withStates(graph: Graph, builder: Builder, pairs: readonly StatePair[]): Graph {
  const refusals: Refusal[] = [];
  const current = new Map<Value, Value>();
  const slots: { readonly name: string; readonly input: Value; readonly output: string }[] = [];
  for (const pair of pairs) {
    const found = check(graph, pair, slots);
    if ("code" in found) {
      refusals.push(found);
      continue;
    }
    slots.push({ name: pair.input, input: found, output: pair.output });
    builder.origin = `state "${pair.input}"`;
    const { dtype, shape } = found.type;
    current.set(found, builder.one("state", [], { name: pair.input, dtype, shape }));
    builder.origin = "";
  }
  if (refusals.length > 0) throw new Refused(refusals);
  const taken = new Set(slots.map((s) => s.output));
  const next = new Map(graph.outputs.map((o) => [o.name, o.value]));
  const states: StateSlot[] = slots.map((s) => ({
    name: s.name,
    current: s.input,
    next: next.get(s.output) ?? s.input,
  }));
  const rewired = mapGraph(builder, { ...graph, states: [...graph.states, ...states] }, (node, inputs, regions) => {
    const [only] = node.outputs;
    const slot = only === undefined ? undefined : current.get(only);
    if (slot !== undefined) return [slot];
    const same = inputs.every((v, i) => v === node.inputs[i]) && regions.every((r, i) => r === node.regions[i]);
    return same ? node.outputs : builder.op(node.op, inputs, node.attrs, regions);
  });
  const gone = new Set(current.values());
  return {
    ...rewired,
    inputs: rewired.inputs.filter((v) => !gone.has(v)),
    outputs: rewired.outputs.filter((o) => !taken.has(o.name)),
  };
}

function check(graph: Graph, pair: StatePair, before: readonly { name: string; output: string }[]): Value | Refusal {
  const at = `state ${pair.input}=${pair.output}`;
  const refusal = (code: Refusal["code"], subject: string, detail: string, hint: string): Refusal => ({
    code,
    scope: "states",
    subject,
    detail,
    at,
    hint,
  });
  const inputs = new Map(graph.inputs.map((v) => [nameOf(v), v]));
  const input = inputs.get(pair.input);
  const output = graph.outputs.find((o) => o.name === pair.output)?.value;
  if (input === undefined)
    return refusal(
      "malformed_input",
      pair.input,
      `the model has no input "${pair.input}"`,
      `inputs: ${[...inputs.keys()].join(", ")}`,
    );
  if (output === undefined) {
    const names = graph.outputs.map((o) => o.name).join(", ");
    return refusal("malformed_input", pair.output, `the model has no output "${pair.output}"`, `outputs: ${names}`);
  }
  if (before.some((s) => s.name === pair.input || s.output === pair.output))
    return refusal("malformed_input", pair.input, "its input or output is in another pair already", "name each once");
  if (staticShape(input.type.shape) === null)
    return refusal(
      "unsupported_shape",
      pair.input,
      `input "${pair.input}" is ${formatType(input.type)}, and state keeps its size from run to run`,
      "fix its symbolic sizes with --dim name=value",
    );
  if (!provenSameType(input.type, output.type))
    return refusal(
      "malformed_input",
      pair.input,
      `input "${pair.input}" is ${formatType(input.type)}, output "${pair.output}" is ${formatType(output.type)}: a slot has one type`,
      "pair an input with the output that is its next value; a size that differs may need --dim",
    );
  return input;
}

function nameOf(v: Value): string {
  return v.node.op === "input" ? v.node.attrs.name : "";
}
