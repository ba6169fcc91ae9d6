// The page of the browser tests of threads. Loads the bundle of the same origin as the query says, runs it on noise and
// leaves what it saw as JSON in the document element's data-result. The test runs the same in Node, on one thread.

import { type BundleSource, LoadError, type LoadOptions, load } from "../../runtime-shim/index.js";
import { noise } from "../support/noise.js";

export interface PageResult {
  readonly threads: number;
  readonly fallback: string;
  /** SHA-256 of the outputs of all runs. */
  readonly digest: string;
  /** "" or the code, the hint and what there was instead. */
  readonly error: string;
}

/** Several runs, so that workers wait and are woken again. */
export async function resultOf(source: BundleSource, options: LoadOptions): Promise<PageResult> {
  try {
    const model = await load(source, options);
    const parts: number[] = [];
    for (let run = 0; run < 4; run++) {
      const inputs = model.inputs.map(({ name, shape }, i) => {
        const sizes = shape.map(Number);
        const elems = sizes.reduce((a, b) => a * b, 1);
        return [name, { shape: sizes, data: Float32Array.from(noise(run * 7 + i, elems, -1, 1)) }];
      });
      const outputs: Awaited<ReturnType<typeof model.run>> = await model.run(Object.fromEntries(inputs));
      for (const { data } of Object.values(outputs)) {
        if (!ArrayBuffer.isView(data)) throw new TypeError("an output holds strings");
        for (const byte of new Uint8Array(data.buffer, data.byteOffset, data.byteLength)) parts.push(byte);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const { threads, fallback } = model.variant;
    model.dispose();
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", Uint8Array.from(parts)));
    const hex = Array.from(digest, (b) => b.toString(16).padStart(2, "0")).join("");
    return { threads, fallback, digest: hex, error: "" };
  } catch (error) {
    const text = error instanceof LoadError ? `${error.code}: ${error.have} (${error.hint})` : String(error);
    return { threads: 0, fallback: "", digest: "", error: text };
  }
}

if (typeof location === "object") {
  const query = new URLSearchParams(location.search);
  const threads = { count: Number(query.get("threads")), fallback: query.has("fallback") };
  const workerUrl = query.get("worker");
  const options = workerUrl === null ? { threads } : { threads, workerUrl };
  document.documentElement.dataset["result"] = JSON.stringify(await resultOf("model.psn", options));
}
