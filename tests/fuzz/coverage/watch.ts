// Runs the fuzzer in a thread and watches it. An input that takes too long, or that ends the thread, is a finding; the
// fuzzer then goes on in a new thread with what it had found, for the time that is left.

import { cpuUsage } from "node:process";
import { Worker } from "node:worker_threads";
import type { Finding, LoopReport } from "./loop.js";
import type { TargetName } from "./target.js";
import type { WorkerMessage, WorkerTask } from "./worker.js";

/** Processor time of one input; wall time says little on a busy machine. */
const LIMIT_SECONDS = 6;
const POLL_MS = 250;
const HEAP_MIB = 1024;
const MOST_RESTARTS = 10;
const MOST_INPUT_BYTES = 1 << 20;

export interface WatchOptions {
  readonly name: TargetName;
  readonly seed: number;
  readonly seconds: number;
  readonly corpus: readonly Uint8Array[];
  readonly onNew?: (input: Uint8Array) => void;
  readonly onFinding?: (finding: Finding) => void;
}

export interface WatchReport extends LoopReport {
  readonly findings: readonly Finding[];
}

/** Fuzzes one target for so many seconds. */
export async function watch(options: WatchOptions): Promise<WatchReport> {
  const findings: Finding[] = [];
  const corpus = [...options.corpus];
  const add = (finding: Finding): void => {
    findings.push(finding);
    options.onFinding?.(finding);
  };
  const onNew = (input: Uint8Array): void => {
    corpus.push(input);
    options.onNew?.(input);
  };
  const end = performance.now() + options.seconds * 1000;
  let ended = 0;
  for (let restart = 0; restart <= MOST_RESTARTS; restart++) {
    const seconds = Math.max(0, end - performance.now()) / 1000;
    const seed = options.seed + restart;
    const last = await runThread({ ...options, corpus, seed, seconds }, onNew, add);
    if ("runs" in last) return { ...last, runs: last.runs + ended, findings };
    ended += last.ended;
    add(last.finding);
  }
  const slowest = new Uint8Array(0);
  return { runs: ended, kept: corpus.length, reached: 0, total: 0, slowestMs: 0, slowest, outcomes: {}, findings };
}

/** What ended a thread before its time, and how many inputs it had run. */
interface Ended {
  readonly ended: number;
  readonly finding: Finding;
}

function runThread(
  options: WatchOptions,
  onNew: (input: Uint8Array) => void,
  onFinding: (finding: Finding) => void,
): Promise<LoopReport | Ended> {
  const clock = new Int32Array(new SharedArrayBuffer(8));
  const current = new Uint8Array(new SharedArrayBuffer(MOST_INPUT_BYTES));
  const { name, seed, seconds, corpus } = options;
  const workerData: WorkerTask = { name, seed, seconds, corpus, clock, current };
  const worker = new Worker(new URL("./worker.js", import.meta.url), {
    workerData,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB, stackSizeMb: 2 },
  });
  return new Promise((resolve, reject) => {
    let seen = 0;
    let since = cpuUsage();
    let isReady = false;
    let isSettled = false;
    const settle = (result: LoopReport | Ended): void => {
      if (isSettled) return;
      isSettled = true;
      clearInterval(timer);
      void worker.terminate().then(() => resolve(result));
    };
    const stop = (error: string): void => {
      const input = new Uint8Array(current.subarray(0, Atomics.load(clock, 1)));
      settle({ ended: Atomics.load(clock, 0), finding: { key: error, error, input } });
    };
    const timer = setInterval(() => {
      const count = Atomics.load(clock, 0);
      const used = cpuUsage(since);
      if (count !== seen || !isReady) {
        seen = count;
        since = cpuUsage();
      } else if ((used.user + used.system) / 1e6 > LIMIT_SECONDS) stop(`one input takes more than ${LIMIT_SECONDS} s`);
    }, POLL_MS);
    worker.on("message", (message: WorkerMessage) => {
      if (message.kind === "ready") isReady = true;
      else if (message.kind === "new") onNew(message.input);
      else if (message.kind === "finding") onFinding(message.finding);
      else settle(message.report);
    });
    worker.on("error", (e) => {
      // Before any input has run, it is the fuzzer or the subject's own code that is broken.
      if (isReady) stop(`the thread ended: ${e instanceof Error ? e.message : String(e)}`);
      else {
        isSettled = true;
        clearInterval(timer);
        reject(e);
      }
    });
    worker.on("exit", () => stop("the thread ended"));
  });
}
