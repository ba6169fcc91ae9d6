// A library's C face as another language calls it: through koffi, with structs laid out by hand as the header says.
// Inputs are written to where the model has them; outputs are read where they lie.

import { createRequire } from "node:module";
import { viewOf } from "../../runtime-shim/dtype.js";
import { bytesOf, type DType, isDType } from "../../runtime-shim/format.js";
import type { Value, Values } from "./oracle.js";

const koffi: typeof import("koffi") = createRequire(import.meta.url)("koffi");

const RANKS = 32;
const ERROR_BYTES = 512;
/** Where fields of psn_port and psn_tensor lie: both end with dtype, rank and dims. */
const [DTYPE, RANK, DIMS, STRUCT_BYTES] = [24, 28, 32, 32 + 8 * RANKS];

export interface CStatus {
  readonly status: number;
  readonly text: string;
}

export interface CPort {
  readonly name: string;
  readonly shape: string;
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly bytes: number;
}

export interface COptions {
  readonly size?: number;
  /** An arena of so many bytes, so far behind a multiple of 64. */
  readonly arena?: { readonly bytes: number; readonly off: number };
  readonly threads?: number;
  readonly trust?: boolean;
}

type Handle = bigint;

/** The library at a path. */
export class CLibrary {
  readonly #library: ReturnType<typeof koffi.load>;
  readonly #prefix: string;

  constructor(path: string, prefix = "psn") {
    this.#library = koffi.load(path);
    this.#prefix = prefix;
  }

  call(result: string, name: string, params: string, ...args: readonly unknown[]): unknown {
    return this.#library.func(`${result} ${this.#prefix}_${name}(${params})`)(...args);
  }

  count(kind: "input" | "output" | "state" | "symbol" | "string"): number {
    return Number(this.call("size_t", `${kind}_count`, "void"));
  }

  ports(kind: "input" | "output" | "state"): readonly CPort[] {
    return Array.from({ length: this.count(kind) }, (_, i) => {
      const port = Buffer.alloc(STRUCT_BYTES);
      const status = this.call("int", kind, "size_t index, void *port", i, port);
      if (status !== 0) throw new Error(`${kind} ${i}: status ${String(status)}`);
      const text = (at: number): string => String(koffi.decode(port.readBigUInt64LE(at), "char", -1));
      const { dtype, dims } = this.#type(port);
      return { name: text(0), shape: text(8), bytes: Number(port.readBigUInt64LE(16)), dtype, dims };
    });
  }

  /** What the model knows, by place. */
  strings(): readonly string[] {
    return Array.from({ length: this.count("string") }, (_, place) =>
      String(this.call("const char *", "string", "size_t place", place)),
    );
  }

