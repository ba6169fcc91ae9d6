// In: a plan, the module variants that run it, the weights' bytes as the plan stores them, the digests of the stages,
// and the stages' texts. Out: the bundle's bytes, which depend on nothing else: same input, same bytes. The shim's own
// manifest reader judges the result before it is handed out. The format is told in docs/bundle-format.md.

import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import { Bug, refuse } from "../../compiler/ir/errors.js";
import type { Plan, Port, StatePlan, Variant } from "../../compiler/plan/plan.js";
import {
  alignBlob,
  type BlobKind,
  type BlobSpec,
  CHUNK_BYTES,
  type EntrySpec,
  FORMAT_VERSION,
  HEADER_BYTES,
  isDType,
  LIMITS,
  LoadError,
  MAGIC,
  type Manifest,
  type PortSpec,
  parseManifest,
  type ThreadMemorySpec,
} from "../../runtime-shim/format.js";
import type { Levels } from "./levels.js";
import { widenedOf } from "./store.js";

export interface ModuleVariant {
  readonly variant: Variant;
  /** WebAssembly features it needs beyond the first version of the standard, named as in the shim's FEATURES. */
  readonly features: readonly string[];
  /** Memory that it needs behind the plan's for a pool of threads; null for one thread. */
  readonly threads: ThreadMemorySpec | null;
  readonly wasm: Uint8Array;
}

/** Text forms of the stages, for inspect, diff and replay. */
export interface BundleTexts {
  readonly source?: string;
  readonly functional?: string;
  readonly schedule?: string;
}

export interface BundleParts {
  readonly plan: Plan;
  /** Best first: the shim takes the first whose features the engine has. */
  readonly modules: readonly ModuleVariant[];
  /** As the plan stores them: what storeWeights() gives. */
  readonly weights: Uint8Array;
  readonly levels: Levels;
  readonly texts: BundleTexts;
  /** "psionic 1.2.3" */
  readonly producer: string;
}

export function sha256Hex(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** RFC 8785 text. */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new Bug("bundle", "a value has no JSON form");
  return text;
}

function portOf(where: string, port: Port | StatePlan): PortSpec {
  const { name, dtype, shape, offset, bytes } = port;
  if (!isDType(dtype)) {
    refuse({
      code: "unsupported_dtype",
      scope: "bundle",
      subject: dtype,
      detail: `${where} "${name}" has dtype ${dtype}, which the runtime cannot pass in or out`,
      at: where,
      hint: "convert to a numeric or bool dtype inside the model",
    });
  }
  if (dtype === "str" && where === "state") {
    refuse({
      code: "unsupported_dtype",
      scope: "bundle",
      subject: dtype,
      detail: `state "${name}" holds strings, which a run numbers for itself`,
      at: where,
      hint: "keep the numbers that strings are mapped to",
    });
  }
  if (name === "" || name === "__proto__") {
    refuse({
      code: "malformed_input",
      scope: "bundle",
      subject: name,
      detail: `callers would know it as ${JSON.stringify(name)}, which no property can be named`,
      at: where,
      hint: "give it another name",
    });
  }
  return { name, dtype, shape, offset, bytes };
}

function entriesOf(plan: Plan): readonly EntrySpec[] {
  return plan.entries.map((e) => ({
    name: e.name,
    export: e.export,
    symbols: e.symbols,
    sources: e.sources.map(({ symbol, input, axis, mul, add }) => ({ symbol, input, axis, mul, add })),
    inputs: e.inputs.map((p) => portOf(`entry "${e.name}", input`, p)),
    outputs: e.outputs.map((p) => portOf(`entry "${e.name}", output`, p)),
    constraints: e.constraints.map(({ left, right, reason }) => ({ left, right, reason })),
    steps: e.steps.length,
  }));
}

interface Blob {
  readonly kind: BlobKind;
  readonly bytes: Uint8Array;
}

function blobsOf(parts: BundleParts): readonly Blob[] {
  const utf8 = new TextEncoder();
  const texts: readonly (readonly [BlobKind, string | undefined])[] = [
    ["plan", canonicalJson(parts.plan)],
    ["source", parts.texts.source],
    ["functional", parts.texts.functional],
    ["schedule", parts.texts.schedule],
  ];
  return [
    ...parts.modules.map((m): Blob => ({ kind: "module", bytes: m.wasm })),
    { kind: "weights", bytes: parts.weights },
    ...texts.flatMap(([kind, text]): Blob[] => (text === undefined ? [] : [{ kind, bytes: utf8.encode(text) }])),
  ];
}

function blobSpecs(blobs: readonly Blob[]): readonly BlobSpec[] {
  let end = 0;
  return blobs.map(({ kind, bytes }) => {
    const offset = alignBlob(end);
    end = offset + bytes.length;
    const chunks: string[] = [];
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) chunks.push(sha256Hex(bytes.subarray(at, at + CHUNK_BYTES)));
    return { kind, offset, bytes: bytes.length, chunks };
  });
}

/** The bundle's bytes. Throws Refused where the model is beyond the format's limits or has ports it cannot pass. */
export function writeBundle(parts: BundleParts): Uint8Array<ArrayBuffer> {
  const { plan } = parts;
  const blobs = blobsOf(parts);
  const manifest: Manifest = {
    format: FORMAT_VERSION,
    producer: parts.producer,
    target: plan.target,
    memory: plan.memory,
    widened: widenedOf(plan),
    symbols: plan.symbols.map(({ name, lo, hi, offset }) => ({ name, lo, hi, offset })),
    strings: plan.strings,
    states: plan.states.map((s) => portOf("state", s)),
    entries: entriesOf(plan),
    modules: parts.modules.map(({ variant, features, threads }, blob) => ({
      tier: variant.tier,
      features,
      threads,
      blob,
    })),
    blobs: blobSpecs(blobs),
    levels: parts.levels,
  };
  const text = new TextEncoder().encode(canonicalJson(manifest));
  check(text);
  const start = alignBlob(HEADER_BYTES + text.length);
  const last = manifest.blobs.at(-1);
  const out = new Uint8Array(last === undefined ? start : start + last.offset + last.bytes);
  out.set(MAGIC);
  const header = new DataView(out.buffer);
  header.setUint32(8, FORMAT_VERSION, true);
  header.setUint32(12, text.length, true);
  out.set(createHash("sha256").update(text).digest(), 16);
  out.set(text, HEADER_BYTES);
  for (const [i, blob] of blobs.entries()) out.set(blob.bytes, start + (manifest.blobs[i]?.offset ?? 0));
  return out;
}

/** The shim reads the manifest back: what it would refuse is refused here, by the compiler. */
function check(text: Uint8Array): void {
  const limit = (detail: string): never =>
    refuse({
      code: "resource_limit",
      scope: "bundle",
      subject: "manifest",
      detail,
      at: "bundle",
      hint: "split the model, or give it fewer entries",
    });
  if (text.length > LIMITS.manifestBytes) limit(`a manifest of ${text.length} bytes; at most ${LIMITS.manifestBytes}`);
  try {
    parseManifest(text);
  } catch (error) {
    if (!(error instanceof LoadError)) throw error;
    if (error.code === "resource_limit") limit(error.message);
    throw new Bug("bundle", `the runtime would refuse the manifest: ${error.message}`, new TextDecoder().decode(text));
  }
}
