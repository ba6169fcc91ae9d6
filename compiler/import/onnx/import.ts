// An ONNX model to a graph. Nodes are translated one by one, in the order they run; one that cannot be is recorded and its
// outputs stand for nothing, so that all of a model's refusals are found and thrown together.

import { constant } from "../../ir/build.js";
import { Bug, type Refusal, Refused } from "../../ir/errors.js";
import { type Builder, type Graph, liveBindings, reachable, TypeIssue, type Value } from "../../ir/graph.js";
import type { Tensor } from "../../ir/tensor.js";
import { NodeContext, type Result, type TranslateGraph, type Translator } from "./context.js";
import type { DimSpec } from "./dims.js";
import { callFunction, functionKey } from "./functions.js";
import { declareInputs, graphOutputs, type Structure } from "./inputs.js";
import { type Item, tensorItem, UNKNOWN } from "./items.js";
import { runOrder } from "./order.js";
import type { GraphProto, ModelProto, NodeProto, TensorProto } from "./proto.js";
import { Scope } from "./scope.js";
import { NodeRefusal, Session, UnknownInput } from "./session.js";
import { translatorOf } from "./table.js";
import { type ReadExternal, readSparse, TensorFault } from "./tensor-data.js";
import { decodeMessage } from "./wire.js";

export type { DimSpec } from "./dims.js";
export type { Structure } from "./inputs.js";
export type { ReadExternal } from "./tensor-data.js";

export interface OnnxOptions {
  readonly builder: Builder;
  /** Sizes of dynamic dimensions, by name, `<input>.<axis>` or role. */
  readonly dims?: Readonly<Record<string, DimSpec>>;
  /** Inputs that are fixed at compile time, so that shapes can follow from them. They are no inputs of the graph. */
  readonly values?: Readonly<Record<string, Tensor>>;
  /** What inputs hold that are sequences or optionals: their structure is fixed at compile time. */
  readonly structures?: Readonly<Record<string, Structure>>;
  /** Reads tensor data beside the model; absent: such models are refused. See `externalReader`. */
  readonly readExternal?: ReadExternal;
  /** The graph's name, and the file's in refusals; by default the model's own. */
  readonly name?: string;
  /** Upper bound for sizes that depend on data and that nothing else bounds. */
  readonly bound?: number;
}

export interface OnnxImport {
  readonly graph: Graph;
  /** What was assumed, in sentences. */
  readonly notes: readonly string[];
}

/** Nesting of subgraphs and functions. */
const MAX_DEPTH = 64;

/** Imports a model (the bytes of its .onnx file). Throws Refused with everything that stands against it. */
export function importOnnx(bytes: Uint8Array, options: OnnxOptions): OnnxImport {
  const file = options.name ?? "model";
  return importModel(decodeMessage("ModelProto", bytes, file), options);
}

export function importModel(model: ModelProto, options: OnnxOptions): OnnxImport {
  const file = options.name ?? "model";
  const functions = new Map(
    model.functions.map((f) => [functionKey(f.domain ?? "", f.name ?? "", f.overload ?? ""), f]),
  );
  const session = new Session(options.builder, file, functions, options.readExternal, options.bound);
  const { graph } = model;
  if (graph === undefined || model.opsetImport.length === 0)
    throw new Refused([
      {
        code: "malformed_input",
        scope: "onnx",
        subject: file,
        detail: graph === undefined ? "the model has no graph" : "the model imports no operator set",
        at: file,
        hint: "is this an ONNX model?",
      },
    ]);
  const opsets = new Map<string, number>();
  for (const o of model.opsetImport) opsets.set(domainOf(o.domain), Number(o.version ?? 0n));
  const scope = Scope.root(opsets);
  const inputs = declareInputs(
    session,
    graph,
    scope,
    options.dims ?? {},
    options.values ?? {},
    options.structures ?? {},
  );
  for (const info of [...graph.valueInfo, ...graph.output]) session.declare(info);
  const results = new Importer(session).graph(graph, scope);
  const outputs = graphOutputs(session, graph, results);
  if (session.refusals.length > 0) throw new Refused(session.refusals);
  const states = session.states();
  if (states.length > 0)
    session.notes.push(
      'its random numbers follow from each node\'s seed and the number of runs before, which the state "random.counter" holds: the same in the same run on every host, others in the next run',
    );
  const roots = [...inputs, ...outputs.map((o) => o.value), ...states.flatMap((s) => [s.current, s.next])];
  return {
    graph: {
      name: options.name ?? graph.name ?? "model",
      inputs,
      outputs,
      states,
      bindings: liveBindings(roots, session.bindings),
      constraints: session.builder.constraints,
      strings: holdsStrings(roots) ? session.strings.strings : undefined,
    },
    notes: session.notes,
  };
}

