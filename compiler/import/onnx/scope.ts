// Names visible at a node: those of its own graph or function, then, for subgraphs, those around it. Initializers become
// constants when they are first read, so that unused ones cost nothing.

import type { Item } from "./items.js";
import type { AttributeProto, FunctionProto } from "./proto.js";

export class Scope {
  readonly #items = new Map<string, Item>();
  readonly #lazy = new Map<string, () => Item>();
  readonly #omitted = new Set<string>();
  readonly #parent: Scope | null;
  readonly #functions: readonly FunctionProto[];
  /** Operator set versions by domain ("" is ai.onnx). */
  readonly opsets: ReadonlyMap<string, number>;
  /** A function call's attributes, for `ref_attr_name`. */
  readonly attributes: ReadonlyMap<string, AttributeProto> | null;
  /** Nesting of subgraphs and function calls. */
  readonly depth: number;
  /** Whether nodes here belong to a region that runs conditionally or repeatedly. */
  readonly inRegion: boolean;

  private constructor(
    parent: Scope | null,
    opsets: ReadonlyMap<string, number>,
    attributes: ReadonlyMap<string, AttributeProto> | null,
    depth: number,
    inRegion: boolean,
    functions: readonly FunctionProto[],
  ) {
    this.#functions = functions;
    this.#parent = parent;
    this.opsets = opsets;
    this.attributes = attributes;
    this.depth = depth;
    this.inRegion = inRegion;
  }

  static root(opsets: ReadonlyMap<string, number>): Scope {
    return new Scope(null, opsets, null, 0, false, []);
  }

  /** A subgraph's scope, which sees the names here. */
  subgraph(inRegion: boolean): Scope {
    return new Scope(this, this.opsets, this.attributes, this.depth + 1, this.inRegion || inRegion, this.#functions);
  }

  /** A function body's scope, which sees only what is passed. */
  call(opsets: ReadonlyMap<string, number>, attributes: ReadonlyMap<string, AttributeProto>, f: FunctionProto): Scope {
    return new Scope(null, opsets, attributes, this.depth + 1, this.inRegion, [...this.#functions, f]);
  }

  /** Whether this is inside a call of the function. */
  calls(f: FunctionProto): boolean {
    return this.#functions.includes(f);
  }

  /** An optional input that a function's caller leaves out: nodes that name it do not get it either. */
  omit(name: string): void {
    this.#omitted.add(name);
  }

  isOmitted(name: string): boolean {
    return this.#omitted.has(name) || (!this.owns(name) && this.#parent?.isOmitted(name) === true);
  }

  define(name: string, item: Item): void {
    this.#items.set(name, item);
    this.#lazy.delete(name);
  }

  defineLazily(name: string, make: () => Item): void {
    this.#lazy.set(name, make);
  }

  /** Whether this very scope, not one around it, defines the name. */
  owns(name: string): boolean {
    return this.#items.has(name) || this.#lazy.has(name);
  }

  find(name: string): Item | undefined {
    const item = this.#items.get(name);
    if (item !== undefined) return item;
    const make = this.#lazy.get(name);
    if (make === undefined) return this.#parent?.find(name);
    const made = make();
    this.define(name, made);
    return made;
  }
}
