// What a translator sees of its node: inputs as values, attributes with their types checked, sizes as dimensions, and
// ways to refuse that already say which node it is.

import { type Dim, formatDim, range } from "../../ir/dim.js";
import type { DType } from "../../ir/dtype.js";
import type { RefusalCode } from "../../ir/errors.js";
import type { Builder, Value } from "../../ir/graph.js";
import { intsOf, partialIntsOf } from "../../ir/ints.js";
import type { Tensor } from "../../ir/tensor.js";
import { Attributes } from "./attributes.js";
import { describe, type Item } from "./items.js";
import { knownTensor } from "./known.js";
import type { GraphProto, NodeProto } from "./proto.js";
import type { Scope } from "./scope.js";
import { dependsOnRegion, NodeRefusal, type Session, UnknownInput } from "./session.js";

/** Translates a subgraph and gives what its outputs stand for. */
export type TranslateGraph = (graph: GraphProto, scope: Scope, inputs: readonly Item[]) => Item[];

export type Result = Value | Item | readonly (Value | Item | null)[];
export type Translator = (cx: NodeContext) => Result;
export type Translators = Readonly<Record<string, Translator>>;

export class NodeContext extends Attributes {
  readonly node: NodeProto;
  readonly session: Session;
  readonly scope: Scope;
  readonly b: Builder;
  readonly opset: number;
  readonly translateGraph: TranslateGraph;
  readonly #items: readonly (Item | undefined)[];

  constructor(
    node: NodeProto,
    at: string,
    session: Session,
    scope: Scope,
    opset: number,
    items: readonly (Item | undefined)[],
    translateGraph: TranslateGraph,
  ) {
    super(node, at, scope.attributes, session.readExternal);
    this.node = node;
    this.session = session;
    this.scope = scope;
    this.b = session.builder;
    this.opset = opset;
    this.#items = items;
    this.translateGraph = translateGraph;
  }

  // ---- inputs and outputs

  /** Number of inputs, with trailing absent ones. */
  get arity(): number {
    return this.#items.length;
  }

  /** Number of outputs that the node names. */
  get outputs(): number {
    return this.node.output.length;
  }

  /** Whether output `i` has a name, so somebody may read it. */
  wants(i: number): boolean {
    return (this.node.output[i] ?? "") !== "";
  }

  has(i: number): boolean {
    return this.#items[i] !== undefined;
  }

  item(i: number): Item {
    const item = this.#items[i];
    if (item === undefined) return this.malformed(`input ${i} is missing`);
    if (item.kind === "unknown") throw new UnknownInput();
    return item;
  }

  /** Input `i`, a tensor. */
  in(i: number): Value {
    const item = this.item(i);
    if (item.kind === "tensor") return item.value;
    if (item.kind === "optional" && item.item?.kind === "tensor") return item.item.value;
    return this.malformed(`input ${i} is ${describe(item)}, takes a tensor`);
  }

  /** Input `i`, or undefined where the node leaves it out. */
  opt(i: number): Value | undefined {
    return this.has(i) ? this.in(i) : undefined;
  }

  /** All inputs, which must be tensors. */
  all(): Value[] {
    return this.#items.map((_, i) => this.in(i));
  }

  /** A symbol's name, from the node's own. */
  hint(suffix: string | number): string {
    const name = this.node.output.find((o) => o !== "") ?? this.op;
    return `${name}.${suffix}`;
  }

  // ---- sizes

  rank(v: Value): number {
    return v.type.shape.length;
  }

  dim(v: Value, axis: number): Dim {
    return v.type.shape[axis] ?? this.malformed(`axis ${axis} of a value of rank ${v.type.shape.length}`);
  }

  /** A size that must be a number at compile time. */
  size(v: Value, axis: number, what: string): number {
    const d = this.dim(v, axis);
    return typeof d === "number" ? d : this.unknownSize(`${what} is ${formatDim(d)}, and must be a number here`);
  }

  /** An axis counted from the end where negative. */
  axis(axis: number, rank: number): number {
    const a = axis < 0 ? axis + rank : axis;
    return Number.isInteger(a) && a >= 0 && a < rank ? a : this.malformed(`axis ${axis} of rank ${rank}`);
  }

  axes(list: readonly number[], rank: number): number[] {
    const out = list.map((a) => this.axis(a, rank));
    return new Set(out).size === out.length ? out : this.malformed(`axes [${list.join(", ")}] repeat one`);
  }

  // ---- values known at import

  /** The tensor that a value is for every input, or null. */
  known(v: Value): Tensor | null {
    return knownTensor(v);
  }

  /** The elements of an integer tensor as expressions of the inputs' sizes, or null where they depend on data. */
  ints(v: Value): readonly Dim[] | null {
    const found = intsOf(v);
    if (found !== null) return found;
    const t = knownTensor(v);
    if (t === null || t.size > 65536 || t.dtype === "str") return null;
    const numbers = t.numbers();
    return numbers.every((n) => Number.isSafeInteger(n)) ? numbers : null;
  }

