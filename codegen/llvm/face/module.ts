// What all functions of a C face are written in: the model's facts, constant data, and the module's text as it grows.

import type { Plan } from "../../../compiler/plan/plan.js";
import { type FaceSignature, type FunctionName, faceSignature, STATUSES, type StatusName } from "./abi.js";
import { type Code, define, type I64, i32, type Ptr, type Signature, type Val, type Vals } from "./code.js";
import { Data } from "./data.js";
import { LIBC } from "./libc.js";
import { type Scalar, Struct } from "./struct.js";

/** What the library knows of the bundle that it belongs to. */
export interface BundleFacts {
  /** The file's first bytes up to the manifest. */
  readonly header: Uint8Array;
  /** Plan digest, hex. */
  readonly digest: string;
  /** Bytes of the file, and of one stripped of its texts. */
  readonly whole: number;
  readonly stripped: number;
  /** Where the weights lie in it. */
  readonly weightsAt: number;
  /** SHA-256 of each MiB of the weights, hex. */
  readonly chunks: readonly string[];
}

/** Code for a level of CPUs. */
export interface FaceLevel {
  /** Names of what the CPU must have. */
  readonly features: readonly string[];
  /** Stands after the names of its functions, which are in another object of the library. */
  readonly suffix: string;
}

export interface FaceModel {
  readonly target: string;
  readonly plan: Plan;
  /** Best first. */
  readonly levels: readonly FaceLevel[];
  /** Whether the levels' code has a pool of threads. */
  readonly threads: boolean;
  readonly bundle: BundleFacts;
  /** Begins the names of all functions, before "_". */
  readonly prefix: string;
  /** Whether the weights are in the library too, in an object of their own. */
  readonly embedded: boolean;
}

export const ERROR_BYTES = 512;

/** What psn_model points at: it begins the arena, and the model's memory follows at the next multiple of 64. */
export const MODEL = new Struct({
  /** Tells the library's own models from others. */
  owner: "ptr",
  memory: "ptr",
  weights: "ptr",
  run: "ptr",
  /** Its threads, null where it has none, and what ends them. */
  pool: "ptr",
  end_pool: "ptr",
  /** The bundle's file as mapped, to unmap. */
  map: "ptr",
  map_bytes: "i64",
  /** Bytes of the arena where the library mapped it; else 0. */
  own_bytes: "i64",
  busy: "i32",
  error: ["i8", ERROR_BYTES],
});

/** Where texts of errors go. */
export interface Sink {
  readonly text: Ptr;
  readonly bytes: I64;
}

export class FaceModule {
  readonly model: FaceModel;
  readonly data = new Data();
  readonly #declarations = new Set<string>();
  readonly #functions: string[] = [];

  constructor(model: FaceModel) {
    this.model = model;
  }

  get lines(): readonly string[] {
    return [...this.data.lines, ...this.#functions, ...[...this.#declarations].sort()];
  }

  declare(line: string): void {
    this.#declarations.add(line);
  }

  /** A function of the header. */
  publish<N extends FunctionName>(
    name: N,
    write: (code: Code, ...args: Vals<FaceSignature<N>["params"]>) => void,
  ): void {
    this.#functions.push(define(faceSignature(name, this.model.prefix), "", this.#declarations, write));
  }

  /** A function for the others. `features`: what it needs of the CPU beyond the library's oldest, as LLVM names it. */
  define<R extends Scalar | "void", P extends readonly Scalar[]>(
    fn: Signature<R, P>,
    write: (code: Code, ...args: Vals<P>) => void,
    features?: string,
  ): void {
    this.#functions.push(define(fn, "internal", this.#declarations, write, features));
  }

  /** Writes a text as snprintf does and returns the status. */
  fail(code: Code, { text, bytes }: Sink, status: StatusName, format: string, ...args: readonly Val[]): void {
    code.callOutside(LIBC.snprintf, [text, bytes, this.data.text(format)], args);
    code.return(statusValue(status));
  }
}

export function statusValue(name: StatusName): Val<"i32"> {
  return i32(STATUSES[name][0]);
}

/** A model's own text of its last error. */
export function sinkOf(code: Code, model: Ptr): Sink {
  return { text: code.place(model, MODEL, "error"), bytes: { type: "i64", text: String(ERROR_BYTES) } };
}
