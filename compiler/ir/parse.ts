// A graph from its text form (see text.ts). Nodes are made in the given builder, so their types are inferred, and must
// be what the text says. The result is what the text says, sound or not: verify it.

import type { AttrSchema, AttrValues } from "./attrs.js";
import { type Dim, DimOverflowError, sym } from "./dim.js";
import {
  type Binding,
  type Builder,
  type Constraint,
  type Graph,
  type Region,
  TypeIssue,
  type Value,
} from "./graph.js";
import { isOpName, OPS, type OpAttrs, type OpName } from "./ops.js";
import { regionName } from "./print.js";
import type { Tensor } from "./tensor.js";
import { Cursor } from "./text-cursor.js";
import { formatType, sameType, type TensorType } from "./types.js";

export { ParseError } from "./text-cursor.js";

/** Reads a graph. `tensors` holds the constants that the text names by digest. Throws ParseError. */
export function parse(text: string, tensors: ReadonlyMap<string, Tensor>, b: Builder): Graph {
  return new Parser(new Cursor(text, tensors), b).graph();
}

interface PendingBinding {
  readonly symbol: Dim;
  readonly from: Binding["from"];
  readonly value: string;
  readonly index: number;
  readonly at: number;
}

/** Regions inside regions: what reads a graph recurses into them. */
const MOST_NESTED = 256;

class Parser {
  readonly #c: Cursor;
  readonly #b: Builder;
  readonly #values = new Map<string, Value>();
  readonly #inputs: Value[] = [];
  readonly #states = new Map<string, Value>();
  #depth = 0;

  constructor(c: Cursor, b: Builder) {
    this.#c = c;
    this.#b = b;
  }

  graph(): Graph {
    const c = this.#c;
    c.take("graph");
    const name = c.string();
    const strings: string[] = [];
    while (c.peekWord() === "string") {
      c.take("string");
      strings.push(c.string());
    }
    const pending: PendingBinding[] = [];
    while (c.peekWord() === "symbol") this.#symbol(pending);
    const constraints: Constraint[] = [];
    while (c.peekWord() === "constraint") constraints.push(this.#constraint());
    this.#nodes();
    const outputs: { name: string; value: Value }[] = [];
    while (c.peekWord() === "output") outputs.push(this.#named("output"));
    const states: { name: string; current: Value; next: Value }[] = [];
    while (c.peekWord() === "state") {
      const at = c.skip();
      const { name: slot, value: next } = this.#named("state");
      const current = this.#states.get(slot) ?? c.fail(`no state node is named ${JSON.stringify(slot)}`, at);
      states.push({ name: slot, current, next });
    }
    if (!c.done) c.fail("expected a node, an output, a state or the end");
    const bindings = pending.map(({ symbol, from, value, index, at }) => ({
      symbol,
      from,
      index,
      value: this.#values.get(value) ?? c.fail(`${value} is not defined`, at),
    }));
    const graph = { name, inputs: this.#inputs, outputs, states, bindings, constraints };
    return strings.length === 0 ? graph : { ...graph, strings };
  }

  #symbol(pending: PendingBinding[]): void {
    const c = this.#c;
    c.take("symbol");
    const at = c.skip();
    const name = c.symbolName();
    if (c.symbols.has(name)) c.fail(`symbol ${name} is declared twice`, at);
    c.take(":");
    const lo = c.bound();
    c.take("..");
    const hi = c.bound();
    if (lo > hi) c.fail(`symbol ${name} has the empty range ${lo}..${hi}`, at);
    const symbol = sym(name, lo, hi);
    c.symbols.set(name, symbol);
    if (!c.takes("=")) return;
    const from = c.word(["element", "axis"]);
    c.take("(");
    const where = c.skip();
    const value = c.value();
    c.take(",");
    pending.push({ symbol, from, value, index: c.int(), at: where });
    c.take(")");
  }

  #constraint(): Constraint {
    const c = this.#c;
    c.take("constraint");
    const left = c.dim();
    c.take("=");
    return { left, right: c.dim(), reason: c.string() };
  }

  #named(kind: string): { name: string; value: Value } {
    this.#c.take(kind);
    const name = this.#c.string();
    this.#c.take("=");
    return { name, value: this.#value() };
  }

  #value(): Value {
    const at = this.#c.skip();
    const name = this.#c.value();
    return this.#values.get(name) ?? this.#c.fail(`${name} is not defined before this`, at);
  }

