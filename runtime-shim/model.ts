// A loaded bundle: its signature, its state and its entry points. A model has one memory and runs one call at a time;
// runSync() and run() do the same work. run() is a promise so that callers need not change for devices that work while
// this thread goes on: there, calls of run() take their turns, and all else that touches memory is refused meanwhile.

import type { DType, TypedArray } from "./dtype.js";
import { InputError, LoadError, RunError } from "./errors.js";
import type { Manifest } from "./format.js";
import { BoundPort, type PortInfo } from "./port.js";
import { type AwayExport, type EntryExport, Runner } from "./runner.js";
import { checkNarrow, copyInto, type Feed, feedOf, type TensorView } from "./tensor.js";
import type { Variant } from "./variant.js";

export interface EntryTypes {
  readonly inputs: object;
  readonly outputs: object;
}

/** What `psionic types` writes for a model: the types of its default entry and of all entries by name. */
export interface ModelTypes {
  readonly default: EntryTypes;
  readonly entries: object;
}

interface AnyEntry {
  readonly inputs: Readonly<Record<string, Feed>>;
  readonly outputs: Readonly<Record<string, TensorView>>;
}

/** A model of which no types were generated. */
export interface AnyModel {
  readonly default: AnyEntry;
  readonly entries: Readonly<Record<string, AnyEntry>>;
}

type Inputs<T extends ModelTypes, E> = E extends keyof T["entries"]
  ? T["entries"][E] extends EntryTypes
    ? T["entries"][E]["inputs"]
    : never
  : T["default"]["inputs"];
type Outputs<T extends ModelTypes, E> = E extends keyof T["entries"]
  ? T["entries"][E] extends EntryTypes
    ? T["entries"][E]["outputs"]
    : never
  : T["default"]["outputs"];

export interface RunOptions<E extends string | undefined = string | undefined> {
  /** Default: the entry that load() was told, else the bundle's first. */
  readonly entry?: E;
  /**
   * False: outputs are views of the model's memory, good until its next call, and nothing is copied or allocated while
   * shapes stay the same. Default: true.
   */
  readonly copy?: boolean;
}

export interface EntryInfo {
  readonly name: string;
  readonly inputs: readonly PortInfo[];
  readonly outputs: readonly PortInfo[];
  /** Number of top-level steps. */
  readonly steps: number;
}

export interface SymbolInfo {
  readonly name: string;
  readonly lo: number;
  readonly hi: number;
}

/** Values that stay from call to call. `data` is the live memory; set() checks what it is given. */
export interface State {
  readonly info: PortInfo;
  get(): TensorView;
  set(value: Feed): void;
}

/** Reads the model's memory between steps: a view that the next step may change. */
export type ReadMemory = (offset: number, bytes: number) => Uint8Array;

interface Loaded {
  /** The default entry. */
  readonly first: Runner;
  readonly runners: ReadonlyMap<string, Runner>;
  readonly states: ReadonlyMap<string, BoundPort>;
  readonly buffer: ArrayBufferLike;
  readonly end: () => void;
}

/** What load() makes a model of. */
export interface ModelParts {
  readonly manifest: Manifest;
  readonly digest: string;
  readonly variant: Variant;
  readonly buffer: ArrayBufferLike;
  /** Functions by name; those of the entries have the parameters that the manifest says. */
  readonly exports: Readonly<Record<string, unknown>>;
  /** The same, on another thread, for a model whose run() leaves this one free. */
  readonly away?: Readonly<Record<string, AwayExport>> | null;
  readonly entry: string | undefined;
  /** Ends what the model owns: workers, a library. */
  readonly end: () => void;
}

export class Model<T extends ModelTypes = AnyModel> {
  /** SHA-256 of the manifest, hex: the identity of all that runs. */
  readonly digest: string;
  /** Which of the bundle's modules runs, and on how many threads. */
  readonly variant: Variant;
  readonly target: string;
  readonly producer: string;
  readonly symbols: readonly SymbolInfo[];
  readonly entries: readonly EntryInfo[];
  /** Signature of the default entry. */
  readonly inputs: readonly PortInfo[];
  readonly outputs: readonly PortInfo[];
  readonly states: readonly PortInfo[];
  readonly #manifest: Manifest;
  #loaded: Loaded | null;
  #isRunning = false;
  /** What dispose() left to the end of the run. */
  #afterRun: (() => void) | null = null;
  /** Kept when all calls of run() before are done; null where they are done when they return. */
  #turn: Promise<void> | null;

