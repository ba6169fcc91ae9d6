// What one import shares: the builder, what was refused and noted so far, symbols made for sizes that only the run
// knows, and limits that keep a hostile file from taking all memory or time.

import * as ir from "../../ir/build.js";
import { type Dim, range, sym, symOf, symsOf } from "../../ir/dim.js";
import type { Refusal } from "../../ir/errors.js";
import type { Binding, Builder, StateSlot, Value } from "../../ir/graph.js";
import { reachable } from "../../ir/graph.js";
import { StringTable } from "../../ir/strings.js";
import type { Tensor } from "../../ir/tensor.js";
import type { FunctionProto, TensorProto, ValueInfoProto } from "./proto.js";
import { dtypeOfTensor, type ReadExternal, readTensor, stringsOf } from "./tensor-data.js";

/** Nodes translated in all, with function bodies and unrolled loops counted each time. */
const MAX_NODES = 500_000;

/** The state that counts runs, for random numbers. */
const RUN_COUNTER = "random.counter";

/** A node that cannot be translated; caught per node, so that the others are still looked at. */
export class NodeRefusal extends Error {
  override readonly name = "NodeRefusal";
  readonly refusal: Refusal;
  constructor(refusal: Refusal) {
    super(refusal.detail);
    this.refusal = refusal;
  }
}

/** A needed input was refused before: its consumer is not a finding of its own. */
export class UnknownInput extends Error {
  override readonly name = "UnknownInput";
}

export class Session {
  readonly builder: Builder;
  readonly file: string;
  readonly refusals: Refusal[] = [];
  readonly notes: string[] = [];
  readonly bindings: Binding[] = [];
  readonly functions: ReadonlyMap<string, FunctionProto>;
  readonly readExternal: ReadExternal | undefined;
  /** The strings that the model knows. */
  readonly strings = new StringTable();
  /** Upper bound for sizes that nothing else bounds. */
  readonly bound: number | undefined;
  /** The numbers of the iterations that the nodes translated now run in, outermost first: i64 scalars. */
  readonly iterations: Value[] = [];
  readonly #symbols = new Map<string, number>();
  readonly #boundElements = new Map<string, Dim>();
  readonly #declared = new Map<string, ValueInfoProto>();
  #nodes = 0;
  #randoms = 0;
  #runCounter: Value | undefined;

  constructor(
    builder: Builder,
    file: string,
    functions: ReadonlyMap<string, FunctionProto>,
    readExternal: ReadExternal | undefined,
    bound: number | undefined,
  ) {
    this.builder = builder;
    this.file = file;
    this.functions = functions;
    this.readExternal = readExternal;
    this.bound = bound;
  }

  /** A tensor of the file; strings as numbers of the model's table. */
  tensor(t: TensorProto): Tensor {
    if (dtypeOfTensor(t) !== "str") return readTensor(t, this.readExternal);
    const { shape, values } = stringsOf(t);
    return this.strings.tensor(shape, values);
  }

  /** Sizes that the model declares for values of its main graph. */
  declare(info: ValueInfoProto): void {
    if (info.name !== undefined) this.#declared.set(info.name, info);
  }

  declaredSize(name: string, axis: number): number | undefined {
    const d = this.#declared.get(name)?.type?.tensorType?.shape?.dim[axis]?.dimValue;
    return d !== undefined && d >= 0n && d <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(d) : undefined;
  }

  countNode(at: string): void {
    if (++this.#nodes <= MAX_NODES) return;
    throw new NodeRefusal({
      code: "resource_limit",
      scope: "onnx",
      subject: this.file,
      detail: `more than ${MAX_NODES} nodes once functions and loops are expanded`,
      at,
      hint: "",
    });
  }

  /** Translates the body of a loop, of which `iteration` is the number. */
  inIteration<T>(iteration: Value, translate: () => T): T {
    this.iterations.push(iteration);
    try {
      return translate();
    } finally {
      this.iterations.pop();
    }
  }

  /** Numbers the nodes that draw random numbers. */
  nextRandom(): number {
    return this.#randoms++;
  }

  /** How many runs came before this one: a state, made when a node first asks. */
  runCounter(): Value {
    this.#runCounter ??= this.builder.one("state", [], { name: RUN_COUNTER, dtype: "i64", shape: [] });
    return this.#runCounter;
  }

  /** The states that the model's nodes asked for. */
  states(): StateSlot[] {
    const current = this.#runCounter;
    if (current === undefined) return [];
    const next = ir.add(this.builder, current, ir.scalar(this.builder, "i64", 1));
    return [{ name: RUN_COUNTER, current, next }];
  }

  /** A symbol of this import that no other value has, in 0..hi. */
  symbol(hint: string, hi: number, lo = 0): Dim {
    const base = hint.replaceAll(/[^A-Za-z0-9_.]/gu, "_").replace(/^(?=[^A-Za-z_])/u, "d");
    const n = this.#symbols.get(base) ?? 0;
    this.#symbols.set(base, n + 1);
    const name = n === 0 ? base : `${base}.${n}`;
    return n === 0 ? sym(name, lo, hi) : this.#taken(name, base, lo, hi);
  }

  #taken(name: string, base: string, lo: number, hi: number): Dim {
    return this.#symbols.has(name) ? this.symbol(base, hi, lo) : sym(name, lo, hi);
  }

  /** The symbol equal to element `index` of an integer vector, at most `upper`. */
  elementSymbol(v: Value, index: number, hint: string, upper: number): Dim {
    const key = `${v.node.id}.${v.index}[${index}]<=${upper}`;
    let d = this.#boundElements.get(key);
    if (d === undefined) {
      d = this.symbol(hint, upper);
      this.bindings.push({ symbol: d, from: "element", value: v, index });
      this.#boundElements.set(key, d);
    }
    return d;
  }

  /** Whether a dimension mentions a symbol that the run binds to data. */
  isBound(d: Dim): boolean {
    const symbols = symsOf(d);
    return this.bindings.some((b) => {
      const s = symOf(b.symbol);
      return s !== undefined && symbols.has(s);
    });
  }

  /** A fresh symbol equal to the run-time size of an axis of a value that `make` builds with it. */
  axisSymbol(hint: string, upper: number, make: (d: Dim) => { readonly value: Value; readonly axis: number }): Value {
    const d = this.symbol(hint, upper);
    const { value, axis } = make(d);
    this.bindings.push({ symbol: d, from: "axis", value, index: axis });
    return value;
  }

  /** The greatest value that a dimension can have, from its symbols' ranges or the import's bound; undefined if neither. */
  upper(d: Dim): number | undefined {
    const { hi } = range(d);
    return Number.isFinite(hi) ? hi : this.bound;
  }
}

/** Whether a value depends on a parameter of some region: then no symbol of the graph can be bound to it. */
export function dependsOnRegion(v: Value): boolean {
  const owned = new Set<Value>();
  const nodes = reachable([v]);
  for (const n of nodes) for (const r of n.regions) for (const p of r.params) owned.add(p);
  return nodes.some((n) => n.op === "param" && n.outputs.some((p) => !owned.has(p)));
}
