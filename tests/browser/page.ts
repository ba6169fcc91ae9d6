// The page of the shim's browser tests, and its worker. Loads the bundle that the query names, in each way that a
// browser offers, runs it, and leaves what it saw as JSON in the document element's data-result. Nothing is evaluated
// from outside, so that the page's policy holds for all of it.

import { type BundleSource, LoadError, load } from "../../runtime-shim/index.js";

export interface PageResult {
  readonly isSecure: boolean;
  readonly hasSubtle: boolean;
  readonly violations: readonly string[];
  /** Of each way to load: the digest and the outputs' bytes in hex, or the error. */
  readonly ways: Readonly<Record<string, string>>;
}

/** Digest and output bytes of two calls of the default entry, as text. The tests run the same in Node. */
export async function probe(source: BundleSource): Promise<string> {
  try {
    const model = await load(source);
    let text = model.digest;
    for (const n of [3, 64]) {
      const feeds = model.inputs.map((p) => {
        const shape = p.shape.map((d) => (typeof d === "number" ? d : n));
        const elems = shape.reduce((a, b) => a * b, 1);
        return [p.name, { shape, data: Array.from({ length: elems }, (_, i) => (p.dtype === "bool" ? i % 2 : i - 1)) }];
      });
      const outputs: Awaited<ReturnType<typeof model.run>> = await model.run(Object.fromEntries(feeds));
      for (const [name, { dtype, shape, data }] of Object.entries(outputs)) {
        if (!ArrayBuffer.isView(data)) throw new TypeError(`${name} holds strings`);
        const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
        const hex = Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
        text += ` ${name}:${dtype}[${shape.join(",")}]=${hex}`;
      }
    }
    return text;
  } catch (error) {
    return error instanceof LoadError ? `LoadError ${error.code}` : `${error}`;
  }
}

async function inWorker(url: string): Promise<string> {
  const worker = new Worker(`./page.js?worker&bundle=${encodeURIComponent(url)}`, { type: "module" });
  try {
    return await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(`${data}`);
      worker.onerror = ({ message }) => reject(new Error(message));
    });
  } finally {
    worker.terminate();
  }
}

async function main(): Promise<void> {
  const query = new URLSearchParams(location.search);
  const url = query.get("bundle") ?? "";
  if (query.has("worker")) {
    postMessage(await probe(url));
    return;
  }
  const violations: string[] = [];
  document.addEventListener("securitypolicyviolation", (e) => violations.push(e.violatedDirective));
  const fetched = await fetch(url);
  const stream = (await fetch(url)).body;
  const ways = {
    path: await probe(url),
    URL: await probe(new URL(url, location.href)),
    Response: await probe(fetched),
    stream: stream === null ? "no stream" : await probe(stream),
    bytes: await probe(await (await fetch(url)).arrayBuffer()),
    worker: await inWorker(url),
  };
  const result: PageResult = {
    isSecure: isSecureContext,
    hasSubtle: globalThis.crypto?.subtle !== undefined,
    violations,
    ways,
  };
  document.documentElement.dataset["result"] = JSON.stringify(result);
}

if (typeof location === "object") await main();
