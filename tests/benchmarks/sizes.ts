// What a program has to bring with it to run a model, in bytes: the download of a page, or the native code. One place says
// for each platform what is counted on either side.

import { statSync } from "node:fs";
import { dirname, join } from "node:path";
import { openBundle } from "../../codegen/bundle/read.js";
import { bundleBytes, onnxBytes, runtimeBytes, webRuntimeBytes } from "./download.js";
import type { Platform } from "./platform.js";
import type { SizeResult } from "./report.js";
import type { Row } from "./row.js";
import { onnxruntimeLibrary } from "./start-programs.js";

export async function fileSizes(
  platform: Platform["name"],
  row: Row,
  bundle: Uint8Array,
  model: Uint8Array,
): Promise<SizeResult> {
  if (platform === "native") {
    const peers = [{ name: "onnxruntime-node", bytes: onnxruntimeLibraryBytes() }];
    return { name: `library ${row.name}`, bytes: libraryBytes(bundle), peers };
  }
  const own = (await runtimeBytes()) + bundleBytes(bundle);
  const web = webRuntimeBytes() + onnxBytes(model);
  return { name: `download ${row.name}`, bytes: own, peers: [{ name: "onnxruntime-web", bytes: web }] };
}

/** The shared libraries of a bundle. */
function libraryBytes(bundle: Uint8Array): number {
  const { manifest, blob } = openBundle(bundle);
  return manifest.modules.reduce((sum, _, i) => sum + (blob("module", i)?.byteLength ?? 0), 0);
}

/** The peer's native code for this machine. */
function onnxruntimeLibraryBytes(): number {
  const library = onnxruntimeLibrary();
  return statSync(library).size + statSync(join(dirname(library), "onnxruntime_binding.node")).size;
}
