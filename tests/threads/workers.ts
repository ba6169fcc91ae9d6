// How many workers a test started and how many of them have ended, seen at Node's own class. For test files that run
// one test at a time.

import { createRequire } from "node:module";
import type { Worker } from "node:worker_threads";

const threads = createRequire(import.meta.url)("node:worker_threads") as { Worker: typeof Worker };

export interface Seen {
  readonly started: number;
  /** Kept when every worker that started has ended. */
  ended(): Promise<void>;
}

/** Counts the workers that start while `body` runs. */
export async function watchWorkers(body: () => Promise<void>): Promise<Seen> {
  const exits: Promise<void>[] = [];
  const Plain = threads.Worker;
  threads.Worker = class extends Plain {
    constructor(...args: ConstructorParameters<typeof Worker>) {
      super(...args);
      exits.push(new Promise((resolve) => this.on("exit", () => resolve())));
    }
  };
  try {
    await body();
  } finally {
    threads.Worker = Plain;
  }
  return { started: exits.length, ended: async () => void (await Promise.all(exits)) };
}
