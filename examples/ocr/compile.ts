// Compiles the three networks to bundles.
//
// Sizes are ranges: one bundle of the detector runs every picture, one of the recognizer every line, and each run costs
// what its own size costs.

import { readFileSync } from "node:fs";
import { type DimSpec, importOnnx } from "../../compiler/import/onnx/import.js";
import { Builder } from "../../compiler/ir/graph.js";
import { type CompileOptions, compile } from "../../compiler/pipeline.js";
import { detectionLimit, detectionStep } from "./detect.js";
import { modelFiles } from "./files.js";
import type { Networks } from "./network.js";
import type { Bundles } from "./psionic.js";
import { directionWidth, lineHeight, recognitionWidth } from "./recognize.js";

const side = { lo: detectionStep, hi: detectionLimit, step: detectionStep };

/** The sizes of the networks' inputs, [batch, 3, height, width]. */
const sizes: Readonly<Record<keyof Networks, Readonly<Record<string, DimSpec>>>> = {
  detection: { batch: 1, height: side, width: side },
  direction: { batch: 1, height: lineHeight, width: directionWidth },
  recognition: {
    batch: 1,
    width: { lo: recognitionWidth.least, hi: recognitionWidth.greatest, step: recognitionWidth.step },
  },
};

/** What code is made: WebAssembly, or native code of levels of a CPU family. */
export type Code = Pick<CompileOptions, "target" | "cpus">;

/** Compiles one network. Throws Refused when something of it is not supported. */
export async function compileNetwork(name: keyof Networks, code: Code = { target: "wasm" }): Promise<Uint8Array> {
  const builder = new Builder();
  const { graph } = importOnnx(readFileSync(modelFiles[name]), { builder, dims: sizes[name], name });
  const { bundle } = compile({ graph, builder }, code);
  return bundle;
}

/** Compiles the three networks. */
export async function compileNetworks(code?: Code): Promise<Bundles> {
  return {
    detection: await compileNetwork("detection", code),
    direction: await compileNetwork("direction", code),
    recognition: await compileNetwork("recognition", code),
  };
}
