// What a library must know of its bundle, read from the bundle's own bytes.

import {
  alignBlob,
  endsOf,
  HEADER_BYTES,
  LoadError,
  parseHeader,
  parseManifest,
} from "../../../runtime-shim/format.js";
import type { BundleFacts } from "./module.js";

/** Throws LoadError where the bytes are no bundle. */
export function bundleFacts(bundle: Uint8Array): BundleFacts {
  const header = bundle.slice(0, HEADER_BYTES);
  const { manifestBytes, digest } = parseHeader(header);
  const end = HEADER_BYTES + manifestBytes;
  const manifest = parseManifest(bundle.subarray(HEADER_BYTES, end));
  const { blobs } = manifest;
  const weights = blobs.find((b) => b.kind === "weights");
  if (weights === undefined) throw new LoadError("malformed_input", "manifest.blobs", "no weights", "a blob of them");
  const { offset, chunks } = weights;
  return { header, digest, ...endsOf(manifest, end), weightsAt: alignBlob(end) + offset, chunks };
}
