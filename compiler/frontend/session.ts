// One running trace: its builder, its named dimensions, and the stack of scopes that control flow opens. A scope keeps
// a journal of the storages that were written in it but live outside, so that branches and loop bodies can hand the
// writes on as results.

import { type Dim, formatDim, sym } from "../ir/dim.js";
import { type Binding, Builder, TypeIssue, type Value } from "../ir/graph.js";
import { callSite, formatSite, originOf, refuseTrace } from "./site.js";
import type { Storage } from "./storage.js";

export interface Scope {
  /** "trace", or what opened it: "cond", "whileLoop", ... */
  readonly name: string;
  /** Storages from outside that were written here, with their values before. */
  readonly written: Map<Storage, Value>;
}

export interface StateRecord {
  readonly name: string;
  readonly current: Value;
  readonly storage: Storage;
}

export class Session {
  readonly builder = new Builder();
  readonly scopes: Scope[] = [{ name: "trace", written: new Map() }];
  readonly states: StateRecord[] = [];
  /** Symbols that only the run gives: counts of loops. */
  readonly bindings: Binding[] = [];
  /** Named sizes that inputs have. */
  readonly given = new Set<Dim>();
  readonly #dims = new Map<string, Dim>();
  #depth = 0;
  #fresh = 0;

  get scope(): Scope {
    const top = this.scopes.at(-1);
    if (top === undefined) throw new RangeError("the trace has ended");
    return top;
  }

  /** The symbol of a name; refuses one that was never declared. */
  dimension(name: string, subject: string): Dim {
    const known = this.#dims.get(name);
    if (known !== undefined) return known;
    return refuseTrace(
      "unsupported_shape",
      subject,
      `dimension "${name}" has no range`,
      `declare it where it is first used, as dim("${name}", 1, 512), or in options: { dims: { ${name}: [1, 512] } }`,
    );
  }

  /** As `dimension`, of a size that some input gives. */
  sizeOf(name: string, subject: string): Dim {
    const d = this.dimension(name, subject);
    if (this.given.has(d)) return d;
    return refuseTrace(
      "unsupported_shape",
      subject,
      `dimension "${name}" is no input's size, so the run cannot know it`,
      "use it as a size of an input",
    );
  }

  declare(name: string, lo: number, hi: number, subject: string): Dim {
    const have = this.#dims.get(name);
    const made = symbol(name, lo, hi, subject);
    if (have !== undefined && have !== made)
      refuseTrace(
        "unsupported_shape",
        subject,
        `dimension "${name}" is declared with two ranges`,
        "give one name one range",
      );
    this.#dims.set(name, made);
    return made;
  }

  /** A symbol name that no user can write. */
  freshName(stem: string): string {
    return `${stem}$${this.#fresh++}`;
  }

  /**
   * Runs one public operation: nodes made by it come from the user's line, and what does not fit is refused there. Only
   * the outermost operation counts: a method written with others is blamed under its own name.
   */
  record<T>(subject: string, f: (b: Builder) => T): T {
    if (this.#depth > 0) return f(this.builder);
    const site = callSite();
    this.builder.origin = originOf(site);
    this.#depth++;
    try {
      return f(this.builder);
    } catch (e) {
      if (!(e instanceof TypeIssue)) throw e;
      return refuseTrace(
        "unsupported_shape",
        subject,
        e.message.startsWith(`${subject}:`) ? e.message : `${subject}: ${e.message}`,
        "",
        formatSite(site),
      );
    } finally {
      this.#depth--;
    }
  }

  /** Runs the user's own function inside a recorded operation: its calls are blamed at their own lines. */
  userCode<T>(f: () => T): T {
    const depth = this.#depth;
    const { origin } = this.builder;
    this.#depth = 0;
    try {
      return f();
    } finally {
      this.#depth = depth;
      this.builder.origin = origin;
    }
  }
}

function symbol(name: string, lo: number, hi: number, subject: string): Dim {
  const fits = Number.isSafeInteger(lo) && Number.isSafeInteger(hi) && lo >= 0 && lo <= hi;
  if (!fits || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
    return refuseTrace(
      "unsupported_shape",
      subject,
      `dimension "${name}" with the range ${lo}..${hi}`,
      "a dimension has a name like an identifier and an inclusive range of whole numbers, 0 or more",
    );
  return sym(name, lo, hi);
}

let active: Session | undefined;

/** The running trace. `subject` asked for it. */
export function session(subject: string): Session {
  return (
    active ??
    refuseTrace(
      "malformed_input",
      subject,
      `${subject} was called outside of trace(...)`,
      "call it in the function that is given to trace; tensor(...) alone can be used anywhere, for weights",
    )
  );
}

export function runningSession(): Session | undefined {
  return active;
}

/** Runs `f` with a session of its own; traces nest without seeing each other. */
export function withSession<T>(s: Session, f: () => T): T {
  const outer = active;
  active = s;
  try {
    return f();
  } finally {
    active = outer;
  }
}

/** Records under the running trace. */
export function record<T>(subject: string, f: (b: Builder) => T): T {
  return session(subject).record(subject, f);
}

export function formatShape(shape: readonly Dim[]): string {
  return `[${shape.map(formatDim).join(", ")}]`;
}