  #type(struct: Buffer): { readonly dtype: DType; readonly dims: readonly number[] } {
    const name = this.call("const char *", "dtype_name", "uint32_t dtype", struct.readUInt32LE(DTYPE));
    if (typeof name !== "string" || !isDType(name)) throw new Error(`dtype ${String(name)}`);
    const dims = Array.from({ length: struct.readUInt32LE(RANK) }, (_, i) =>
      Number(struct.readBigInt64LE(DIMS + 8 * i)),
    );
    return { dtype: name, dims };
  }

  /** A model, or why there is none. `source`: a bundle's path or its bytes, null for weights inside the library. */
  load(source: string | Uint8Array | null, options: COptions | null = null): CModel | CStatus {
    const model: [Handle | null] = [null];
    const error = Buffer.alloc(ERROR_BYTES, 0xff);
    const { block, keep } = optionsBlock(options);
    const rest = "const void *options, _Out_ void **model, void *error, size_t bytes";
    const status =
      source === null || typeof source === "string"
        ? this.call("int", "load", `const char *bundle, ${rest}`, source, block, model, error, ERROR_BYTES)
        : this.call(
            "int",
            "load_memory",
            `const void *bundle, size_t size, ${rest}`,
            source,
            source.length,
            block,
            model,
            error,
            ERROR_BYTES,
          );
    const [handle] = model;
    if (status === 0 && handle !== null) return new CModel(this, handle, [keep, source]);
    if (handle !== null) throw new Error("a model was left where loading failed");
    return { status: Number(status), text: error.toString("utf8", 0, error.indexOf(0)) };
  }

  /** For CModel: psn_run or psn_output_shapes on tensors of these values. */
  invoke(handle: Handle, name: "run" | "output_shapes", inputs: Values): readonly Value[] | CStatus {
    const ports = this.ports("input");
    const given = Buffer.alloc(STRUCT_BYTES * Math.max(1, ports.length));
    for (const [i, { name: input }] of ports.entries()) {
      const value = inputs[input];
      if (value === undefined || !ArrayBuffer.isView(value.data)) continue;
      const { dtype, shape, data } = value;
      const place = this.call("void *", "input_data", "void *model, size_t index", handle, i);
      if (typeof place !== "bigint") throw new Error(`no place of input ${i}`);
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      const room = Math.min(bytes.length, ports[i]?.bytes ?? 0);
      new Uint8Array(koffi.view(place, room)).set(bytes.subarray(0, room));
      const at = STRUCT_BYTES * i;
      given.writeBigUInt64LE(place, at);
      given.writeBigUInt64LE(BigInt(bytes.length), at + 8);
      given.writeUInt32LE(this.numberOf(dtype), at + DTYPE);
      given.writeUInt32LE(shape.length, at + RANK);
      for (const [axis, size] of shape.entries()) given.writeBigInt64LE(BigInt(size), at + DIMS + 8 * axis);
    }
    const count = this.count("output");
    const taken = Buffer.alloc(STRUCT_BYTES * Math.max(1, count));
    const params = "void *model, const void *inputs, size_t n, void *outputs, size_t m";
    const status = Number(this.call("int", name, params, handle, given, ports.length, taken, count));
    if (status !== 0) return { status, text: this.error(handle) };
    return Array.from({ length: count }, (_, i) => {
      const struct = taken.subarray(STRUCT_BYTES * i, STRUCT_BYTES * (i + 1));
      const { dtype, dims } = this.#type(struct);
      const address = struct.readBigUInt64LE(0);
      const bytes = Number(struct.readBigUInt64LE(8));
      const data = name === "run" && bytes > 0 ? koffi.view(address, bytes).slice(0) : new ArrayBuffer(0);
      return { dtype, shape: dims, data: viewOf(dtype, data, 0, data.byteLength / bytesOf(dtype)) };
    });
  }

  error(handle: Handle): string {
    return String(this.call("const char *", "error", "const void *model", handle));
  }

  numberOf(dtype: DType): number {
    for (let n = 1; n < 64; n++) if (this.call("const char *", "dtype_name", "uint32_t dtype", n) === dtype) return n;
    return 0;
  }
}

function optionsBlock(options: COptions | null): { readonly block: Buffer | null; readonly keep: unknown } {
  if (options === null) return { block: null, keep: null };
  const { size = 32, arena, threads = 0, trust = false } = options;
  const block = Buffer.alloc(32);
  block.writeBigUInt64LE(BigInt(size));
  block.writeUInt32LE(threads, 24);
  block.writeUInt32LE(trust ? 1 : 0, 28);
  if (arena === undefined) return { block, keep: null };
  const memory = koffi.alloc("uint8_t", arena.bytes + 128);
  const start = BigInt(koffi.address(memory));
  block.writeBigUInt64LE(((start + 63n) / 64n) * 64n + BigInt(arena.off), 8);
  block.writeBigUInt64LE(BigInt(arena.bytes), 16);
  return { block, keep: memory };
}

export class CModel {
  readonly library: CLibrary;
  readonly handle: Handle;
  /** What the model refers to. */
  readonly keep: unknown;

  constructor(library: CLibrary, handle: Handle, keep: unknown) {
    this.library = library;
    this.handle = handle;
    this.keep = keep;
  }

  /** Outputs by name, or why there are none. */
  run(inputs: Values): Values | CStatus {
    const found = this.library.invoke(this.handle, "run", inputs);
    if (!Array.isArray(found)) return found as CStatus;
    const values = found as readonly Value[];
    return Object.fromEntries(this.library.ports("output").map((p, i) => [p.name, values[i] as Value]));
  }

  /** Shapes of the outputs; -1 for a size that depends on data. */
  shapes(inputs: Values): readonly (readonly number[])[] | CStatus {
    const found = this.library.invoke(this.handle, "output_shapes", inputs);
    return Array.isArray(found) ? (found as readonly Value[]).map((v) => v.shape) : (found as CStatus);
  }

  /** A state's bytes, in place. */
  state(index: number): Uint8Array {
    const at = this.library.call("void *", "state_data", "void *model, size_t index", this.handle, index);
    if (typeof at !== "bigint") throw new Error(`no state ${index}`);
    return new Uint8Array(koffi.view(at, this.library.ports("state")[index]?.bytes ?? 0));
  }

  reset(): number {
    return Number(this.library.call("int", "reset", "void *model", this.handle));
  }

  free(): void {
    this.library.call("void", "free", "void *model", this.handle);
  }
}

export function isStatus(x: Values | CModel | CStatus | readonly unknown[]): x is CStatus {
  return "status" in x && "text" in x;
}
