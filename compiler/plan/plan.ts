// The plan: everything that will run, as plain data. Kernels in order with their control flow, the byte offset of every
// buffer, state, entry points. It is written to the bundle as canonical JSON, hashed there, and it is what code
// generation reads: nothing is planned and then ignored. Dimensions are in the portable form of `DimJson`.

import type { DType } from "../ir/dtype.js";

/** A dimension as JSON: a number, a symbol's name, or an operation on two of these. div and mod round down. */
export type DimJson = number | string | readonly ["add" | "mul" | "div" | "mod" | "min" | "max", DimJson, DimJson];

export type Tier = "strict" | "relaxed";

/** What a module of the bundle is: all modules run the same steps on the same memory. */
export interface Variant {
  readonly tier: Tier;
  /** Whether kernels run in parts, on the threads of a pool. */
  readonly threads: boolean;
}

/** "strict", "relaxed threads" */
export function variantName({ tier, threads }: Variant): string {
  return threads ? `${tier} threads` : tier;
}

/** A symbol of the signature (set by the caller's shapes) or of the run (bound by a step). */
export interface SymbolPlan {
  readonly name: string;
  readonly lo: number;
  readonly hi: number;
  /** Byte offset of the i32 that holds its value after a run; null where an input's shape gives it. */
  readonly offset: number | null;
}

/** How an input's shape gives a symbol: value = (size of `axis` - add) / mul, which must be whole and in range. */
export interface SymbolSource {
  readonly symbol: string;
  readonly input: number;
  readonly axis: number;
  readonly mul: number;
  readonly add: number;
}

/** A named input or output: elements in row-major order at `offset`, little-endian. */
export interface Port {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly DimJson[];
  readonly offset: number;
  /** Bytes at the largest shape. */
  readonly bytes: number;
}

export interface StatePlan {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly DimJson[];
  readonly offset: number;
  readonly bytes: number;
}

/** Bytes of the weights region: one constant in the layout that its kernels read. */
export interface ConstantPlan {
  /** What steps call it: from the digest of its elements. */
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
  readonly dtype: DType;
  /** The dtype whose elements the bundle holds: `dtype`, or a shorter one that a runtime widens. */
  readonly stored: DType;
  /** What a runtime adds to every stored element. */
  readonly add: number;
  readonly shape: readonly number[];
  /** "plain", or the packing with its parameters. */
  readonly layout: string;
  /** SHA-256 of the packed bytes, hex. */
  readonly digest: string;
}

export interface BufferPlan {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly DimJson[];
  readonly offset: number;
  readonly bytes: number;
  /** First and last step (index in the entry's flattened order) at which its bytes matter. */
  readonly live: readonly [number, number];
}

export type StepPlan =
  | {
      readonly kind: "call";
      readonly name: string;
      /** Index into `Plan.kernels`. */
      readonly kernel: number;
      /** Its arguments: byte offsets of buffers, then sizes. */
      readonly args: readonly number[];
      readonly reads: readonly string[];
      /** Names of the buffers it writes. */
      readonly writes: readonly string[];
      /** Symbols that it gives a value. */
      readonly binds: readonly string[];
      /** Model nodes that it computes. */
      readonly origin: string;
      /** How much there is to do (schedule/work.ts), where it can be divided among threads; else null. */
      readonly work: DimJson | null;
    }
  | {
      readonly kind: "bind";
      readonly symbol: string;
      readonly value: { readonly size: DimJson } | { readonly buffer: string; readonly index: number };
    }
  /** Copies `bytes` from one buffer to another, to row `row` (a symbol) of it where given. */
  | {
      readonly kind: "copy";
      readonly from: string;
      readonly to: string;
      readonly bytes: DimJson;
      readonly row: string | null;
    }
  | {
      readonly kind: "if";
      readonly condition: string;
      readonly yes: readonly StepPlan[];
      readonly no: readonly StepPlan[];
    }
  | {
      readonly kind: "loop";
      /** Scalar buffers: i64 trip count, bool first condition, bool condition after each iteration. */
      readonly trips: string;
      readonly condition: string;
      readonly next: string;
      /** Symbol that counts the iterations; it is below `bound`. */
      readonly iteration: string;
      readonly bound: number | null;
      /** Symbol that is the number of iterations run, or null. */
      readonly count: string | null;
      readonly body: readonly StepPlan[];
    };

export interface ConstraintPlan {
  readonly left: DimJson;
  readonly right: DimJson;
  readonly reason: string;
}

export interface EntryPlan {
  readonly name: string;
  /** Export of the module: (start, stop, ...input symbols: i32) -> i32 status. Runs top-level steps start..stop-1. */
  readonly export: string;
  /** Order of the symbol parameters. */
  readonly symbols: readonly string[];
  readonly sources: readonly SymbolSource[];
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly constraints: readonly ConstraintPlan[];
  readonly steps: readonly StepPlan[];
  readonly buffers: readonly BufferPlan[];
}

/** A function of the module. Steps that differ only in sizes and offsets share one. */
export interface KernelPlan {
  readonly name: string;
  /** map, reduce, rows, matmul, conv, ... */
  readonly template: string;
  /** SHA-256 of its code in text form, of all variants, hex. */
  readonly digest: string;
  /** Schedule choices (tile, lanes, ...), by name. */
  readonly choices: Readonly<Record<string, number | string>>;
}

export interface MemoryPlan {
  /** Total bytes, a multiple of 64 KiB. */
  readonly bytes: number;
  readonly weights: { readonly offset: number; readonly bytes: number };
  readonly states: { readonly offset: number; readonly bytes: number };
  readonly arena: { readonly offset: number; readonly bytes: number };
}

export interface Plan {
  readonly target: string;
  /** The modules, best first. */
  readonly variants: readonly Variant[];
  readonly symbols: readonly SymbolPlan[];
  readonly memory: MemoryPlan;
  readonly constants: readonly ConstantPlan[];
  readonly states: readonly StatePlan[];
  readonly kernels: readonly KernelPlan[];
  readonly entries: readonly EntryPlan[];
  /** What str elements name by number, where a port has such elements; the first is the empty string. */
  readonly strings: readonly string[];
}

/**
 * Status of an entry's export: 0 is success; otherwise detail * 8 + one of these kinds. `detail` is the index of a step
 * (top level), or of a constraint for `constraint`.
 */
export const STATUS = {
  /** gather, take or scatter met an index outside its data; detail: top-level step. */
  indexOutOfRange: 1,
  /** Two dimensions that must be equal differ; detail: constraint. */
  constraint: 2,
  /** A size that depends on data left its declared range; detail: top-level step. */
  bound: 3,
} as const;
