// In: a bundle's bytes. Out: its manifest and blobs, with every digest recomputed, for tools (inspect, diff, replay).
// The same checks as the shim's load(), without running anything; what fails is the shim's LoadError.

import {
  alignBlob,
  type BlobKind,
  CHUNK_BYTES,
  endsOf,
  HEADER_BYTES,
  LoadError,
  type Manifest,
  openWidening,
  parseHeader,
  parseManifest,
} from "../../runtime-shim/format.js";
import { sha256Hex } from "./write.js";

export interface Bundle {
  readonly manifest: Manifest;
  /** SHA-256 of the manifest, hex: the plan digest. */
  readonly digest: string;
  /** Its texts, the plan among them, were left out. */
  readonly isStripped: boolean;
  /** The bytes of the index-th blob of this kind (only modules have more than one), or null. A view, not a copy. */
  blob(kind: BlobKind, index?: number): Uint8Array | null;
  /** The weights as memory holds them: a view where they are stored so, else a copy. */
  weights(): Uint8Array;
  /** The text of a text blob, or null where the bundle has none. */
  text(kind: "plan" | "source" | "functional" | "schedule"): string | null;
}

function checkDigest(bytes: Uint8Array, want: string, where: string): void {
  const have = sha256Hex(bytes);
  if (have !== want) throw new LoadError("digest_mismatch", where, have, want);
}

/** Opens and verifies all of a bundle. Throws LoadError. */
export function openBundle(bytes: Uint8Array): Bundle {
  const { manifestBytes, digest } = parseHeader(bytes.subarray(0, HEADER_BYTES));
  const manifestEnd = HEADER_BYTES + manifestBytes;
  if (bytes.length < manifestEnd) {
    throw new LoadError("malformed_input", "manifest", `${bytes.length - HEADER_BYTES} bytes`, `${manifestBytes}`);
  }
  const text = bytes.subarray(HEADER_BYTES, manifestEnd);
  checkDigest(text, digest, "manifest");
  const manifest = parseManifest(text);
  const start = alignBlob(manifestEnd);
  const { whole, stripped } = endsOf(manifest, manifestEnd);
  if (bytes.length !== whole && bytes.length !== stripped)
    throw new LoadError("malformed_input", "bundle", `${bytes.length} bytes`, `${whole}, or ${stripped} without texts`);
  const isStripped = bytes.length < whole;

  let end = manifestEnd;
  const held = isStripped ? manifest.blobs.slice(0, manifest.modules.length + 1) : manifest.blobs;
  const blobs = held.map((spec, i) => {
    const where = `blob ${i} (${spec.kind})`;
    const from = start + spec.offset;
    if (bytes.subarray(end, from).some((b) => b !== 0)) {
      throw new LoadError("digest_mismatch", `padding before ${where}`, "bytes that are not zero", "zeros");
    }
    end = from + spec.bytes;
    const blob = bytes.subarray(from, end);
    for (const [k, want] of spec.chunks.entries()) {
      checkDigest(blob.subarray(k * CHUNK_BYTES, (k + 1) * CHUNK_BYTES), want, `${where}, chunk ${k}`);
    }
    return { kind: spec.kind, bytes: blob };
  });
  const blob = (kind: BlobKind, index = 0): Uint8Array | null =>
    blobs.filter((b) => b.kind === kind)[index]?.bytes ?? null;
  return {
    manifest,
    digest,
    isStripped,
    blob,
    weights() {
      const stored = blob("weights") ?? new Uint8Array();
      const { memory, widened } = manifest;
      if (widened.length === 0) return stored;
      const wide = new Uint8Array(memory.weights.bytes);
      const { place, arrived } = openWidening(wide, memory.weights, widened);
      place.set(stored);
      arrived(stored.length);
      return wide;
    },
    text(kind) {
      const found = blob(kind);
      return found === null ? null : new TextDecoder("utf-8", { fatal: true }).decode(found);
    },
  };
}

/** The bundle without its texts: what runs, under the same plan digest. A view. Throws LoadError. */
export function stripBundle(bytes: Uint8Array): { readonly bytes: Uint8Array; readonly digest: string } {
  const { manifest, digest } = openBundle(bytes);
  const { manifestBytes } = parseHeader(bytes.subarray(0, HEADER_BYTES));
  const { stripped } = endsOf(manifest, HEADER_BYTES + manifestBytes);
  return { bytes: bytes.subarray(0, stripped), digest };
}
