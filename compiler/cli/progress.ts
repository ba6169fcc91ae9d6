// "compiling ... 3 s" on stderr, when it is a terminal and the work takes more than a second. Compiling is synchronous,
// so the clock runs in a worker that writes by itself.

import { Worker } from "node:worker_threads";

const CLOCK = `
const { workerData, parentPort } = require("node:worker_threads");
const { writeSync } = require("node:fs");
const started = Date.now();
let shown = false;
const draw = () => {
  const phase = workerData.phases[Atomics.load(workerData.at, 0)];
  shown = true;
  try { writeSync(2, "\\r\\u001b[K" + phase + " ... " + Math.round((Date.now() - started) / 1000) + " s"); } catch {}
};
let timer = setTimeout(() => { draw(); timer = setInterval(draw, 250); }, 1000);
parentPort.on("message", () => {
  clearInterval(timer);
  if (shown) try { writeSync(2, "\\r\\u001b[K"); } catch {}
  parentPort.close();
});
`;

export interface Progress {
  /** Goes on to the next phase. */
  next(): void;
  /** Clears the line; resolves when it is gone. */
  done(): Promise<void>;
}

/** Phases in order, as "importing", "compiling". */
export function progress(phases: readonly string[]): Progress {
  if (process.stderr.isTTY !== true || process.env["TERM"] === "dumb") return { next: () => {}, done: async () => {} };
  const at = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(CLOCK, { eval: true, workerData: { phases, at } });
  worker.unref();
  // Progress is a courtesy: work goes on where the clock cannot.
  worker.on("error", () => {});
  let over: Promise<void> | null = null;
  return {
    next: () => {
      if (Atomics.load(at, 0) < phases.length - 1) Atomics.add(at, 0, 1);
    },
    done: () => {
      over ??= new Promise((resolve) => {
        worker.on("exit", () => resolve());
        worker.ref();
        worker.postMessage(null);
      });
      return over;
    },
  };
}
