// A bundle's parts in the order of the file, each verified before it is used: the manifest against the header's digest,
// every chunk of every blob against the manifest's, zeros between them, and the end where the manifest says.

import { LoadError } from "./errors.js";
import { type BlobSpec, CHUNK_BYTES, HEADER_BYTES, type Manifest } from "./format.js";
import { malformed } from "./json.js";
import { alignBlob, endsOf, parseHeader, parseManifest } from "./manifest.js";
import { sha256 } from "./sha256.js";
import type { ByteStream } from "./source.js";
import { openWidening } from "./widen.js";

export interface Blobs {
  readonly stream: ByteStream;
  readonly manifest: Manifest;
  /** Where the manifest ends. */
  readonly start: number;
  /** The blob of the module that runs. */
  readonly module: number;
  /** Where the weights go: their region of the memory. */
  readonly weights: Uint8Array;
}

/** Reads all blobs, or those that a stripped bundle has. `onCode` gets the module as soon as it is whole. */
export async function readBlobs(blobs: Blobs, onCode: (code: Uint8Array<ArrayBuffer>) => void): Promise<void> {
  const { stream, manifest, start, module, weights } = blobs;
  let at = start;
  for (const [i, blob] of manifest.blobs.entries()) {
    // A stripped bundle ends with its weights, which follow the modules.
    if (i === manifest.modules.length + 1 && (await stream.atEnd())) return;
    const where = `blob ${i} (${blob.kind})`;
    const offset = alignBlob(start) + blob.offset;
    const padding = new Uint8Array(offset - at);
    await stream.fill(padding, `padding before ${where}`);
    if (padding.some((byte) => byte !== 0)) {
      throw new LoadError("digest_mismatch", `padding before ${where}`, "bytes that are not zero", "zeros");
    }
    const code = i === module ? new Uint8Array(blob.bytes) : null;
    const { place, arrived } =
      blob.kind === "weights"
        ? openWidening(weights, manifest.memory.weights, manifest.widened)
        : { place: code, arrived: () => {} };
    await readBlob(stream, blob, where, place, arrived);
    if (code !== null) onCode(code);
    at = offset + blob.bytes;
  }
  if (!(await stream.atEnd())) malformed("end of the bundle", "more bytes", `${at} bytes`);
}

/** The manifest, its digest checked (and pinned to `pin`), and where it ends. */
export async function readManifest(stream: ByteStream, pin: string | undefined) {
  const head = new Uint8Array(HEADER_BYTES);
  await stream.fill(head, "header");
  const { manifestBytes, digest } = parseHeader(head);
  if (pin !== undefined && pin.toLowerCase() !== digest) {
    throw new LoadError("digest_mismatch", "plan digest", digest, `${pin}, the digest that load() was given`);
  }
  const bytes = new Uint8Array(manifestBytes);
  await stream.fill(bytes, "manifest");
  await checkDigest(bytes, digest, "manifest");
  const manifest = parseManifest(bytes);
  const start = HEADER_BYTES + manifestBytes;
  const { whole, stripped } = endsOf(manifest, start);
  if (stream.size !== null && stream.size !== whole && stream.size !== stripped)
    malformed("bundle", `${stream.size} bytes`, `${whole}, or ${stripped} without texts`);
  return { manifest, digest, start };
}

async function checkDigest(bytes: Uint8Array<ArrayBuffer>, want: string, where: string): Promise<void> {
  const have = await sha256(bytes);
  if (have !== want) {
    throw new LoadError("digest_mismatch", where, have, want, "the bundle was changed after it was written");
  }
}

/**
 * Reads and verifies a blob, the digest of one chunk while the next arrives; keeps its bytes only in `into`. `arrived` is
 * told how many of them are verified, chunk by chunk.
 */
async function readBlob(
  stream: ByteStream,
  blob: BlobSpec,
  where: string,
  into: Uint8Array | null,
  arrived: (bytes: number) => void,
): Promise<void> {
  const read = async (i: number): Promise<Uint8Array<ArrayBuffer>> => {
    const from = i * CHUNK_BYTES;
    const length = Math.min(CHUNK_BYTES, blob.bytes - from);
    const place = into?.subarray(from, from + length);
    // Shared memory cannot be digested in place.
    const chunk = place !== undefined && isUnshared(place) ? place : new Uint8Array(length);
    await stream.fill(chunk, `${where}, chunk ${i}`);
    if (chunk !== place) place?.set(chunk);
    return chunk;
  };
  if (blob.chunks.length === 0) return;
  let next = read(0);
  for (const [i, digest] of blob.chunks.entries()) {
    const chunk = await next;
    if (i + 1 < blob.chunks.length) {
      next = read(i + 1);
      // Awaited in its turn; until then another chunk's failure must not leave it unhandled.
      next.catch(() => {});
    }
    await checkDigest(chunk, digest, `${where}, chunk ${i}`);
    arrived(Math.min((i + 1) * CHUNK_BYTES, blob.bytes));
  }
}

function isUnshared(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer;
}
