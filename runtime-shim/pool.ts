// The workers of a model. Each runs the same module on the same shared memory and waits there for work: how threads meet
// is the module's own business. A worker ends when the pool does; in Node, one that waits keeps no process alive.

import { LoadError } from "./errors.js";

/**
 * What a worker runs: its own instance, which tells when it is ready and then waits for work for ever. A trap is told to
 * the thread that gave the work. As text, so that neither a bundler nor a server has to know of another file; the same
 * text is the file psionic/runtime/worker.
 */
export const WORKER_SOURCE = `const node = globalThis.process?.getBuiltinModule?.("node:worker_threads");
const port = node === undefined ? self : node.parentPort;
port.onmessage = async ({ data: { module, memory, id, count } }) => {
  try {
    const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
    exports["threads.start"](id, count, 1);
    port.postMessage("");
    for (;;) {
      try {
        exports["threads.work"]();
      } catch {
        exports["threads.fault"]();
      }
    }
  } catch (error) {
    port.postMessage(String(error));
  }
};
`;

/** Exports of a module with threads, beside its entries, and their parameters. */
export const THREAD_EXPORTS: Readonly<Record<string, number>> = {
  "threads.start": 3,
  "threads.work": 0,
  "threads.fault": 0,
};

type Listener = (text: string) => void;

interface PoolWorker {
  start(setup: unknown): void;
  /** Lets the process end although the worker waits. */
  idle(): void;
  end(): void;
}

/** Opens a worker. `ready` gets its only message: "" or an error; `failed` what else went wrong. */
function openWorker(url: string | URL | undefined, ready: Listener, failed: Listener): PoolWorker {
  const node = typeof process === "object" ? process.getBuiltinModule?.("node:worker_threads") : undefined;
  if (node !== undefined) {
    const text = new URL(`data:text/javascript,${encodeURIComponent(WORKER_SOURCE)}`);
    const worker = new node.Worker(text, { execArgv: [] });
    worker.on("message", (data) => ready(`${data}`));
    worker.on("error", (error) => failed(`${error}`));
    worker.on("exit", () => failed("it ended"));
    return {
      start: (setup) => worker.postMessage(setup),
      idle: () => worker.unref(),
      end: () => void worker.terminate(),
    };
  }
  const own = url === undefined ? URL.createObjectURL(new Blob([WORKER_SOURCE], { type: "text/javascript" })) : null;
  const worker = new Worker(own ?? url ?? "");
  worker.onmessage = ({ data }) => ready(`${data}`);
  worker.onerror = (event) => failed(event.message || "the page's policy forbids it, or its file is not there");
  const release = (): void => {
    if (own !== null) URL.revokeObjectURL(own);
  };
  return {
    start: (setup) => worker.postMessage(setup),
    idle: release,
    end: () => {
      release();
      worker.terminate();
    },
  };
}

/** Whether this thread may sleep: a browser's main thread may not. */
export function mayWait(): boolean {
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1);
    return true;
  } catch {
    return false;
  }
}

export interface Pool {
  /** Ends every worker. */
  end(): void;
}

export interface PoolParts {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Threads in all; the pool has one worker less. */
  readonly count: number;
  readonly workerUrl: string | URL | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Starts a pool; every worker waits for work when the promise is kept. Where one fails, all are ended. */
export async function openPool({ module, memory, count, workerUrl, signal }: PoolParts): Promise<Pool> {
  const workers: PoolWorker[] = [];
  const end = (): void => {
    for (const worker of workers) worker.end();
  };
  try {
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const stop = (): void => reject(signal?.reason);
      signal?.addEventListener("abort", stop, { once: true });
      let waiting = count - 1;
      for (let id = 1; id < count; id++) {
        const failed = (why: string): void => {
          const hint = 'a page needs worker-src blob:, or workerUrl, the URL of "psionic/runtime/worker"';
          reject(new LoadError("sandbox_policy_denied", `worker ${id}`, why, "a worker that runs", hint));
        };
        const ready = (problem: string): void => {
          if (problem !== "") failed(problem);
          else if (--waiting === 0) {
            signal?.removeEventListener("abort", stop);
            resolve();
          }
        };
        const worker = openWorker(workerUrl, ready, failed);
        workers.push(worker);
        worker.start({ module, memory, id, count });
      }
    });
  } catch (error) {
    end();
    if (error instanceof LoadError || signal?.aborted === true) throw error;
    throw new LoadError("sandbox_policy_denied", "workers", `${error}`, "leave to start them", "worker-src blob:");
  }
  for (const worker of workers) worker.idle();
  return { end };
}
