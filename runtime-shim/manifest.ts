// In: the bytes of a bundle's header and manifest, which are not trusted. Out: a Manifest in which every field has the
// right type and every relation between fields that docs/bundle-format.md asks for holds: ranges inside memory,
// alignment, disjoint regions, known dtypes, symbols with a source, blobs in order. The manifest's digest is the
// caller's to check, before parseManifest.

import { type DType, isDType } from "./dtype.js";
import { LoadError, show } from "./errors.js";
import {
  BLOB_ALIGN,
  BLOB_KINDS,
  type BlobSpec,
  CHUNK_BYTES,
  DIM_OPS,
  type DimJson,
  type EntrySpec,
  FORMAT_VERSION,
  HEADER_BYTES,
  type Json,
  LIMITS,
  MAGIC,
  type Manifest,
  type MemorySpec,
  PAGE_BYTES,
  type PortSpec,
  type RegionSpec,
  type ThreadMemorySpec,
  WIDENED_ALIGN,
  type WidenedSpec,
} from "./format.js";
import { canonicalText, int, list, malformed, name, object, oneOf, over, text, unique } from "./json.js";
import { checkRelations } from "./relations.js";
import { canAdd, STORED } from "./widen.js";

export interface Header {
  readonly manifestBytes: number;
  /** SHA-256 that the manifest must have, hex: the plan digest. */
  readonly digest: string;
}

export function toHex(bytes: Uint8Array): string {
  let hex = "";
  for (const byte of bytes) hex += byte.toString(16).padStart(2, "0");
  return hex;
}

/** Reads the first HEADER_BYTES of a bundle. */
export function parseHeader(bytes: Uint8Array): Header {
  if (bytes.length < HEADER_BYTES) malformed("header", `${bytes.length} bytes`, `${HEADER_BYTES}`);
  if (MAGIC.some((byte, i) => bytes[i] !== byte)) malformed("header", "another magic number", "a psionic bundle");
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  const version = view.getUint32(8, true);
  if (version !== FORMAT_VERSION) {
    const hint = version > FORMAT_VERSION ? "use a newer psionic/runtime" : "compile the model again";
    throw new LoadError(
      "serialization_incompatibility",
      "header",
      `format ${version}`,
      `format ${FORMAT_VERSION}`,
      hint,
    );
  }
  const manifestBytes = view.getUint32(12, true);
  if (manifestBytes > LIMITS.manifestBytes)
    over("header", `a manifest of ${manifestBytes} bytes`, LIMITS.manifestBytes);
  return { manifestBytes, digest: toHex(bytes.subarray(16, HEADER_BYTES)) };
}

/** Next multiple of the blobs' alignment. */
export function alignBlob(bytes: number): number {
  return Math.ceil(bytes / BLOB_ALIGN) * BLOB_ALIGN;
}

/** Where a bundle whose manifest ends at `start` ends: whole, and stripped of the texts, which follow the weights. */
export function endsOf(
  { blobs, modules }: Manifest,
  start: number,
): { readonly whole: number; readonly stripped: number } {
  const end = (blob: BlobSpec | undefined): number =>
    blob === undefined ? start : alignBlob(start) + blob.offset + blob.bytes;
  return { whole: end(blobs.at(-1)), stripped: end(blobs[modules.length]) };
}

export function parseManifest(bytes: Uint8Array): Manifest {
  let source: string;
  let parsed: Json;
  try {
    source = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    parsed = JSON.parse(source);
  } catch {
    malformed("manifest", "text that is not JSON in UTF-8", "canonical JSON (RFC 8785)");
  }
  if (canonicalText(parsed) !== source) malformed("manifest", "JSON in another form", "canonical JSON (RFC 8785)");
  const manifest = readManifest(parsed);
  checkRelations(manifest);
  return manifest;
}

