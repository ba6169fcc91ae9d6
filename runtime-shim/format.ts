// The bundle format: constants, limits and the manifest's types, as docs/bundle-format.md tells them. This is the only
// file of the shim that the compiler may import. The types repeat those of compiler/plan/plan.ts, because the shim
// imports nothing outside itself; the bundle writer's types hold the two together.

import type { DType } from "./dtype.js";

export { dimText, shapeText } from "./dims.js";
export { bytesOf, type DType, isDType, viewOf } from "./dtype.js";
export { LoadError } from "./errors.js";
export { alignBlob, endsOf, parseHeader, parseManifest } from "./manifest.js";
export { canAdd, openWidening, STORED, widen } from "./widen.js";

/** First bytes of a bundle. 0x89 and the line ends show a transfer that treated it as text. */
export const MAGIC: readonly number[] = [0x89, 0x50, 0x53, 0x4e, 0x0d, 0x0a, 0x1a, 0x0a];
export const FORMAT_VERSION = 2;
/** magic (8), version (u32), manifest bytes (u32), SHA-256 of the manifest (32). */
export const HEADER_BYTES = 48;
export const BLOB_ALIGN = 64;
/** What is widened begins and ends at multiples of this in memory. */
export const WIDENED_ALIGN = 64;
export const CHUNK_BYTES = 1 << 20;
export const PAGE_BYTES = 1 << 16;

export const LIMITS = {
  manifestBytes: 16 << 20,
  /** Nesting of arrays and objects in the manifest. */
  jsonDepth: 96,
  memoryBytes: 2 ** 32,
  moduleBytes: 256 << 20,
  blobBytes: 2 ** 32,
  modules: 16,
  blobs: 24,
  widened: 65536,
  nameLength: 1024,
  symbols: 4096,
  entries: 1024,
  ports: 4096,
  states: 65536,
  strings: 1 << 20,
  constraints: 65536,
  steps: 2 ** 24,
  rank: 32,
  dimDepth: 64,
  dimNodes: 4096,
  threads: 64,
  /** Symbols are i32 parameters. */
  symbolValue: 2 ** 31 - 1,
} as const;

/**
 * WebAssembly features that a module may need; the shim probes for each. Named as in the target_features section, and
 * relaxed-dot-u8: relaxed dot products of bytes take the second operand's as unsigned ones, with exact sums.
 */
export const FEATURES = [
  "simd128",
  "relaxed-simd",
  "relaxed-dot-u8",
  "threads",
  "bulk-memory",
  "nontrapping-fptoint",
  "sign-ext",
  "mutable-globals",
] as const;
export type Feature = (typeof FEATURES)[number];

/** Kinds in file order. `module` may repeat; all others occur at most once, `weights` exactly once. */
export const BLOB_KINDS = ["module", "weights", "plan", "source", "functional", "schedule"] as const;
export type BlobKind = (typeof BLOB_KINDS)[number];

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A dimension: a number, a symbol's name, or an operation on two of these. div and mod round down. */
export type DimJson = number | string | readonly [DimOp, DimJson, DimJson];
export const DIM_OPS = ["add", "mul", "div", "mod", "min", "max"] as const;
export type DimOp = (typeof DIM_OPS)[number];

export type Tier = "strict" | "relaxed";

export interface RegionSpec {
  readonly offset: number;
  readonly bytes: number;
}

export interface MemorySpec {
  readonly bytes: number;
  readonly weights: RegionSpec;
  readonly states: RegionSpec;
  readonly arena: RegionSpec;
}

/** How elements of a dtype are stored in a bundle: as others of a shorter one, and what is added to each. */
export interface StoredSpec {
  readonly dtype: DType;
  readonly stored: DType;
  readonly add: number;
}

/** A part of the weights' region that a runtime widens. */
export interface WidenedSpec extends RegionSpec, StoredSpec {}

export interface SymbolSpec {
  readonly name: string;
  readonly lo: number;
  readonly hi: number;
  /** Where the run leaves its i32 value; null where an input's shape gives it. */
  readonly offset: number | null;
}

export interface SourceSpec {
  readonly symbol: string;
  readonly input: number;
  readonly axis: number;
  readonly mul: number;
  readonly add: number;
}

export interface PortSpec {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly DimJson[];
  readonly offset: number;
  readonly bytes: number;
}

export interface ConstraintSpec {
  readonly left: DimJson;
  readonly right: DimJson;
  readonly reason: string;
}

export interface EntrySpec {
  readonly name: string;
  readonly export: string;
  readonly symbols: readonly string[];
  readonly sources: readonly SourceSpec[];
  readonly inputs: readonly PortSpec[];
  readonly outputs: readonly PortSpec[];
  readonly constraints: readonly ConstraintSpec[];
  /** Number of top-level steps. */
  readonly steps: number;
}

/** Bytes that a module with threads needs behind the plan's memory: `shared` once, `each` for every thread. */
export interface ThreadMemorySpec {
  readonly shared: number;
  readonly each: number;
}

export interface ModuleSpec {
  readonly tier: Tier;
  readonly features: readonly string[];
  /** Null for a module of one thread. */
  readonly threads: ThreadMemorySpec | null;
  /** Index into `blobs`. */
  readonly blob: number;
}

export interface BlobSpec {
  readonly kind: BlobKind;
  /** From the first 64-byte boundary after the manifest. */
  readonly offset: number;
  readonly bytes: number;
  /** SHA-256 of each MiB, hex; the last may be shorter. */
  readonly chunks: readonly string[];
}

export interface Manifest {
  readonly format: number;
  readonly producer: string;
  readonly target: string;
  readonly memory: MemorySpec;
  /** In order of their offsets; all other weights are stored as they are in memory. */
  readonly widened: readonly WidenedSpec[];
  readonly symbols: readonly SymbolSpec[];
  /** What the elements of str ports stand for, by place; the first is the empty string. */
  readonly strings: readonly string[];
  readonly states: readonly PortSpec[];
  readonly entries: readonly EntrySpec[];
  readonly modules: readonly ModuleSpec[];
  readonly blobs: readonly BlobSpec[];
  /** What the compiler says about its stages, for inspect, diff and replay. The shim does not read it. */
  readonly levels: { readonly [key: string]: Json };
}