function holdsStrings(roots: readonly Value[]): boolean {
  return reachable(roots).some((node) => node.outputs.some((v) => v.type.dtype === "str"));
}

function domainOf(domain: string | undefined): string {
  return domain === undefined || domain === "ai.onnx" ? "" : domain;
}

/** What a type rule says of strings is a refusal: the model may well be right. */
function translated(cx: NodeContext, translator: Translator): Result {
  try {
    return translator(cx);
  } catch (e) {
    if (!(e instanceof TypeIssue && cx.takesStrings)) throw e;
    return cx.fail("unsupported_dtype", `computes on strings (${e.message})`, STRINGS_HINT);
  }
}

const STRINGS_HINT = "strings can be moved, compared for equality and looked up; do the rest before the model";

class Importer {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Translates a graph whose inputs the scope already has; gives its outputs. */
  graph(graph: GraphProto, scope: Scope): Item[] {
    for (const t of graph.initializer) this.#initializer(t.name ?? "", t, scope);
    for (const t of graph.sparseInitializer) {
      const name = t.values?.name ?? "";
      scope.defineLazily(name, () =>
        this.#guard(`initializer "${name}"`, name, () =>
          tensorItem(constant(this.#session.builder, readSparse(t, this.#session.readExternal))),
        ),
      );
    }
    this.nodes(graph.node, scope);
    return graph.output.map((o) => this.#output(o.name ?? "", scope));
  }

  nodes(nodes: readonly NodeProto[], scope: Scope): void {
    for (const node of runOrder(nodes)) this.#node(node, scope);
  }

  #output(name: string, scope: Scope): Item {
    const item = scope.find(name);
    if (item !== undefined) return item;
    this.#refuse("malformed_input", name, `nothing computes it`, `output "${name}"`);
    return UNKNOWN;
  }

  #initializer(name: string, t: TensorProto, scope: Scope): void {
    scope.defineLazily(name, () =>
      this.#guard(`initializer "${name}"`, name, (): Item => {
        const { builder } = this.#session;
        return tensorItem(constant(builder, this.#session.tensor(t)));
      }),
    );
  }