function readManifest(value: unknown): Manifest {
  const at = "manifest";
  const m = object(value, at, [
    "format",
    "producer",
    "target",
    "memory",
    "widened",
    "symbols",
    "strings",
    "states",
    "entries",
    "modules",
    "blobs",
    "levels",
  ]);
  return {
    format: int(m.format, `${at}.format`, FORMAT_VERSION, FORMAT_VERSION),
    producer: text(m.producer, `${at}.producer`),
    target: text(m.target, `${at}.target`),
    memory: readMemory(m.memory, `${at}.memory`),
    widened: list(m.widened, `${at}.widened`, LIMITS.widened, readWidened),
    symbols: list(m.symbols, `${at}.symbols`, LIMITS.symbols, (item, where) => {
      const s = object(item, where, ["name", "lo", "hi", "offset"]);
      const lo = int(s.lo, `${where}.lo`, 0, LIMITS.symbolValue);
      return {
        name: name(s.name, `${where}.name`),
        lo,
        hi: int(s.hi, `${where}.hi`, lo, LIMITS.symbolValue),
        offset: s.offset === null ? null : int(s.offset, `${where}.offset`, 0, LIMITS.memoryBytes),
      };
    }),
    strings: list(m.strings, `${at}.strings`, LIMITS.strings, (s, where) => text(s, where, LIMITS.manifestBytes)),
    states: list(m.states, `${at}.states`, LIMITS.states, readPort),
    entries: list(m.entries, `${at}.entries`, LIMITS.entries, readEntry),
    modules: list(m.modules, `${at}.modules`, LIMITS.modules, (item, where) => {
      const v = object(item, where, ["tier", "features", "threads", "blob"]);
      return {
        tier: oneOf(v.tier, `${where}.tier`, ["strict", "relaxed"]),
        threads: v.threads === null ? null : readThreads(v.threads, `${where}.threads`),
        features: list(v.features, `${where}.features`, 64, name),
        blob: int(v.blob, `${where}.blob`, 0, LIMITS.blobs),
      };
    }),
    blobs: list(m.blobs, `${at}.blobs`, LIMITS.blobs, readBlob),
    levels: readLevels(m.levels, `${at}.levels`),
  };
}

function readLevels(value: unknown, where: string): { readonly [key: string]: Json } {
  if (typeof value !== "object" || value === null || Array.isArray(value)) malformed(where, show(value), "an object");
  return value as { readonly [key: string]: Json };
}

function readRegion(value: unknown, where: string): RegionSpec {
  const r = object(value, where, ["offset", "bytes"]);
  return {
    offset: int(r.offset, `${where}.offset`, 0, LIMITS.memoryBytes),
    bytes: int(r.bytes, `${where}.bytes`, 0, LIMITS.memoryBytes),
  };
}

function readMemory(value: unknown, where: string): MemorySpec {
  const m = object(value, where, ["bytes", "weights", "states", "arena"]);
  const bytes = int(m.bytes, `${where}.bytes`, 0, Number.MAX_SAFE_INTEGER);
  if (bytes > LIMITS.memoryBytes) over(`${where}.bytes`, `${bytes}`, LIMITS.memoryBytes);
  if (bytes % PAGE_BYTES !== 0) malformed(`${where}.bytes`, `${bytes}`, `a multiple of ${PAGE_BYTES}`);
  return {
    bytes,
    weights: readRegion(m.weights, `${where}.weights`),
    states: readRegion(m.states, `${where}.states`),
    arena: readRegion(m.arena, `${where}.arena`),
  };
}

function readThreads(value: unknown, where: string): ThreadMemorySpec {
  const t = object(value, where, ["shared", "each"]);
  return {
    shared: int(t.shared, `${where}.shared`, 0, LIMITS.memoryBytes),
    each: int(t.each, `${where}.each`, 0, LIMITS.memoryBytes),
  };
}

