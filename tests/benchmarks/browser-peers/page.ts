// The page of the browser benchmark: one row, our bundle and the peers in turns. It reads task.json and leaves its report as
// JSON in the document element's data-result.

import { load } from "../../../runtime-shim/index.js";
import type { Elements } from "../../support/onnx-writer.js";
import { largestError } from "../agree.js";
import type { Prepared } from "../engine.js";
import { measure, pairedRatio } from "../measure.js";
import { type Jax, jax } from "./jax.js";
import { type LiteRt, litert } from "./litert.js";
import type { Peer, PeerModel } from "./peer.js";
import type { ArrayFile, PeerName, PeerReport, Report, Task } from "./task.js";
import { type Tfjs, tfjs } from "./tfjs.js";

/** The engines' own modules, bundled one by one; loaded by the rows that they run. */
const ENGINES: Readonly<Record<PeerName, () => Promise<Peer>>> = {
  "jax-js": async () => await jax((await import(url("/jax-js.js"))) as Jax),
  "tfjs-wasm": async () => await tfjs((await import(url("/tfjs.js"))) as Tfjs, "/tfjs/"),
  "LiteRT.js": async () => await litert((await import(url("/litert.js"))) as LiteRt, "/litert/"),
};

/** Clocks of pages that share no memory tick ten times a millisecond. */
const CLOCK = { sampleMs: 20, tickMs: 0.1 };

function url(path: string): string {
  return new URL(path, location.href).href;
}

async function arrayOf({ dtype, shape, url: path }: ArrayFile): Promise<Elements> {
  const buffer = await (await fetch(path)).arrayBuffer();
  const make = { f32: Float32Array, u8: Uint8Array, i8: Int8Array, i32: Int32Array, i64: BigInt64Array };
  return { dtype, shape, data: new make[dtype](buffer) };
}

async function arraysOf(files: Task["inputs"]): Promise<Readonly<Record<string, Elements>>> {
  const read = Object.entries(files).map(async ([name, f]) => [name, await arrayOf(f)] as const);
  return Object.fromEntries(await Promise.all(read));
}

async function ours(bundle: string, inputs: PeerModel["inputs"], output: string): Promise<Prepared> {
  const model = await load(bundle);
  const feeds = Object.fromEntries(Object.entries(inputs).map(([name, { data, shape }]) => [name, { data, shape }]));
  return {
    // Copies of the outputs, as the peers give.
    run: () => {
      model.runSync(feeds);
      return undefined;
    },
    outputs: async () => {
      const found = model.runSync(feeds)[output]?.data;
      if (!ArrayBuffer.isView(found)) throw new TypeError("the result is not of numbers");
      return new Map([[output, found as Elements["data"]]]);
    },
    release: async () => model.dispose(),
  };
}

async function main(): Promise<Report> {
  const task: Task = await (await fetch("task.json")).json();
  const { nodes, output, outputShape } = task;
  const [inputs, weights] = await Promise.all([arraysOf(task.inputs), arraysOf(task.weights)]);
  const mine = await ours(task.bundle, inputs, output);
  const want = await mine.outputs();
  const opened: { readonly name: PeerName; readonly prepared: Prepared; readonly error: number }[] = [];
  const reasons: Partial<Record<PeerName, string>> = {};
  for (const name of task.peers) {
    try {
      const peer = await ENGINES[name]();
      const prepared = await peer.prepare({ nodes, inputs, weights, output, outputShape });
      opened.push({ name, prepared, error: largestError(want, await prepared.outputs()) });
    } catch (e) {
      reasons[name] = (e instanceof Error ? e.message : String(e)).split("\n")[0] ?? "";
    }
  }
  const budget = { seconds: task.seconds, minRounds: 9, maxRounds: 100, pause: 0, clock: CLOCK };
  const [first, ...rest] = await measure([mine, ...opened.map((o) => o.prepared)], budget);
  if (first === undefined) throw new Error("nothing was measured");
  const peers = opened.flatMap(({ name, error }, i): PeerReport[] => {
    const timing = rest[i];
    return timing === undefined ? [] : [{ name, ms: timing.ms, ratio: pairedRatio(first, timing), error }];
  });
  return { ms: first.ms, peers, reasons };
}

document.documentElement.dataset["result"] = JSON.stringify(
  await main().catch((e: unknown) => ({ failed: e instanceof Error ? (e.stack ?? e.message) : String(e) })),
);
