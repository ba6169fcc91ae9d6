// Silero's voice activity detectors: two sample rates chosen at run time by a branch, and memory that is fed back from
// chunk to chunk, by hand and as state.

import test, { type ExecutionContext } from "ava";
import { RunError } from "../../runtime-shim/index.js";
import { loadModel, MODEL_FILES, type ModelName } from "../support/models.js";
import { openOracle, type Value, type Values } from "../support/oracle.js";
import { voice } from "../support/sound.js";
import { judgeModel, judgeSize, judgeValues, table } from "./judge.js";

test.after.always((t) => t.log(table()));

interface Network {
  readonly name: ModelName;
  /** Input, the output that is its next value, and its shape. */
  readonly memory: readonly { readonly input: string; readonly output: string; readonly shape: readonly number[] }[];
  readonly dims: Readonly<Record<string, number>>;
}

const recent = {
  memory: [{ input: "state", output: "stateN", shape: [2, 1, 128] }],
  dims: { "input.0": 1, "state.1": 1 },
};

const NETWORKS: readonly Network[] = [
  { name: "silero-v5", ...recent },
  { name: "silero-v6", ...recent },
  {
    name: "silero-legacy",
    memory: [
      { input: "h", output: "hn", shape: [2, 1, 64] },
      { input: "c", output: "cn", shape: [2, 1, 64] },
    ],
    dims: { batch: 1 },
  },
];

const CHUNKS = 6;

function chunk(i: number, samples: number, rate: number): Values {
  const data = voice(samples * CHUNKS, rate).subarray(i * samples, (i + 1) * samples);
  return {
    input: { dtype: "f32", shape: [1, samples], data: data.slice() },
    sr: { dtype: "i64", shape: [], data: BigInt64Array.of(BigInt(rate)) },
  };
}

function zeros(shape: readonly number[]): Value {
  return { dtype: "f32", shape, data: new Float32Array(shape.reduce((n, d) => n * d, 1)) };
}

function next(network: Network, outputs: Values): Values {
  const pairs = network.memory.map((m): [string, Value] => [m.input, outputs[m.output] ?? zeros([0])]);
  return Object.fromEntries(pairs);
}

const samplesDim = (network: Network): string => (network.name === "silero-legacy" ? "sequence" : "input.1");

/** Chains chunks through the network, at each rate from zeros, in all of its forms. */
async function chain(t: ExecutionContext, network: Network, samples: number, rates: readonly number[]): Promise<void> {
  const label = `${network.name} ${samples}`;
  const file = MODEL_FILES[network.name];
  const dims = { ...network.dims, [samplesDim(network)]: samples };
  const oracle = await openOracle(file);
  const plain = await loadModel(file, { dims });
  const kept = await loadModel(file, { dims, states: network.memory });
  judgeSize(t, label, plain);
  judgeSize(t, `${label} with state`, kept);
  t.deepEqual(
    kept.model.states.map((s) => s.name),
    network.memory.map((m) => m.input),
  );
  for (const rate of rates) {
    kept.model.reset();
    const start = Object.fromEntries(network.memory.map((m): [string, Value] => [m.input, zeros(m.shape)]));
    let [mine, theirs] = [start, start] as [Values, Values];
    for (let i = 0; i < CHUNKS; i++) {
      const sound = chunk(i, samples, rate);
      const have = plain.run({ ...sound, ...mine });
      const want = await oracle({ ...sound, ...theirs });
      judgeValues(t, label, have, want, `${rate} Hz, chunk ${i}`);
      const withState = kept.run(sound);
      t.deepEqual(Object.keys(withState), ["output"]);
      judgeValues(
        t,
        `${label} with state`,
        withState,
        { output: want["output"] ?? zeros([]) },
        `${rate} Hz, chunk ${i}`,
      );
      t.deepEqual(withState["output"]?.data, have["output"]?.data, `${label} with state, ${rate} Hz, chunk ${i}`);
      [mine, theirs] = [next(network, have), next(network, want)];
      for (const m of network.memory)
        t.deepEqual(kept.model.state(m.input).get().data, mine[m.input]?.data, `${label}: state ${m.input}`);
    }
  }
}

for (const network of NETWORKS) {
  const isLegacy = network.name === "silero-legacy";
  test.serial(`${network.name}, chunks that both rates take`, (t) =>
    chain(t, network, isLegacy ? 512 : 256, [16_000, 8000]),
  );
  test.serial(`${network.name}, the chunk of 16 kHz`, async (t) => {
    await chain(t, network, isLegacy ? 1536 : 512, isLegacy ? [16_000, 8000] : [16_000]);
  });
}

test.serial("chunks of any length", async (t) => {
  const file = MODEL_FILES["silero-legacy"];
  const dims = { batch: 1, sequence: { lo: 512, hi: 1536, step: 256 } };
  const memory = { h: zeros([2, 1, 64]), c: zeros([2, 1, 64]) };
  const inputs = [
    [512, 16_000],
    [1536, 8000],
    [1024, 16_000],
  ].map(([samples = 0, rate = 0]) => ({ ...chunk(1, samples, rate), ...memory }));
  await judgeModel(t, "silero-legacy 512..1536", file, { dims }, inputs);
});

test.serial("a rate whose branch the chunk does not fit stops with an error", async (t) => {
  const dims = { ...recent.dims, "input.1": 512 };
  const { model } = await loadModel(MODEL_FILES["silero-v5"], { dims });
  const state = zeros([2, 1, 128]);
  t.throws(() => model.runSync({ ...chunk(0, 512, 8000), state }), { instanceOf: RunError });
  t.notThrows(() => model.runSync({ ...chunk(0, 512, 16_000), state }));
});