  /** Like `ints`, for starts and ends: what is beyond 2^53 is cut there, since it only means "to the end". */
  positions(v: Value): readonly Dim[] | null {
    const found = this.ints(v);
    if (found !== null) return found;
    const t = knownTensor(v);
    const cut = (n: number): number => Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, n));
    return t === null || t.size > 64 ? null : t.numbers().map(cut);
  }

  /** Like `ints`, with null for the elements that depend on data; null where none is known. */
  partialInts(v: Value): readonly (Dim | null)[] | null {
    return this.ints(v) ?? partialIntsOf(v);
  }

  /** Integers that must be numbers at compile time. */
  numbers(v: Value, what: string): number[] {
    const list = this.ints(v);
    if (list === null) return this.unknownSize(`${what} is computed from data, and must be known at compile time`);
    return list.map((d) =>
      typeof d === "number" ? d : this.unknownSize(`${what} is ${formatDim(d)}, and must be a number at compile time`),
    );
  }

  number(v: Value, what: string): number {
    const [n, ...rest] = this.numbers(v, what);
    return n === undefined || rest.length > 0 ? this.malformed(`${what} takes one number`) : n;
  }

  /** A number of any dtype that must be known at compile time. */
  real(v: Value, what: string): number {
    const t = this.known(v);
    if (t === null || t.size !== 1) return this.unknownSize(`${what} must be one number known at compile time`);
    return t.at(0);
  }

  /**
   * The elements of an integer vector as dimensions: expressions where they are known, else symbols that the run binds
   * to the vector's elements. `upper(i)` bounds such a symbol; the import's bound where it is undefined.
   */
  dims(v: Value, what: string, upper: (i: number) => number | undefined = () => undefined): readonly Dim[] {
    const found = this.ints(v);
    if (found !== null) return found;
    if (this.rank(v) > 1) this.malformed(`${what} has rank ${this.rank(v)}`);
    const n = this.rank(v) === 0 ? 1 : this.size(v, 0, `the length of ${what}`);
    const partial = partialIntsOf(v);
    return Array.from({ length: n }, (_, i) => partial?.[i] ?? this.element(v, i, what, upper(i)));
  }

  /** A symbol bound to element `i` of an integer vector. */
  element(v: Value, i: number, what: string, upper = this.session.bound): Dim {
    const hi = upper ?? this.session.bound;
    if (hi === undefined || !Number.isFinite(hi))
      return this.unknownSize(
        `${what} is computed from data and nothing bounds it`,
        "give a bound for sizes that depend on data",
      );
    if (dependsOnRegion(v)) return this.unknownSize(`${what} changes between iterations of a loop or lies in a branch`);
    return this.session.elementSymbol(v, i, this.hint(i), hi);
  }

  /** What the model declares output `i`'s axis to be, if it is a number: good for bounds, which the run checks. */
  declaredSize(i: number, axis: number): number | undefined {
    return this.session.declaredSize(this.node.output[i] ?? "", axis);
  }

  /** The greatest that a dimension can be. */
  upper(d: Dim, what: string): number {
    return (
      this.session.upper(d) ??
      this.unknownSize(
        `${what} is ${formatDim(d)} and nothing bounds it`,
        "give this dimension a range, or a bound for all",
      )
    );
  }

  /** Whether a dimension is never below `n`. */
  atLeast(d: Dim, n: number): boolean {
    return range(d).lo >= n;
  }

  /** The dtype that all these inputs must have. */
  want(v: Value, dtypes: readonly DType[], what: string): Value {
    return dtypes.includes(v.type.dtype)
      ? v
      : this.fail("unsupported_dtype", `${what} is ${v.type.dtype}, takes ${dtypes.join(", ")}`);
  }

  /** Refuses tables that the importer would have to make itself and that are unreasonably large. */
  limit(elements: number, what: string): void {
    if (elements > 1 << 24)
      this.fail("resource_limit", `${what} takes ${elements} elements, at most ${1 << 24} are made at compile time`);
  }

  // ---- strings

  override optTensor(name: string): Tensor | undefined {
    const t = this.optTensorProto(name);
    return t === undefined ? undefined : this.session.tensor(t);
  }

  /** A constant of strings. */
  strings(values: readonly string[], shape: readonly number[] = [values.length]): Tensor {
    return this.session.strings.tensor(shape, values);
  }

  /** The elements of a str value that is the same for every input, else null. */
  texts(v: Value): readonly string[] | null {
    const t = knownTensor(v);
    return t === null ? null : this.session.strings.stringsOf(t);
  }

  /** Whether some input holds strings. */
  get takesStrings(): boolean {
    return this.#items.some((i) => i?.kind === "tensor" && i.value.type.dtype === "str");
  }

  // ---- refusals

  unknownSize(detail: string, hint = "make it a constant of the model, or fix the dimensions it comes from"): never {
    return this.fail("unsupported_shape", detail, hint);
  }

  fail(code: RefusalCode, detail: string, hint = ""): never {
    throw new NodeRefusal({ code, scope: "onnx", subject: this.op, detail, at: this.at, hint });
  }
}
