// openWakeWord: sound to mel frames, windows of frames to embeddings, sixteen or more embeddings to a score. The
// streaming layout is openWakeWord's: each 1280 new samples with the 480 before them give 8 frames, an embedding sees 76
// frames and moves by 8.

import { readFileSync } from "node:fs";
import test, { type ExecutionContext } from "ava";
import { importOnnx } from "../../compiler/import/onnx/import.js";
import { Builder } from "../../compiler/ir/graph.js";
import { interpret } from "../../compiler/reference/interpret.js";
import { type LoadedModel, loadModel, MODEL_FILES, type ModelName } from "../support/models.js";
import { type Oracle, openOracle, type Value, type Values } from "../support/oracle.js";
import { voice } from "../support/sound.js";
import { fromValue, toValue } from "../support/values.js";
import { judgeModel, judgeSize, judgeValues, SIGMOID_FLOOR, table } from "./judge.js";

test.after.always((t) => t.log(table()));

const RATE = 16_000;
const HOP = 1280;
const FRAME_SAMPLES = 1760;
const BANDS = 32;
const WINDOW = 76;
const STEP = 8;
const FEATURES = 96;

/** Embeddings that each wake word looks at. */
const WORDS = {
  "hey-jarvis": 16,
  "hey-mycroft": 16,
  "hey-rhasspy": 16,
  alexa: 16,
  timer: 34,
  weather: 22,
} as const satisfies Partial<Record<ModelName, number>>;

/** The chain of a runner of each network: all embeddings of a sound. */
async function embeddings(
  sound: Float32Array,
  count: number,
  mel: (samples: Float32Array) => Promise<Value>,
  embed: (window: Float32Array) => Promise<Value>,
): Promise<Float32Array> {
  const frames: number[] = [];
  for (let at = FRAME_SAMPLES; at <= sound.length && frames.length < (WINDOW + (count - 1) * STEP) * BANDS; at += HOP) {
    const { shape, data } = await mel(sound.slice(at - FRAME_SAMPLES, at));
    if (shape.join() !== `1,1,${STEP},${BANDS}`) throw new Error(`mel frames are [${shape.join(", ")}]`);
    for (const x of data) frames.push(Number(x) / 10 + 2);
  }
  const out = new Float32Array(count * FEATURES);
  for (let i = 0; i < count; i++) {
    const window = Float32Array.from(frames.slice(i * STEP * BANDS, (i * STEP + WINDOW) * BANDS));
    const { data } = await embed(window);
    out.set(data as Float32Array, i * FEATURES);
  }
  return out;
}

const melInput = (data: Float32Array): Values => ({
  input: { dtype: "f32", shape: [1, data.length], data: data.slice() },
});
const windowInput = (data: Float32Array): Values => ({
  input_1: { dtype: "f32", shape: [1, WINDOW, BANDS, 1], data: data.slice() },
});
const only = (values: Values): Value => {
  const [value] = Object.values(values);
  if (value === undefined) throw new Error("no output");
  return value;
};

interface Pair {
  readonly model: LoadedModel;
  readonly oracle: Oracle;
}

async function open(t: ExecutionContext, name: ModelName, dims: Readonly<Record<string, number>>): Promise<Pair> {
  const file = MODEL_FILES[name];
  const [model, oracle] = [await loadModel(file, { dims }), await openOracle(file)];
  judgeSize(t, name, model);
  return { model, oracle };
}

/** The reference interpreter, for networks as small as these. */
function openReference(name: ModelName): (inputs: Values) => Values {
  const { graph } = importOnnx(readFileSync(MODEL_FILES[name]), { builder: new Builder() });
  return (inputs) => {
    const tensors = Object.fromEntries(Object.entries(inputs).map(([k, v]) => [k, fromValue(v)]));
    const { outputs } = interpret(graph, tensors);
    return Object.fromEntries(Object.entries(outputs).map(([k, t]) => [k, toValue(t)]));
  };
}

