// The page of the test that compares a browser's bits with Node's. Runs the bundle that the query names on noise and
// leaves the SHA-256 of all outputs in the document element's data-result; the test runs the same in Node.

import { type BundleSource, load } from "../../runtime-shim/index.js";
import { noise } from "../support/noise.js";

/** Several calls at several sizes; state, where the model has it, goes from one to the next. */
export async function digestOfRuns(source: BundleSource): Promise<string> {
  const model = await load(source);
  const parts: number[] = [];
  for (const n of [1, 3, 2, 3]) {
    const inputs = model.inputs.map(({ name, dtype, shape }, i) => {
      const sizes = shape.map((d) => (typeof d === "number" ? d : Number(/\*(\d+)$/u.exec(d)?.[1] ?? 1) * n));
      const elems = sizes.reduce((a, b) => a * b, 1);
      const data =
        dtype === "i64" ? BigInt64Array.of(n < 3 ? 16_000n : 8000n) : Float32Array.from(noise(n * 7 + i, elems, -1, 1));
      return [name, { shape: sizes, data }];
    });
    const outputs: Awaited<ReturnType<typeof model.run>> = await model.run(Object.fromEntries(inputs));
    for (const { data } of Object.values(outputs))
      if (ArrayBuffer.isView(data))
        for (const byte of new Uint8Array(data.buffer, data.byteOffset, data.byteLength)) parts.push(byte);
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", Uint8Array.from(parts)));
  return Array.from(digest, (b) => b.toString(16).padStart(2, "0")).join("");
}

if (typeof location === "object") {
  const bundle = new URLSearchParams(location.search).get("bundle") ?? "";
  document.documentElement.dataset["result"] = await digestOfRuns(bundle).catch(String);
}