function readDim(value: unknown, where: string): DimJson {
  let nodes = 0;
  const read = (dim: unknown, depth: number): DimJson => {
    if (++nodes > LIMITS.dimNodes) over(where, "a longer expression", LIMITS.dimNodes);
    if (depth > LIMITS.dimDepth) over(where, "a deeper expression", LIMITS.dimDepth);
    if (typeof dim === "number") return int(dim, where, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    if (typeof dim === "string") return name(dim, where);
    if (!Array.isArray(dim) || dim.length !== 3) malformed(where, show(dim), "a number, a name or [op, dim, dim]");
    return [oneOf(dim[0], where, DIM_OPS), read(dim[1], depth + 1), read(dim[2], depth + 1)];
  };
  return read(value, 0);
}

function readDType(value: unknown, where: string): DType {
  const dtype = text(value, where);
  if (isDType(dtype)) return dtype;
  const want = "a numeric or bool dtype";
  throw new LoadError("unsupported_dtype", where, show(dtype), want, "use a newer psionic/runtime");
}

function readWidened(value: unknown, where: string): WidenedSpec {
  const w = object(value, where, ["offset", "bytes", "dtype", "stored", "add"]);
  const dtype = readDType(w.dtype, `${where}.dtype`);
  const stored = readDType(w.stored, `${where}.stored`);
  const known = STORED[dtype] ?? [];
  if (!known.includes(stored)) {
    const want = `one of ${known.join(", ") || "none"} for ${dtype}`;
    throw new LoadError("unsupported_dtype", `${where}.stored`, show(stored), want, "use a newer psionic/runtime");
  }
  return {
    offset: int(w.offset, `${where}.offset`, 0, LIMITS.memoryBytes),
    bytes: int(w.bytes, `${where}.bytes`, WIDENED_ALIGN, LIMITS.memoryBytes),
    dtype,
    stored,
    add: canAdd(dtype) ? int(w.add, `${where}.add`, -(2 ** 31), 2 ** 32) : int(w.add, `${where}.add`, 0, 0),
  };
}

function readPort(value: unknown, where: string): PortSpec {
  const p = object(value, where, ["name", "dtype", "shape", "offset", "bytes"]);
  return {
    name: name(p.name, `${where}.name`),
    dtype: readDType(p.dtype, `${where}.dtype`),
    shape: list(p.shape, `${where}.shape`, LIMITS.rank, readDim),
    offset: int(p.offset, `${where}.offset`, 0, LIMITS.memoryBytes),
    bytes: int(p.bytes, `${where}.bytes`, 0, LIMITS.memoryBytes),
  };
}

function readEntry(value: unknown, where: string): EntrySpec {
  const e = object(value, where, ["name", "export", "symbols", "sources", "inputs", "outputs", "constraints", "steps"]);
  const names = (key: "inputs" | "outputs"): PortSpec[] => {
    const ports = list(e[key], `${where}.${key}`, LIMITS.ports, readPort);
    unique(
      ports.map((p) => p.name),
      `${where}.${key}`,
    );
    return ports;
  };
  return {
    name: name(e.name, `${where}.name`),
    export: name(e.export, `${where}.export`),
    symbols: list(e.symbols, `${where}.symbols`, LIMITS.symbols, name),
    sources: list(e.sources, `${where}.sources`, LIMITS.ports * LIMITS.rank, (item, at) => {
      const s = object(item, at, ["symbol", "input", "axis", "mul", "add"]);
      return {
        symbol: name(s.symbol, `${at}.symbol`),
        input: int(s.input, `${at}.input`, 0, LIMITS.ports),
        axis: int(s.axis, `${at}.axis`, 0, LIMITS.rank),
        mul: int(s.mul, `${at}.mul`, 1, LIMITS.symbolValue),
        add: int(s.add, `${at}.add`, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
      };
    }),
    inputs: names("inputs"),
    outputs: names("outputs"),
    constraints: list(e.constraints, `${where}.constraints`, LIMITS.constraints, (item, at) => {
      const c = object(item, at, ["left", "right", "reason"]);
      return {
        left: readDim(c.left, `${at}.left`),
        right: readDim(c.right, `${at}.right`),
        reason: text(c.reason, `${at}.reason`, 1 << 16),
      };
    }),
    steps: int(e.steps, `${where}.steps`, 0, LIMITS.steps),
  };
}

function readBlob(value: unknown, where: string): BlobSpec {
  const b = object(value, where, ["kind", "offset", "bytes", "chunks"]);
  const bytes = int(b.bytes, `${where}.bytes`, 0, Number.MAX_SAFE_INTEGER);
  if (bytes > LIMITS.blobBytes) over(`${where}.bytes`, `${bytes}`, LIMITS.blobBytes);
  const chunks = list(b.chunks, `${where}.chunks`, Math.ceil(LIMITS.blobBytes / CHUNK_BYTES), (item, at) => {
    const hex = text(item, at);
    if (!/^[0-9a-f]{64}$/.test(hex)) malformed(at, show(hex), "64 lower-case hex digits");
    return hex;
  });
  if (chunks.length !== Math.ceil(bytes / CHUNK_BYTES)) {
    malformed(`${where}.chunks`, `${chunks.length} digests`, `one for each MiB of ${bytes} bytes`);
  }
  return {
    kind: oneOf(b.kind, `${where}.kind`, BLOB_KINDS),
    offset: int(b.offset, `${where}.offset`, 0, Number.MAX_SAFE_INTEGER),
    bytes,
    chunks,
  };
}
