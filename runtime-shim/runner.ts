// One entry point, ready to be called: takes the inputs' shapes to symbols, checks them, puts the inputs in place, calls
// the module, and reads status and outputs. Everything that can be prepared is, when the bundle loads.

import { dimText } from "./dims.js";
import type { TypedArray } from "./dtype.js";
import { InputError, RunError, type RunErrorCode, show } from "./errors.js";
import type { EntrySpec, Manifest, SymbolSpec } from "./format.js";
import { BoundPort } from "./port.js";
import { StringTable } from "./strings.js";
import { checkNarrow, copyInto, feedOf, type TensorView } from "./tensor.js";

export type EntryExport = (...args: readonly number[]) => unknown;
/** As EntryExport, on another thread. */
export type AwayExport = (...args: readonly number[]) => Promise<unknown>;

interface Source {
  readonly slot: number;
  readonly input: number;
  readonly axis: number;
  readonly mul: number;
  readonly add: number;
}

/** Kinds of the low three bits of an entry's status; the rest is a step, or for a constraint its index. */
const KINDS: Readonly<Record<number, RunErrorCode>> = { 1: "index_out_of_range", 2: "constraint", 3: "bound" };

export class Runner {
  readonly spec: EntrySpec;
  readonly inputs: readonly BoundPort[];
  readonly outputs: readonly BoundPort[];
  readonly #symbols: readonly SymbolSpec[];
  readonly #sources: readonly Source[];
  /** Slots of the symbols that the run itself binds and that outputs use, with the index of their i32. */
  readonly #bound: readonly (readonly [slot: number, word: number])[];
  readonly #words: Int32Array;
  readonly #buffer: ArrayBufferLike;
  readonly #bytes: number;
  readonly #call: EntryExport;
  readonly #away: AwayExport | null;
  /** start, stop, then the symbols in the order of the export's parameters. */
  readonly #args: number[];
  readonly #argSlots: readonly number[];
  /** By symbol; NaN where unknown. */
  readonly #values: number[];
  readonly #data: TypedArray[] = [];
  readonly #strings: StringTable;
  readonly #shapes: (readonly number[] | null)[] = [];
  #live: Readonly<Record<string, TensorView>> | null = null;
  #liveShapes: readonly (readonly number[])[] = [];

