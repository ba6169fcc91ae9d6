// What every tensor of a trace is: a handle on a storage through a chain of views. Reading regenerates the value from
// the base's current value; writing goes back through the chain into the base (storage.ts). The methods by subject are
// in the classes that extend this one, from arithmetic.ts to tensor.ts.

import { type Dim, mul } from "../ir/dim.js";
import type { DType } from "../ir/dtype.js";
import type { Value } from "../ir/graph.js";
import { formatShape, type Session } from "./session.js";
import { refuseTrace } from "./site.js";
import { contiguousStrides, Storage, sessionFor, type View } from "./storage.js";
import type { Tensor } from "./tensor.js";

type Maker = (storage: Storage, views: readonly View[]) => Tensor;

let maker: Maker | undefined;

/** tensor.ts says how a Tensor is made, so that the classes below it can make one. */
export function setMaker(m: Maker): void {
  maker = m;
}

export function makeTensor(storage: Storage, views: readonly View[] = []): Tensor {
  if (maker === undefined) throw new RangeError("tensor.ts has not been loaded");
  return maker(storage, views);
}

/** A fresh tensor, aliasing nothing, with this value. */
export function wrap(value: Value, subject = "tensor"): Tensor {
  return makeTensor(Storage.of(sessionFor(subject), value));
}

export abstract class Handle {
  protected readonly storage: Storage;
  protected readonly views: readonly View[];
  #read: { readonly base: Value; readonly value: Value } | null = null;

  constructor(storage: Storage, views: readonly View[]) {
    this.storage = storage;
    this.views = views;
  }

  protected abstract get self(): Tensor;

  get dtype(): DType {
    return this.storage.dtype;
  }

  /** Sizes: numbers, or expressions of the trace's named dimensions. */
  get shape(): readonly Dim[] {
    return this.views.at(-1)?.shape ?? this.storage.shape;
  }

  /** Number of axes. */
  get rank(): number {
    return this.shape.length;
  }

  protected get strides(): readonly Dim[] {
    return this.views.at(-1)?.strides ?? contiguousStrides(this.storage.shape);
  }

  /** Size of one axis; negative axes count from the end. */
  size(axis: number): Dim {
    return this.shape[this.axis(axis, "size")] ?? 1;
  }

  /** Number of elements. */
  numel(): Dim {
    return mul(1, ...this.shape);
  }

  /** The graph's value of this tensor at this point of the trace. */
  get value(): Value {
    return this.valueFor("tensor");
  }

  /** As `value`; `subject` is blamed where the tensor cannot be read here. */
  valueFor(subject: string, session: Session = sessionFor(subject)): Value {
    const base = this.storage.value(subject, session);
    if (this.#read?.base === base) return this.#read.value;
    let value = base;
    for (const v of this.views) value = v.read(session.builder, value);
    this.#read = { base, value };
    return value;
  }

  /** A tensor that shares this one's storage. */
  protected alias(step: View): Tensor {
    return makeTensor(this.storage, [...this.views, step]);
  }

  /** Replaces this tensor's elements, in its base and so in every other view of it. */
  protected write(subject: string, update: Value): void {
    const session = sessionFor(subject);
    const b = session.builder;
    const bases: Value[] = [this.storage.value(subject, session)];
    for (const v of this.views) bases.push(v.read(b, bases.at(-1) ?? update));
    let value = update;
    for (const [i, v] of [...this.views.entries()].reverse()) {
      const { write } = v;
      value = typeof write === "string" ? this.cannotWrite(subject, write) : write(b, bases[i] ?? value, value);
    }
    this.storage.set(subject, session, value);
  }

  private cannotWrite(subject: string, reason: string): never {
    return refuseTrace("unsupported_op", subject, `${subject}: ${reason}`, "write to a clone() instead");
  }

  /** An axis as 0..rank-1. A scalar has one axis for this purpose, as in PyTorch. */
  protected axis(axis: number, subject: string, rank = this.rank): number {
    const room = Math.max(rank, 1);
    if (Number.isInteger(axis) && axis >= -room && axis < room) return axis < 0 ? axis + room : axis;
    return refuseTrace(
      "unsupported_shape",
      subject,
      `${subject}: axis ${axis} of a tensor of shape ${formatShape(this.shape)}`,
      rank === 0 ? "a scalar takes 0 or -1" : `axes are ${-room} to ${room - 1}`,
    );
  }

  /** Several axes, each once; all of them where none are given. */
  protected axes(axes: number | readonly number[] | null | undefined, subject: string): number[] {
    if (axes === null || axes === undefined) return this.shape.map((_, i) => i);
    const list = (typeof axes === "number" ? [axes] : axes).map((a) => this.axis(a, subject));
    if (new Set(list).size !== list.length)
      refuseTrace(
        "unsupported_shape",
        subject,
        `${subject}: axes [${list.join(", ")}] repeat one`,
        "name each axis once",
      );
    return list.filter((a) => a < this.rank);
  }

  protected refuse(subject: string, detail: string, hint: string): never {
    return refuseTrace("unsupported_op", subject, `${subject}: ${detail}`, hint);
  }

  toString(): string {
    return `Tensor ${this.dtype}${formatShape(this.shape)}`;
  }

  /** `t > 0`, `+t` and the like: a traced tensor has no number yet. Text for messages is allowed. */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === "string") return this.toString();
    return refuseTrace(
      "unsupported_op",
      "number",
      `${this.toString()} was used as a JavaScript number or condition; it has no value while it is traced`,
      "compute with methods (x.add(1), x.gt(0)), choose with where(...) per element or cond(...) for a scalar",
    );
  }

  toJSON(): string {
    return this.toString();
  }

  get [Symbol.toStringTag](): string {
    return "Tensor";
  }
}
