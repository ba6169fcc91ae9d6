// By hand: compiles models in every surrounding and on other Node versions, and says where the bytes differ:
//   node dist/tests/determinism/run.js [node binary ...]

import type { Job } from "./compile-once.js";
import { compileIn, otherNodes, SURROUNDINGS, versionOf } from "./processes.js";

const side = { lo: 32, hi: 640, step: 32 };
const JOBS: readonly Job[] = [
  { model: "ocr-rec", dims: { width: { lo: 32, hi: 640, step: 8 } } },
  { model: "ocr-det", dims: { height: side, width: side } },
  { model: "ocr-cls", dims: { height: 48, width: 192 } },
  { model: "silero-v5", dims: { "input.0": 1, "input.1": 512, "state.1": 1 } },
  { model: "silero-legacy", dims: { batch: 1, sequence: 512 } },
  { model: "melspectrogram", dims: { batch_size: 1, samples: { lo: 640, hi: 32_000 } } },
  { model: "embedding", dims: { batch: { lo: 1, hi: 4 } } },
  { model: "hey-jarvis" },
];

const nodes = process.argv.length > 2 ? process.argv.slice(2) : otherNodes();
let first: string | undefined;
for (const s of [...SURROUNDINGS, ...nodes.map((node) => ({ name: node, node }))]) {
  const start = performance.now();
  const digests = await compileIn(s, JOBS);
  first ??= digests;
  const version = "node" in s && s.node !== undefined ? ` (${await versionOf(s.node)})` : "";
  const same = digests === first;
  if (!same) process.exitCode = 1;
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${same ? "same" : "DIFFERENT"}  ${s.name}${version}  ${seconds} s`);
}
const lines = first?.trimEnd().split("\n") ?? [];
for (const [i, job] of JOBS.entries()) console.log(`${lines[i] ?? ""} ${job.model}`);