  constructor(
    manifest: Manifest,
    spec: EntrySpec,
    buffer: ArrayBufferLike,
    call: EntryExport,
    away: AwayExport | null = null,
  ) {
    this.spec = spec;
    this.#symbols = manifest.symbols;
    this.#buffer = buffer;
    this.#bytes = buffer.byteLength;
    this.#call = call;
    this.#away = away;
    const slots = new Map(manifest.symbols.map((s, i) => [s.name, i]));
    const slot = (name: string): number => slots.get(name) ?? -1;
    const used = new Set<number>();
    this.inputs = spec.inputs.map((p) => new BoundPort(p, buffer, slot));
    this.outputs = spec.outputs.map(
      (p) =>
        new BoundPort(p, buffer, (name) => {
          used.add(slot(name));
          return slot(name);
        }),
    );
    const isText = [...spec.inputs, ...spec.outputs].some((p) => p.dtype === "str");
    this.#strings = new StringTable(isText ? manifest.strings : []);
    this.#sources = spec.sources.map(({ symbol, ...rest }) => ({ slot: slot(symbol), ...rest }));
    this.#words = new Int32Array(buffer);
    this.#bound = [...used].flatMap((i) => {
      const offset = manifest.symbols[i]?.offset ?? null;
      return offset === null ? [] : [[i, offset / 4] as const];
    });
    this.#argSlots = spec.symbols.map(slot);
    this.#args = [0, 0, ...spec.symbols.map(() => 0)];
    this.#values = manifest.symbols.map(() => Number.NaN);
  }

  /** Checks all inputs, then writes them. Throws InputError, with memory as it was. */
  prepare(feeds: Readonly<Record<string, unknown>>): void {
    const { inputs } = this;
    if (typeof feeds !== "object" || feeds === null) throw new InputError("type", "inputs", show(feeds), "an object");
    this.#strings.reset();
    let given = 0;
    for (const _ in feeds) given++;
    for (let i = 0; i < inputs.length; i++) {
      const port = inputs[i];
      if (port !== undefined) this.#take(port, i, feeds[port.name]);
    }
    if (given > inputs.length) this.#unknown(feeds);
    if (this.#sources.length > 0) this.#bindSymbols();
    for (let i = 0; i < inputs.length; i++) {
      const port = inputs[i];
      if (port !== undefined) this.#checkShape(port, i);
    }
    for (let i = 0; i < inputs.length; i++) {
      const port = inputs[i];
      const data = this.#data[i];
      if (port === undefined || data === undefined) continue;
      if (data.buffer !== this.#buffer || data.byteOffset !== port.offset) copyInto(port.full, data);
    }
    this.#data.length = 0;
  }

  /** The input as a typed array, and its shape as far as it can be told from itself. */
  #take(port: BoundPort, i: number, feed: unknown): void {
    const where = `input "${port.name}"`;
    if (feed === undefined) throw new InputError("missing", where, "nothing", port.text);
    let { data, shape } = feedOf(feed, port.dtype, where, this.#strings);
    checkNarrow(data, port.dtype, where);
    // A view into the model's own memory at another place could be overwritten by an input before it is read.
    if (data.buffer === this.#buffer && data.byteOffset !== port.offset) data = data.slice();
    this.#data[i] = data;
    if (shape === null && port.openAxis === -1) shape = port.shape;
    else if (shape === null && port.openAxis !== null) {
      if (port.elems === data.length && data.length > 0) shape = port.shape;
      else shape = this.#deduce(port, port.openAxis, data.length, where);
    }
    if (shape !== null && shape.length !== port.rank) {
      throw new InputError("shape", where, `shape [${shape.join(", ")}]`, port.text);
    }
    this.#shapes[i] = shape;
  }

  #deduce(port: BoundPort, axis: number, elems: number, where: string): readonly number[] {
    let others = 1;
    for (const c of port.constants) others *= c ?? 1;
    const size = elems / others;
    if (!Number.isSafeInteger(size)) {
      throw new InputError("shape", where, `${elems} elements`, `${port.text}, a multiple of ${others}`);
    }
    return port.constants.map((c, i) => (i === axis ? size : (c ?? 0)));
  }

  #bindSymbols(): void {
    const values = this.#values;
    values.fill(Number.NaN);
    for (const s of this.#sources) {
      const size = this.#shapes[s.input]?.[s.axis];
      if (size === undefined || !Number.isNaN(values[s.slot])) continue;
      const value = (size - s.add) / s.mul;
      const { name, lo, hi } = this.#symbols[s.slot] ?? { name: "", lo: 0, hi: -1 };
      if (!(value >= lo && value <= hi && Number.isSafeInteger(value))) {
        const port = this.inputs[s.input];
        const range = s.mul === 1 && s.add === 0 ? `${name} in ${lo}..${hi}` : `a whole ${name} in ${lo}..${hi}`;
        throw new InputError(
          "shape",
          `input "${port?.name}"`,
          `size ${size} at axis ${s.axis}`,
          `${port?.text} with ${range}`,
        );
      }
      values[s.slot] = value;
    }
    for (let i = 0; i < this.#argSlots.length; i++) this.#args[i + 2] = values[this.#argSlots[i] ?? -1] ?? 0;
  }

  #checkShape(port: BoundPort, i: number): void {
    const shape = this.#shapes[i] ?? null;
    const elems = this.#data[i]?.length ?? -1;
    const where = `input "${port.name}"`;
    if (shape === null) {
      if (!port.evaluate(this.#values)) {
        const hint = "pass { data, shape }";
        throw new InputError("shape", where, `${elems} elements, no shape`, `the sizes of ${port.text}`, hint);
      }
    } else {
      if (port.mismatch(shape, this.#values) >= 0) {
        throw new InputError("shape", where, `shape [${shape.join(", ")}]`, `${port.text}${this.#known(port)}`);
      }
      if (!port.setShape(shape))
        throw new InputError("shape", where, `shape [${shape.join(", ")}]`, "a shape that fits");
    }
    if (elems !== port.elems) {
      const want = `${port.elems} for shape [${port.shape.join(", ")}] of ${port.text}`;
      throw new InputError("shape", where, `${elems} elements`, want);
    }
  }

  /** ` (n = 3)` for the symbols that have a value and that an input's shape uses. */
  #known(port: BoundPort): string {
    const known = this.#symbols.flatMap((s, i) => {
      const value = this.#values[i] ?? Number.NaN;
      const uses = port.info.shape.some((d) => typeof d === "string" && d.split(/[^\w.$]+/).includes(s.name));
      return uses && !Number.isNaN(value) ? [`${s.name} = ${value}`] : [];
    });
    return known.length === 0 ? "" : `, ${known.join(", ")}`;
  }

  #unknown(feeds: Readonly<Record<string, unknown>>): never {
    const names = this.inputs.map((p) => p.name);
    const extra = Object.keys(feeds).find((key) => !names.includes(key)) ?? "";
    throw new InputError("unknown", `input ${JSON.stringify(extra)}`, "no such input", names.join(", ") || "no inputs");
  }

  /** Runs top-level steps start..stop-1 on what prepare() put in place. Throws RunError. */
  call(start: number, stop: number): void {
    let status: unknown;
    try {
      status = this.#call(...this.#argsOf(start, stop));
    } catch (error) {
      this.#trapped(error, start);
    }
    this.#check(Number(status), start);
  }

  /** As call(0, all steps), on another thread where there is one for it. */
  async callAway(): Promise<void> {
    if (this.#away === null) return this.call(0, this.spec.steps);
    let status: unknown;
    try {
      status = await this.#away(...this.#argsOf(0, this.spec.steps));
    } catch (error) {
      this.#trapped(error, 0);
    }
    this.#check(Number(status), 0);
  }

  #argsOf(start: number, stop: number): readonly number[] {
    this.#args[0] = start;
    this.#args[1] = stop;
    return this.#args;
  }

  #trapped(error: unknown, step: number): never {
    const what = error instanceof Error ? error.message : `${error}`;
    throw new RunError("trap", `entry "${this.spec.name}": the module trapped: ${what}`, step);
  }

  #check(status: number, step: number): void {
    if (status !== 0) this.#failed(status);
    if (this.#buffer.byteLength === this.#bytes) return;
    throw new RunError("trap", `entry "${this.spec.name}": the module replaced its memory, which no plan does`, step);
  }

  #failed(status: number): never {
    const code = KINDS[status & 7] ?? "status";
    const detail = status >>> 3;
    const where = `entry "${this.spec.name}"`;
    if (code === "constraint") {
      const c = this.spec.constraints[detail];
      const what = c === undefined ? `constraint ${detail}` : `${dimText(c.left)} = ${dimText(c.right)} (${c.reason})`;
      throw new RunError(code, `${where}: sizes that must be equal differ: ${what}`);
    }
    const step = `step ${detail} of ${this.spec.steps}`;
    if (code === "index_out_of_range")
      throw new RunError(code, `${where}, ${step}: an index is outside its data`, detail);
    if (code === "bound") {
      throw new RunError(code, `${where}, ${step}: a size that depends on data left its declared range`, detail);
    }
    throw new RunError(code, `${where}: status ${status}, which this runtime does not know`);
  }

  /** The outputs: copies, or in place (and then one object for as long as the shapes stay). */
  results(isCopy: boolean): Readonly<Record<string, TensorView>> {
    for (const [slot, word] of this.#bound) {
      const value = this.#words[word] ?? -1;
      const { name, lo, hi } = this.#symbols[slot] ?? { name: "", lo: 0, hi: -1 };
      if (value < lo || value > hi) {
        throw new RunError("bound", `entry "${this.spec.name}": the run set ${name} to ${value}, outside ${lo}..${hi}`);
      }
      this.#values[slot] = value;
    }
    let isSame = this.#live !== null && !isCopy;
    for (let i = 0; i < this.outputs.length; i++) {
      const port = this.outputs[i];
      if (port === undefined) continue;
      if (!port.evaluate(this.#values)) {
        throw new RunError(
          "bound",
          `entry "${this.spec.name}": output "${port.name}" (${port.text}) has no valid shape`,
        );
      }
      isSame &&= port.shape === this.#liveShapes[i] && port.dtype !== "str";
    }
    if (isSame && this.#live !== null) return this.#live;
    const out = Object.fromEntries(
      this.outputs.map((p) => [p.name, isCopy ? p.copy(this.#strings) : p.live(this.#strings)]),
    );
    if (!isCopy) {
      this.#live = out;
      this.#liveShapes = this.outputs.map((p) => p.shape);
    }
    return out;
  }
}
