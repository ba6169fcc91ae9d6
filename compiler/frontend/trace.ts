// trace: a TypeScript function on tensors in, a graph out. The function runs once, on tensors that record what is done
// with them. States and in-place writes become values: a state's value at the end is its next value.

import * as ir from "../ir/build.js";
import { atomExpr, type Dim, symsOf } from "../ir/dim.js";
import { type Builder, type Graph, type GraphOutput, liveBindings, rootsOf } from "../ir/graph.js";
import { makeTensor } from "./handle.js";
import { formatShape, record, Session, session, withSession } from "./session.js";
import { refuseTrace } from "./site.js";
import { isDimSpec, type SizeSpec, type TensorSpec } from "./spec.js";
import { Storage } from "./storage.js";
import "./tensor.js";
import type { Tensor } from "./tensor.js";
import { leavesOf, type Tree } from "./tree.js";

export interface TraceOptions {
  /** Name of the graph and its entry point; by default the function's, else "main". */
  readonly name?: string;
  /** Inclusive ranges of the named dimensions. */
  readonly dims?: Readonly<Record<string, readonly [lo: number, hi: number]>>;
}

/** A graph with the builder that made it: what compile(...) takes. */
export interface Traced {
  readonly graph: Graph;
  readonly builder: Builder;
}

type Inputs = Readonly<Record<string, TensorSpec>>;

/**
 * Records `fn` on tensors of the given types. Its result names the outputs: a record by its keys, a list as output0,
 * output1, ..., one tensor as "output". Throws Refused, with the user's file and line.
 */
export function trace<I extends Inputs>(
  inputs: I,
  fn: (args: { readonly [K in keyof I]: Tensor }) => Tree,
  options: TraceOptions = {},
): Traced {
  const s = new Session();
  return withSession(s, () =>
    s.record("trace", (builder) => {
      for (const [name, [lo, hi]] of Object.entries(options.dims ?? {})) s.declare(name, lo, hi, "trace");
      declareRanges(s, inputs);
      const made = Object.entries(inputs).map(([name, spec]) => [name, input(s, name, spec)] as const);
      // fromEntries forgets the names; they are exactly those of `inputs`.
      const args = Object.fromEntries(made) as { readonly [K in keyof I]: Tensor };
      const result = s.userCode(() => fn(args));
      const outputs = outputsOf(result);
      const states = s.states.map(({ name, current, storage }) => ({ name, current, next: storage.value("state", s) }));
      const name = options.name ?? (fn.name === "" ? "main" : fn.name);
      const plain: Graph = {
        name,
        inputs: made.map(([, t]) => t.value),
        outputs,
        states,
        bindings: [],
        constraints: builder.constraints,
      };
      const graph = { ...plain, bindings: liveBindings(rootsOf(plain), s.bindings) };
      return { graph, builder };
    }),
  );
}

/** Ranges given anywhere hold everywhere, whatever the order of the inputs. */
function declareRanges(s: Session, inputs: Inputs): void {
  for (const { sizes } of Object.values(inputs))
    for (const d of sizes) if (isDimSpec(d)) s.declare(d.name, d.lo, d.hi, "trace");
}

function sizeOf(s: Session, d: SizeSpec, subject: string): Dim {
  if (typeof d === "string") return s.dimension(d, subject);
  if (isDimSpec(d)) return s.declare(d.name, d.lo, d.hi, subject);
  if (typeof d === "number" && !(Number.isSafeInteger(d) && d >= 0))
    refuseTrace("unsupported_shape", subject, `${subject}: a size of ${d}`, "sizes are whole numbers, 0 or more");
  return d;
}

function input(s: Session, name: string, spec: TensorSpec): Tensor {
  const shape = spec.sizes.map((d) => sizeOf(s, d, `input "${name}"`));
  for (const d of shape) for (const symbol of symsOf(d)) s.given.add(atomExpr(symbol));
  return makeTensor(
    Storage.of(s, ir.input(s.builder, name, spec.dtype, shape), {
      detail: `input "${name}" is the caller's tensor and cannot be written`,
      hint: "write to a clone(), or keep what should last between calls in a state(...)",
    }),
  );
}

function outputsOf(result: unknown): GraphOutput[] {
  const leaves = leavesOf(result, "trace");
  const [only] = leaves;
  if (only === undefined)
    return refuseTrace("malformed_input", "trace", "trace: the function gives no outputs", "return one tensor or more");
  return leaves.map(({ name, tensor }) => ({
    name: name === "" ? "output" : Array.isArray(result) ? `output${name}` : name,
    value: tensor.valueFor(`output "${name}"`),
  }));
}

/**
 * A tensor that keeps its value between calls: zeros at first, then what it held at the end of the call before. Write to
 * it with copy_, add_, set and so on. Its shape is of numbers; one name is one state.
 */
export function state(name: string, spec: TensorSpec): Tensor {
  const s = session("state");
  return record("state", (b) => {
    if (s.scopes.length > 1)
      refuseTrace(
        "unsupported_op",
        "state",
        `state: "${name}" is declared inside ${s.scope.name}`,
        "declare it before the control flow",
      );
    const shape = spec.sizes.map((d) => sizeOf(s, d, `state "${name}"`));
    if (shape.some((d) => typeof d !== "number"))
      refuseTrace(
        "unsupported_shape",
        "state",
        `state: "${name}" has the shape ${formatShape(shape)}`,
        "a state's sizes are numbers: give it the largest, and use a part of it",
      );
    if (s.states.some((r) => r.name === name))
      refuseTrace(
        "malformed_input",
        "state",
        `state: "${name}" is declared twice`,
        "declare it once and use the tensor",
      );
    const current = ir.state(b, name, spec.dtype, shape);
    const storage = Storage.of(s, current);
    s.states.push({ name, current, storage });
    return makeTensor(storage);
  });
}