  #define(name: string, value: Value, at: number): void {
    if (this.#values.has(name)) this.#c.fail(`${name} is defined twice`, at);
    this.#values.set(name, value);
  }

  #nodes(): void {
    while (this.#c.sees("%")) this.#node();
  }

  #node(): void {
    const c = this.#c;
    const start = c.skip();
    const names = [c.value()];
    while (c.takes(",")) names.push(c.value());
    c.take("=");
    const at = c.skip();
    const word = c.name("an op");
    const op = isOpName(word) ? word : c.fail(`unknown op "${word}"`, at);
    const inputs = c.takes("(") ? c.until(")", () => this.#value()) : [];
    const attrs = this.#attrs(op);
    c.take(":");
    const typesAt = c.skip();
    const types = [c.type()];
    while (c.takes(",")) types.push(c.type());
    const outputs = this.#make(op, inputs, attrs, this.#regions(op), at);
    this.#checkTypes(outputs, types, typesAt);
    if (names.length !== outputs.length)
      c.fail(`${op} has ${outputs.length} outputs, named are ${names.length}`, start);
    for (const [i, v] of outputs.entries()) this.#define(names[i] ?? "", v, start);
    for (const { node } of outputs) {
      if (node.op === "input") this.#inputs.push(...node.outputs);
      if (node.op === "state") for (const v of node.outputs) this.#states.set(node.attrs.name, v);
    }
  }

  #make<K extends OpName>(
    op: K,
    inputs: readonly Value[],
    attrs: Readonly<Record<string, unknown>>,
    regions: readonly Region[],
    at: number,
  ): readonly Value[] {
    try {
      // Every attribute was read by its own kind from the op's schema.
      return this.#b.op(op, inputs, attrs as AttrValues<OpAttrs[K]>, regions);
    } catch (e) {
      if (e instanceof TypeIssue || e instanceof DimOverflowError) this.#c.fail(`${op}: ${e.message}`, at);
      throw e;
    }
  }

  #checkTypes(outputs: readonly Value[], types: readonly TensorType[], at: number): void {
    for (const [i, v] of outputs.entries()) {
      const said = types[i];
      if (said === undefined) this.#c.fail(`${outputs.length} types expected, have ${types.length}`, at);
      if (!sameType(said, v.type))
        this.#c.fail(`output ${i} is ${formatType(v.type)}, the text says ${formatType(said)}`, at);
    }
  }

  #attrs(op: OpName): Readonly<Record<string, unknown>> {
    const c = this.#c;
    const schema: AttrSchema = OPS[op].attrs;
    const entries = Object.entries(schema);
    const out: Record<string, unknown> = {};
    if (entries.length === 0) return out;
    c.take("{");
    for (const [i, [key, kind]] of entries.entries()) {
      if (i > 0) c.take(",");
      c.take(key);
      c.take("=");
      out[key] = kind.parse(c);
    }
    c.take("}");
    return out;
  }

  #regions(op: OpName): Region[] {
    const c = this.#c;
    const regions: Region[] = [];
    if (++this.#depth > MOST_NESTED) c.fail(`regions nest more than ${MOST_NESTED} deep`);
    for (let word = regionName(op, 0); c.peekWord() === word; word = regionName(op, regions.length)) {
      c.take(word);
      const params: Value[] = [];
      if (c.takes("(")) {
        c.until(")", () => {
          const at = c.skip();
          const name = c.value();
          c.take(":");
          const p = this.#b.param(c.type());
          this.#define(name, p, at);
          params.push(p);
        });
      }
      c.take("{");
      this.#nodes();
      c.take("yield");
      const results: Value[] = [];
      if (c.sees("%")) {
        do results.push(this.#value());
        while (c.takes(","));
      }
      c.take("}");
      regions.push({ params, results });
    }
    this.#depth--;
    return regions;
  }
}
