// From the navigation to a page to its first result, in Chromium: pages in alternation, each in a context of its own, which has
// nothing in its caches. One with a bundle, one with onnxruntime-web and the ONNX file, from one server on this machine.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Browser } from "playwright-core";
import { type Served, serveFiles } from "../support/bare-server.js";
import { launchChromium } from "../support/launch-chromium.js";
import { median } from "./measure.js";
import type { Row } from "./row.js";
import type { Start } from "./start.js";
import type { StartModel, StartTask } from "./start-files.js";
import type { PageReport, Shown } from "./start-page.js";

/** By name: ours, or the peer's engine. */
const PAGES = { psionic: "start-page-psionic", "onnxruntime-web": "start-page-web" } as const;

const NAMES = ["psionic", "onnxruntime-web"] as const satisfies readonly (keyof typeof PAGES)[];

const LIMIT_MS = 60_000;
/** The peer's script has code for other back ends, which this page does not run. */
const POLICY = "default-src 'self' 'wasm-unsafe-eval' blob:";

const require = createRequire(import.meta.url);

export async function measureInChromium(row: Row, model: StartModel, rounds: number): Promise<Start[]> {
  const server = await serveFiles(await filesOf(row, model), { csp: POLICY, pieceBytes: 1 << 20 });
  const browser = await launchChromium();
  try {
    const results = NAMES.map((name) => ({ name, samples: [] as number[], output: new Uint8Array() }));
    // Not timed: they show what they compute.
    for (const r of results) r.output = (await once(browser, `${server.origin}/${r.name}.html`, true)).output;
    for (let round = 0; round < rounds; round++)
      for (let i = 0; i < results.length; i++) {
        const result = results[(i + round) % results.length];
        if (result === undefined) continue;
        result.samples.push((await once(browser, `${server.origin}/${result.name}.html`, false)).ms);
      }
    return results.map((r) => ({ ...r, ms: median(r.samples), peakBytes: null }));
  } finally {
    await browser.close();
    await server.close();
  }
}

async function filesOf(row: Row, { bundle, model, plan }: StartModel): Promise<Record<string, Served>> {
  const octets = "application/octet-stream";
  const wasm = require.resolve("onnxruntime-web/ort-wasm-simd-threaded.wasm");
  const files: Record<string, Served> = {
    "/model.psn": { type: octets, body: bundle },
    "/model.onnx": { type: octets, body: model },
    "/onnxruntime/ort-wasm-simd-threaded.wasm": { type: "application/wasm", body: readFileSync(wasm) },
  };
  const inputs = Object.entries(row.inputs()).map(([name, { dtype, shape, data }], i) => {
    const file = `/input${i}`;
    files[file] = { type: octets, body: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
    return { name, dtype, shape, file };
  });
  const task: StartTask = { inputs, output: plan.entries[0]?.outputs[0]?.name ?? "" };
  files["/task.json"] = { type: "application/json", body: JSON.stringify(task) };
  for (const name of NAMES) {
    const html = `<!doctype html><script type="module" src="/${name}.js"></script>`;
    files[`/${name}.html`] = { type: "text/html", body: html };
    files[`/${name}.js`] = { type: "text/javascript", body: await script(PAGES[name]) };
  }
  return files;
}

async function script(name: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(`${name}.js`, import.meta.url))],
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022",
    minify: true,
    logLevel: "silent",
  });
  return outputFiles[0]?.text ?? "";
}

/** `isShown`: with the bytes of its output. */
async function once(
  browser: Browser,
  url: string,
  isShown: boolean,
): Promise<{ readonly ms: number; readonly output: Uint8Array<ArrayBuffer> }> {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await page.goto(url);
    const done = page.locator("html[data-result]");
    await done.waitFor({ state: "attached", timeout: LIMIT_MS });
    const report = JSON.parse((await done.getAttribute("data-result")) ?? "null") as PageReport;
    if ("failed" in report) throw new Error(report.failed);
    const bytes = isShown ? await page.evaluate(shownBytes) : [];
    return { ms: report.ms, output: Uint8Array.from(bytes) };
  } finally {
    await context.close();
  }
}

/** Runs in the page. */
function shownBytes(): number[] {
  const { shown } = globalThis as Shown;
  return shown === undefined ? [] : [...new Uint8Array(shown.buffer, shown.byteOffset, shown.byteLength)];
}