  #node(node: NodeProto, scope: Scope): void {
    const op = node.opType ?? "";
    const domain = domainOf(node.domain);
    const label = [node.name, ...node.output].find((n) => n !== undefined && n !== "") ?? "";
    const version = scope.opsets.get(domain);
    const opset = version ?? 0;
    const at = `node "${label}" (${domain === "" ? "" : `${domain}:`}${op}, opset ${version ?? "not imported"})`;
    const outer = this.#session.builder.origin;
    this.#session.builder.origin = `node "${label}" (${op})`;
    try {
      const results = this.#guardList(at, op, () =>
        this.#translate(node, scope, at, domain, op, opset, version !== undefined),
      );
      for (const [i, name] of node.output.entries()) {
        if (name === "") continue;
        if (scope.owns(name))
          this.#refuse(
            "malformed_input",
            op,
            `output "${name}" has a value already`,
            at,
            "give every value a name of its own",
          );
        const item = results === null ? UNKNOWN : results[i];
        if (item === undefined || item === null) {
          this.#refuse("unsupported_op", op, `output ${i} ("${name}") is not computed`, at);
          scope.define(name, UNKNOWN);
        } else scope.define(name, "kind" in item ? item : tensorItem(item));
      }
    } finally {
      this.#session.builder.origin = outer;
    }
  }

  #translate(
    node: NodeProto,
    scope: Scope,
    at: string,
    domain: string,
    op: string,
    opset: number,
    imported: boolean,
  ): readonly (Value | Item | null)[] {
    this.#session.countNode(at);
    const items = node.input.map((name) =>
      name === "" || scope.isOmitted(name) ? undefined : this.#read(name, scope, at, op),
    );
    while (items.length > 0 && items.at(-1) === undefined) items.pop();
    const cx = new NodeContext(node, at, this.#session, scope, opset, items, this.#subgraph);
    const called = this.#session.functions.get(functionKey(node.domain ?? "", op, node.overload ?? ""));
    if (called !== undefined) {
      if (scope.depth > MAX_DEPTH)
        return cx.fail("resource_limit", `functions and subgraphs nest more than ${MAX_DEPTH} deep`);
      return callFunction(cx, called, items, (nodes, inner) => this.nodes(nodes, inner));
    }
    if (!imported) return cx.malformed(`the model does not import the operator set "${domain}"`);
    const translator = translatorOf(domain, op);
    if (translator === null)
      return cx.fail(
        "unsupported_op",
        `${domain === "" ? "" : `${domain}:`}${op} has no translation`,
        "replace it in the model by simpler ops",
      );
    if (items.some((i) => i?.kind === "unknown")) throw new UnknownInput();
    const result = translated(cx, translator);
    return Array.isArray(result) ? result : [result as Value | Item];
  }

  #read(name: string, scope: Scope, at: string, op: string): Item {
    const item = scope.find(name);
    if (item !== undefined) return item;
    throw new NodeRefusal({
      code: "malformed_input",
      scope: "onnx",
      subject: op,
      detail: `its input "${name}" is computed by nothing before it`,
      at,
      hint: "either no node computes it, or nodes need each other's outputs",
    });
  }

  readonly #subgraph: TranslateGraph = (graph, scope, inputs) => {
    if (scope.depth > MAX_DEPTH) {
      this.#refuse(
        "resource_limit",
        graph.name ?? "",
        `subgraphs nest more than ${MAX_DEPTH} deep`,
        `graph "${graph.name ?? ""}"`,
      );
      return graph.output.map(() => UNKNOWN);
    }
    for (const [i, info] of graph.input.entries()) scope.define(info.name ?? "", inputs[i] ?? UNKNOWN);
    return this.graph(graph, scope);
  };

  #guard(at: string, subject: string, make: () => Item): Item {
    return this.#guardList(at, subject, () => [make()])?.[0] ?? UNKNOWN;
  }

  /** Runs a translation; what it cannot do is recorded. */
  #guardList<T>(at: string, subject: string, make: () => readonly T[]): readonly T[] | null {
    try {
      return make();
    } catch (e) {
      if (e instanceof UnknownInput) return null;
      if (e instanceof NodeRefusal) this.#record(e.refusal);
      else if (e instanceof TensorFault) this.#refuse(e.fault.code, subject, e.fault.detail, at, e.fault.hint);
      else if (e instanceof TypeIssue)
        this.#refuse("malformed_input", subject, e.message, at, "do the sizes given for the inputs fit the model?");
      // Sizes so large that no array, stack or integer holds them.
      else if (e instanceof RangeError) this.#refuse("resource_limit", subject, e.message, at);
      else if (e instanceof Refused || e instanceof Bug) throw e;
      else throw new Bug("onnx", `${at}: ${e instanceof Error ? (e.stack ?? e.message) : String(e)}`);
      return null;
    }
  }

  #refuse(code: Refusal["code"], subject: string, detail: string, at: string, hint = ""): void {
    this.#record({ code, scope: "onnx", subject, detail, at, hint });
  }

  #record(r: Refusal): void {
    const same = this.#session.refusals.some((o) => o.at === r.at && o.detail === r.detail);
    if (!same && this.#session.refusals.length < 1000) this.#session.refusals.push(r);
  }
}