  /** For load(): everything it is given has been verified. Throws LoadError where `entry` does not exist. */
  constructor(parts: ModelParts) {
    const { manifest, digest, buffer, exports, away = null, entry, end } = parts;
    const runners = new Map<string, Runner>();
    for (const spec of manifest.entries) {
      // load() has checked that this export is a function of so many parameters.
      const call = exports[spec.export] as EntryExport;
      runners.set(spec.name, new Runner(manifest, spec, buffer, call, away?.[spec.export]));
    }
    const name = entry ?? manifest.entries[0]?.name ?? "";
    const first = runners.get(name);
    if (first === undefined) {
      throw new LoadError("malformed_input", "options.entry", `no entry "${name}"`, [...runners.keys()].join(", "));
    }
    const highest = manifest.symbols.map((s) => s.hi);
    const slots = new Map(manifest.symbols.map((s, i) => [s.name, i]));
    const states = manifest.states.map((spec) => {
      const port = new BoundPort(spec, buffer, (s) => slots.get(s) ?? -1);
      if (!port.evaluate(highest)) {
        throw new LoadError("malformed_input", `state "${spec.name}"`, port.text, `a shape within ${spec.bytes} bytes`);
      }
      return port;
    });
    this.#loaded = { first, runners, states: new Map(states.map((s) => [s.name, s])), buffer, end };
    this.#turn = away === null ? null : Promise.resolve();
    this.#manifest = manifest;
    this.digest = digest;
    this.variant = parts.variant;
    this.target = manifest.target;
    this.producer = manifest.producer;
    this.symbols = manifest.symbols.map(({ name, lo, hi }) => ({ name, lo, hi }));
    this.entries = [...runners.values()].map(({ spec, inputs, outputs }) => ({
      name: spec.name,
      inputs: inputs.map((p) => p.info),
      outputs: outputs.map((p) => p.info),
      steps: spec.steps,
    }));
    this.inputs = first.inputs.map((p) => p.info);
    this.outputs = first.outputs.map((p) => p.info);
    this.states = states.map((s) => s.info);
  }

