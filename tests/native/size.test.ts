// How large the libraries of real models are, without weights: all code of one level, for the
// best level of this machine and the standard one.

import test from "ava";
import { openBundle } from "../../codegen/bundle/read.js";
import { NATIVE } from "../../targets/native-targets.js";
import { compileModel, MODEL_FILES, type ModelName, type Recipe } from "../support/models.js";
import { nativeHost } from "../support/native.js";

const MOST_BYTES = 250_000;

const MODELS: readonly (readonly [ModelName, Recipe])[] = [
  ["ocr-det", { dims: { batch: 1, height: 640, width: 640 } }],
  ["ocr-rec", { dims: { batch: 1, width: 320 } }],
  ["silero-v5", { dims: { "input.0": 1, "input.1": 512, "state.1": 1 } }],
];

const host = nativeHost();

for (const [name, recipe] of MODELS)
  (typeof host === "string" ? test.skip : test.serial)(`libraries of ${name} are small`, (t) => {
    if (typeof host === "string") return;
    const { target } = host;
    const levels = host.levels.filter((l, i) => i === 0 || NATIVE[target].standard.includes(l));
    const { manifest } = openBundle(compileModel(MODEL_FILES[name], { ...recipe, target, cpus: levels }).bundle);
    const sizes = manifest.modules.map((m) => manifest.blobs[m.blob]?.bytes ?? Number.POSITIVE_INFINITY);
    t.log(levels.map((level, i) => `${level}: ${sizes[i]} bytes`).join(", "));
    for (const [i, bytes] of sizes.entries()) t.true(bytes <= MOST_BYTES, `${levels[i]}: ${bytes} bytes`);
    t.is(sizes.length, levels.length);
  });

if (typeof host === "string") test("native sizes", (t) => t.pass(`skipped: ${host}`));
