// The thread that fuzzes: apart from the watchdog, so that an input that never ends can be ended.

import { parentPort, workerData } from "node:worker_threads";
import { BlockCoverage } from "./block-coverage.js";
import { type Finding, Loop, type LoopReport } from "./loop.js";
import { importTarget, SCRIPTS, type TargetName } from "./target.js";

export interface WorkerTask {
  readonly name: TargetName;
  readonly seed: number;
  readonly seconds: number;
  readonly corpus: readonly Uint8Array[];
  /** Counts inputs; then the length of the input that runs. */
  readonly clock: Int32Array;
  /** The input that runs. */
  readonly current: Uint8Array;
}

export type WorkerMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "new"; readonly input: Uint8Array }
  | { readonly kind: "finding"; readonly finding: Finding }
  | { readonly kind: "done"; readonly report: LoopReport };

const task = workerData as WorkerTask;
const post = (message: WorkerMessage): void => parentPort?.postMessage(message);

const coverage = new BlockCoverage(SCRIPTS[task.name]);
const target = await importTarget(task.name);
post({ kind: "ready" });
const report = await new Loop(target, coverage, {
  seed: task.seed,
  seconds: task.seconds,
  corpus: task.corpus,
  onRun(input) {
    task.current.set(input.subarray(0, task.current.length));
    Atomics.store(task.clock, 1, Math.min(input.length, task.current.length));
    Atomics.add(task.clock, 0, 1);
  },
  onNew: (input) => post({ kind: "new", input: input.slice() }),
  onFinding: (finding) => post({ kind: "finding", finding: { ...finding, input: finding.input.slice() } }),
}).run();
coverage.stop();
post({ kind: "done", report });
