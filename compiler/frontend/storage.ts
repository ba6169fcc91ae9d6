// What a tensor handle stands on. A storage holds the current value of a base tensor; a view says how to regenerate its
// own value from the base's and how to write an update back into it. Mutation is thus a new base value, seen by every
// handle on the storage: nothing in the graph has side effects. Strides are kept only to decide, as PyTorch does,
// whether a reshape is a view or a copy.

import { constant } from "../ir/build.js";
import { type Dim, mul, provenEqual } from "../ir/dim.js";
import type { DType } from "../ir/dtype.js";
import type { Builder, Value } from "../ir/graph.js";
import type { Tensor as TensorData } from "../ir/tensor.js";
import { runningSession, type Scope, type Session } from "./session.js";
import { refuseTrace } from "./site.js";

/** One step from a base to a part or another arrangement of it. */
export interface View {
  readonly shape: readonly Dim[];
  readonly strides: readonly Dim[];
  readonly read: (b: Builder, base: Value) => Value;
  /** The base with `update` (of the view's shape) written into it. Absent: cannot be written, because ... */
  readonly write: ((b: Builder, base: Value, update: Value) => Value) | string;
}

export class Storage {
  readonly dtype: DType;
  readonly shape: readonly Dim[];
  /** Why it cannot be written, and what to do; null where it can. */
  readonly frozen: { readonly detail: string; readonly hint: string } | null;
  readonly #session: Session | null;
  readonly #scope: Scope | null;
  readonly #data: TensorData | null;
  #value: Value | null;

  private constructor(
    type: { readonly dtype: DType; readonly shape: readonly Dim[] },
    origin: { session: Session | null; scope: Scope | null; data: TensorData | null; value: Value | null },
    frozen: Storage["frozen"],
  ) {
    this.dtype = type.dtype;
    this.shape = type.shape;
    this.frozen = frozen;
    this.#session = origin.session;
    this.#scope = origin.scope;
    this.#data = origin.data;
    this.#value = origin.value;
  }

  /** Of a value made in the running trace. */
  static of(session: Session, value: Value, frozen: Storage["frozen"] = null): Storage {
    return new Storage(value.type, { session, scope: session.scope, data: null, value }, frozen);
  }

  /** Of data that belongs to no trace: weights. */
  static ofData(data: TensorData): Storage {
    return new Storage(
      data,
      { session: null, scope: null, data, value: null },
      {
        detail: "a tensor that was made outside of the trace is a constant",
        hint: "write to a clone(), or declare a state(...)",
      },
    );
  }

  /** Data known without a trace; null for everything computed. */
  get data(): TensorData | null {
    return this.#data;
  }

  value(subject: string, session: Session): Value {
    if (this.#data !== null) return constant(session.builder, this.#data);
    this.#check(subject, session);
    if (this.#value === null) throw new RangeError("a storage without a value");
    return this.#value;
  }

  set(subject: string, session: Session, value: Value): void {
    if (this.frozen !== null)
      refuseTrace("unsupported_op", subject, `${subject}: ${this.frozen.detail}`, this.frozen.hint);
    const before = this.value(subject, session);
    const { scope } = session;
    if (scope !== this.#scope && !scope.written.has(this)) scope.written.set(this, before);
    this.#value = value;
  }

  /** Sets the value without a journal entry: what control flow does at its edges. */
  reset(value: Value): void {
    this.#value = value;
  }

  #check(subject: string, session: Session): void {
    if (this.#session !== session)
      refuseTrace(
        "malformed_input",
        subject,
        `${subject}: a tensor of another trace`,
        "tensors live in the function that traced them; return them as outputs",
      );
    if (this.#scope !== null && !session.scopes.includes(this.#scope))
      refuseTrace(
        "malformed_input",
        subject,
        `${subject}: a tensor that was made inside ${this.#scope.name} is used after it`,
        `return it from the function given to ${this.#scope.name}`,
      );
  }
}

export function contiguousStrides(shape: readonly Dim[]): readonly Dim[] {
  return shape.map((_, i) => mul(1, ...shape.slice(i + 1)));
}

/** Whether the elements lie in row-major order without gaps. Named dimensions count as larger than 1. */
export function isContiguous(shape: readonly Dim[], strides: readonly Dim[]): boolean {
  if (shape.some((d) => d === 0)) return true;
  let want: Dim = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    const d = shape[i] ?? 1;
    if (d === 1) continue;
    if (!provenEqual(strides[i] ?? 0, want)) return false;
    want = mul(want, d);
  }
  return true;
}

/**
 * Strides of the same elements seen in another shape, or null where only a copy has that shape. The rule is PyTorch's:
 * runs of axes that are contiguous with each other can be split and merged.
 */
export function viewStrides(from: readonly Dim[], strides: readonly Dim[], to: readonly Dim[]): readonly Dim[] | null {
  if (from.some((d) => d === 0) || from.length === 0) return contiguousStrides(to);
  const out: Dim[] = to.map(() => 1);
  let at = to.length - 1;
  let base = strides.at(-1) ?? 1;
  let have: Dim = 1;
  let want: Dim = 1;
  for (let i = from.length - 1; i >= 0; i--) {
    want = mul(want, from[i] ?? 1);
    const outer = strides[i - 1];
    const runEnds = i === 0 || (from[i - 1] !== 1 && (outer === undefined || !provenEqual(outer, mul(want, base))));
    if (!runEnds) continue;
    while (at >= 0 && (!provenEqual(have, want) || to[at] === 1)) {
      out[at] = mul(have, base);
      have = mul(have, to[at] ?? 1);
      at--;
    }
    if (!provenEqual(have, want)) return null;
    base = outer ?? 1;
    have = 1;
    want = 1;
  }
  return at === -1 ? out : null;
}

/** The running trace's session for a value that may be a constant made before it. */
export function sessionFor(subject: string): Session {
  return (
    runningSession() ??
    refuseTrace(
      "malformed_input",
      subject,
      `${subject} was called outside of trace(...)`,
      "a tensor is computed with only in the function that is given to trace",
    )
  );
}