const COUNT = Math.max(...Object.values(WORDS));
const samples = FRAME_SAMPLES + Math.ceil(((COUNT - 1) * STEP + WINDOW) / STEP) * HOP;
/** openWakeWord takes the values of 16-bit samples. */
const sound = voice(samples, RATE).map((x) => Math.round(x * 20_000));

let computed: Promise<{ readonly mine: Float32Array; readonly theirs: Float32Array }> | undefined;

/** Both chains up to the embeddings, computed once; every stage is compared on the way. */
function bothChains(t: ExecutionContext): Promise<{ readonly mine: Float32Array; readonly theirs: Float32Array }> {
  computed ??= (async () => {
    const mel = await open(t, "melspectrogram", { batch_size: 1, samples: FRAME_SAMPLES });
    const embed = await open(t, "embedding", { batch: 1 });
    const mine = await embeddings(
      sound,
      COUNT,
      async (x) => {
        const have = mel.model.run(melInput(x));
        judgeValues(t, "melspectrogram", have, await mel.oracle(melInput(x)), "frames");
        return only(have);
      },
      async (w) => only(embed.model.run(windowInput(w))),
    );
    const theirs = await embeddings(
      sound,
      COUNT,
      async (x) => only(await mel.oracle(melInput(x))),
      async (w) => {
        const want = await embed.oracle(windowInput(w));
        judgeValues(t, "embedding", embed.model.run(windowInput(w)), want, "window");
        return only(want);
      },
    );
    return { mine, theirs };
  })();
  return computed;
}

test.serial("sound to embeddings", async (t) => {
  const { mine, theirs } = await bothChains(t);
  const value = (data: Float32Array): Value => ({ dtype: "f32", shape: [data.length], data });
  judgeValues(t, "embedding", { e: value(mine) }, { e: value(theirs) }, "the chain");
  t.true(theirs.some((x) => x !== theirs[0]));
});

for (const [name, count] of Object.entries(WORDS) as [keyof typeof WORDS, number][]) {
  test.serial(`embeddings to a score: ${name}`, async (t) => {
    const { mine, theirs } = await bothChains(t);
    const { model, oracle } = await open(t, name, {});
    const reference = openReference(name);
    const input = model.model.inputs[0]?.name ?? "";
    const feed = (all: Float32Array, from: number): Values => ({
      [input]: {
        dtype: "f32",
        shape: [1, count, FEATURES],
        data: all.slice(from * FEATURES, (from + count) * FEATURES),
      },
    });
    for (let from = 0; from + count <= COUNT; from += 6) {
      const want = await oracle(feed(theirs, from));
      // Below the floor, the reference tells more than onnxruntime.
      judgeValues(t, name, model.run(feed(theirs, from)), reference(feed(theirs, from)), `the reference from ${from}`);
      judgeValues(t, name, model.run(feed(theirs, from)), want, `embeddings from ${from}`, SIGMOID_FLOOR);
      judgeValues(t, name, model.run(feed(mine, from)), want, `the chain from ${from}`, SIGMOID_FLOOR);
    }
  });
}

test.serial("mel frames of any number of samples, embeddings of any batch", async (t) => {
  const lengths = [1280, 1760, 4000, 16_000];
  const sounds = lengths.map((n) => melInput(sound.subarray(0, n)));
  const dims = { batch_size: 1, samples: { lo: 640, hi: 32_000 } };
  await judgeModel(t, "melspectrogram (640..32000)", MODEL_FILES.melspectrogram, { dims }, sounds);
  const { theirs } = await bothChains(t);
  const windows = [1, 3].map((n): Values => {
    const data = Float32Array.from({ length: n * WINDOW * BANDS }, (_, i) => 4 + (theirs[i % theirs.length] ?? 0) / 20);
    return { input_1: { dtype: "f32", shape: [n, WINDOW, BANDS, 1], data } };
  });
  await judgeModel(t, "embedding 1..4", MODEL_FILES.embedding, { dims: { batch: { lo: 1, hi: 4 } } }, windows);
});
