// PP-OCRv4's three networks, fixed and symbolic, on the picture of the fixture and on noise.

import test from "ava";
import { fixture, readPng } from "../../examples/ocr/files.js";
import { crop, resize, toTensor } from "../../examples/ocr/image.js";
import { hasFeature } from "../../runtime-shim/features.js";
import { LoadError, load } from "../../runtime-shim/index.js";
import { compileModel, MODEL_FILES, noiseValue } from "../support/models.js";
import type { Value, Values } from "../support/oracle.js";
import { judgeModel, SIGMOID_FLOOR, table } from "./judge.js";

test.after.always((t) => t.log(table()));

const picture = readPng(fixture.picture);
const imageNet = { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] } as const;
const half = { mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5] } as const;
const title = { centre: { x: 219, y: 44 }, along: { x: 1, y: 0 }, length: 380, thickness: 44 };

function page(width: number, height: number): Values {
  const data = toTensor(resize(picture, width, height), imageNet);
  return { x: { dtype: "f32", shape: [1, 3, height, width], data } };
}

/** The fixture's first line at the height that the networks take, squeezed to a width. */
function line(width: number): Values {
  const x: Value = { dtype: "f32", shape: [1, 3, 48, width], data: toTensor(crop(picture, title, width, 48), half) };
  return { x };
}

const static320 = { width: 320 };

test.serial("recognition, of a fixed width", async (t) => {
  const inputs = [line(320), { x: noiseValue([1, 3, 48, 320], 1) }];
  const { model } = await judgeModel(t, "ocr-rec 48x320", MODEL_FILES["ocr-rec"], { dims: static320 }, inputs);
  t.deepEqual(model.model.inputs[0]?.shape, [1, 3, 48, 320]);
});

test.serial("recognition, of any width", async (t) => {
  const dims = { width: { lo: 32, hi: 640, step: 8 } };
  const widths = [640, 32, 320, 104, 248];
  const inputs = [...widths.map(line), { x: noiseValue([1, 3, 48, 168], 2) }];
  const { model } = await judgeModel(t, "ocr-rec 48x(32..640)", MODEL_FILES["ocr-rec"], { dims }, inputs);
  // Bits do not depend on what ran before.
  const [again] = Object.values(model.run(line(320)));
  model.run(line(640));
  t.deepEqual(Object.values(model.run(line(320)))[0], again);
});

test.serial("recognition, of several lines at once", async (t) => {
  const dims = { batch: { lo: 1, hi: 3 }, width: { lo: 32, hi: 160, step: 8 } };
  const inputs = [{ x: noiseValue([3, 3, 48, 72], 5) }, { x: noiseValue([1, 3, 48, 160], 6) }];
  await judgeModel(t, "ocr-rec (1..3)x48x(32..160)", MODEL_FILES["ocr-rec"], { dims }, inputs);
});

test.serial("detection, of a fixed size", async (t) => {
  const dims = { height: 160, width: 160 };
  await judgeModel(t, "ocr-det 160x160", MODEL_FILES["ocr-det"], { dims }, [page(160, 160)], SIGMOID_FLOOR);
});

test.serial("detection, of any size", async (t) => {
  const side = { lo: 32, hi: 640, step: 32 };
  const inputs = [page(320, 224), page(32, 64), page(96, 160), { x: noiseValue([1, 3, 32, 32], 3, -2, 2) }];
  const dims = { height: side, width: side };
  await judgeModel(t, "ocr-det (32..640)x(32..640)", MODEL_FILES["ocr-det"], { dims }, inputs, SIGMOID_FLOOR);
});

test.serial("direction", async (t) => {
  const dims = { height: 48, width: 192 };
  const inputs = [line(192), { x: noiseValue([1, 3, 48, 192], 4) }];
  await judgeModel(t, "ocr-cls 48x192", MODEL_FILES["ocr-cls"], { dims }, inputs);
});

test.serial("relaxed, where the engine has it", async (t) => {
  const dims = { height: 48, width: 192 };
  const recipe = { dims, tier: "relaxed" } as const;
  if (hasFeature("relaxed-simd")) {
    await judgeModel(t, "ocr-cls 48x192 relaxed", MODEL_FILES["ocr-cls"], recipe, [line(192)]);
    return;
  }
  t.log("this engine has no relaxed SIMD: the bundle must be refused");
  const { bundle } = compileModel(MODEL_FILES["ocr-cls"], recipe);
  const error = await t.throwsAsync(load(bundle), { instanceOf: LoadError });
  t.is(error.code, "unsupported_backend_capability");
});
