// What the pages of start rows share: reading the task and its inputs, and the report. The page's clock begins when it is
// navigated to.

import type { StartTask } from "./start-files.js";

const ARRAYS = { f32: Float32Array, u8: Uint8Array, i8: Int8Array, i32: Int32Array, i64: BigInt64Array } as const;

export interface PageInput {
  readonly name: string;
  readonly dtype: keyof typeof ARRAYS;
  readonly shape: readonly number[];
  readonly data: InstanceType<(typeof ARRAYS)[keyof typeof ARRAYS]>;
}

/** What a page leaves in the document element's data-result. */
export type PageReport = { readonly ms: number } | { readonly failed: string };

/** Where a page leaves the output that it shows. */
export interface Shown {
  shown?: ArrayBufferView;
}

export async function report(first: (inputs: readonly PageInput[], output: string) => Promise<unknown>): Promise<void> {
  let result: PageReport;
  try {
    const task: StartTask = await (await fetch("/task.json")).json();
    const inputs = task.inputs.map(async ({ name, dtype, shape, file }): Promise<PageInput> => {
      if (!(dtype in ARRAYS)) throw new Error(`input "${name}" has dtype ${dtype}`);
      const type = dtype as keyof typeof ARRAYS;
      return { name, dtype: type, shape, data: new ARRAYS[type](await (await fetch(file)).arrayBuffer()) };
    });
    const shown = await first(await Promise.all(inputs), task.output);
    if (!ArrayBuffer.isView(shown)) throw new Error(`no output "${task.output}" of numbers`);
    result = { ms: performance.now() };
    (globalThis as Shown).shown = shown;
  } catch (e) {
    result = { failed: e instanceof Error ? (e.stack ?? e.message) : String(e) };
  }
  document.documentElement.dataset["result"] = JSON.stringify(result);
}