  /** Runs an entry. Inputs by name; outputs by name. Rejects with InputError (nothing ran) or RunError. */
  async run<E extends (keyof T["entries"] & string) | undefined = undefined>(
    inputs: Inputs<T, E>,
    options: RunOptions<E> = {},
  ): Promise<Outputs<T, E>> {
    if (this.#turn === null) return this.runSync(inputs, options);
    const before = this.#turn;
    let done = (): void => {};
    this.#turn = new Promise((resolve) => {
      done = resolve;
    });
    await before;
    try {
      const runner = this.#runner(options.entry);
      this.#isRunning = true;
      try {
        runner.prepare(inputs as Readonly<Record<string, unknown>>);
        await runner.callAway();
        return runner.results(options.copy !== false) as Outputs<T, E>;
      } finally {
        this.#ran();
      }
    } finally {
      done();
    }
  }

  /** As run(), before it returns. */
  runSync<E extends (keyof T["entries"] & string) | undefined = undefined>(
    inputs: Inputs<T, E>,
    options: RunOptions<E> = {},
  ): Outputs<T, E> {
    const runner = this.#runner(options.entry);
    this.#isRunning = true;
    try {
      runner.prepare(inputs as Readonly<Record<string, unknown>>);
      runner.call(0, runner.spec.steps);
      return runner.results(options.copy !== false) as Outputs<T, E>;
    } finally {
      this.#ran();
    }
  }

  /**
   * Runs an entry's top-level steps one by one and calls `onStep` after each, with the step's index and a reader of the
   * model's memory. For tools that replay and compare. What onStep throws ends the run and comes through.
   */
  runSteps<E extends (keyof T["entries"] & string) | undefined = undefined>(
    inputs: Inputs<T, E>,
    onStep: (step: number, read: ReadMemory) => void,
    options: RunOptions<E> = {},
  ): Outputs<T, E> {
    const runner = this.#runner(options.entry);
    const { buffer } = this.#alive();
    this.#isRunning = true;
    try {
      runner.prepare(inputs as Readonly<Record<string, unknown>>);
      for (let step = 0; step < runner.spec.steps; step++) {
        runner.call(step, step + 1);
        onStep(step, (offset, bytes) => new Uint8Array(buffer, offset, bytes));
      }
      return runner.results(options.copy !== false) as Outputs<T, E>;
    } finally {
      this.#ran();
    }
  }

  /**
   * An input in place, at its greatest size: write into it and pass it (or for a smaller shape
   * `{ data: view.subarray(0, elems), shape }`) to run, which then copies nothing. A run reuses these bytes after it has
   * read them: write before every run.
   */
  view(input: string, options: { readonly entry?: string } = {}): TypedArray {
    const { spec, inputs } = this.#runner(options.entry);
    const port = inputs.find((p) => p.name === input);
    if (port === undefined) throw unknownName(`entry "${spec.name}" has no input`, input, inputs);
    if (port.dtype === "str")
      throw new InputError("type", `input "${input}"`, "strings", "numbers, which lie in memory");
    return port.full;
  }

  state(name: string): State {
    const where = `state "${name}"`;
    const port = (): BoundPort => {
      const { states } = this.#idle();
      const found = states.get(name);
      if (found === undefined) throw unknownName("the model has no state", name, [...states.values()]);
      return found;
    };
    return {
      info: port().info,
      get: () => port().copy(),
      set: (value) => {
        const into = port();
        const { data, shape } = feedOf(value, into.dtype, where);
        if (shape === null ? data.length !== into.elems : !into.isShape(shape) || data.length !== into.elems) {
          const have = `${shape === null ? "" : `shape [${shape.join(", ")}], `}${data.length} elements`;
          throw new InputError("shape", where, have, `[${into.shape.join(", ")}], ${into.elems} elements`);
        }
        checkNarrow(data, into.dtype, where);
        copyInto(into.full, data);
      },
    };
  }

  /** Sets every state to zeros, as it was after load. */
  reset(): void {
    const { offset, bytes } = this.#manifest.memory.states;
    new Uint8Array(this.#idle().buffer, offset, bytes).fill(0);
  }

  /**
   * Ends the workers and lets the memory and the module go; every later use throws RunError. A run that is under way
   * comes to its end, and its result.
   */
  dispose(): void {
    const end = this.#loaded?.end;
    this.#loaded = null;
    if (end === undefined) return;
    if (this.#isRunning) this.#afterRun = end;
    else end();
  }

  #ran(): void {
    this.#isRunning = false;
    this.#afterRun?.();
    this.#afterRun = null;
  }

  #alive(): Loaded {
    if (this.#loaded === null) throw new RunError("disposed", "the model was disposed");
    return this.#loaded;
  }

  #idle(): Loaded {
    const loaded = this.#alive();
    if (this.#isRunning) throw new RunError("busy", "the model is running: it takes one call at a time");
    return loaded;
  }

  #runner(entry: string | undefined): Runner {
    const { first, runners } = this.#idle();
    if (entry === undefined) return first;
    const runner = runners.get(entry);
    if (runner === undefined) throw unknownEntry(entry, runners);
    return runner;
  }
}

function unknownEntry(name: string, runners: ReadonlyMap<string, unknown>): RunError {
  return new RunError("unknown_entry", `no entry "${name}": the model has ${[...runners.keys()].join(", ")}`);
}

function unknownName(
  what: string,
  name: string,
  ports: readonly { readonly name: string; readonly dtype: DType }[],
): RunError {
  return new RunError("unknown_name", `${what} "${name}": it has ${ports.map((p) => p.name).join(", ") || "none"}`);
}
