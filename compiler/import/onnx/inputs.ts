// A model's inputs and outputs as those of a graph. Tensors are one input each; a sequence is one per element
// (`<input>.<i>`), and an optional is what it holds or nothing: their structure is fixed when the model is compiled.

import { constant } from "../../ir/build.js";
import type { DType } from "../../ir/dtype.js";
import type { GraphOutput, Value } from "../../ir/graph.js";
import type { Tensor } from "../../ir/tensor.js";
import { type DimSpec, inputTypes } from "./dims.js";
import { type Item, tensorItem, UNKNOWN } from "./items.js";
import type { GraphProto, ValueInfoProto } from "./proto.js";
import type { Scope } from "./scope.js";
import type { Session } from "./session.js";

/** The elements of a sequence, in order; the one element of an optional, or null where it is empty. */
export type Structure = null | readonly { readonly dtype: DType; readonly shape: readonly number[] }[];

/** Defines every input in the scope; gives the graph's inputs in the model's order. */
export function declareInputs(
  session: Session,
  graph: GraphProto,
  scope: Scope,
  dims: Readonly<Record<string, DimSpec>>,
  values: Readonly<Record<string, Tensor>>,
  structures: Readonly<Record<string, Structure>>,
): Value[] {
  const initializers = new Set(graph.initializer.map((t) => t.name ?? ""));
  const names = new Set(graph.input.map((i) => i.name ?? ""));
  for (const name of [...Object.keys(values), ...Object.keys(structures)])
    if (!names.has(name))
      session.refusals.push({
        code: "malformed_input",
        scope: "onnx",
        subject: name,
        detail: `the model has no input "${name}" to fix`,
        at: session.file,
        hint: `it has ${[...names].map((n) => JSON.stringify(n)).join(", ")}`,
      });
  const structured = (i: ValueInfoProto): boolean =>
    i.type?.tensorType === undefined && Object.hasOwn(structures, i.name ?? "");
  // Until IR version 4, every initializer was listed as an input too: its value is fixed.
  const fixed = (i: ValueInfoProto): boolean => initializers.has(i.name ?? "") || Object.hasOwn(values, i.name ?? "");
  const dynamic = graph.input.filter((i) => !fixed(i) && !structured(i));
  refuseRepeated(session, "input", graph.input);
  const types = inputTypes(session, dynamic, dims);
  const inputs: Value[] = [];
  const { builder: b } = session;
  for (const [i, info] of dynamic.entries()) {
    const type = types[i];
    const name = info.name ?? "";
    if (type === undefined || type === null) scope.define(name, UNKNOWN);
    else {
      b.origin = `input "${name}"`;
      const value = b.one("input", [], { name, dtype: type.dtype, shape: type.shape });
      inputs.push(value);
      scope.define(name, tensorItem(value));
    }
  }
  for (const info of graph.input.filter(structured)) {
    const name = info.name ?? "";
    b.origin = `input "${name}"`;
    scope.define(name, structureItem(session, info, structures[name] ?? null, inputs));
  }
  for (const info of graph.input) {
    const value = Object.hasOwn(values, info.name ?? "") ? values[info.name ?? ""] : undefined;
    if (value !== undefined) scope.define(info.name ?? "", tensorItem(constant(b, value)));
  }
  return inputs;
}

function structureItem(session: Session, info: ValueInfoProto, structure: Structure, inputs: Value[]): Item {
  const name = info.name ?? "";
  const optional = info.type?.optionalType?.elemType;
  if (structure === null) return { kind: "optional", item: null };
  const make = (part: { readonly dtype: DType; readonly shape: readonly number[] }, as: string): Item => {
    const value = session.builder.one("input", [], { name: as, dtype: part.dtype, shape: part.shape });
    inputs.push(value);
    return tensorItem(value);
  };
  const [only, ...rest] = structure;
  if (optional?.tensorType !== undefined && only !== undefined && rest.length === 0)
    return { kind: "optional", item: make(only, name) };
  const items = structure.map((part, i) => make(part, `${name}.${i}`));
  const sequence: Item = { kind: "sequence", items, dtype: only?.dtype ?? null };
  return optional === undefined ? sequence : { kind: "optional", item: sequence };
}

/** The graph's outputs; a sequence gives one per element. */
export function graphOutputs(session: Session, graph: GraphProto, results: readonly Item[]): GraphOutput[] {
  const outputs: GraphOutput[] = [];
  refuseRepeated(session, "output", graph.output);
  for (const [i, info] of graph.output.entries()) {
    const name = info.name ?? "";
    const item = results[i] ?? UNKNOWN;
    const inner = item.kind === "optional" && item.item !== null ? item.item : item;
    if (inner.kind === "tensor") outputs.push({ name, value: inner.value });
    else if (inner.kind === "sequence") {
      for (const [j, element] of inner.items.entries())
        if (element.kind === "tensor") outputs.push({ name: `${name}.${j}`, value: element.value });
        else refuseOutput(session, name, `element ${j} is a ${element.kind}`);
      session.notes.push(
        `output "${name}" is a sequence; its ${inner.items.length} elements are outputs "${name}.<i>"`,
      );
    } else if (inner.kind !== "unknown") refuseOutput(session, name, `is a ${inner.kind}`);
  }
  return outputs;
}

function refuseOutput(session: Session, name: string, detail: string): void {
  session.refusals.push({
    code: "unsupported_layout",
    scope: "onnx",
    subject: name,
    detail: `${detail}; a compiled model gives tensors`,
    at: `output "${name}"`,
    hint: "",
  });
}

/** Callers know inputs and outputs by their names, so each needs one of its own. */
function refuseRepeated(session: Session, kind: "input" | "output", infos: readonly ValueInfoProto[]): void {
  const seen = new Set<string>();
  for (const [i, { name = "" }] of infos.entries()) {
    if (name !== "" && !seen.has(name)) {
      seen.add(name);
      continue;
    }
    session.refusals.push({
      code: "malformed_input",
      scope: "onnx",
      subject: name,
      detail: name === "" ? `${kind} ${i} has no name` : `two ${kind}s are named "${name}"`,
      at: `${kind} "${name}"`,
      hint: `give every ${kind} a name of its own`,
    });
  }
}
