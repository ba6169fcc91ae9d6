// In: a bundle's bytes. Out: its manifest and blobs, with every digest recomputed, for tools (inspect, diff, replay).
// The same checks as the shim's load(), without running anything; what fails is the shim's LoadError.

import {
  alignBlob,
  type BlobKind,
  CHUNK_BYTES,
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
  const last = manifest.blobs.at(-1);
  const size = last === undefined ? start : start + last.offset + last.bytes;
  if (bytes.length !== size) throw new LoadError("malformed_input", "bundle", `${bytes.length} bytes`, `${size}`);

  let end = manifestEnd;
  const blobs = manifest.blobs.map((spec, i) => {
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
